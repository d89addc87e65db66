"""A whole class on one computer: an emulated cloud, a hub, a controller, and machines as processes.

Everything that the demo starts is in a session of its own below this process, and is ended with it,
whichever way it ends.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from gpuspawner import proxy, settings
from gpuspawner.errors import ConfigurationError

CONFIG = Path(__file__).parent.parent / "hub_config" / "demo" / "jupyterhub_config.py"
_HUB = 8000
_EMULATORS = {"ec2": 8020, "azure": 8030}
_WAIT_SECONDS = 90.0
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class Ports:
    """The demo's ports; `DEMO_PORT_BASE=9000` moves them all by 1000."""

    offset: int
    cloud: str = "ec2"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], cloud: str = "ec2") -> Ports:
        """As `DEMO_PORT_BASE` says.

        Raises:
            ConfigurationError: it is not a port.
        """
        text = environment.get("DEMO_PORT_BASE") or str(_HUB)
        if not text.isdigit() or not 1024 <= int(text) <= 65000:
            raise ConfigurationError(
                f"DEMO_PORT_BASE must be a port from 1024 to 65000, not {text!r}"
            )
        return cls(int(text) - _HUB, cloud)

    @property
    def hub_url(self) -> str:
        """Where people go."""
        return f"http://127.0.0.1:{_HUB + self.offset}"

    @property
    def emulator(self) -> int:
        """The emulated cloud."""
        return _EMULATORS[self.cloud] + self.offset

    @property
    def network(self) -> str:
        """The first half of the machines' addresses: another one for each demo on this computer."""
        return f"127.{20 + abs(self.offset) // 100 % 230}"

    @property
    def emulator_url(self) -> str:
        """The emulated cloud, where it is asked about itself; Azure's own calls go by TLS."""
        return f"http://127.0.0.1:{self.emulator}"


def main(cloud: str) -> int:
    """Run the demo until Ctrl-C or SIGTERM."""
    if not sys.platform.startswith("linux"):
        raise ConfigurationError(
            "the demo needs Linux: on Windows use WSL2, on a Mac a Linux virtual machine"
        )
    if not CONFIG.is_file():
        raise ConfigurationError(
            "the demo runs from a checkout of the project: run 'make demo' there"
        )
    folder = state_folder(os.environ)
    folder.mkdir(parents=True, exist_ok=True)
    _forget_the_last_cloud(folder)
    ports = Ports.from_environment(os.environ, cloud)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: stopping.set())
    environment = _environment(folder, ports)
    os.environ.update({key: value for key, value in environment.items() if key.startswith("DEMO_")})
    children: list[subprocess.Popen[bytes]] = []
    try:
        children.append(
            _start(_emulator_command(ports, folder), folder / "emulator.log", environment)
        )
        seed = _when_up(f"{ports.emulator_url}/_emulator/seed", children, stopping, folder)
        if seed is None:
            return _ended(children, folder, stopping)
        environment |= {"DEMO_IMAGE": seed["image"], "DEMO_SEED": json.dumps(seed)}
        children.append(_start(_hub_command(), folder / "hub.log", environment, cwd=folder))
        if (
            _when_up(f"{ports.hub_url}/services/gpuspawner/health", children, stopping, folder)
            is None
        ):
            return _ended(children, folder, stopping)
        _welcome(ports, seed, folder)
        _follow(ports, children, stopping)
        return _ended(children, folder, stopping)
    finally:
        _end(children)


def state_folder(environment: Mapping[str, str]) -> Path:
    """Where the demo keeps its state: `DEMO_DIR`, else `.demo`. Set and empty is not set."""
    return Path(environment.get("DEMO_DIR") or ".demo").absolute()


def _forget_the_last_cloud(folder: Path) -> None:
    """The emulated cloud begins empty; a controller that remembered its machines would miss them."""
    for name in ("ec2", "arm"):
        shutil.rmtree(folder / name, ignore_errors=True)
    for path in folder.glob("gpuspawner.sqlite*"):
        path.unlink()


def _environment(folder: Path, ports: Ports) -> dict[str, str]:
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("AWS_", "AZURE_", "JUPYTERHUB_"))
    }
    return kept | {
        "DEMO_DIR": str(folder),
        "DEMO_PORT_BASE": str(_HUB + ports.offset),
        "DEMO_PROXY": json.dumps(proxy.install()),
        # The emulated cloud takes any credentials; the SDK insists on having some.
        "AWS_ACCESS_KEY_ID": "demo",
        "AWS_SECRET_ACCESS_KEY": "demo",
        "AWS_EC2_METADATA_DISABLED": "true",
        # The emulated host's metadata service, where a managed identity gets its token.
        "AZURE_POD_IDENTITY_AUTHORITY_HOST": ports.emulator_url,
        "DEMO_CLOUD": ports.cloud,
        # The hub has another working folder.
        **{name: str(path) for name, path in _given().items()},
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', os.defpath)}",
        "PYTHONUNBUFFERED": "1",
    }


