"""What can go wrong with money, one class for each decision that a caller makes.

GpuspawnerError
├── InsufficientCredit      there is not enough: say so, start nothing
├── PriceUnknown            nobody knows what it costs: start nothing, tell the admin
├── LimitReached            a limit per day is reached: start nothing until tomorrow
├── EverythingStopped       an admin has stopped everything: start nothing until it is lifted
├── IdempotencyMismatch     the key was used for something else: a caller's mistake
├── NotReversible           it was taken back before, or is of a kind that cannot be
├── PersonUnknown           nobody with this id or name
├── PersonInUse             something of this person is open: nothing is erased
└── UnbalancedEntry         a mistake of ours: nothing is written
"""

from __future__ import annotations

from gpuspawner.errors import GpuspawnerError
from gpuspawner.language import Sentence, _, say
from gpuspawner.model import Reason


class InsufficientCredit(GpuspawnerError):
    """Less is available than is needed; both are in micros."""

    code = "insufficient-credit"
    reason = Reason.CREDIT
    sentence = say(
        _(
            "There is not enough credit for this. Wait for the next refill, pick a smaller machine, "
            "or ask your teacher for more."
        )
    )

    def __init__(
        self,
        detail: str = "",
        *,
        available: int = 0,
        needed: int = 0,
        public: Sentence | None = None,
    ) -> None:
        said = detail or f"{needed} micros are needed and {available} are available"
        super().__init__(said, public=public)
        self.available = available
        self.needed = needed


class PriceUnknown(GpuspawnerError):
    """No price is valid for it at this time."""

    code = "price-unknown"
    reason = Reason.PRICE
    sentence = say(
        _(
            "The price of this machine is not known, so it is not started. "
            "Pick another one, or tell your administrator."
        )
    )


class LimitReached(GpuspawnerError):
    """A limit per day is reached."""

    code = "limit-reached"
    reason = Reason.LIMIT
    sentence = say(
        _(
            "A limit of what may be used in a day is reached. Try again tomorrow, "
            "or ask your teacher if you need more today."
        )
    )


class EverythingStopped(GpuspawnerError):
    """An admin has stopped everything, and not lifted it."""

    code = "everything-stopped"
    reason = Reason.EVERYTHING_STOPPED
    sentence = say(
        _(
            "Your administrator has stopped all machines for now, so none can be started. "
            "Try again later, or ask your teacher; your files are kept."
        )
    )


class IdempotencyMismatch(GpuspawnerError):
    """The idempotency key was used before, for another request."""

    code = "idempotency-mismatch"
    sentence = say(
        _(
            "This request was sent before with other contents, and is not carried out a second time. "
            "Look at what was recorded, and send it as a new request."
        )
    )


class NotReversible(GpuspawnerError):
    """The entry was taken back before, is too small, or is of a kind that cannot be taken back."""

    code = "not-reversible"
    sentence = say(
        _(
            "This entry cannot be taken back, or not by that much. Look at the statement: "
            "it may have been taken back already."
        )
    )


class PersonUnknown(GpuspawnerError):
    """The ledger knows nobody of this id or name."""

    code = "person-unknown"
    sentence = say(_("Nobody is known by this name. Look at the list of people and try again."))


class PersonInUse(GpuspawnerError):
    """A machine, a disk, a meter, a hold or a running wish of this person is open."""

    code = "person-in-use"
    sentence = say(
        _(
            "A machine, a home or a reservation of this person still exists. "
            "Stop and delete it first, then erase the person."
        )
    )


class UnbalancedEntry(GpuspawnerError):
    """The postings of a transaction do not add up to nothing; it is not written."""

    code = "unbalanced-entry"
