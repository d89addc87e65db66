"""Several transactions in one commit, each all or nothing on its own.

A commit is written through to the disk, which takes SQLite's one writer milliseconds, on a busy
disk a hundred. A class that presses Start together is three hundred wishes, and as many reports of
each step of their machines; in line one after the other they would wait until nobody waits for
them any more.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

WROTE = "gpuspawner_wrote"
"""In `Connection.info` while a function has changed something."""

Function = Callable[[Connection], Any]


@dataclass(frozen=True)
class _Work:
    fn: Function
    committed: Callable[[], None]
    done: Future[Any] = field(default_factory=Future)


@dataclass(frozen=True)
class _Outcome:
    result: Any = None
    error: BaseException | None = None
    wrote: bool = False


class Together:
    """What waits to be written to one database.

    Args:
        engine: to which.
        most: so many share a commit at most; 1 where a row's lock would be held for others.
    """

    def __init__(self, engine: Engine, most: int) -> None:
        self._engine = engine
        self._most = most
        self._lock = threading.Lock()
        self._waiting: deque[_Work] = deque()

    def add(self, fn: Function, committed: Callable[[], None]) -> Future[Any]:
        """Put `fn` in line; `drain` must be called once for it. What it answers is in the future.

        `committed` is called before that, in the writing thread, when it has changed something.
        """
        work = _Work(fn, committed)
        with self._lock:
            self._waiting.append(work)
        return work.done

    def drain(self) -> None:
        """Carry out what is first in line, together with what waits behind it. Never raises."""
        works = self._take()
        if len(works) > 1:
            try:
                outcomes = self._all(works)
            except SQLAlchemyError:
                # Nothing is committed (or it is not known, and then each can be repeated): whoever
                # is to blame must fail alone.
                outcomes = []
            else:
                _settle(works, outcomes)
                return
        for work in works:
            _settle([work], [self._alone(work)])

    def _take(self) -> list[_Work]:
        with self._lock:
            works = [self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))]
        return [work for work in works if work.done.set_running_or_notify_cancel()]

    def _all(self, works: list[_Work]) -> list[_Outcome]:
        with self._engine.begin() as connection:
            return [_apart(connection, work) for work in works]

    def _alone(self, work: _Work) -> _Outcome:
        try:
            with self._engine.begin() as connection:
                connection.info.pop(WROTE, None)
                result = work.fn(connection)
                wrote = connection.info.pop(WROTE, False)
        except BaseException as error:  # noqa: BLE001 - it is raised where the answer is awaited
            return _Outcome(error=error)
        return _Outcome(result, wrote=wrote)


def _apart(connection: Connection, work: _Work) -> _Outcome:
    """One of several: what it raises undoes its own changes and no others.

    Raises:
        SQLAlchemyError: the database itself refused, and may have undone everything.
    """
    connection.info.pop(WROTE, None)
    try:
        with connection.begin_nested():
            result = work.fn(connection)
    except SQLAlchemyError:
        raise
    except BaseException as error:  # noqa: BLE001 - it is raised where the answer is awaited
        return _Outcome(error=error)
    return _Outcome(result, wrote=connection.info.pop(WROTE, False))


def _settle(works: list[_Work], outcomes: list[_Outcome]) -> None:
    for work, outcome in zip(works, outcomes, strict=True):
        if outcome.error is not None:
            work.done.set_exception(outcome.error)
            continue
        if outcome.wrote:
            work.committed()
        work.done.set_result(outcome.result)
