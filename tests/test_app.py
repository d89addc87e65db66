"""The controller as systemd or the hub runs it: real processes before an emulated EC2."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from gpuspawner import identity
from tests.end_to_end.classroom import wait_until
from tests.ports import free_port

PATH = "/services/gpuspawner/"
SECONDS = 40
"""A busy computer may take so long; a condition that comes true ends the wait."""

ENVIRONMENT = {
    **{
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("JUPYTERHUB_", "AWS_", "DEMO_"))
    },
    "AWS_ACCESS_KEY_ID": "any",
    "AWS_SECRET_ACCESS_KEY": "thing",
    "AWS_EC2_METADATA_DISABLED": "true",
}


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "gpuspawner.cli", *map(str, words)]


@contextmanager
def emulator(folder: Path, port: int):
    """An emulated EC2 whose machines are entries of a list; yields what it was seeded with."""
    words = ("emulator", "ec2", "--machines", "none", "--port", port, "--state", folder / "ec2")
    with subprocess.Popen(command(*words), stdout=subprocess.PIPE, env=ENVIRONMENT) as process:
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.kill()


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    """One emulated EC2 for all who do not harm it."""
    port = free_port()
    with emulator(tmp_path_factory.mktemp("cloud"), port) as told:
        yield {"port": port, "image": told["seed"]["image"]}


@dataclass
class Place:
    """A folder with a secret, a database and configuration files; and what was started there."""

    folder: Path
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def config(
        self, *more: str, port: int | None = None, ec2: int = 1, image: str = "ami-1"
    ) -> Path:
        """A configuration file for a controller at `port`; `more` is appended."""
        port = port or free_port()
        file = self.folder / f"jupyterhub_config_{port}.py"
        lines = [
            "c = get_config()",
            f"c.Controller.bind_url = 'http://127.0.0.1:{port}'",
            "c.Controller.public_url = 'http://127.0.0.1:1/'",
            "c.Controller.fast_interval = 0.2",
            "c.Controller.slow_interval = 0.4",
            f"c.AWS.endpoint_url = 'http://127.0.0.1:{ec2}'",
            f"c.AWS.image = {image!r}",
            "c.AWS.security_groups = ['gpuspawner-machines']",
            *more,
        ]
        file.write_text("\n".join(lines) + "\n")
        return file

    def start(self, config: Path, *before: str, **environment: str) -> Process:
        """Run `gpuspawner controller`; with `before`, as the child of that command."""
        log = (self.folder / f"{len(self.started)}.log").open("wb")
        with log:
            process = subprocess.Popen(
                [*before, *command("controller", "--config", config)],
                stdout=log,
                stderr=subprocess.STDOUT,
                env=ENVIRONMENT | environment,
                cwd=self.folder,
                start_new_session=True,
            )
        self.started.append(process)
        port = int(config.stem.rpartition("_")[2])
        return Process(process, port, Path(log.name))

    def end(self) -> None:
        for process in self.started:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@dataclass
class Process:
    """A controller that was started."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def ask(self, path: str) -> Any:
        """What it answers; None when nobody answers."""
        try:
            with urlopen(f"http://127.0.0.1:{self.port}{PATH}{path}", timeout=5) as answer:
                return json.load(answer)
        except OSError:
            return None

    def health(self) -> str | None:
        said = self.ask("health")
        return said["status"] if said else None

    def becomes(self, *status: str) -> str:
        """Wait until its health is one of these; the first that was seen."""
        self.lives()
        return self.until(lambda: (now := self.health()) in status and now)

    def until(self, true: Any) -> Any:
        return wait_until(true, SECONDS, self.log.read_text)

    def lives(self) -> None:
        assert self.process.poll() is None, self.log.read_text()

    def ends(self) -> int:
        """Its exit code, once it has ended."""
        return self.process.wait(SECONDS)