def _given() -> dict[str, Path]:
    """The paths that people may give, absolute.

    Raises:
        ConfigurationError: there is nothing at one.
    """
    found = {}
    for name in ("DEMO_CONFIG", "DEMO_LIBRARIES"):
        if text := os.environ.get(name):
            path = Path(text).absolute()
            if not path.exists():
                raise ConfigurationError(f"{name} is {text!r}, and nothing is there")
            found[name] = path
    return found


def _emulator_command(ports: Ports, folder: Path) -> list[str]:
    name = "arm" if ports.cloud == "azure" else "ec2"
    libraries = _given().get("DEMO_LIBRARIES")
    return [
        sys.executable, "-m", "gpuspawner.cli", "emulator", name,
        "--port", str(ports.emulator), "--state", str(folder / name), "--network", ports.network,
        *(["--libraries", str(libraries)] if libraries else []),
    ]  # fmt: skip


def _hub_command() -> list[str]:
    return [sys.executable, "-m", "jupyterhub", "--config", str(CONFIG)]


def _start(
    command: Sequence[str], log: Path, environment: Mapping[str, str], cwd: Path | None = None
) -> subprocess.Popen[bytes]:
    with log.open("ab") as file:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=cwd,
            start_new_session=True,
            preexec_fn=_die_with_parent,  # noqa: PLW1509 - no threads are started before
        )


def _die_with_parent() -> None:
    """Even a demo that is killed leaves nothing behind: the kernel ends its children."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _when_up(
    url: str, children: Sequence[subprocess.Popen[bytes]], stopping: threading.Event, folder: Path
) -> Any:
    """What `url` answers once it answers; None when a child has ended or we are to stop.

    Raises:
        ConfigurationError: nothing answers in time.
    """
    for _attempt in range(int(_WAIT_SECONDS / 0.25)):
        if stopping.is_set() or any(child.poll() is not None for child in children):
            return None
        try:
            with urlopen(url, timeout=5) as answer:  # noqa: S310 - loopback
                return json.load(answer)
        except (URLError, OSError, ValueError):
            stopping.wait(0.25)
    raise ConfigurationError(f"nothing answers at {url}; the logs are in {folder}")


def _welcome(ports: Ports, seed: Mapping[str, Any], folder: Path) -> None:
    print(f"\n  gpuspawner is running at  {ports.hub_url}\n")
    print("  Log in as student1 … student30, or teacher (admin); the password is demo.\n")
    print("  Machines, in pretend money:")
    os.environ["DEMO_SEED"] = json.dumps(seed)  # for the configuration, which is read here too
    config = settings.load(CONFIG)
    offered = config.Azure.sizes if ports.cloud == "azure" else config.AWS.sizes
    for size in seed["sizes"]:
        if size["type"] not in offered:
            continue
        print(
            f"    {size['type']:<24} {size['gpu']:<12} {size['price_per_hour']:>7.3f} USD an hour"
        )
    print(f"\n  {seed['separation']}")
    print("  The emulated cloud begins empty: machines and files of an earlier run are gone.")
    print(f"  Logs and users are in {folder}. Ctrl-C ends everything.\n", flush=True)


def _follow(
    ports: Ports, children: Sequence[subprocess.Popen[bytes]], stopping: threading.Event
) -> None:
    """One line for each thing that happens to a machine, until a child ends or we are to stop."""
    number = 0
    while not stopping.is_set() and all(child.poll() is None for child in children):
        try:
            url = f"{ports.emulator_url}/_emulator/events?since={number}"
            with urlopen(url, timeout=5) as answer:  # noqa: S310 - loopback
                events = json.load(answer)["events"]
        except (URLError, OSError, ValueError):
            events = []
        for event in events:
            number = event["number"]
            print(_line(event), flush=True)
        stopping.wait(0.5)


def _line(event: Mapping[str, Any]) -> str:
    price = event.get("price_per_hour")
    cost = f"  {price:.3f} USD an hour" if price and event["event"] == "running" else ""
    return f"  {event['time'][11:19]}  {event['id']}  {event['type']:<12} {event['event']}{cost}"


def _ended(
    children: Sequence[subprocess.Popen[bytes]], folder: Path, stopping: threading.Event
) -> int:
    if stopping.is_set():
        print("\n  Stopping …", flush=True)
        return 0
    names = ("the emulated cloud", "the hub")
    ended = [name for name, child in zip(names, children, strict=False) if child.poll() is not None]
    print(
        f"gpuspawner: {' and '.join(ended)} ended unexpectedly; the logs are in {folder}",
        file=sys.stderr,
    )
    return 1


def _end(children: Sequence[subprocess.Popen[bytes]]) -> None:
    """The hub first (it ends its proxy and the controller), then the cloud with its machines."""
    for child in reversed(children):
        if child.poll() is None:
            child.terminate()
        try:
            child.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
