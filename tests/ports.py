"""Ports that nobody else has: neither of this process, nor of another that runs tests beside it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TextIO

_kept: dict[int, TextIO] = {}


def free_port() -> int:
    """Any free port, for who listens at once."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def free_base(bases: Sequence[int], offsets: Iterable[int]) -> int:
    """One of `bases` from which the ports at `offsets` are free, until it is given back.

    Another may have chosen it and not listen yet, so each leaves a mark that ends with its process.
    """
    offsets = list(offsets)
    start = os.getpid() * 37 % len(bases)
    for base in [*bases[start:], *bases[:start]]:
        mark = (Path(tempfile.gettempdir()) / f"gpuspawner-ports-{base}.lock").open("w")
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if all(_free(base + offset) for offset in offsets):
                _kept[base] = mark
                return base
        mark.close()
    raise RuntimeError("no free ports")


def give_back(base: int) -> None:
    """The ports are used no more."""
    if base in _kept:
        _kept.pop(base).close()


def _free(port: int) -> bool:
    with socket.socket() as one:
        try:
            one.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
