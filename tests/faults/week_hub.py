"""The hub of a week, its own process: JupyterHub with our spawner, which knows the shared time.

What it waits for it waits for in real time, as ever; only the moment by which a machine must have
been started is one of the week's.
"""

from __future__ import annotations

import os
import sys
from datetime import datetime
from pathlib import Path

from gpuspawner.clock import SystemClock
from tests.faults import nursery
from tests.faults.shared_clock import SharedClock, SharedTime


class HubClock(SystemClock):
    """The shared time, and real waits."""

    def __init__(self, time: SharedTime) -> None:
        self._shared = SharedClock(time)

    def now(self) -> datetime:
        """The shared time."""
        return self._shared.now()


def main(arguments: list[str]) -> None:
    """Run one."""
    from jupyterhub import app  # noqa: PLC0415

    from gpuspawner.spawner import GPUSpawner  # noqa: PLC0415

    GPUSpawner.clock = HubClock(SharedTime(Path(os.environ["WEEK_TIME"])))
    app.main(arguments)


if __name__ == "__main__" and "--nursery" in sys.argv:
    import jupyterhub.app  # noqa: F401

    import gpuspawner.spawner  # noqa: F401

    nursery.serve(main)
