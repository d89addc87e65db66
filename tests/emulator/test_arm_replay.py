"""Recorded sessions with Azure, played to the emulator by the real SDK; answers compared field by field."""

from __future__ import annotations

import json
from typing import Any

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import HttpResponseError
from azure.core.rest import HttpRequest
from azure.mgmt.compute import ComputeManagementClient

from gpuspawner.emulator.arm import Emulator
from gpuspawner.emulator.clock_ import Clock
from gpuspawner.emulator.faults import Times
from tests.emulator import arm_comparison, azure_types
from tests.emulator.arm_differences import DIFFERENCES
from tests.emulator.arm_recordings import REGION, SESSIONS, Exchange, session

pytestmark = [
    pytest.mark.emulator,
    pytest.mark.skipif(not azure_types.HERE, reason="needs the recordings beside the checkout"),
]

TIMES = Times(pending=8, stopping=5, shutting_down=5, attaching=1)
NETWORK_VERSION = "2025-09-01"
STAGES = {"Creating 1": 0.5, "Creating 2": 0.8}
"""How far the making of a machine is when it looks like that."""


class Player:
    """The SDK's client before an emulated Azure whose time stands still; and what it has heard."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator
        self.violations: list[str] = []
        emulator.application.seen = lambda call, answer: self.violations.extend(
            azure_types.violations(call, answer)
        )
        self._client = ComputeManagementClient(
            self,
            emulator.seed.subscription,
            base_url=emulator.url,
            connection_verify=str(emulator.authority),
            retry_total=0,
        )

    def get_token(self, *_scopes: str, **_more: Any) -> AccessToken:
        return AccessToken("a-token", 2_000_000_000)

    def close(self) -> None:
        self._client.close()

    def play(self, one: Exchange) -> Any:
        """Bring the machine to the state of the recording, ask, and return the HTTP answer."""
        if one.state in STAGES:
            self._pass(max(0.0, STAGES[one.state] * TIMES.pending - self._age()))
        elif one.state and one.method == "GET":
            self._pass(60)
        heard: list[Any] = []
        try:
            self._ask(one, lambda response: heard.append(response.http_response))
        except HttpResponseError as error:
            return error.response
        return heard[-1]

    def _ask(self, one: Exchange, hook: Any) -> None:
        """By the SDK's own method where it has one."""
        machines, group, name = self._client.virtual_machines, *self._names(one)
        if one.kind == "usages":
            list(self._client.usage.list(REGION, raw_response_hook=hook))
        elif one.kind == "virtualMachines" and one.method == "GET":
            expand = one.query.get("$expand")
            machines.get(group, name, expand=expand, raw_response_hook=hook)
        elif one.kind == "virtualMachines":
            machines.begin_create_or_update(
                group, name, one.body, polling=False, raw_response_hook=hook
            )
        else:
            query = f"?api-version={NETWORK_VERSION}"
            request = HttpRequest(one.method, one.path + query, json=one.body)
            self._client.send_request(request, raw_response_hook=hook).raise_for_status()

    def _names(self, one: Exchange) -> tuple[str, str]:
        return self._emulator.seed.group, one.path.rpartition("/")[2]

    def _age(self) -> float:
        world = self._emulator.world
        return world.clock.now() - max(vm.created_at for vm in world.vms.values())

    def _pass(self, seconds: float) -> None:
        self._emulator.world.clock.advance(seconds)


@pytest.fixture(scope="module")
def played():
    """Every exchange with our answer, by session; and what is wrong with the bodies."""
    found: dict[str, list[tuple[Exchange, Any]]] = {}
    wrong: list[str] = []
    for name in SESSIONS:
        with Emulator(clock=Clock(1_800_000_000.0, frozen=True), times=TIMES) as emulator:
            player = Player(emulator)
            found[name] = [(one, player.play(one)) for one in session(name, emulator.seed)]
            wrong += player.violations
            player.close()
    return found, wrong


def differences(played: Any) -> set[arm_comparison.Difference]:
    found: set[arm_comparison.Difference] = set()
    for exchanges in played[0].values():
        for one, answer in exchanges:
            if not one.status:
                continue
            ours = json.loads(answer.text()) if answer.text() else None
            found |= set(arm_comparison.fields(one.kind, one.content, ours))
            names = frozenset(map(str.lower, answer.headers))
            found |= set(arm_comparison.headers(one.kind, one.headers, names))
    return found


def test_every_recorded_exchange_is_answered_with_the_recorded_status(played):
    statuses = {
        name: [(one.method, one.kind, one.status) for one, _ in exchanges if one.status]
        for name, exchanges in played[0].items()
    }
    ours = {
        name: [
            (one.method, one.kind, answer.status_code) for one, answer in exchanges if one.status
        ]
        for name, exchanges in played[0].items()
    }
    assert ours == statuses
    assert sum(map(len, statuses.values())) == 15


def test_the_requests_of_a_deployment_make_the_interface_and_the_machine(played):
    made = [
        (one.method, one.kind, answer.status_code)
        for exchanges in played[0].values()
        for one, answer in exchanges
        if not one.status
    ]
    new = [("PUT", "networkInterfaces", 201), ("PUT", "virtualMachines", 201)]
    known = [("PUT", "networkInterfaces", 200), ("PUT", "virtualMachines", 200)]
    assert made == [*new, *new, *known]


def test_our_answers_differ_from_azures_only_where_it_is_written_down_why(played):
    assert differences(played) == set(DIFFERENCES)


def test_microsofts_own_types_have_nothing_against_either_side(played):
    assert played[1] == []
