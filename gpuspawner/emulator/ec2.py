"""An honest EC2 on loopback: production boto3 runs unchanged against it, with any credentials.

    with Emulator(folder=Path("state")) as emulator:
        boto3.client("ec2", endpoint_url=emulator.url, region_name="us-east-1", …)

moto's own application keeps the resources. What moto lacks is here: idempotent client tokens, real
state transitions, wrong-state errors, capacity, quotas, throttling, listings that lag, faults, a
bill, and machines that boot. One emulator lives in a process at a time, because moto does.

It speaks HTTP and knows nothing of the rest of gpuspawner.
"""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path
from types import TracebackType

from werkzeug.serving import WSGIRequestHandler, make_server

from gpuspawner.emulator.clock_ import Clock
from gpuspawner.emulator.ec2_app import Application
from gpuspawner.emulator.ec2_limits import TERMS
from gpuspawner.emulator.ec2_world import HostMaker, World
from gpuspawner.emulator.faults import Faults, Times

TICK_SECONDS = 0.2
"""How often, in real time, the states are looked at when nobody calls."""

POLL_SECONDS = 0.05
"""How soon, in real time, the server sees that it is to end."""


class Emulator:
    """A server, its world and its ticker.

    Args:
        host, port: where to listen; port 0 takes a free one.
        folder: for volumes and machines; a temporary one if None.
        clock: the emulated time.
        times: how long changes of state take.
        throttle: whether AWS's token buckets are on at start.
        network: the first two numbers of the machines' addresses.
        make_host: what plays the machines; None for the API alone.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        folder: Path | None = None,
        clock: Clock | None = None,
        times: Times | None = None,
        throttle: bool = False,
        network: str = "127.20",
        make_host: HostMaker | None = None,
    ) -> None:
        self._temporary = None if folder else tempfile.TemporaryDirectory(prefix="emulated-ec2-")
        where = folder or Path(self._temporary.name if self._temporary else "")
        faults = Faults(TERMS, times or Times(), throttle=throttle)
        self.world = World(where, clock or Clock(), faults, network=network, make_host=make_host)
        self._application = Application(self.world)
        self._server = make_server(
            host, port, self._application, threaded=True, request_handler=_Quiet
        )
        self._closing = threading.Event()
        self._threads = [
            threading.Thread(target=self._serve, name="ec2 server", daemon=True),
            threading.Thread(target=self._tick, name="ec2 clock", daemon=True),
        ]

    @property
    def url(self) -> str:
        """The endpoint for the SDK."""
        return f"http://{self._server.host}:{self._server.port}"

    def start(self) -> None:
        """Begin to answer."""
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """End the server and every machine. Safe to call again."""
        if self._closing.is_set():
            return
        self._closing.set()
        self._application.close()
        if self._threads[0].is_alive():
            self._server.shutdown()
        self._server.server_close()
        self.world.close()
        if self._temporary is not None:
            self._temporary.cleanup()

    def __enter__(self) -> Emulator:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _serve(self) -> None:
        self._server.serve_forever(poll_interval=POLL_SECONDS)

    def _tick(self) -> None:
        while not self._closing.wait(TICK_SECONDS):
            self.world.settle()


class _Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing: the calls are counted."""
