"""The one lock of the database. Who holds it may change the cloud; who does not, stands by.

It is the operating system's or the server's lock, not a row: a process that dies, however it dies,
has given it up.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from gpuspawner.errors import ControllerUnavailable, NotTheLeader

KEY = 0x6770757370617776
"""`gpuspawv` in ASCII: advisory locks are numbers, of one database each."""


class Lock(Protocol):
    """The one lock of a database. Its methods block for a moment: call them in a thread."""

    def acquire(self) -> bool:
        """Take the lock if nobody else holds it. Whether we hold it; does not wait for it.

        Raises:
            ControllerUnavailable: the database does not answer.
        """
        ...

    def lost(self) -> bool:
        """Whether we do not hold it (any more). What was lost is not taken again behind our back."""
        ...

    def require(self) -> None:
        """Go on only as the holder.

        Raises:
            NotTheLeader: we do not hold it (any more).
        """
        ...

    def release(self) -> None:
        """Give it up. May be repeated."""
        ...


class _Required:
    def lost(self) -> bool:
        raise NotImplementedError

    def require(self) -> None:
        """Go on only as the holder."""
        if self.lost():
            raise NotTheLeader("the lock of the database is not held")


class FileLock(_Required):
    """An flock on a file beside the database. Not for network file systems, as SQLite is not."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def acquire(self) -> bool:
        """Take the lock if nobody else holds it. Whether we hold it."""
        if not self.lost():
            return True
        self.release()
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise ControllerUnavailable(f"the lock {self._path}: {error}") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        # Between opening and locking, the file may have been replaced.
        if self.lost():
            self.release()
            return False
        return True

    def lost(self) -> bool:
        """Whether the file we have locked is not the one at its path: another may lock that one."""
        if self._descriptor is None:
            return True
        try:
            there, ours = self._path.stat(), os.fstat(self._descriptor)
        except OSError:
            return True
        return (there.st_dev, there.st_ino) != (ours.st_dev, ours.st_ino)

    def release(self) -> None:
        """Give it up. The file stays: to delete it would let two hold a lock."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class PostgresqlLock(_Required):
    """An advisory lock on a connection of its own. It needs a server, not a transaction pooler.

    The server gives the lock up when the connection ends; the probes make it notice within half a
    minute that our host is gone.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._connection: Connection | None = None

    def acquire(self) -> bool:
        """Take the lock if nobody else holds it. Whether we hold it."""
        if not self.lost():
            return True
        self.release()
        try:
            self._connection = self._engine.connect()
            for setting in (
                "tcp_keepalives_idle = 10",
                "tcp_keepalives_interval = 5",
                "tcp_keepalives_count = 3",
                "idle_session_timeout = 0",
            ):
                self._connection.exec_driver_sql(f"SET {setting}")
            taken = self._connection.exec_driver_sql(f"SELECT pg_try_advisory_lock({KEY})")
            if taken.scalar_one():
                return True
        except SQLAlchemyError as error:
            self.release()
            raise ControllerUnavailable(f"the lock of the database: {error}") from error
        self.release()
        return False

    def lost(self) -> bool:
        """Whether the connection that holds the lock has ended: asks the server."""
        if self._connection is None:
            return True
        try:
            self._connection.exec_driver_sql("SELECT 1")
        except SQLAlchemyError:
            self.release()
            return True
        return False

    def release(self) -> None:
        """Give it up, with its connection."""
        if self._connection is not None:
            with contextlib.suppress(SQLAlchemyError):
                self._connection.close()
            self._connection = None
            self._engine.dispose()
