"""`gpuspawner-agent run`: started by systemd at every boot (see gpuspawner-agent.service)."""

from __future__ import annotations

import argparse
import logging
import signal
from collections.abc import Sequence
from pathlib import Path

from gpuspawner.agent import boot
from gpuspawner.agent.api import Api
from gpuspawner.agent.clock import SystemClock
from gpuspawner.agent.machine import Agent

AUTHORITY = "etc/gpuspawner/ca.pem"
"""A further certificate authority, if the image brings one."""

log = logging.getLogger("gpuspawner.agent")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the agent; the exit status for systemd, 0 when there is nothing more to do here."""
    parser = argparse.ArgumentParser(prog="gpuspawner-agent", description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True)
    action = actions.add_parser("run", help="mount the home, run the server, report, until the end")
    action.add_argument("--root", type=Path, default=Path("/"), help="where all paths begin")
    action.add_argument(
        "--user-data", type=Path, help=f"the machine's user data (default: ROOT/{boot.USER_DATA})"
    )
    options = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="gpuspawner-agent: %(levelname)s %(message)s")
    return _run(options.root, options.user_data or options.root / boot.USER_DATA)


def _run(root: Path, user_data: Path) -> int:
    try:
        bootstrap = boot.read_user_data(user_data)
    except boot.NotOurs as error:
        log.info("not a machine of gpuspawner: %s", error)
        return 0
    clock = SystemClock()
    key = boot.machine_key(root / boot.KEY)
    api = Api(bootstrap.url, authority=root / AUTHORITY, ca=bootstrap.ca)
    agent = Agent(root, bootstrap.ticket, key, api=api, clock=clock)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: agent.end())
    agent.run()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
