"""What a student is told of where their files are."""

from __future__ import annotations

from collections.abc import Sequence

from labs_extension.language import _, say
from labs_extension.storage.places import Found, LeftBehind

NEARLY_FULL_BYTES = 500 << 20

_TEMPORARY = _(
    "This is not in your home and is gone when the machine stops: {paths}. Move what you need into your home."
)
_NEARLY_FULL = _(
    "Your home is nearly full: {free} MiB are left. Delete what you do not need; a full home cannot save your work."
)
_LEFT_BEHIND = _(
    "This machine has another Python than before, so these packages have to be installed again: {packages}. In a notebook, run %pip install with their names."
)
_WITHOUT_SETTINGS = _(
    "Your server did not start with your own settings and packages, so it was started without them. Your files are all here. Look into the folders .jupyter, .ipython and .local of your home, or ask your teacher; then start your server again."
)


def temporary(found: Sequence[Found]) -> dict[str, str] | None:
    """What will be gone."""
    if not found:
        return None
    return say(_TEMPORARY, paths=", ".join(f"{one.path} ({one.bytes >> 20} MiB)" for one in found))


def nearly_full(room: dict[str, int] | None) -> dict[str, str] | None:
    """The home has hardly any room."""
    if room is None or room["free_bytes"] >= NEARLY_FULL_BYTES:
        return None
    return say(_NEARLY_FULL, free=room["free_bytes"] >> 20)


def left_behind(found: Sequence[LeftBehind]) -> dict[str, str] | None:
    """What was installed for another Python."""
    names = sorted({name for one in found for name in one.packages})
    if not names:
        return None
    more = ", …" if len(names) > 10 else ""
    return say(_LEFT_BEHIND, packages=", ".join(names[:10]) + more)


def without_settings() -> dict[str, str]:
    """Why everything looks as on the first day."""
    return say(_WITHOUT_SETTINGS)
