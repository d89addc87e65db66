"""The nursery of emulated clouds: `python -m tests.faults.cloud_process --nursery`."""

from __future__ import annotations

import sys

from tests.faults import nursery


def main(arguments: list[str]) -> int:
    """Run one."""
    from gpuspawner import cli  # noqa: PLC0415

    return cli.main(arguments)


if __name__ == "__main__" and "--nursery" in sys.argv:
    import moto.ec2.models
    import moto.ec2.responses  # noqa: F401

    import gpuspawner.emulator.command
    import gpuspawner.emulator.ec2  # noqa: F401

    nursery.serve(main)
