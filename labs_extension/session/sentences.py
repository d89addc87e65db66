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

_GIVING_UP = {
    "unreachable": _(
        "This machine cannot reach the hub any more, so it saves your work and switches itself off soon. Save now. If this stays, tell your administrator."
    ),
    "disowned": _(
        "The hub does not know this machine any more, so it saves your work and switches itself off soon. Save now, then start your server again."
    ),
}


def giving_up(reason: object) -> dict[str, str] | None:
    """Why the agent gives up on the controller; None when that is not the reason."""
    message = _GIVING_UP.get(str(reason))
    return None if message is None else say(message)


def unmanaged() -> dict[str, str]:
    """There is no controller."""
    return say(_UNMANAGED)


def unreachable() -> dict[str, str]:
    """The controller does not answer."""
    return say(_UNREACHABLE)


def nonsense() -> dict[str, str]:
    """The controller's answer is none."""
    return say(_NONSENSE)
