"""What each status means for a student, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence

from labs_extension.gpu.records import Snapshot, Status
from labs_extension.language import _, say

NAMES = {"tensorflow": "TensorFlow", "torch": "PyTorch", "jax": "JAX"}

_SENTENCES = {
    Status.OK: _("The GPU is ready."),
    Status.NO_DEVICE: _(
        "This machine has no GPU. Everything works, only slower. To have a GPU, stop your server and start it again with a machine that has one."
    ),
    Status.NO_DRIVER: _(
        "The driver of a GPU is not running here. If you picked a machine without a GPU, all is well. If you picked one with a GPU, stop your server and start it again; if this stays, tell your administrator that the image lacks the driver."
    ),
    Status.DRIVER_MISMATCH: _(
        "The GPU's driver was updated while the machine ran, and its two halves no longer fit. Stop your server and start it again."
    ),
    Status.PERMISSION: _(
        "This account may not ask the GPU. Tell your administrator, with the line below."
    ),
    Status.ERROR: _(
        "The GPU cannot be asked now. Try again in a minute; if this stays, stop your server and start it again."
    ),
}
_UNSEEN = _(
    "The GPU is ready, but {frameworks} cannot use it. Restart the notebook's kernel; if this stays, a version without GPU support is installed: install the one that your course names."
)
_HIDDEN = _(
    "The GPU is ready, but {frameworks} cannot use it, because the variable CUDA_VISIBLE_DEVICES hides it. Remove the variable and restart the notebook's kernel."
)


def status_of(snapshot: Snapshot, unseen: Sequence[str]) -> Status:
    """The status that people are told: a GPU that no program can use is not `ok`."""
    if snapshot.status is Status.OK and unseen:
        return Status.FRAMEWORK_CANNOT_SEE_GPU
    return snapshot.status


def sentence(
    status: Status, unseen: Sequence[str] = (), visible: str | None = None
) -> dict[str, str]:
    """The sentence for a status, by language.

    Args:
        status: what people are told.
        unseen: the frameworks that do not see the GPU, by their own names.
        visible: the server's `CUDA_VISIBLE_DEVICES`; None when it is not set.
    """
    if status is Status.FRAMEWORK_CANNOT_SEE_GPU:
        hidden = visible is not None and visible.strip() in {"", "-1", "NoDevFiles"}
        names = ", ".join(NAMES[name] for name in unseen)
        return say(_HIDDEN if hidden else _UNSEEN, frameworks=names)
    return say(_SENTENCES[status])
