"""A controller in this process, for the agent: it remembers what it was told, and has levers."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PATH = "/services/gpuspawner/api/v1/agent"


class FakeController:
    """Speaks the agent's protocol for one machine.

    `orders` is what `environment` answers (None: not wanted), `answer` what a heartbeat is told,
    `refuse` a status for every request but none, as the controller or, without `ours`, as the hub. `reports` and `heartbeats` are what came.
    """

    def __init__(self) -> None:
        self.ticket = "ticket-0123456789"
        self.key: str | None = None
        self.orders: dict[str, Any] | None = None
        self.verdict = "keep"
        self.refuse: int | None = None
        self.ours = True
        self.reports: list[tuple[int, str, str]] = []
        self.heartbeats: list[dict[str, Any]] = []
        self.requests: list[str] = []
        self.changed = threading.Condition()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}{PATH}"

    @property
    def user_data(self) -> bytes:
        ours = {"version": 1, "url": self.url, "ticket": self.ticket}
        return b"#cloud-config\n" + json.dumps({"gpuspawner": ours}).encode()

    @property
    def stages(self) -> list[str]:
        return [stage for _, stage, _ in self.reports]

    def wait_for(self, what: Callable[[FakeController], Any], seconds: float = 30) -> Any:
        """What `what` says once that is true; an assertion with the whole story if it never is."""
        with self.changed:
            self.changed.wait_for(lambda: what(self), seconds)
            found = what(self)
        assert found, f"{self.reports=} {self.requests[-20:]=} {self.heartbeats[-1:]=}"
        return found

    def change(self, **values: Any) -> None:
        with self.changed:
            for name, value in values.items():
                setattr(self, name, value)

    def close(self) -> None:
        if self._thread.is_alive():
            self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, name: str, bearer: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if self.refuse is not None:
            return self.refuse, {"error": "refused"} if self.ours else {"message": "Forbidden"}
        if name == "register":
            return self._register(body)
        if self.key is None or bearer != f"Bearer machine-1.{self.key}":
            return 401, {"error": "unknown"}
        if name == "environment":
            if self.orders is None:
                return 409, {"error": "not-wanted"}
            return 200, self.orders
        if name == "report":
            self.reports.append((body["generation"], body["stage"], body["detail"]))
            return 200, {}
        self.heartbeats.append(body)
        generation = self.orders["generation"] if self.orders else body["generation"]
        return 200, {
            "generation": generation,
            "issued": self.orders.get("issued") if self.orders else None,
            "verdict": self.verdict,
            "reason": None,
            "sentence": None,
            "deadline": None,
            "balance": None,
            "next_heartbeat_seconds": 1,
            "from-the-future": True,
        }

    def _register(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if body["ticket"] != self.ticket:
            return 401, {"error": "ticket"}
        if self.key not in {None, body["key"]}:
            return 409, {"error": "another-key"}
        self.key = body["key"]
        return 200, {"machine": "machine-1"}

    def _handler(fake) -> type[BaseHTTPRequestHandler]:  # noqa: N805
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._do({})

            def do_POST(self) -> None:
                self._do(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

            def _do(self, body: dict[str, Any]) -> None:
                name = self.path.removeprefix(f"{PATH}/")
                with fake.changed:
                    fake.requests.append(name)
                    status, said = fake.answer(name, self.headers.get("Authorization", ""), body)
                    fake.changed.notify_all()
                text = json.dumps(said).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *args: Any) -> None:
                pass

        return Handler


def orders(**changes: Any) -> dict[str, Any]:
    """Orders for a machine that a test boots, as the controller would send them."""
    return {
        "generation": 1,
        "environment": {
            "JUPYTERHUB_SERVICE_PREFIX": "/user/alice/",
            "JUPYTERHUB_API_TOKEN": "hub-token-0123456789",
        },
        "command": ["stub-server"],
        "user": "student",
        "address": "127.0.0.1",
        "port": 8888,
        "home": {"device": "/dev/disk/by-id/home"},
        "heartbeat_seconds": 1,
        "unreachable_seconds": 1800,
        "disowned_seconds": 600,
        "claim": "gs-alice",
        "from-the-future": True,
        **changes,
    }
