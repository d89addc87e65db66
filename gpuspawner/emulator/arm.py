"""An honest Azure Resource Manager on loopback: the production SDK runs unchanged against it, over TLS.

    with Emulator(folder=Path("state")) as emulator:
        ComputeManagementClient(
            credential, emulator.seed.subscription,
            base_url=emulator.url, connection_verify=str(emulator.authority),
        )

The same port answers plain HTTP as the host's metadata service does, with a token for a managed
identity, as the public price list does, and below `/_emulator/`. It speaks HTTP and knows nothing of the rest of gpuspawner.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any

from gpuspawner.emulator import arm_tls
from gpuspawner.emulator.arm_app import Application
from gpuspawner.emulator.arm_limits import TERMS
from gpuspawner.emulator.arm_wire import Dropped
from gpuspawner.emulator.arm_world import HostMaker, Seed, World
from gpuspawner.emulator.clock_ import Clock
from gpuspawner.emulator.faults import Faults, Times

TICK_SECONDS = 0.2
"""How often, in real time, the states are looked at when nobody calls."""

POLL_SECONDS = 0.05
"""How soon, in real time, the server sees that it is to end."""

_HANDSHAKE = b"\x16"
"""The first byte of TLS (RFC 8446, ContentType)."""

_IDLE_SECONDS = 60


class Emulator:
    """A server, its world and its ticker.

    Args:
        host, port: where to listen; port 0 takes a free one.
        folder: for certificates, disks and machines; a temporary one if None.
        clock: the emulated time.
        times: how long changes of state take: `pending` to create and start, `stopping` to
            deallocate, `shutting_down` to delete, `attaching` for the rest.
        throttle: whether Azure's token buckets refuse at start.
        network: the first two numbers of the machines' addresses.
        make_host: what plays the machines; None for the API alone.
        retry_after: see `arm_world.World`.
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
        retry_after: int | None = None,
    ) -> None:
        self._temporary = None if folder else tempfile.TemporaryDirectory(prefix="emulated-arm-")
        where = folder or Path(self._temporary.name if self._temporary else "")
        secure, self.authority = arm_tls.context(where, host)
        self.world = World(
            where,
            clock or Clock(),
            Faults(TERMS, times or Times(), throttle=throttle),
            network=network,
            make_host=make_host,
            retry_after=retry_after,
        )
        self.application = Application(self.world, lambda: self.url)
        self._server = _Server((host, port), self.application, secure)
        self._closing = threading.Event()
        self._threads = [
            threading.Thread(target=self._serve, name="arm server", daemon=True),
            threading.Thread(target=self._tick, name="arm clock", daemon=True),
        ]

    @property
    def url(self) -> str:
        """The endpoint for the SDK."""
        return f"https://{self._address}"

    @property
    def plain_url(self) -> str:
        """The same port without TLS: the metadata service, and `/_emulator/`."""
        return f"http://{self._address}"

    @property
    def seed(self) -> Seed:
        """What is there from the start."""
        return self.world.seed

    def start(self) -> None:
        """Begin to answer."""
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """End the server and every machine. Safe to call again."""
        if self._closing.is_set():
            return
        self._closing.set()
        self.application.close()
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

    @property
    def _address(self) -> str:
        host, port = self._server.server_address[:2]
        return f"{host!s}:{port}"

    def _serve(self) -> None:
        self._server.serve_forever(poll_interval=POLL_SECONDS)

    def _tick(self) -> None:
        while not self._closing.wait(TICK_SECONDS):
            self.world.settle()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(
        self, address: tuple[str, int], application: Application, secure: ssl.SSLContext
    ) -> None:
        self.application = application
        self._secure = secure
        super().__init__(address, _Handler)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """In the connection's own thread: TLS or not, as the first byte says."""
        request.settimeout(_IDLE_SECONDS)
        with contextlib.suppress(OSError):
            if request.recv(1, socket.MSG_PEEK) != _HANDSHAKE:
                super().finish_request(request, client_address)
                return
            with self._secure.wrap_socket(request, server_side=True) as wrapped:
                super().finish_request(wrapped, client_address)

    def shutdown_request(self, request: Any) -> None:
        """A connection that was wrapped is closed already."""
        with contextlib.suppress(OSError):
            super().shutdown_request(request)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def handle_one_request(self) -> None:
        """Answer one request, or end the connection."""
        self.raw_requestline = self.rfile.readline(65537)
        if not self.raw_requestline or not self.parse_request():
            self.close_connection = True
            return
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        secure = isinstance(self.connection, ssl.SSLSocket)
        try:
            given = self.server.application(
                self.command, self.path, dict(self.headers.items()), body, secure=secure
            )
        except Dropped:
            self.close_connection = True
            return
        self.send_response(given.status)
        self.send_header("Content-Type", given.content_type)
        self.send_header("Content-Length", str(len(given.body)))
        for name, value in given.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(given.body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's word
        """Say nothing: the calls are counted."""
