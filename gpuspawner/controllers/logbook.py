"""What is written down while the steps of a plan are taken: for students, and for admins."""

from __future__ import annotations

import logging

from gpuspawner.clock import Clock
from gpuspawner.errors import GpuspawnerError
from gpuspawner.language import Sentence
from gpuspawner.model import Reason, Stage
from gpuspawner.policy.plan import Step
from gpuspawner.store import claims, events
from gpuspawner.store.database import Database
from gpuspawner.store.seen import Seen

_log = logging.getLogger(__name__)


class Logbook:
    """Progress goes to the student's page, problems to the admin's, a wish given up to both.

    `again` is set when the next plan will do better than this one, so that it is made soon.
    """

    def __init__(self, database: Database, seen: Seen, clock: Clock) -> None:
        self._database, self._seen, self._clock = database, seen, clock
        self.again = False

    async def progress(self, step: Step, seen: tuple[Stage, Sentence]) -> None:
        """How far the start of this claim is."""
        if step.generation is not None:
            stage, sentence = seen
            await self._database.run(
                events.record, step.claim, step.generation, stage, sentence, self._clock.now()
            )

    def problem(self, step: Step, error: GpuspawnerError) -> None:
        """What went wrong, in the cloud's own words."""
        doing = step.action.value
        self._seen.problems[step.claim] = f"{doing}: {error.code}: {error.detail}"
        _log.warning("%s of %s: %s: %s", doing, step.claim, error.code, error.detail)

    async def give_up(self, step: Step, reason: Reason, because: Sentence | None) -> None:
        """End the wish, unless it has moved on: nothing of it may be born later."""
        self.again = True
        await self._database.run(
            claims.end, step.claim, step.generation, reason, because, self._clock.now()
        )
