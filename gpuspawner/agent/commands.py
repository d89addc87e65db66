"""The commands that the agent asks the machine for, and the one way it runs them."""

from __future__ import annotations

import logging
import subprocess
from collections.abc import Sequence

COMMANDS = (
    "blkid",
    "chown",
    "id",
    "mkfs.ext4",
    "mount",
    "mountpoint",
    "setpriv",
    "shutdown",
    "sync",
    "umount",
    "useradd",
)
"""All that a machine image must have on its PATH (util-linux, e2fsprogs, coreutils, passwd).

`setpriv` and not `runuser`: `runuser` stays between us and the server and kills it two seconds
after a SIGTERM (util-linux `su-common.c`), too soon for kernels that save. Two more are used when
they are there: `nvidia-smi` for the facts about GPUs, and what the controller names as the server.
No secret is ever an argument, since every process of the machine can read those.
"""

TIMEOUT_SECONDS = 60.0

log = logging.getLogger(__name__)


class CommandFailed(Exception):
    """A command was missing, did not end in time, or ended with an error; says which and why."""


def run(
    argv: Sequence[str], *, accept: Sequence[int] = (0,), timeout: float = TIMEOUT_SECONDS
) -> tuple[int, str]:
    """Run `argv`; its exit status, one of `accept`, and its standard output.

    Raises:
        CommandFailed: it is missing, took more than `timeout` seconds, or ended otherwise.
    """
    log.debug("running %s", argv)
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CommandFailed(f"{argv[0]}: {error}") from error
    if done.returncode not in accept:
        said = done.stderr.decode(errors="replace").strip()
        raise CommandFailed(f"{' '.join(argv)}: exit status {done.returncode}: {said[-1000:]}")
    return done.returncode, done.stdout.decode(errors="replace")


def succeeds(argv: Sequence[str]) -> bool:
    """Whether `argv` ends with exit status 0; a missing command does not."""
    try:
        run(argv)
    except CommandFailed:
        return False
    return True
