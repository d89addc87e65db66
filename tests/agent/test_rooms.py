"""The agent's rooms one by one: user data, key, orders, home, the dead man, the wire, the sensors."""

from __future__ import annotations

import ast
import json
import os
import stat
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gpuspawner.agent import boot, heartbeat
from gpuspawner.agent.__main__ import main
from gpuspawner.agent.api import LARGEST_ANSWER, Api, Disowned, NotWanted, Unreachable
from gpuspawner.agent.clock import SystemClock
from gpuspawner.agent.deadman import DeadMan
from gpuspawner.agent.gpus import Gpus
from gpuspawner.agent.homes import Home, HomeFailed
from gpuspawner.agent.supervisor import redact
from tests.agent.conftest import DEVICE, FolderMachine, HandClock
from tests.agent.fake_controller import FakeController, orders

AGENT = Path(boot.__file__).parent


def test_the_agent_imports_the_standard_library_and_itself_only() -> None:
    for source in AGENT.glob("*.py"):
        for node in ast.walk(ast.parse(source.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                ours = name.startswith("gpuspawner.agent")
                assert ours or name.split(".")[0] in sys.stdlib_module_names, (source, name)


def test_user_data_of_ours_is_understood(tmp_path: Path, controller: FakeController) -> None:
    path = tmp_path / "user-data.txt"
    path.write_bytes(controller.user_data)
    found = boot.read_user_data(path)
    assert found == boot.Bootstrap(url=controller.url, ticket=controller.ticket)
    assert controller.ticket not in repr(found)


@pytest.mark.parametrize(
    "text", ["", "#cloud-config\n", "#cloud-config\npackages: [x]\n", "#!/bin/sh\nexit\n", "a\n[]"]
)
def test_user_data_of_others_is_left_alone(tmp_path: Path, text: str) -> None:
    path = tmp_path / "user-data.txt"
    path.write_text(text)
    with pytest.raises(boot.NotOurs):
        boot.read_user_data(path)
    assert main(["run", "--root", str(tmp_path), "--user-data", str(path)]) == 0
    assert list(tmp_path.iterdir()) == [path]


def test_the_key_is_made_once_for_root_alone(tmp_path: Path) -> None:
    path = tmp_path / "var/lib/gpuspawner/machine-key"
    key = boot.machine_key(path)
    assert len(key) == 64
    assert boot.machine_key(path) == key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("left", ["", "abc", "x" * 64])
def test_a_key_that_is_no_key_is_made_anew(tmp_path: Path, left: str) -> None:
    path = tmp_path / "machine-key"
    path.write_text(left)
    key = boot.machine_key(path)
    assert path.read_text() == f"{key}\n"


def test_the_key_is_on_the_disk_before_it_is_told(
    machine: FolderMachine, controller: FakeController
) -> None:
    agent = machine.start()
    assert controller.requests == []
    assert (machine.root / boot.KEY).exists()
    machine.until(agent, lambda: controller.key is not None)
    assert (machine.root / boot.KEY).read_text().strip() == controller.key


@pytest.mark.parametrize(
    "bad",
    [
        {"user": "root"},
        {"user": "../x"},
        {"user": "-o"},
        {"command": []},
        {"generation": "soon"},
        {"home": 3},
        {"environment": None},
    ],
)
def test_orders_that_cannot_be_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(Unreachable):
        boot.Orders.from_json(orders(**bad))


def test_orders_do_not_print_the_environment() -> None:
    assert "hub-token" not in repr(boot.Orders.from_json(orders()))


def test_a_disk_with_a_file_system_is_mounted_and_not_formatted(machine: FolderMachine) -> None:
    (machine.state / "filesystem").write_text("ext4")
    Home(machine.root, "student").prepare(DEVICE)
    assert machine.ran("mkfs.ext4") == []
    assert len(machine.ran("mount")) == 1


def test_a_disk_with_data_that_nobody_knows_is_not_formatted(machine: FolderMachine) -> None:
    machine.device.write_bytes(bytes(4000) + b"precious")
    with pytest.raises(HomeFailed, match="not a file system we know"):
        Home(machine.root, "student").prepare(DEVICE)
    assert machine.ran("mkfs.ext4") == []
    assert machine.ran("mount") == []


@pytest.mark.parametrize("status", ["1", "4", "8"])
def test_a_disk_that_cannot_be_looked_at_is_not_formatted(
    machine: FolderMachine, status: str
) -> None:
    (machine.state / "blkid").write_text(status)
    with pytest.raises(HomeFailed):
        Home(machine.root, "student").prepare(DEVICE)
    assert machine.ran("mkfs.ext4") == []


def test_a_disk_that_cannot_be_read_is_not_formatted(machine: FolderMachine) -> None:
    machine.device.unlink()
    machine.device.mkdir()
    with pytest.raises(HomeFailed):
        Home(machine.root, "student").prepare(DEVICE)
    assert machine.ran("mkfs.ext4") == []


def test_the_dead_man_waits_half_an_hour_for_an_answer() -> None:
    dead = DeadMan(heard_at=0.0)
    assert dead.remaining(1799.0) == (1.0, "unreachable")
    assert dead.heard(1799.0).remaining(1800.0) == (1799.0, "unreachable")
    assert dead.remaining(1800.0)[0] <= 0


def test_the_dead_man_waits_ten_minutes_when_disowned_and_forgets_it_when_known() -> None:
    dead = DeadMan(heard_at=0.0).disowned(100.0).disowned(500.0)
    assert dead.remaining(699.0) == (1.0, "disowned")
    assert dead.remaining(700.0)[0] <= 0
    assert dead.heard(699.0).remaining(700.0) == (1799.0, "unreachable")


def test_the_dead_man_warns_five_minutes_before_and_for_no_more_than_half_of_a_short_limit() -> (
    None
):
    dead = DeadMan(heard_at=0.0)
    assert (dead.warns("unreachable"), dead.warns("disowned")) == ((300.0, 45.0), (300.0, 45.0))
    short = dead.limited(unreachable_seconds=120.0, disowned_seconds=60.0)
    assert (short.warns("unreachable"), short.warns("disowned")) == ((60.0, 30.0), (30.0, 15.0))
    assert short.heard(50.0).remaining(50.0)[0] > short.warns("unreachable")[0]


@pytest.mark.parametrize(
    ("status", "error"),
    [(401, Disowned), (403, Disowned), (404, Disowned), (409, NotWanted), (500, Unreachable)],
)
def test_an_answer_that_is_no_yes_says_what_to_do(
    controller: FakeController, status: int, error: type[Exception]
) -> None:
    controller.refuse = status
    with pytest.raises(error) as caught:
        Api(controller.url).environment("machine-1.key-0123456789")
    assert "key-0123456789" not in str(caught.value)


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_refusal_of_the_hubs_own_is_not_the_controllers(
    controller: FakeController, status: int
) -> None:
    controller.change(refuse=status, ours=False)
    with pytest.raises(Unreachable):
        Api(controller.url).environment("machine-1.key")


def test_a_redirect_is_not_followed_with_the_key(controller: FakeController) -> None:
    controller.refuse = 302
    with pytest.raises(Unreachable):
        Api(controller.url).environment("machine-1.key")
    assert controller.requests == ["environment"]


def test_an_endless_answer_is_not_taken(controller: FakeController) -> None:
    controller.key = "key"
    controller.orders = {"filler": "x" * LARGEST_ANSWER}
    with pytest.raises(Unreachable, match="more than"):
        Api(controller.url).environment("machine-1.key")


def test_nobody_at_the_address_is_unreachable(controller: FakeController) -> None:
    with pytest.raises(Unreachable):
        Api("http://127.0.0.1:9/agent").environment("machine-1.key")


@pytest.mark.parametrize("url", ["ftp://hub/", "file:///etc/passwd", "hub", ""])
def test_an_address_that_is_no_web_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="not an http"):
        Api(url)


def test_the_servers_sensors_are_read(tmp_path: Path) -> None:
    path = tmp_path / "sensors.json"
    path.write_text(json.dumps({"version": 1, "busy": True}))
    assert heartbeat.read_sensors(path) == {"version": 1, "busy": True}


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 5000, "x" * 70_000])
def test_sensors_that_make_no_sense_are_unknown(tmp_path: Path, text: str) -> None:
    path = tmp_path / "sensors.json"
    path.write_text(text)
    assert heartbeat.read_sensors(path) is None


