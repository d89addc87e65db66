"""`gpuspawner emulator ec2` and `… arm`: run an emulated cloud until it is told to end."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpuspawner.emulator import arm
from gpuspawner.emulator.faults import Times
from gpuspawner.emulator.jobs import MachineHost

if TYPE_CHECKING:
    from gpuspawner.emulator.ec2 import Emulator


def main(argv: Sequence[str] | None = None) -> int:
    """Run an emulator until SIGTERM or SIGINT, which also ends every machine it booted."""
    options = _parser().parse_args(argv)
    told = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told.set())
    with _emulator(options) as emulator:
        started: dict[str, object] = {"url": emulator.url, "seed": emulator.world.seed.to_json()}
        if isinstance(emulator, arm.Emulator):
            started["authority"] = str(emulator.authority)
        sys.stdout.write(json.dumps(started) + "\n")
        sys.stdout.flush()
        told.wait()
    return 0


def _emulator(options: argparse.Namespace) -> Emulator | arm.Emulator:
    common: dict[str, Any] = {
        "host": options.host,
        "port": options.port,
        "folder": options.state,
        "times": Times(
            pending=options.boot_seconds,
            stopping=options.stop_seconds,
            shutting_down=options.stop_seconds,
        ),
        "throttle": options.throttle,
        "network": options.network,
        "make_host": _host(options),
    }
    if options.cloud == "arm":
        return arm.Emulator(**common, retry_after=options.retry_after)
    # moto takes two seconds to import, which `--help` should not.
    from gpuspawner.emulator.ec2 import Emulator  # noqa: PLC0415

    return Emulator(**common)


def _host(options: argparse.Namespace) -> Callable[..., MachineHost] | None:
    make = _HOSTS[options.machines]
    libraries: Path | None = options.libraries
    if make is _machines and libraries is not None:
        return partial(_machines, libraries=libraries.resolve(strict=True))
    return make


def _machines(
    root: Path, on_power: Callable[[str, str], None], *, libraries: Path | None = None
) -> MachineHost:
    # Not needed, and on some computers not possible, where the API alone is emulated.
    from gpuspawner.emulator import machine, machine_image  # noqa: PLC0415

    image = machine_image.host_image(libraries=libraries)
    return machine.MachineHost(root, on_power, image=image)


def _stubs(root: Path, on_power: Callable[[str, str], None]) -> MachineHost:
    from gpuspawner.emulator import machine_stub  # noqa: PLC0415

    return machine_stub.StubHost(root, on_power)


_HOSTS: Mapping[str, Callable[..., MachineHost] | None] = {
    "process": _machines,
    "stub": _stubs,
    "none": None,
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="gpuspawner emulator", description=__doc__)
    clouds = parser.add_subparsers(dest="cloud", required=True)
    _cloud(clouds, "ec2", "Amazon EC2 at a port of this computer", port=8020)
    azure = _cloud(clouds, "arm", "Azure Resource Manager, over TLS", port=8030)
    azure.add_argument(
        "--retry-after",
        type=int,
        metavar="SECONDS",
        help="name this many seconds with an accepted operation (default: none, as Azure does)",
    )
    return parser


def _cloud(clouds: Any, name: str, what: str, *, port: int) -> argparse.ArgumentParser:
    cloud: argparse.ArgumentParser = clouds.add_parser(name, help=what)
    cloud.add_argument("--host", default="127.0.0.1", help="address to listen on")
    cloud.add_argument(
        "--port", type=int, default=port, help="port to listen on; 0 takes a free one"
    )
    cloud.add_argument(
        "--state", type=Path, help="folder for machines and volumes (default: temporary)"
    )
    cloud.add_argument(
        "--machines",
        choices=list(_HOSTS),
        default="process",
        help="boot machines as processes of this computer; let one process play them all, with a "
        "server that only says who it is, for hundreds of them; or keep them as entries of a list",
    )
    cloud.add_argument(
        "--libraries",
        type=Path,
        metavar="FOLDER",
        help="shared libraries that a machine's agent and server find before the system's, such as those "
        "of a GPU driver that is installed elsewhere",
    )
    cloud.add_argument("--network", default="127.20", help="first two numbers of machine addresses")
    cloud.add_argument("--boot-seconds", type=float, default=8, help="until a machine runs")
    cloud.add_argument("--stop-seconds", type=float, default=5, help="until a machine is off")
    cloud.add_argument(
        "--throttle", action="store_true", help="keep to the cloud's documented call rates"
    )
    return cloud
