"""A hub as its own process: `python -m tests.faults.hub_process --config …`.

With `CAMPUS_STEPS` it writes down what it does, and dies where it is told to (`tests.faults.steps`).
With `--nursery` it is the `tests.faults.nursery` of such processes.
"""

from __future__ import annotations

import sys

from jupyterhub.proxy import Proxy


class NullProxy(Proxy):
    """Routes nothing: these tests are about machines."""

    should_start = False

    async def get_all_routes(self):
        return {}

    async def add_route(self, routespec, target, data):
        pass

    async def delete_route(self, routespec):
        pass


def main(arguments: list[str]) -> None:
    """Run one."""
    from jupyterhub import app  # noqa: PLC0415

    from tests.faults import steps  # noqa: PLC0415

    steps.watch_hub()
    app.main(arguments)


if __name__ == "__main__":
    if "--nursery" in sys.argv:
        import jupyterhub.app  # noqa: F401

        import gpuspawner.spawner  # noqa: F401
        from tests.faults import nursery

        nursery.serve(main)
    else:
        main(sys.argv[1:])