def test_sensors_that_are_a_link_or_a_pipe_are_unknown(tmp_path: Path) -> None:
    secret = tmp_path / "secret.json"
    secret.write_text("{}")
    (tmp_path / "link").symlink_to(secret)
    os.mkfifo(tmp_path / "pipe")
    assert heartbeat.read_sensors(tmp_path / "link") is None
    assert heartbeat.read_sensors(tmp_path / "pipe") is None
    assert heartbeat.read_sensors(tmp_path / "none") is None


def test_what_cannot_be_measured_is_unknown_and_not_zero(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    clock = HandClock()
    facts = heartbeat.Facts(tmp_path, tmp_path / "nowhere", clock, Gpus(clock))
    facts.look(4711)
    measured = facts.read()
    assert 0 <= measured.pop("disk_percent") <= 100
    assert measured == {
        "cpu_percent": None,
        "memory_percent": None,
        "home_percent": None,
        "gpus": None,
        "processor": None,
        "ssh": None,
        "server": None,
        "server_age": None,
    }
    assert facts.boot_id() == ""


def test_the_age_of_what_the_server_wrote_is_that_of_its_count_and_not_of_the_file(
    tmp_path: Path,
) -> None:
    clock = HandClock()
    path = tmp_path / heartbeat.SENSORS
    path.parent.mkdir(parents=True)
    facts = heartbeat.Facts(tmp_path, tmp_path, clock, Gpus(clock))
    ages = []
    for sequence in (1, 2, 2, 2, 3):
        path.write_text(json.dumps({"server": "a", "sequence": sequence}))
        os.utime(path, (0, 0))
        ages.append(facts.read()["server_age"])
        clock.now += 10
    assert ages == [0, 0, 10, 20, 0]


@pytest.mark.parametrize(("said", "seconds"), [(0, 1.0), (5, 5.0), (1e9, 300.0)])
def test_the_next_heartbeat_is_neither_a_flood_nor_a_silence(said: float, seconds: float) -> None:
    answer = {"generation": 1, "verdict": "keep", "next_heartbeat_seconds": said}
    assert heartbeat.Answer.from_json(answer).next_seconds == seconds


def test_only_secret_values_are_taken_out_of_a_log() -> None:
    environment = {"JUPYTERHUB_API_TOKEN": "abcdef123", "JUPYTERHUB_USER": "alice99", "KEY": "1"}
    said = redact("alice99 has abcdef123, 1 of 1", environment)
    assert said == "alice99 has [redacted], 1 of 1"


def test_a_wait_ends_early_when_woken() -> None:
    clock = SystemClock()
    clock.wake()
    clock.wait(600.0)
    clock.close()


def test_a_signal_ends_the_agent_at_once(tmp_path: Path) -> None:
    path = tmp_path / "user-data.txt"
    nobody = {"version": 1, "url": "http://127.0.0.1:9/agent", "ticket": "t"}
    path.write_text("#cloud-config\n" + json.dumps({"gpuspawner": nobody}))
    argv = ["-m", "gpuspawner.agent", "run", "--root", str(tmp_path), "--user-data", str(path)]
    agent = subprocess.Popen([sys.executable, *argv], stderr=subprocess.PIPE)
    assert agent.stderr is not None
    assert b"register" in agent.stderr.readline()
    agent.terminate()
    assert agent.wait(20) == 0
    agent.stderr.close()


def test_the_unit_starts_what_is_installed_and_kills_gently() -> None:
    unit = (AGENT / "gpuspawner-agent.service").read_text()
    assert "ExecStart=/opt/gpuspawner/bin/gpuspawner-agent run\n" in unit
    assert "KillMode=mixed" in unit


def test_an_authority_in_the_user_data_is_trusted_besides_the_systems(tmp_path):
    path = tmp_path / "user-data.txt"
    certificate = self_signed()
    said = {"gpuspawner": {"version": 1, "url": "https://hub/x", "ticket": "t", "ca": certificate}}
    path.write_text(f"#cloud-config\n{json.dumps(said)}\n")

    bootstrap = boot.read_user_data(path)
    api = Api(bootstrap.url, ca=bootstrap.ca)

    assert bootstrap.ca == certificate
    subjects = [dict(pair for (pair,) in one["subject"]) for one in api._tls.get_ca_certs()]
    assert {"commonName": "our own authority"} in subjects


def test_without_one_no_authority_is_added(tmp_path):
    path = tmp_path / "user-data.txt"
    path.write_text(
        '#cloud-config\n{"gpuspawner": {"version": 1, "url": "https://hub/x", "ticket": "t"}}\n'
    )
    assert boot.read_user_data(path).ca == ""


def self_signed() -> str:
    """A certificate authority's certificate, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "our own authority")])
    begin = datetime(2026, 1, 1, tzinfo=timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=3650))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM).decode("ascii")
