"""The one door to the database: a function, run in one transaction, away from the event loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from functools import partial
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import InternalError as SqlInternalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from gpuspawner.errors import ControllerUnavailable
from gpuspawner.store import engines, migrate
from gpuspawner.store.encryption import CIPHER_OPTION, Cipher
from gpuspawner.store.lock import FileLock, Lock, PostgresqlLock
from gpuspawner.store.together import WROTE, Together

__all__ = ["QUIET", "Connection", "Database", "nothing_to_plan"]

_T = TypeVar("_T")
_P = ParamSpec("_P")

QUIET = "gpuspawner_quiet"
"""The execution option of a statement whose changes wake nobody."""

_WROTE = WROTE
_THREADS = 4
_SHARE = 50
"""So many transactions share a commit at most."""

_PLANS: ContextVar[bool] = ContextVar("gpuspawner_plans", default=True)


@contextlib.contextmanager
def nothing_to_plan() -> Iterator[None]:
    """What is written inside, by this task or one that it makes, changes nothing about the plan.

    People are shown it all the same. A pass that wrote down what it does would otherwise wake the
    next one, and that one the next.
    """
    token = _PLANS.set(False)
    try:
        yield
    finally:
        _PLANS.reset(token)


class Database:
    """The controller's memory. It connects at the first use.

    Args:
        url: of an SQLite file, or of a PostgreSQL database.
        encryption_key: `Identity.encryption_key`.

    Raises:
        ConfigurationError: the URL is none that we can use.
    """

    def __init__(self, url: str, encryption_key: bytes) -> None:
        self._url = engines.parse(url)
        cipher = {CIPHER_OPTION: Cipher(encryption_key)}
        # SQLite has one writer at a time whatever we do: with one thread they queue in order
        # instead of competing for its lock.
        writers = 1 if self._url.drivername == "sqlite" else _THREADS
        self._engine = engines.make(self._url, pool_size=writers).execution_options(**cipher)
        self._reader = engines.make(
            self._url, pool_size=_THREADS, read_only=True
        ).execution_options(**cipher)
        self._together = Together(self._engine, _SHARE if writers == 1 else 1)
        event.listen(self._engine, "after_cursor_execute", _note_change)
        self._writing = ThreadPoolExecutor(writers, "gpuspawner-store")
        self._reading = ThreadPoolExecutor(_THREADS, "gpuspawner-store-read")
        self._callbacks: list[tuple[Callable[[], None], bool]] = []

    async def run(
        self, fn: Callable[Concatenate[Connection, _P], _T], *args: _P.args, **kwargs: _P.kwargs
    ) -> _T:
        """Run `fn(connection, …)` in one transaction, in a thread, and commit it.

        An exception undoes all of it, and nothing else: see `gpuspawner.store.together`. A caller that is cancelled does not undo it: the transaction
        ends as if nobody had stopped waiting.

        Raises:
            ControllerUnavailable: the database does not answer, is locked by another program for
                longer than 5 s, is full or is read-only. Whether the commit itself was carried out
                is unknown if the connection was lost in the middle of it; every function of this
                package can be repeated or is conditional.
            Whatever `fn` raises.
        """
        loop = asyncio.get_running_loop()
        plans = _PLANS.get()

        def committed() -> None:
            # From here rather than after the await, so that a cancelled caller's change is heard
            # of too. The loop may be gone while the last transaction ends.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._changed, plans)

        done = self._together.add(partial(_inside, fn, args, kwargs), committed)
        self._writing.submit(self._together.drain)
        with _translated():
            result: _T = await asyncio.wrap_future(done)
            return result

    async def read(
        self, fn: Callable[Concatenate[Connection, _P], _T], *args: _P.args, **kwargs: _P.kwargs
    ) -> _T:
        """As `run`, for a function that only reads: it waits for no writer, and cannot write."""

        def work() -> _T:
            with _translated(), self._reader.begin() as c:
                return fn(c, *args, **kwargs)

        return await asyncio.get_running_loop().run_in_executor(self._reading, work)

    def on_change(self, callback: Callable[[], None], *, plans: bool = False) -> None:
        """Call `callback()` on the loop after each commit that has changed something, before `run` returns.

        Heartbeats alone are no change; with `plans`, neither is what says `nothing_to_plan`.
        """
        self._callbacks.append((callback, plans))

    def lock(self) -> Lock:
        """The one lock of this database, not acquired yet."""
        if self._url.drivername == "sqlite":
            path = engines.sqlite_file(self._url)
            return FileLock(path.with_name(path.name + ".lock"))
        return PostgresqlLock(engines.make(self._url, pool_size=1, pooled=False))

    def migrate(self) -> None:
        """Bring the tables up to date, from any earlier version or from nothing. Blocks.

        Only the holder of the lock calls it: it would change the tables under the feet of another.

        Raises:
            ConfigurationError: the database is of a newer version, or of another hub's secret.
            ControllerUnavailable: it does not answer.
        """
        with _translated():
            migrate.upgrade(self._engine)

    def close(self) -> None:
        """Wait for the transactions that run, and give threads and connections back."""
        self._writing.shutdown()
        self._reading.shutdown()
        self._engine.dispose()
        self._reader.dispose()

    def _changed(self, plans: bool) -> None:
        for callback, only_plans in self._callbacks:
            if plans or not only_plans:
                callback()


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """No exception of SQLAlchemy's says "try again later" in words that our callers know."""
    try:
        yield
    except (OperationalError, InterfaceError, SqlInternalError, PoolTimeout) as error:
        raise ControllerUnavailable(f"the database: {error}") from error
    except DBAPIError as error:
        if error.connection_invalidated and not isinstance(error, IntegrityError):
            raise ControllerUnavailable(f"the database: {error}") from error
        raise


def _inside(
    fn: Callable[..., _T], args: tuple[Any, ...], kwargs: dict[str, Any], connection: Connection
) -> _T:
    return fn(connection, *args, **kwargs)


def _note_change(
    connection: Connection, cursor: Any, statement: str, parameters: Any, context: Any, many: bool
) -> None:
    del statement, parameters, many
    changes = context is not None and (context.isinsert or context.isupdate or context.isdelete)
    if changes and cursor.rowcount != 0 and not context.execution_options.get(QUIET):
        connection.info[_WROTE] = True


def engine_of(database: Database) -> Engine:
    """The engine, for tools and tests that look at the database as a whole."""
    return database._engine  # noqa: SLF001 - of this module
