"""A stub machine does what docs/explain/protocols.md says of an agent, and misbehaves when told to."""

from __future__ import annotations

import hashlib
import http.client
import itertools
import json
import os
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gpuspawner.emulator.machine_stub import StubHost
from tests.agent.fake_controller import FakeController, orders

pytestmark = pytest.mark.emulator

DEVICE = "/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_vol0123456789abcdef0"
VOLUME = "vol-0123456789abcdef0"
HOURS = 36_000
_NUMBERS = itertools.count(1)


class Power:
    """Hears which machines have gone off by themselves."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str]] = []
        self.news = threading.Condition()

    def __call__(self, machine_id: str, what: str) -> None:
        with self.news:
            self.heard.append((machine_id, what))
            self.news.notify_all()

    def of(self, machine_id: str) -> list[str]:
        return [what for one, what in self.heard if one == machine_id]


class Rig:
    """One machine with its home and a controller of its own, on a host that may have others."""

    def __init__(self, folder: Path, host: StubHost, power: Power) -> None:
        self.folder = folder
        self.host = host
        self.power = power
        self.controller = FakeController()
        number = next(_NUMBERS)
        self.id = f"i-0123456789abcd{number:03x}"
        self.address = f"127.{200 + os.getpid() % 50}.{os.getpid() // 50 % 250}.{number}"
        self.port = 20_000 + os.getpid() % 10_000
        self.home = folder / "home"
        self.home.mkdir()
        self.order()

    def order(self, **changes: Any) -> None:
        """What the controller wants from now on."""
        wanted = orders(
            address=self.address,
            port=self.port,
            home={"device": DEVICE},
            environment={
                "JUPYTERHUB_SERVICE_PREFIX": "/user/alice/gpu/",
                "JUPYTERHUB_API_TOKEN": "hub-token-0123456789",
                "JUPYTERHUB_USER": "alice",
                "JUPYTERHUB_SERVER_NAME": "gpu",
            },
        )
        self.controller.change(orders={**wanted, **changes})

    def boot(self, behaviour: str = "well", *, home: bool = True) -> None:
        self.host.behave(self.id, behaviour)
        self.host.boot(
            self.id,
            address=self.address,
            user_data=self.controller.user_data,
            volumes={VOLUME: self.home} if home else {},
        )

    def up(self, behaviour: str = "well") -> None:
        self.boot(behaviour)
        self.controller.wait_for(lambda it: "up" in it.stages)

    def ask(
        self, path: str, method: str = "GET", body: bytes | None = None
    ) -> tuple[int, bytes, str | None]:
        """Status, content and the hub's version; status 0 when nobody listens."""
        path = path if path.startswith("/") else f"/user/alice/gpu/{path}"
        url = f"http://{self.address}:{self.port}{path}"
        request = urllib.request.Request(url, method=method, data=body)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, answer.read(), answer.headers["X-JupyterHub-Version"]
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read(), error.headers["X-JupyterHub-Version"]
        except urllib.error.URLError:
            return 0, b"", None

    def listens(self) -> bool:
        return self.ask("api")[0] == 200

    @property
    def went_off(self) -> list[str]:
        """How it went off by itself, each time."""
        return self.power.of(self.id)

    def off(self) -> list[str]:
        """The same, once it has."""
        with self.power.news:
            assert self.power.news.wait_for(lambda: self.went_off, timeout=60), self.console()
        return self.went_off

    def console(self) -> str:
        return self.host.console(self.id)

    def eventually(self, true: Callable[[], Any]) -> None:
        """Wait in real time for another process to have done its part."""
        pause = threading.Event()
        for _ in range(3000):
            if true():
                return
            pause.wait(0.01)
        raise AssertionError(f"it never came true: {self.console()}\n{self.controller.requests}")

    def close(self) -> None:
        self.host.destroy(self.id)
        self.controller.close()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[StubHost, Power]]:
    power = Power()
    host = StubHost(tmp_path_factory.mktemp("stubs"), power)
    yield host, power
    host.close()


