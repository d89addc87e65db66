"""Tells what the server itself does to a file from what a page does to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_AUTOMATIC: ContextVar[bool] = ContextVar("automatic", default=False)


@contextmanager
def automatic() -> Iterator[None]:
    """What is saved in here is saved by nobody."""
    token = _AUTOMATIC.set(True)
    try:
        yield
    finally:
        _AUTOMATIC.reset(token)


def is_automatic() -> bool:
    """Whether it is the server itself that saves now."""
    return _AUTOMATIC.get()