def members(group: int) -> list[str]:
    """The processes that are left of a session that we began."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                name, _, rest = (entry / "stat").read_text().rpartition(")")
                if int(rest.split()[3]) == group and rest.split()[0] != "Z":
                    found.append(name)
    return found


@pytest.fixture
def place(tmp_path):
    one = Place(tmp_path)
    yield one
    one.end()


# -- a controller


@pytest.mark.emulator
def test_it_starts_and_sees_the_cloud_and_ends_when_it_is_told_to(place, cloud):
    one = place.start(place.config(ec2=cloud["port"], image=cloud["image"]))
    assert one.becomes("starting", "ok") in ("starting", "ok")
    one.becomes("ok")
    one.process.send_signal(signal.SIGTERM)
    assert one.ends() == 0
    assert members(one.process.pid) == []
    assert "Traceback" not in one.log.read_text()


@pytest.mark.emulator
def test_it_ends_just_so_while_somebody_follows_its_claims(place, cloud):
    one = place.start(place.config(ec2=cloud["port"], image=cloud["image"]))
    one.becomes("ok")
    token = _token(place)
    with closing(HTTPConnection("127.0.0.1", one.port, timeout=SECONDS)) as following:
        headers = {"Authorization": f"Bearer {token}"}
        following.request("GET", f"{PATH}api/v1/claims?watch=1", headers=headers)
        with following.getresponse() as stream:
            assert json.loads(stream.readline())["type"] == "snapshot"
            one.process.send_signal(signal.SIGTERM)
            assert one.ends() == 0
    assert "Traceback" not in one.log.read_text()


@pytest.mark.emulator
def test_a_cloud_that_is_down_does_not_end_it_and_is_seen_when_it_is_back(place, tmp_path):
    ec2 = free_port()
    one = place.start(place.config(ec2=ec2))
    assert one.becomes("starting", "ok", "degraded") == "starting"
    one.until(lambda: "no listing of the cloud" in one.log.read_text())
    one.lives()
    assert one.health() == "starting"
    with emulator(tmp_path, ec2):
        one.becomes("ok")
    one.becomes("degraded")
    one.lives()


# -- two controllers


@pytest.mark.emulator
def test_a_second_one_stands_by_and_takes_over_when_the_first_is_killed(place, cloud):
    first = place.start(place.config(ec2=cloud["port"], image=cloud["image"]))
    first.becomes("ok")
    second = place.start(place.config(ec2=cloud["port"], image=cloud["image"]))
    assert second.becomes("standby", "starting", "ok") == "standby"
    assert (first.health(), second.ask("api/v1/openapi.json")) == ("ok", None)

    # Whoever has asked the standby over a connection that is kept must not be stuck with it.
    with closing(HTTPConnection("127.0.0.1", second.port, timeout=SECONDS)) as kept:

        def says() -> str | None:
            try:
                kept.request("GET", f"{PATH}health")
                return json.loads(kept.getresponse().read())["status"]
            except OSError:
                kept.close()  # and the next request makes a connection
                return None

        assert says() == "standby"
        first.process.kill()
        first.process.wait()
        second.until(lambda: says() == "ok")
    second.lives()


@pytest.mark.emulator
def test_one_that_stands_by_ends_when_it_is_told_to_and_leaves_the_other_alone(place, cloud):
    first = place.start(place.config(ec2=cloud["port"], image=cloud["image"]))
    first.becomes("ok")
    second = place.start(place.config(ec2=cloud["port"], image=cloud["image"]))
    second.becomes("standby")
    second.process.send_signal(signal.SIGTERM)
    assert second.ends() == 0
    assert first.health() == "ok"


# -- the parent

PARENT = (
    sys.executable,
    "-c",
    "import subprocess, sys; subprocess.run(sys.argv[1:])",
)
"""A hub, as far as a controller can see it: it starts the controller and may be killed."""


@pytest.mark.emulator
def test_one_that_a_hub_started_ends_when_the_hub_is_killed(place, cloud):
    config = place.config(ec2=cloud["port"], image=cloud["image"])
    one = place.start(config, *PARENT, JUPYTERHUB_SERVICE_NAME="gpuspawner")
    one.becomes("ok")
    one.process.kill()
    one.process.wait()
    one.until(lambda: members(one.process.pid) == [])
    assert "the hub that started this controller is gone" in one.log.read_text()


@pytest.mark.emulator
@pytest.mark.parametrize(
    ("more", "environment"),
    [
        ((), {}),
        (("c.Controller.stop_with_parent = False",), {"JUPYTERHUB_SERVICE_NAME": "gpuspawner"}),
    ],
)
def test_one_that_runs_on_its_own_outlives_whoever_started_it(place, cloud, more, environment):
    config = place.config(*more, ec2=cloud["port"], image=cloud["image"])
    one = place.start(config, *PARENT, **environment)
    one.becomes("ok")
    one.process.kill()
    one.process.wait()
    seen = set()
    one.until(lambda: seen.add(one.ask("health")["listed_at"]) or len(seen) > 5)
    assert one.health() == "ok"


# -- mistakes

MISTAKES = {
    "no public url": ("c.Controller.public_url = ''", "c.Controller.public_url must be"),
    "a typing mistake": ("c.Controller.fast_intervall = 1", "c.Controller.fast_intervall"),
    "a contradiction": ("c.Controller.fast_interval = 9", "c.Controller.slow_interval (0.4 s)"),
    "a contradiction of the agent's": ("c.Agent.heartbeat_interval = 999", "c.Agent.unreachable"),
    "a word for a number": ("c.Controller.fast_interval = 'soon'", "fast_interval"),
    "a cloud that there is not": ("c.Controller.provider = 'gcp'", "provider"),
    "a secret that all may read": ("c.Controller.secret_file = 'open'", "chmod 600"),
    "a secret that is a folder": ("c.Controller.secret_file = '.'", "secret file"),
    "a database that there is not": ("c.Controller.database_url = 'oracle://x'", "database_url"),
    "no python": ("c.Controller.fast_interval = ", "SyntaxError"),
}


@pytest.mark.parametrize(("line", "named"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_in_the_file_ends_it_at_once_with_one_sentence_that_names_it(place, line, named):
    secret = place.folder / "open"
    secret.write_text("30" * 32)
    secret.chmod(0o644)
    one = place.start(place.config(line))
    assert one.ends() == 2, one.log.read_text()
    said = one.log.read_text()
    assert named in said
    assert (said.count("\n"), "Traceback" in said) == (1, False)


def test_an_address_that_is_taken_is_such_a_mistake(place):
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        one = place.start(place.config(port=taken.getsockname()[1]))
        assert one.ends() == 2, one.log.read_text()
    said = one.log.read_text()
    assert ("c.Controller.bind_url" in said, "Traceback" in said) == (True, False)


def test_a_file_that_is_not_there_is_such_a_mistake(place):
    one = place.start(place.folder / "jupyterhub_config_1.py")
    assert one.ends() == 2
    assert "jupyterhub_config_1.py could not be read" in one.log.read_text()


def _token(place: Place) -> str:
    return identity.load(place.folder / "gpuspawner_secret").claims_token
