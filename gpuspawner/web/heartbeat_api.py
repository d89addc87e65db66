"""Machine to controller, every few seconds: it lives, what it sees; and what it is told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from gpuspawner.errors import HeartbeatRefused, MachineUnknown
from gpuspawner.language import LANGUAGES, Sentence
from gpuspawner.model import Claim, Desired, Reason
from gpuspawner.policy.observed import Observed
from gpuspawner.store import agents
from gpuspawner.views import CreditView, Notice, SessionView, nearest
from gpuspawner.web import heartbeats
from gpuspawner.web.agent_api import AgentHandler, Speaker, issued
from gpuspawner.web.heartbeats import HeartbeatBody

_NEAR = timedelta(minutes=5)
_NEAR_SECONDS = 5.0
"""So often a machine asks when its end is near: what it is told must not be late."""

_SAVE = timedelta(seconds=60)
"""So long before the end everything that is open is saved, while there is still a page to do it."""


class HeartbeatHandler(AgentHandler):
    """The machine lives; and what it is to do."""

    async def post(self) -> None:
        """Take what it says, and answer with the verdict."""
        services = self.services
        try:
            speaker = await self.speaker()
            body = heartbeats.parse(self.request.body)
            claim = await self._take(speaker, body)
        except HeartbeatRefused as error:
            services.heartbeats_refused[error.kind] += 1
            raise
        except MachineUnknown:
            services.heartbeats_refused["forged"] += 1
            raise
        seen = services.board.seen
        credit, session = seen.credit_of(claim), seen.session_of(claim)
        terms = Terms(
            services.agent.heartbeat_seconds,
            services.controller.save_timeout,
            services.policy.session.extension,
        )
        now = services.clock.now()
        self.reply(verdict(claim, terms, body.generation, credit, session, now))

    async def _take(self, speaker: Speaker, body: HeartbeatBody) -> Claim:
        """Note the time and what the machine sees.

        Raises:
            HeartbeatRefused: it was heard before.
        """
        claim, services = speaker.claim, self.services
        observations, now = services.observations, services.clock.now()
        if not observations.is_new(claim, body.boot_id, body.sequence):
            raise HeartbeatRefused(
                f"{claim.name} said this before: sequence {body.sequence}", kind="replayed"
            )
        services.beats.note(claim.name, body.generation)
        if claim.reason is Reason.ADOPTED and body.generation > claim.generation:
            await services.database.run(agents.catch_up, claim.name, body.generation, now)
        if claim.desired is Desired.RUNNING and body.generation == claim.generation:
            before = observations.of(claim)
            after = observations.hear(claim, body.facts.facts(), body.boot_id, body.sequence, now)
            self._wake(claim, before, after)
        return claim

    def _wake(self, claim: Claim, before: Observed, after: Observed) -> None:
        """Who does something while being warned sees at once that it helps."""
        session = self.services.board.seen.session_of(claim)
        if session and session.sentence and before.human.active_at != after.human.active_at:
            self.services.wake_culler()


@dataclass(frozen=True, slots=True)
class Terms:
    """What an admin has set: seconds between heartbeats, the time to save, and what a click gives."""

    interval: float
    save: timedelta
    extension: timedelta


def verdict(
    claim: Claim,
    terms: Terms,
    generation: int,
    credit: CreditView | None,
    session: SessionView | None,
    now: datetime,
) -> dict[str, Any]:
    """The answer to a heartbeat: what the wish means for the machine.

    A machine that was told a later generation than we know of is not asked to save and stop: then
    our database is older than the machine, and the wish in it is an older one. Saying so falsely
    gains nobody anything, since a machine is stopped from outside.
    """
    keep = claim.desired is Desired.RUNNING or generation > claim.generation
    notice = nearest(credit, session) if keep else Notice(None, claim.reason, claim.because)
    left = notice.deadline - now if notice.deadline else None
    near = left is not None and left < _NEAR
    warns = keep and notice.sentence is not None
    saves = not keep or (warns and left is not None and left <= _SAVE)
    # The machine is switched off then, whether it has saved or not.
    save_seconds = max(0.0, (claim.desired_at + terms.save - now).total_seconds())
    stops = "save_and_stop" if save_seconds else "stop_now"
    return {
        "generation": claim.generation,
        "issued": issued(claim),
        "verdict": stops if not keep else "warn" if warns else "keep",
        "reason": notice.reason.value if notice.reason else None,
        "sentence": _texts(notice.sentence),
        "deadline": notice.deadline.isoformat() if notice.deadline else None,
        "balance": _balance(credit),
        "next_heartbeat_seconds": min(terms.interval, _NEAR_SECONDS) if near else terms.interval,
        "save_seconds": None if keep or not save_seconds else save_seconds,
        "session": {
            "mode": session.mode if session else "starting" if claim.up_at is None else "unknown",
            "because": _texts(session.because if session else None),
            "extensions_left": session.extensions_left if session else 0,
            "extension_seconds": terms.extension.total_seconds(),
            "lease_until": _time(session.lease_until) if session else None,
            "save": _save_id(claim, notice) if saves else None,
        },
    }


def _save_id(claim: Claim, notice: Notice) -> str:
    """One request to save for each end that comes near: the pages answer each once."""
    if notice.deadline is None:
        return f"{claim.generation}-stop"
    return f"{claim.generation}-{int(notice.deadline.timestamp())}"


def _texts(sentence: Sentence | None) -> dict[str, str] | None:
    return {one: sentence.text(one) for one in LANGUAGES} if sentence else None


def _time(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _balance(credit: CreditView | None) -> dict[str, Any] | None:
    if credit is None or credit.balance_micros is None:
        return None
    return {
        "micros": credit.balance_micros,
        "unit": credit.unit,
        "per_hour_micros": credit.per_hour_micros,
        "runs_for_seconds": credit.runs_for_seconds,
    }