@pytest.fixture
def rig(tmp_path: Path, shared: tuple[StubHost, Power]) -> Iterator[Rig]:
    rig = Rig(tmp_path, *shared)
    try:
        yield rig
    finally:
        rig.close()


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Rig]:
    """A machine whose host may be ended."""
    power = Power()
    rig = Rig(tmp_path, StubHost(tmp_path / "stubs", power), power)
    try:
        yield rig
    finally:
        rig.host.close()
        rig.controller.close()


def test_a_machine_boots_and_reports_each_step_once(rig: Rig) -> None:
    rig.up()

    assert rig.controller.reports == [
        (1, "boot", ""),
        (1, "home", ""),
        (1, "server", ""),
        (1, "up", ""),
    ]


def test_its_server_says_who_it_is_and_never_the_token(rig: Rig) -> None:
    rig.up()
    status, said, version = rig.ask("stub")

    assert (status, json.loads(said)) == (
        200,
        {
            "machine": rig.id,
            "user": "alice",
            "server": "gpu",
            "home": VOLUME,
            "volumes": [VOLUME],
            "generation": 1,
            "token_sha256": hashlib.sha256(b"hub-token-0123456789").hexdigest(),
        },
    )
    assert version
    assert b"hub-token" not in said + rig.ask("lab")[1] + rig.console().encode()


def test_its_server_answers_what_the_hub_asks_and_pages_below_its_prefix(rig: Rig) -> None:
    rig.up()

    assert [rig.ask(path)[0] for path in ("api", "api/status", "", "lab/tree/a")] == [200] * 4


def test_its_server_answers_nothing_beside_its_prefix(rig: Rig) -> None:
    rig.up()

    assert [rig.ask(path)[0] for path in ("/user/bob/gpu/api", "/user/alice/gpux/api", "/")] == [
        404
    ] * 3


def test_what_is_written_to_the_home_is_on_the_volume(rig: Rig) -> None:
    rig.up()
    written = rig.ask("stub/file/thesis.txt", "PUT", b"forty-two")

    assert (written[0], rig.ask("stub/file/thesis.txt")[:2]) == (201, (200, b"forty-two"))
    assert [path.read_bytes() for path in rig.home.rglob("thesis.txt")] == [b"forty-two"]


def test_nothing_is_written_beside_the_home(rig: Rig) -> None:
    rig.up()

    refused = [
        rig.ask(f"stub/file/{name}", "PUT", b"x")[0]
        for name in ("..%2Fa", "../a", ".hidden", "a/b", "")
    ]
    assert refused == [405] * 5
    assert [path.name for path in rig.folder.rglob("*") if path.name in "a.hidden"] == []


def test_a_machine_waits_for_its_address_and_its_home(rig: Rig) -> None:
    rig.order(address=None, home=None)
    rig.boot(home=False)
    rig.controller.wait_for(lambda it: it.requests.count("environment") >= 2)
    before = rig.controller.stages
    rig.order()
    rig.controller.wait_for(lambda it: it.requests.count("environment") >= 3)
    without_the_disk = rig.controller.stages
    rig.host.attach(rig.id, VOLUME, rig.home)
    rig.controller.wait_for(lambda it: "up" in it.stages)

    assert (before, without_the_disk) == (["boot", "home"], ["boot", "home"])


def test_a_machine_sends_heartbeats_that_count_up(rig: Rig) -> None:
    rig.up()
    rig.controller.wait_for(lambda it: len(it.heartbeats) >= 3)
    beats = rig.controller.heartbeats[:3]

    assert [(one["generation"], one["sequence"], one["server"]) for one in beats] == [
        (1, 1, "running"),
        (1, 2, "running"),
        (1, 3, "running"),
    ]
    assert len({one["boot_id"] for one in beats}) == 1


