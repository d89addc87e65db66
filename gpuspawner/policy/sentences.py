"""What the rules say to people: one function a sentence, so that a rule reads as a rule."""

from __future__ import annotations

from gpuspawner.language import Sentence, _, say


def start_timeout() -> Sentence:
    """A start took too long."""
    return say(
        _(
            "The machine was not ready in time, so the start was given up and nothing more is charged. "
            "Try again; if it happens again, tell your administrator."
        )
    )


def home_owner() -> Sentence:
    """The home under this name carries another user's id."""
    return say(
        _(
            "The files kept under this name belong to somebody else. "
            "Your administrator can hand them over or set them aside."
        )
    )


def machine_ended(cause: str, *, halted: bool = False) -> Sentence:
    """The machine went off without our asking; `cause` is the cloud's code, may be empty.

    Azure gives no code; but what is off and not deallocated (`halted`) was switched off inside.
    """
    if halted or "InstanceInitiatedShutdown" in cause:
        return say(
            _(
                "The machine was switched off from inside. Your files are kept; start it again when you like."
            )
        )
    return say(
        _(
            "The machine was switched off outside this hub. Your files are kept; start it again when you like."
        )
    )


def hub_forgot() -> Sentence:
    """The hub's database was lost or is older than the session."""
    return say(
        _(
            "The hub no longer knew of this server, so it was saved and stopped. "
            "Your files are kept; start it again when you like."
        )
    )


def other_image() -> Sentence:
    """The machine is made anew for another image."""
    return say(
        _("This choice needs another system, so the machine is made anew. Your files are kept.")
    )


def other_zone() -> Sentence:
    """The machine cannot reach the home."""
    return say(
        _(
            "The machine is in another zone than your files, so it is made anew. Your files are kept."
        )
    )


def second_machine(claim: str, machine: str) -> Sentence:
    """For the admin: two machines for one claim."""
    return say(
        _("Claim {claim} has a second machine, {machine}: it is stopped."),
        claim=claim,
        machine=machine,
    )


def second_home(claim: str) -> Sentence:
    """For the admin: two homes for one claim."""
    return say(_("Claim {claim} has more than one home: the oldest is used."), claim=claim)


def orphan(machine: str) -> Sentence:
    """For the admin: a machine that nobody owns."""
    return say(
        _("Machine {machine} carries this hub's tag but belongs to nobody: it is stopped."),
        machine=machine,
    )


def leftover(fragment: str) -> Sentence:
    """For the admin: a leftover of a machine that nobody owns."""
    return say(
        _("{fragment} is left over from a machine that no longer exists: it is deleted."),
        fragment=fragment,
    )


def unwanted(machine: str) -> Sentence:
    """For the admin: a machine was switched on after its session had ended, and not by this hub."""
    return say(
        _(
            "Machine {machine} was switched on although nobody had started it here, and does not answer "
            "as ours: it is stopped."
        ),
        machine=machine,
    )


def brake(orphans: int, running: int) -> Sentence:
    """For the admin: too many orphans at once."""
    return say(
        _(
            "{orphans} of {running} running machines seem to belong to nobody. That is too many to be true, "
            "so none is stopped. Check the hub's database and its secret file."
        ),
        orphans=orphans,
        running=running,
    )
