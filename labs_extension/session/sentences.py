"""What a student is told when the controller cannot be asked."""

from __future__ import annotations

from labs_extension.language import _, say

_UNMANAGED = _(
    "This server does not run on a machine of a class, so there is nothing to keep running or to stop."
)
_UNREACHABLE = _(
    "The hub cannot be reached now, so nothing was changed. Try again in a minute. To stop the machine in the meantime, use the hub's own page."
)
_NONSENSE = _(
    "The hub answered in a way that makes no sense, so it is not certain whether anything was changed. Look again in a minute."
)


def unmanaged() -> dict[str, str]:
    """There is no controller."""
    return say(_UNMANAGED)


def unreachable() -> dict[str, str]:
    """The controller does not answer."""
    return say(_UNREACHABLE)


def nonsense() -> dict[str, str]:
    """The controller's answer is none."""
    return say(_NONSENSE)
