"""What can go wrong with a request about credit, beside what the ledger itself refuses."""

from __future__ import annotations

from gpuspawner.errors import GpuspawnerError
from gpuspawner.language import _, say
from gpuspawner.model import Reason


class KeyMissing(GpuspawnerError):
    """A change of credit came without an idempotency key, so it could not be sent again safely."""

    code = "key-missing"
    reason = Reason.OPTIONS
    sentence = say(
        _(
            "A change of credit needs the header Idempotency-Key, of 1 to 128 letters, digits or . _ : -. "
            "Try again with a new key; with the same key it is carried out once."
        )
    )


class TooManyWatchers(GpuspawnerError):
    """So many follow the credit live that one more would be at the others' expense."""

    code = "too-many-watchers"
    retry = True
    sentence = say(
        _("Too many people look at this live now. The page works without it; reload it.")
    )


class CreditHidden(GpuspawnerError):
    """This course does not show students their credit."""

    code = "credit-hidden"
    sentence = say(_("In this class, credit is shown to teachers only. Ask your teacher."))
