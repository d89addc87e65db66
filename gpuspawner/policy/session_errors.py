"""What can be refused of a session.

GpuspawnerError
└── NoMoreTime              the student has had all the time there is, or something else ends it
"""

from __future__ import annotations

from gpuspawner.errors import GpuspawnerError
from gpuspawner.language import _, say
from gpuspawner.model import Reason


class NoMoreTime(GpuspawnerError):
    """The session cannot be given more time; the sentence says why."""

    code = "no-more-time"
    reason = Reason.LIMIT
    sentence = say(
        _(
            "This machine cannot be given more time today. Save what you need; you can start it again after the stop."
        )
    )
