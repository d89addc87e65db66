"""Everything that `gpuspawner status` shows: claims beside machines, age, cost so far, next step."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from gpuspawner.language import _, say
from gpuspawner.model import Desired, Finding, Home, Machine, Offering, Placement
from gpuspawner.policy import outlook
from gpuspawner.policy.outlook import Next
from gpuspawner.policy.steps import Known, Limits
from gpuspawner.policy.table import Action
from gpuspawner.store import claims
from gpuspawner.views import ClaimView
from gpuspawner.web.services import Services

_UNSEEN = Next(Action.NOTHING, say(_("Wait until the cloud has been listed.")))


async def status(services: Services) -> dict[str, Any]:
    """The whole of it, as JSON."""
    board, now = services.board, services.clock.now()
    world = board.world
    known = await services.database.read(_known, services)
    limits = Limits(
        orphan_grace=services.controller.orphan_grace, save=services.controller.save_timeout
    )
    ahead = outlook.outlook(known, world, now, limits) if world else outlook.Outlook({}, ())
    machines = {machine.id: machine for machine in (world.machines if world else ())}
    named = {claim.name: claim.machine_id for claim in known.claims}
    prices = {one.placement: one for one in board.seen.offered}
    return {
        "hub_id": services.identity.hub_id,
        "trouble": board.trouble,
        "findings": [finding_json(one) for one in board.findings],
        "problems": board.problems,
        "look_again_at": _time(board.next_look),
        "stopped_by_mistake": board.seen.restarts,
        "claims": [
            {
                **view.to_json(),
                "machine_id": named.get(view.name),
                "age_seconds": _age(view, now),
                **_cost(services, machines.get(named.get(view.name) or ""), prices, now),
                "next": _next_json(ahead.claims.get(view.name, _UNSEEN)),
            }
            for view in board.views.values()
        ],
        "machines": [
            {
                **_machine_json(machine),
                **_cost(services, machine, prices, now),
                "next": _next_json(step),
            }
            for machine, step in ahead.strangers
        ],
        "sizes": [card.to_json() for card in board.sizes],
        "homes": [home_json(home) for home in world.homes] if world else [],
    }


def _known(connection: Connection, services: Services) -> Known:
    seen = services.board.seen
    return Known(
        claims=tuple(claims.all_claims(connection)),
        intents={intent.claim: intent for intent in claims.open_intents(connection)},
        grants=claims.home_grants(connection),
        offerings=seen.offered,
        refusals=seen.refusals,
        images=dict(seen.images),
        absences=seen.absences,
        since=services.board.since,
    )


def _age(view: ClaimView, now: datetime) -> int | None:
    """Seconds since the wish to run; None when there is no session."""
    if view.desired is not Desired.RUNNING:
        return None
    return int((now - view.desired_at).total_seconds())


def _cost(
    services: Services,
    machine: Machine | None,
    prices: Mapping[Placement, Offering],
    now: datetime,
) -> dict[str, Any]:
    """What computing has cost since the machine was last switched on; unknown is None, never 0."""
    seconds = outlook.billed_seconds(machine, now)
    offering = prices.get(machine.placement) if machine else None
    cost = None
    if seconds is not None and offering is not None:
        minimum = services.provider.minimum_seconds
        cost = outlook.cost_micros(seconds, offering.price_micros, minimum)
    return {
        "billed_seconds": None if seconds is None else int(seconds),
        "price_micros": offering.price_micros if offering else None,
        "currency": offering.currency if offering else None,
        "cost_micros": cost,
    }


def _next_json(step: Next) -> dict[str, Any]:
    return {
        "action": step.action.value,
        "sentence": step.sentence.to_json(),
        "look_again_at": _time(step.again),
    }


def _machine_json(machine: Machine) -> dict[str, Any]:
    return {
        "id": machine.id,
        "claim": machine.claim,
        "power": machine.power.value,
        "size": machine.placement.size,
        "zone": machine.placement.zone,
        "created_at": machine.created_at.isoformat(),
    }


def _time(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def finding_json(finding: Finding) -> dict[str, str]:
    """A finding as the command line shows it."""
    return {
        "subject": finding.subject,
        "severity": finding.severity.value,
        "message": str(finding.message),
        "remedy": str(finding.remedy),
    }


def home_json(home: Home) -> dict[str, Any]:
    """A home as the command line shows it."""
    return {
        "id": home.id,
        "claim": home.claim,
        "owner_id": home.owner_id,
        "zone": home.zone,
        "size_gib": home.size_gib,
        "machine": home.machine_id,
        "created_at": home.created_at.isoformat(),
    }
