"""REST for a session that runs: more time, a lease, a hold, and its end; with a person's own token.

The buttons in JupyterLab come here with the server's own token (docs/explain/protocols.md), those
of our pages with a cookie and its XSRF check.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection
from tornado.web import HTTPError, authenticated

from gpuspawner.errors import NotAllowed
from gpuspawner.language import LANGUAGES, Sentence
from gpuspawner.model import Claim, Reason
from gpuspawner.policy import clicks, idle_sentences
from gpuspawner.policy.observed import session_of
from gpuspawner.policy.session import Grant, Session, day_begins, generous
from gpuspawner.policy.session_errors import NoMoreTime
from gpuspawner.store import claims, sessions
from gpuspawner.store.sessions import Standing
from gpuspawner.views import ClaimView
from gpuspawner.web.claims_api import stop_for_the_hub
from gpuspawner.web.people import PersonHandler
from gpuspawner.web.people_api import PersonApiHandler
from gpuspawner.web.schemas import ClickBody, HoldBody
from gpuspawner.web.services import Services


@dataclass(frozen=True, slots=True)
class Answer:
    """What a click came to: until when it runs now, why, and how many are left today."""

    claim: Claim
    grant: Grant
    left: int

    def to_json(self, until: datetime | None) -> dict[str, Any]:
        """As it is sent."""
        return {
            "until": until.isoformat() if until else None,
            "because": _texts(self.grant.because),
            "extensions_left": self.left,
        }


async def click(
    handler: PersonHandler, view: ClaimView, what: str, generation: int | None
) -> dict[str, Any]:
    """`keep` or `lease`, by whoever asks.

    Raises:
        ClaimNotFound: it does not run.
        GenerationMismatch: it was started again since somebody looked.
        NoMoreTime: nothing is given; the sentence says why.
    """
    services = handler.services
    answer = await services.database.run(
        _click, services, view.name, generation, what, _actor(handler, view)
    )
    if answer.grant.until is None:
        raise NoMoreTime(f"{view.name}: {what}", public=answer.grant.because)
    services.wake_culler()
    credit = services.board.seen.credit_of(answer.claim)
    ends = [answer.grant.until, *([credit.deadline] if credit and credit.deadline else [])]
    return answer.to_json(min(ends))


def _click(
    c: Connection, services: Services, name: str, generation: int | None, what: str, actor: str
) -> Answer:
    """One click: the rule is asked, and what it gives is written down, in one transaction."""
    now = services.clock.now()
    limits = services.policy.session
    day = day_begins(limits, now)
    standing = sessions.of_claim(c, name, generation, day)
    policy = generous(services.policy) if standing.mistaken else services.policy
    session, given = _session(services, standing, now), standing.given
    if what == "lease":
        grant, shown = clicks.lease(policy, session, now)
        if grant.until:
            sessions.promise(c, standing.claim, "lease", grant.until, now, actor=actor)
    else:
        grant, shown = clicks.keep(policy, session, given, now)
        if grant.until:
            sessions.extend(c, standing.claim, grant.until, day, now, actor=actor)
            given += 1
    return Answer(standing.claim, shown, max(0, limits.extensions_per_day - given))


def _session(services: Services, standing: Standing, now: datetime) -> Session:
    """What the culler would ask the rule about now."""
    claim, kept, seen = standing.claim, standing.kept, services.board.seen
    machines = seen.world.machines if seen.world else ()
    return session_of(
        claim,
        next((one for one in machines if one.id == claim.machine_id), None),
        services.observations.of(claim),
        now,
        hub_activity_at=seen.hub_activity.get(claim.name),
        class_until=services.policy.class_until(now),
        held_until=kept.held_until,
        lease_until=kept.lease_until,
        extended_until=kept.extended_until,
        warned=kept.warned,
    )


class KeepHandler(PersonApiHandler):
    """`claims/{name}/keep`: *Keep running*."""

    what = "keep"

    @authenticated
    async def post(self, name: str) -> None:
        """Give more time, so often a day; 409 `no-more-time` with the reason."""
        view, body = self.machine(name), self.parse(ClickBody)
        self.reply(await click(self, view, self.what, body.generation))


class LeaseHandler(KeepHandler):
    """`claims/{name}/lease`: *Go on until my work is done*."""

    what = "lease"


class HoldHandler(PersonApiHandler):
    """`claims/{name}/hold`: an administrator keeps a machine running until a moment, or no longer."""

    @authenticated
    async def post(self, name: str) -> None:
        """Write it down; 403 for everybody else."""
        view, body, services = self.machine(name), self.parse(HoldBody), self.services
        if not self.person.admin:
            raise NotAllowed("only an administrator may hold a machine")
        await services.database.run(_hold, services, view.name, body, _actor(self, view))
        services.wake_culler()
        self.reply({"until": body.until.isoformat() if body.until else None})


class ClaimStopHandler(PersonApiHandler):
    """`claims/{name}/stop`: for the spawner with its token, and for people, whose machine it is."""

    of_hub = False

    async def prepare(self) -> None:
        """Who asks."""
        wanted = self.services.identity.claims_token
        self.of_hub = hmac.compare_digest(self.bearer().encode(), wanted.encode())
        if not self.of_hub:
            await PersonHandler.prepare(self)

    async def post(self, name: str) -> None:
        """Write the wish; 409 when it has moved on."""
        if self.of_hub:
            await stop_for_the_hub(self, name)
        else:
            await self._stop_own(name)

    async def _stop_own(self, name: str) -> None:
        if not self.current_user:
            raise HTTPError(403)
        view, body, services = self.machine(name), self.parse(ClickBody), self.services
        reason = Reason.USER if self.person.owns(view) else Reason.ADMIN
        await services.database.run(
            claims.put_stopped, view.name, body.generation, reason, None, services.clock.now()
        )
        await services.board.refresh()
        left = view.session.extensions_left if view.session else 0
        because = _texts(idle_sentences.stopping())
        self.reply({"until": None, "because": because, "extensions_left": left})


def _hold(c: Connection, services: Services, name: str, body: HoldBody, actor: str) -> None:
    now = services.clock.now()
    day = day_begins(services.policy.session, now)
    claim = sessions.of_claim(c, name, body.generation, day).claim
    sessions.promise(c, claim, "hold", body.until, now, actor=actor)


def _actor(handler: PersonHandler, view: ClaimView) -> str:
    """A role, or the hub's id of the user: never a name."""
    own = handler.person.name == view.owner.user_name
    return view.owner.user_id if own else "admin"


def _texts(sentence: Sentence) -> dict[str, str]:
    return {one: sentence.text(one) for one in LANGUAGES}
