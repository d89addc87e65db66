"""What belongs to one generation on this machine: its orders, its home and its server."""

from __future__ import annotations

from pathlib import Path

from gpuspawner.agent.boot import Orders
from gpuspawner.agent.clock import Clock
from gpuspawner.agent.commands import run
from gpuspawner.agent.gpus import Gpus
from gpuspawner.agent.heartbeat import SENSORS, SESSION, Facts
from gpuspawner.agent.homes import Home
from gpuspawner.agent.saving import Saving
from gpuspawner.agent.supervisor import GRACE_SECONDS, Supervisor

LOG = "var/log/gpuspawner/server.log"


class Session:
    """One generation's session on the machine below `root`.

    `url` is where the controller's REST begins, for the student's own requests.
    """

    def __init__(self, root: Path, orders: Orders, clock: Clock, gpus: Gpus, url: str) -> None:
        self._sensors = root / SENSORS
        self._opened = False
        self.orders = orders
        self.home = Home(root, orders.user)
        self.facts = Facts(root, self.home.folder, clock, gpus)
        self.saving: Saving | None = None
        self.server = Supervisor(
            orders,
            log=root / LOG,
            home=self.home.folder,
            clock=clock,
            clean=self._sensors.parent / "without-settings",
            extra={
                "GPUSPAWNER_SENSORS_FILE": str(self._sensors),
                "GPUSPAWNER_SESSION_FILE": str(root / SESSION),
                "GPUSPAWNER_API_URL": url,
                "GPUSPAWNER_CLAIM": orders.claim,
                "GPUSPAWNER_GENERATION": str(orders.generation),
            },
        )

    def is_possible(self) -> bool:
        """Whether the address is known, and the home's device is known and has appeared."""
        device = self.orders.device
        return bool(self.orders.address) and device is not None and self.home.is_there(device)

    def open_home(self) -> None:
        """Mount the home, and make the folder in which the server leaves what it sees.

        The folder is the student's own, below one that is ours, so that nobody can put another in
        its place.

        Raises:
            HomeFailed, CommandFailed, OSError: see the text.
        """
        assert self.orders.device is not None
        self._opened = True
        self.home.prepare(self.orders.device)
        folder = self._sensors.parent
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        run(["chown", f"{self.orders.user}:{self.orders.user}", str(folder)])

    def close(self, grace: float = GRACE_SECONDS) -> None:
        """End the server gently and have the home on its disk. Safe to repeat; never raises.

        Args:
            grace: seconds that the server has to end.
        """
        if self._opened:
            self._opened = False
            self.server.stop(grace)
            self.home.release()