def test_a_machine_that_is_told_to_save_does_so_and_serves_no_more(rig: Rig) -> None:
    rig.up()
    rig.controller.change(verdict="save_and_stop")
    rig.controller.wait_for(lambda it: "saved" in it.stages)
    rig.controller.wait_for(lambda it: it.heartbeats[-1]["server"] == "stopped")

    assert (rig.controller.stages.count("saved"), rig.listens(), rig.went_off) == (1, False, [])


@pytest.mark.parametrize("change", [{"generation": 2}, {"issued": 7.5}])
def test_newer_orders_are_fetched_and_served(rig: Rig, change: dict[str, Any]) -> None:
    rig.up()
    rig.order(**change, environment={"JUPYTERHUB_SERVICE_PREFIX": "/user/alice/gpu/"})
    with rig.controller.changed:
        answer = rig.controller.answer
        rig.controller.answer = lambda *asked: (  # type: ignore[method-assign]
            (status := answer(*asked))[0],
            {**status[1], "issued": change.get("issued")},
        )
    rig.controller.wait_for(lambda it: it.stages.count("up") == 2)

    assert json.loads(rig.ask("stub")[1])["generation"] == change.get("generation", 1)
    assert json.loads(rig.ask("stub")[1])["user"] is None


def test_a_machine_keeps_its_key_over_a_stop(rig: Rig) -> None:
    rig.up()
    key = rig.controller.key
    rig.host.power_off(rig.id)
    off = rig.listens()
    rig.up()
    rig.controller.wait_for(lambda it: it.requests.count("register") == 2)

    assert (off, rig.controller.key, rig.went_off) == (False, key, [])


def test_a_machine_that_was_destroyed_has_forgotten_its_key(rig: Rig) -> None:
    rig.up()
    rig.host.destroy(rig.id)
    rig.boot()
    rig.eventually(lambda: "register: 409" in rig.console())


def test_a_reboot_gives_the_boot_another_name(rig: Rig) -> None:
    rig.up()
    rig.controller.wait_for(lambda it: it.heartbeats)
    rig.host.reboot(rig.id)
    rig.controller.wait_for(lambda it: len({one["boot_id"] for one in it.heartbeats}) == 2)

    assert rig.controller.stages.count("up") == 2


def test_a_reboot_does_not_switch_on_what_is_off(rig: Rig) -> None:
    rig.up()
    rig.host.power_off(rig.id)
    rig.host.reboot(rig.id)

    assert not rig.listens()


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_machine_that_is_disowned_powers_off(rig: Rig, status: int) -> None:
    rig.order(disowned_seconds=0.5)
    rig.up()
    rig.controller.change(refuse=status)

    assert rig.off() == ["poweroff"]
    assert (rig.listens(), rig.console().splitlines()[-1]) == (
        False,
        "powering off by itself: disowned",
    )


def test_a_machine_without_a_controller_powers_off(rig: Rig) -> None:
    rig.order(unreachable_seconds=2)
    rig.up()
    rig.controller.change(refuse=503)

    assert rig.off() == ["poweroff"]
    assert rig.console().splitlines()[-1] == "powering off by itself: unreachable"


def test_a_machine_that_the_controller_forgets_for_a_moment_stays_on(rig: Rig) -> None:
    rig.order(disowned_seconds=HOURS)
    rig.up()
    rig.controller.change(refuse=401)
    rig.eventually(lambda: "heartbeat: 401" in rig.console())
    rig.controller.change(refuse=None)
    beats = len(rig.controller.heartbeats)
    rig.controller.wait_for(lambda it: len(it.heartbeats) > beats)

    assert (rig.listens(), rig.went_off) == (True, [])


def test_a_machine_that_nobody_wants_asks_again_and_serves_nothing(rig: Rig) -> None:
    rig.controller.change(orders=None)
    rig.boot()
    rig.controller.wait_for(lambda it: it.requests.count("environment") >= 2)
    served = rig.listens()
    rig.order()
    rig.controller.wait_for(lambda it: "up" in it.stages)

    assert not served


def test_a_machine_with_somebody_elses_user_data_does_nothing(rig: Rig) -> None:
    rig.host.boot(rig.id, address=rig.address, user_data=b"#!/bin/sh\n", volumes={})
    rig.eventually(lambda: "nothing to do" in rig.console())

    assert rig.controller.requests == []


def test_a_machine_that_runs_is_not_booted_again(rig: Rig) -> None:
    rig.up()

    with pytest.raises(ValueError, match="is running"):
        rig.boot()


def test_a_mute_machine_says_nothing(rig: Rig) -> None:
    rig.boot("mute")
    rig.eventually(lambda: "to be mute" in rig.console())
    rig.host.reboot(rig.id)

    assert (rig.controller.requests, rig.listens()) == ([], False)


def test_a_failing_machine_reports_so_with_the_end_of_a_log(rig: Rig) -> None:
    rig.boot("fails")
    rig.controller.wait_for(lambda it: "failed" in it.stages)

    assert rig.controller.stages == ["boot", "home", "server", "failed"]
    assert "No module named" in rig.controller.reports[-1][2]


def test_an_unready_machine_is_up_and_answers_nothing(rig: Rig) -> None:
    rig.up("unready")
    connection = http.client.HTTPConnection(rig.address, rig.port, timeout=0.5)
    connection.request("GET", "/user/alice/gpu/api")
    try:
        with pytest.raises(TimeoutError):
            connection.getresponse()
    finally:
        connection.close()


def test_a_server_that_dies_is_started_again_and_the_heartbeats_say_so(rig: Rig) -> None:
    rig.up("dies")

    def passed(it: FakeController) -> bool:
        seen = [one["server"] for one in it.heartbeats]
        return [name for name, _ in itertools.groupby(seen)] == ["running", "starting", "running"]

    rig.controller.wait_for(passed)
    assert (rig.controller.stages.count("up"), rig.listens()) == (1, True)


def test_a_running_server_can_be_made_to_die_once(rig: Rig) -> None:
    rig.up()
    rig.host.behave(rig.id, "dies")
    rig.controller.wait_for(lambda it: it.heartbeats and it.heartbeats[-1]["server"] == "starting")
    rig.controller.wait_for(lambda it: it.heartbeats[-1]["server"] == "running")
    beats = len(rig.controller.heartbeats)
    rig.controller.wait_for(lambda it: len(it.heartbeats) >= beats + 2)

    assert {one["server"] for one in rig.controller.heartbeats[beats:]} == {"running"}


def test_a_partition_silences_the_agent_and_not_the_server(rig: Rig) -> None:
    rig.up()
    rig.controller.wait_for(lambda it: it.heartbeats)
    rig.host.behave(rig.id, "partitioned")
    rig.eventually(lambda: "the network is cut" in rig.console())
    beats, served = len(rig.controller.heartbeats), rig.listens()
    rig.host.behave(rig.id, "well")
    rig.controller.wait_for(lambda it: len(it.heartbeats) > beats)

    assert served


def test_a_partition_that_lasts_powers_the_machine_off(rig: Rig) -> None:
    rig.order(unreachable_seconds=1)
    rig.up()
    rig.host.behave(rig.id, "partitioned")

    assert rig.off() == ["poweroff"]


def test_the_machines_end_with_the_emulator(alone: Rig) -> None:
    alone.up()
    alone.host.close()

    assert (alone.listens(), alone.went_off) == (False, [])


def test_machines_whose_process_has_died_have_crashed(alone: Rig) -> None:
    alone.up()
    alone.host._process.kill()

    assert alone.off() == ["crashed"]
    with pytest.raises(OSError, match="has ended"):
        alone.boot()
