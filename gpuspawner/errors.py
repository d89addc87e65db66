"""Everything that can go wrong, one class for each decision that a caller makes.

    GpuspawnerError
    ├── ConfigurationError      refuse to start; the admin mends the configuration
    ├── ClaimNotFound           no such claim: answer 404
    ├── GenerationMismatch      the wish has moved on since it was looked at: look again
    ├── NotTheOwner             another hub user has this name now: an admin decides
    ├── SpecificationRefused    outside what the admin allows: tell the student
    ├── ControllerUnavailable   nobody answers: try again later, start nothing
    ├── NotTheLeader            another controller holds the lock: stand by
    ├── HomeInUse               attached to a machine: delete that first
    ├── MachineUnknown          not a machine of this hub: it switches itself off
    ├── KeyConflict             the machine has registered another key: somebody copied its ticket
    ├── HeartbeatRefused        what a machine says is wrong, old or too much: nothing of it counts
    ├── NotWanted               no session of this machine is wanted: it waits to be switched off
    ├── TicketExpired           the start that a ticket was made for is over
    ├── NotAllowed              this person may not do that
    └── ProviderError           the cloud said no
        ├── MachineNotFound     nothing of it is left (or the listing does not show it yet)
        ├── CapacityError       not here, not now: try the next placement
        ├── QuotaExceeded       not until an admin has the limit raised: remember for longer
        ├── NotAuthorized       credentials or permissions: nothing works until an admin acts
        ├── InvalidSpec         the request itself is wrong: an admin mends the configuration
        ├── WrongState          the machine is between two states: look again at the next tick
        ├── Throttled           slow down: `retry_after` seconds
        └── ProviderUnavailable outage, time-out or lost answer: outcome unknown, ask again

Each class has a `code` that never changes, whether trying again can help (`retry`), and one
`public` sentence that says what to do next. What the cloud itself said is in `detail`: it is for
the admin's log and for `gpuspawner status`, and never reaches a student.
"""

from __future__ import annotations

from typing import ClassVar

from gpuspawner.language import Sentence, _, say
from gpuspawner.model import Reason


class GpuspawnerError(Exception):
    """The base of all errors of this package.

    Args:
        detail: for the admin; may hold the cloud's own text, never a secret.
        public: for people, when there is something better to say than the class does.
    """

    code: ClassVar[str] = "error"
    retry: ClassVar[bool] = False
    reason: ClassVar[Reason] = Reason.UNAVAILABLE
    sentence: ClassVar[Sentence] = say(
        _(
            "Something went wrong on our side. Try again; if it happens again, tell your administrator."
        )
    )

    def __init__(self, detail: str = "", *, public: Sentence | None = None) -> None:
        super().__init__(detail or self.sentence.text())
        self.detail = detail
        self.public = public or self.sentence


class ConfigurationError(GpuspawnerError):
    """The configuration contradicts itself or lacks something."""

    code = "configuration"
    reason = Reason.CONFIGURATION
    sentence = say(_("The hub's configuration has a mistake. Your administrator must correct it."))


class ClaimNotFound(GpuspawnerError):
    """There is no such claim."""

    code = "claim-not-found"
    sentence = say(_("There is no such machine. Start one from the home page."))


class GenerationMismatch(GpuspawnerError):
    """The wish has changed since the caller looked at it; a lost race is not retried."""

    code = "generation-mismatch"
    sentence = say(
        _("The machine has been started again in the meantime. Look again before you stop it.")
    )


class NotTheOwner(GpuspawnerError):
    """The claim belongs to another user of the hub, who had this name before."""

    code = "not-the-owner"
    reason = Reason.HOME_OWNER
    sentence = say(
        _(
            "The files kept under this name belong to somebody else. "
            "Your administrator can hand them over or set them aside."
        )
    )


class SpecificationRefused(GpuspawnerError):
    """What was asked for is outside what the admin allows."""

    code = "specification-refused"
    reason = Reason.OPTIONS
    sentence = say(_("This choice is not allowed here. Go back and pick a machine from the list."))


class ControllerUnavailable(GpuspawnerError):
    """The controller does not answer."""

    code = "controller-unavailable"
    retry = True
    sentence = say(
        _(
            "The service that runs the machines does not answer. Try again in a minute; your files are safe."
        )
    )


class NotTheLeader(GpuspawnerError):
    """Another controller holds the lock of this database."""

    code = "not-the-leader"
    retry = True
    sentence = ControllerUnavailable.sentence


