"""The files of a Kaggle competition, fetched with the student's own token, which nobody sees."""

from __future__ import annotations

import base64
import io
import json
import os
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from pathlib import Path

from labs_extension.language import _, say
from labs_extension.lesson.words import language

ADDRESS = "https://www.kaggle.com/api/v1/competitions/data/download-all/"
"""Kaggle's own address for it, as in the source of its `kaggle` client."""

LARGEST_BYTES = 512 << 20
_SECONDS = 30.0


class NoCompetition(Exception):
    """The files are not to be had; the text says why and what to do. It never has the token."""


def token_file() -> Path:
    """Where the token is kept, as for Kaggle's own client."""
    return Path(os.environ.get("KAGGLE_CONFIG_DIR") or Path.home() / ".kaggle") / "kaggle.json"


def competition(name: str, folder: str | Path, *, address: str = ADDRESS) -> list[Path]:
    """Fetch the files of the competition `name` into `folder`; those that are there are kept.

    Args:
        name: as in the competition's address, such as `digit-recognizer`.
        folder: made when it is not there.
        address: to which the name is added.

    Returns:
        The files, by name.

    Raises:
        NoCompetition: no token, one that others could read, no network, or Kaggle refuses.
    """
    to = Path(folder)
    if found := sorted(to.glob("*.csv")):
        return found
    request = urllib.request.Request(address + urllib.parse.quote(name, safe=""))  # noqa: S310 - ours
    # Not a header like others: it must not follow a redirection to where the files really are.
    request.add_unredirected_header("Authorization", _authorization(token_file()))
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310 - ours
            data = answer.read(LARGEST_BYTES + 1)
    except urllib.error.HTTPError as error:
        error.close()
        refused = error.code in {401, 403}
        raise NoCompetition(_text(_REFUSED if refused else _AWAY, status=error.code)) from None
    except OSError:
        raise NoCompetition(_text(_AWAY, status="-")) from None
    _unpack(data, to)
    return sorted(to.glob("*.csv"))


_MISSING = _(
    "There is no token. On kaggle.com, in your settings, make an API token, and put the file kaggle.json into {folder}."
)
_OPEN = _("Others can read {file}. Run in a terminal: chmod 600 {file}")
_DAMAGED = _("{file} is not a token of Kaggle's. Make a new one on kaggle.com, in your settings.")
_REFUSED = _(
    "Kaggle refuses ({status}). Accept the competition's rules on its page; if you have, make a new token."
)
_AWAY = _(
    "Kaggle cannot be reached from here ({status}). Try again later, or upload its files with the file browser."
)
_WRONG = _("Kaggle sent something that is not the competition's files. Try again later.")


def _text(message: str, **values: str | int) -> str:
    return say(message, **values)[language()]


def _authorization(file: Path) -> str:
    """The header's value: the user's name and the key, as HTTP's basic authentication has them."""
    try:
        if file.stat().st_mode & 0o077:
            raise NoCompetition(_text(_OPEN, file=str(file)))
        token = json.loads(file.read_text(encoding="utf-8"))
        pair = f"{token['username']}:{token['key']}"
    except FileNotFoundError:
        raise NoCompetition(_text(_MISSING, folder=str(file.parent))) from None
    except (OSError, ValueError, KeyError, TypeError):
        # Without the cause: its text could show a part of the file.
        raise NoCompetition(_text(_DAMAGED, file=str(file))) from None
    return "Basic " + base64.b64encode(pair.encode()).decode()


def _unpack(data: bytes, to: Path) -> None:
    """The CSV files of the archive, each by its last name, so that none lands elsewhere."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [one for one in archive.infolist() if one.filename.endswith(".csv")]
            if not members or sum(one.file_size for one in members) > LARGEST_BYTES:
                raise NoCompetition(_text(_WRONG))
            to.mkdir(parents=True, exist_ok=True)
            for member in members:
                (to / Path(member.filename).name).write_bytes(archive.read(member))
    except zipfile.BadZipFile:
        raise NoCompetition(_text(_WRONG)) from None
