"""The language of a notebook: that of the folder it lies in, so that its code is the same in all."""

from __future__ import annotations

import os
from pathlib import Path

from labs_extension.language import LANGUAGES, terminal_language


def language() -> str:
    """`ko` or `en`: the nearest folder of that name (a kernel starts beside its notebook).

    Anywhere else it is the terminal's language.
    """
    folders = reversed(Path.cwd().parts)
    return next((one for one in folders if one in LANGUAGES), terminal_language(os.environ))


def words(*, en: str, ko: str) -> str:
    """The one of the two texts that is in the notebook's language."""
    return ko if language() == "ko" else en
