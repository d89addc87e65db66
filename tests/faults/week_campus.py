"""A campus on one clock that is turned: an emulated cloud, a controller and a JupyterHub.

Controller and hub are processes that are killed with SIGKILL. The cloud is in this process, and is
never killed; machines are entries of its list, and one small server answers for all of them.
"""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from gpuspawner.emulator import arm, ec2
from gpuspawner.emulator.faults import Times
from tests.faults.campus import Campus
from tests.faults.clouds import AZURE, Cloud
from tests.faults.nursery import shared
from tests.faults.shared_clock import SharedTime

MORNING = 1_800_000_000
"""15 January 2027, 8 o'clock, UTC: later than the prices that are in the package."""

_MORE = """
c.Controller.fast_interval = 60.0
c.Controller.slow_interval = 600.0
c.Controller.orphan_grace = 180.0
c.Controller.save_timeout = 60.0
c.Controller.roll_call_interval = 600.0
c.GPUSpawner.start_timeout = 900
c.GPUSpawner.consecutive_failure_limit = 0
c.GPUSpawner.port = {port}
c.JupyterHub.tornado_settings = {{"slow_spawn_timeout": 0.3, "slow_stop_timeout": 0.05}}
c.JupyterHub.log_level = "WARN"
c.Credit.enforce = True
c.Credit.tick = 600.0
c.Credit.student_credit = {credit}
c.Credit.course_credit = {pool}
"""

_AZURE_PRICES = """
c.Prices.cost = {{}}
c.Prices.refresh_interval = 86400
c.Azure.price_list_url = "http://127.0.0.1:{port}/api/retail/prices"
"""


class WeekCampus(Campus):
    """`credit` is what each of `students` is given, in dollars; the pool has ten times as much."""

    def __init__(
        self, folder: Path, students: int, credit: float, kind: Cloud | None = None
    ) -> None:
        super().__init__(folder, quick=True, kind=kind)
        self.pause = 0.02
        self.time = SharedTime(folder / "time", start=MORNING)
        self.more = _MORE.format(port=self.base + 3, credit=credit, pool=10 * students * credit)
        if self.kind is AZURE:
            self.more += _AZURE_PRICES.format(port=self.base)

    def open(self) -> Campus:
        """Start everything."""
        for module in ("week_controller", "week_hub"):
            shared(f"tests.faults.{module}")
        self._servers = ThreadingHTTPServer(("0.0.0.0", self.base + 3), _Server)
        threading.Thread(target=self._servers.serve_forever, args=(0.05,), daemon=True).start()
        self.start_cloud()
        self.write_config()
        self.start_controller()
        self.start_hub()
        return self

    def close(self) -> None:
        """End everything."""
        super().close()
        self.emulator.close()
        self._servers.shutdown()
        self._servers.server_close()
        self.time.close()

    def start_cloud(self) -> None:
        """What the cloud does not date (pending, say) is another test's; here it takes no time."""
        told: dict[str, Any] = {
            "port": self.base,
            "clock": self.time,
            "times": Times(pending=0, stopping=0, shutting_down=0, attaching=0),
            "network": self.network,
        }
        self.emulator: arm.Emulator | ec2.Emulator
        if self.kind is AZURE:
            self.emulator = arm.Emulator(folder=self.folder / self.kind.emulator, **told)
        else:
            self.emulator = ec2.Emulator(**told)
        self.emulator.start()

    def start_controller(self, *, wait: bool = True, **_: Any) -> None:
        """One that does what it is told to by `order`."""
        self._spawn(
            "controller",
            ["-m", "gpuspawner.cli", "controller", "--config", str(self.config)],
            nursery="tests.faults.week_controller",
            JUPYTERHUB_API_URL=f"{self.hub_url}/hub/api",
            WEEK_TIME=str(self.folder / "time"),
            WEEK_PORT=str(self.base + 4),
        )
        if wait:
            self.until(lambda: self._answers(f"http://127.0.0.1:{self.base + 4}/pass"))

    def start_hub(self, *, wait: bool = True, **_: Any) -> None:
        """The hub."""
        self._spawn(
            "hub",
            ["-m", "jupyterhub", "--config", str(self.config)],
            nursery="tests.faults.week_hub",
            WEEK_TIME=str(self.folder / "time"),
        )
        if wait:
            self.until(self.hub_answers)

    def order(self, what: str) -> dict[str, Any] | None:
        """Have the controller do that; None when it died meanwhile."""
        status, answer = self._ask("POST", f"http://127.0.0.1:{self.base + 4}/{what}", None)
        if status == 0:
            return None
        assert status == 200, self.world()
        return dict(answer)

    def billed_machines(self) -> set[str]:
        """The machines whose computing costs money at this moment."""
        self.emulator.world.settle()
        return {thing for kind, thing in list(self.emulator.world.bill._open) if kind == "machine"}


class _Server(BaseHTTPRequestHandler):
    """A student's server, as far as the hub looks at it."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("X-JupyterHub-Version", "5.0")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass
