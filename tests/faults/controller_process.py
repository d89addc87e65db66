"""A controller as its own process: `python -m tests.faults.controller_process controller --config …`.

It writes down what it does, and dies where it is told to (`tests.faults.steps`). With `--nursery` it
is the `tests.faults.nursery` of such processes.
"""

from __future__ import annotations

import sys

from tests.faults import nursery, steps


def main(arguments: list[str]) -> int:
    """Run one."""
    from gpuspawner import cli  # noqa: PLC0415

    steps.watch_controller()
    return cli.main(arguments)


if __name__ == "__main__":
    if "--nursery" in sys.argv:
        from azure.identity import aio as _identity  # noqa: F401
        from azure.mgmt.compute import aio as _compute  # noqa: F401

        from gpuspawner import app  # noqa: F401
        from gpuspawner.providers import aws, azure  # noqa: F401
        from gpuspawner.store import migrate  # noqa: F401

        nursery.serve(main)
    else:
        sys.exit(main(sys.argv[1:]))