class HomeInUse(GpuspawnerError):
    """The home is attached to a machine, off or on, which must be deleted before."""

    code = "home-in-use"
    sentence = say(
        _(
            "These files are still attached to a machine. Stop and delete that machine first; the files stay."
        )
    )


class MachineUnknown(GpuspawnerError):
    """The token or ticket is not of a machine of this hub."""

    code = "machine-unknown"
    sentence = say(
        _("This hub does not know the machine, so the machine switches itself off. Start it again.")
    )


class KeyConflict(GpuspawnerError):
    """Another key is registered for this machine already; it is never replaced."""

    code = "key-conflict"
    reason = Reason.BOOT_FAILED
    sentence = say(
        _(
            "Another program has spoken for this machine already. Delete the machine and start a new one."
        )
    )


class HeartbeatRefused(GpuspawnerError):
    """What a machine says of itself cannot be true, or was said before; `kind` is for the count."""

    code = "heartbeat-refused"
    retry = True
    sentence = say(
        _(
            "What the machine says of itself cannot be true, so it does not count. "
            "If this goes on, tell your administrator."
        )
    )

    def __init__(self, detail: str = "", *, kind: str = "wrong") -> None:
        super().__init__(detail)
        self.kind = kind


class NotWanted(GpuspawnerError):
    """No session of this machine is wanted now."""

    code = "not-wanted"
    sentence = say(_("This machine is not wanted now. Start it from the hub's home page."))


class TicketExpired(GpuspawnerError):
    """The start that the ticket was made for is over."""

    code = "ticket-expired"
    reason = Reason.START_TIMEOUT
    sentence = say(_("The start of this machine is over. Start it again from the hub's home page."))


class NotAllowed(GpuspawnerError):
    """This person may not do that."""

    code = "not-allowed"
    sentence = say(_("You may not do this. Ask your teacher or administrator."))


class ProviderError(GpuspawnerError):
    """The cloud refused, failed or did not answer."""

    code = "provider"


class MachineNotFound(ProviderError):
    """The cloud knows nothing of it. After `delete`: nothing at all is left."""

    code = "machine-not-found"
    sentence = say(_("The machine no longer exists. Start a new one; your files are kept."))


class CapacityError(ProviderError):
    """The cloud has no free machine of this size in this zone now."""

    code = "capacity"
    retry = True
    reason = Reason.CAPACITY
    sentence = say(
        _(
            "The cloud has no free machine of this kind now. Try again in a few minutes, or pick another one."
        )
    )


class QuotaExceeded(ProviderError):
    """The account's limit for such machines is reached."""

    code = "quota"
    reason = Reason.QUOTA
    sentence = say(
        _(
            "The class has reached its limit of machines of this kind. "
            "Pick another kind, try again when somebody has stopped, or tell your administrator."
        )
    )


class NotAuthorized(ProviderError):
    """The credentials are wrong or expired, or a permission is missing."""

    code = "not-authorized"
    reason = Reason.CONFIGURATION
    sentence = say(
        _("The hub may not use the cloud account now. Your administrator must correct it.")
    )


class InvalidSpec(ProviderError):
    """The request is wrong in itself: a missing image, subnet or size. Repeating it cannot help."""

    code = "invalid-spec"
    reason = Reason.CONFIGURATION
    sentence = say(
        _(
            "This machine is not set up correctly in the hub's configuration. Your administrator must correct it."
        )
    )


class WrongState(ProviderError):
    """The machine or disk is on its way from one state to another; the next tick sees which."""

    code = "wrong-state"
    retry = True
    sentence = say(_("Your machine is still changing its state. It goes on by itself in a moment."))


class Throttled(ProviderError):
    """Too many requests. `retry_after` is in seconds."""

    code = "throttled"
    retry = True
    sentence = say(_("The cloud is busy. Your request is in line and goes on by itself."))

    def __init__(
        self, detail: str = "", *, retry_after: float = 1.0, public: Sentence | None = None
    ) -> None:
        super().__init__(detail, public=public)
        self.retry_after = retry_after


class ProviderUnavailable(ProviderError):
    """No answer, or an answer that says nothing: whether the request was carried out is unknown."""

    code = "provider-unavailable"
    retry = True
    sentence = say(_("The cloud does not answer now. We keep trying; your files are safe."))
