"""A picture from the camera of the reader's own browser, handed to the notebook."""

from __future__ import annotations

import base64
import binascii
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labs_extension.language import _, say
from labs_extension.lesson.words import language

LARGEST_BYTES = 4 << 20
_START = "data:image/png;base64,"

_PAGE = """
function render({ model, el }) {
  const texts = model.get("texts");
  const video = document.createElement("video");
  const button = document.createElement("button");
  const note = document.createElement("div");
  video.width = 240;
  video.muted = video.playsInline = true;
  button.textContent = texts.open;
  note.setAttribute("role", "status");
  el.append(video, document.createElement("br"), button, note);
  let stream = null;
  const close = () => {
    if (stream) stream.getTracks().forEach((track) => track.stop());
    stream = null;
    video.hidden = true;
    button.textContent = texts.open;
  };
  video.hidden = true;
  button.onclick = async () => {
    if (!stream) {
      try {
        stream = await navigator.mediaDevices.getUserMedia({ video: { width: 480 } });
      } catch (error) {
        note.textContent = texts.refused;
        return;
      }
      video.srcObject = stream;
      video.hidden = false;
      await video.play();
      button.textContent = texts.take;
      note.textContent = "";
      return;
    }
    // The square in the middle.
    const side = Math.min(video.videoWidth, video.videoHeight);
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = 224;
    canvas.getContext("2d").drawImage(
      video, (video.videoWidth - side) / 2, (video.videoHeight - side) / 2, side, side,
      0, 0, 224, 224,
    );
    model.set("picture", canvas.toDataURL("image/png"));
    model.save_changes();
    close();
    note.textContent = texts.taken;
  };
  return close;
}
export default { render };
"""


def camera() -> Any:
    """A button that opens the camera and takes a picture; `.image()` is the picture, or None.

    The browser asks its user first, and the light goes out when the picture is taken. The picture
    goes to this notebook's kernel and nowhere else; it is stored only where you store it.

    Raises:
        ModuleNotFoundError: anywidget is not installed.
    """
    import anywidget  # noqa: PLC0415 - only this lesson needs it
    import traitlets  # noqa: PLC0415

    class Camera(anywidget.AnyWidget):  # type: ignore[misc, unused-ignore]
        _esm = _PAGE
        picture = traitlets.Unicode("").tag(sync=True)
        texts = traitlets.Dict(_texts()).tag(sync=True)

        def image(self) -> NDArray[np.uint8] | None:
            """The picture `(224, 224, 3)` of bytes; None before one is taken."""
            return read_picture(self.picture)

    return Camera()


def read_picture(sent: str) -> NDArray[np.uint8] | None:
    """The picture in what the browser sent; None when it is empty, no PNG, or too large."""
    from PIL import Image  # noqa: PLC0415 - only this lesson needs it

    if not sent.startswith(_START) or len(sent) > LARGEST_BYTES:
        return None
    try:
        with Image.open(
            io.BytesIO(base64.b64decode(sent[len(_START) :])), formats=["PNG"]
        ) as picture:
            return np.asarray(picture.convert("RGB"))
    except (OSError, ValueError, binascii.Error):
        return None


def _texts() -> dict[str, str]:
    sentences = {
        "open": _("Open the camera"),
        "take": _("Take the picture"),
        "taken": _("There it is. Run the next cell."),
        "refused": _(
            "The browser gives no camera: there is none, you refused it, or this page is not under https. Go on without it; the next cell has a picture of its own."
        ),
    }
    return {name: say(text)[language()] for name, text in sentences.items()}
