"""Is there a second switch for a dead controller, on, and set to this hub?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from gpuspawner.clock import Clock
from gpuspawner.errors import MachineNotFound
from gpuspawner.language import Sentence, _, say
from gpuspawner.model import Finding, Severity
from gpuspawner.providers import azure_switch
from gpuspawner.providers.azure_account import Account
from gpuspawner.providers.azure_world import time
from gpuspawner.providers.base import Expected
from gpuspawner.providers.check_parts import answered

REMEDY = say(_("Run 'gpuspawner bootstrap azure' again, and the commands that it prints."))


async def switch(account: Account, hub_id: str, expected: Expected, clock: Clock) -> Finding:
    """What is wrong with the switch, or that nothing is."""
    name = azure_switch.name(hub_id)
    found = await answered(account.calls.get("GetSwitch", name))
    if isinstance(found, MachineNotFound):
        message = say(
            _(
                "There is no second switch: when the controller is dead, machines that switch "
                "themselves off are billed on."
            )
        )
        return _finding(name, Severity.WARNING, message)
    if isinstance(found, Exception):
        return _finding(name, Severity.WARNING, _unread(found))
    properties = found.get("properties") or {}
    if properties.get("state") != "Enabled":
        return _finding(name, Severity.ERROR, say(_("The second switch is disabled.")))
    if expected.public_url:
        wrong = _differs(account, properties, hub_id, expected)
        if wrong is not None:
            return _finding(name, Severity.ERROR, wrong)
    runs = await answered(account.calls.get("ListSwitchRuns", name))
    if isinstance(runs, Exception):
        return _finding(name, Severity.WARNING, _unread(runs))
    return _ran(name, runs.get("value") or [], expected, clock)


def _differs(
    account: Account, properties: Mapping[str, Any], hub_id: str, expected: Expected
) -> Sentence | None:
    record = account.record
    wanted = azure_switch.parameters(
        record.subscription, record.resource_group, hub_id, expected.public_url
    )
    given = {key: one.get("value") for key, one in (properties.get("parameters") or {}).items()}
    if given != wanted:
        asks = str(given.get("health"))
        return say(_("The second switch is set to another hub or group: it asks {url}."), url=asks)
    if properties.get("definition") != azure_switch.definition(_waits(expected)):
        return say(
            _(
                "The second switch does something else than this version's, or waits for another "
                "c.Agent.unreachable_timeout."
            )
        )
    return None


def _ran(name: str, runs: list[Mapping[str, Any]], expected: Expected, clock: Clock) -> Finding:
    last = time((runs[0].get("properties") or {}).get("startTime")) if runs else None
    if last is None:
        message = say(_("The second switch has never run; it should within some minutes."))
        return _finding(name, Severity.WARNING, message)
    age = clock.now() - last
    minutes = int(age.total_seconds() // 60)
    # While it asks a controller that is away, no other run begins.
    if age > azure_switch.patience(_waits(expected)) + timedelta(minutes=30):
        message = say(_("The second switch ran last {minutes} minutes ago."), minutes=minutes)
        return _finding(name, Severity.ERROR, message)
    message = say(
        _(
            "The second switch is on; it ran {minutes} minutes ago, and deallocates all machines "
            "{within} minutes after the controller's last answer at most."
        ),
        minutes=minutes,
        within=int(azure_switch.patience(_waits(expected)).total_seconds() // 60),
    )
    return Finding(name, Severity.OK, message, check="switch")


def _waits(expected: Expected) -> timedelta:
    return timedelta(seconds=expected.unreachable_seconds)


def _unread(error: Exception) -> Sentence:
    return say(_("It could not be read: {detail}"), detail=str(error))


def _finding(name: str, severity: Severity, message: Sentence) -> Finding:
    return Finding(name, severity, message, REMEDY, "switch")
