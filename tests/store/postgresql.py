"""A private PostgreSQL server in a temporary folder, for the tests of one run."""

from __future__ import annotations

import contextlib
import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from gpuspawner.store import schema

STOP = ("-w", "-m", "immediate", "stop")

_numbers = itertools.count(1)

_MIGRATED = ("courses", "accounts")
"""What a migration has put rows into."""

_AS_MIGRATED = (
    "DELETE FROM courses WHERE slug <> 'default'",
    "UPDATE courses SET unit = 'USD', cost_unit = 'USD', timezone = 'UTC'",
    "DELETE FROM accounts WHERE owner IS NOT NULL OR course NOT IN (SELECT id FROM courses)",
    "UPDATE accounts SET balance = 0 WHERE balance IS NOT NULL",
)


def _binaries() -> Path | None:
    for folder in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True):
        if (folder / "initdb").exists():
            return folder
    found = shutil.which("initdb")
    return Path(found).resolve().parent if found else None


def _unprivileged() -> str | None:
    """PostgreSQL refuses to run as root: who runs it instead; None when we are not root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    pytest.fail("there is neither a user postgres nor a user nobody to run PostgreSQL as")


def _needs(binaries: Path | None) -> Path:
    if binaries is None:
        reason = (
            "PostgreSQL is not installed (initdb is neither on PATH nor in /usr/lib/postgresql)"
        )
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return binaries


@contextlib.contextmanager
def server() -> Iterator[str]:
    """A URL of a new server, with `{}` in the place of a database's name."""
    binaries, user = _needs(_binaries()), _unprivileged()
    # Not below pytest's folder, which another user may not enter; and a socket's path is short.
    with tempfile.TemporaryDirectory(prefix="gpuspawner-pg-") as folder:
        if user:
            shutil.chown(folder, user, pwd.getpwnam(user).pw_gid)

        run_as: dict[str, Any] = {
            "cwd": folder,
            "user": user,
            "group": pwd.getpwnam(user).pw_gid if user else None,
            "extra_groups": [] if user else None,
        }

        def run(program: str, *arguments: str) -> None:
            quiet = subprocess.DEVNULL
            command = [binaries / program, *arguments]
            subprocess.run(command, check=True, stdin=quiet, stdout=quiet, **run_as)

        data = f"{folder}/data"
        run("initdb", "-D", data, "-U", "gpuspawner", "-A", "trust", "--no-sync", "-E", "UTF8")
        options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
        with _stopped_when_we_end(run_as, [binaries / "pg_ctl", "-D", data, *STOP]):
            run("pg_ctl", "-D", data, "-w", "-o", options, "-l", f"{folder}/log", "start")
            yield f"postgresql://gpuspawner@/{{}}?host={folder}"


@contextlib.contextmanager
def _stopped_when_we_end(run_as: dict[str, Any], stop: list[str | Path]) -> Iterator[None]:
    """Have a process of its own run `stop` at the end of the block, or of this process.

    It waits for the end of its input, which comes as well when a run is killed: pg_ctl leaves the
    server to itself, and a server left behind stays until somebody looks. It is no child of ours,
    since some tests look for children that are left.
    """
    with contextlib.ExitStack() as stack:
        theirs_in, ours_in, ours_out, theirs_out = (
            stack.enter_context(os.fdopen(fd, mode, buffering=0))
            for fd, mode in zip((*os.pipe(), *os.pipe()), ("rb", "wb", "rb", "wb"), strict=True)
        )
        subprocess.run(
            ["sh", "-c", 'exec 3<&0; (cat <&3; "$@" && echo done) &', "sh", *stop],
            check=True,
            stdin=theirs_in,
            stdout=theirs_out,
            start_new_session=True,  # what ends our group, Ctrl-C for one, must not end it
            **run_as,
        )
        theirs_in.close()
        theirs_out.close()
        try:
            yield
        finally:
            ours_in.close()
            said = ours_out.read()
            assert said.endswith(b"done\n"), said


def new_database(server: str) -> str:
    """The URL of a new database."""
    name = f"test{next(_numbers)}"
    _execute(server.format("postgres"), f"CREATE DATABASE {name}")
    return server.format(name)


def clean(url: str) -> None:
    """Empty the tables that a test writes to, but for the course that is there from the beginning."""
    tables = [name for name in schema.metadata.tables if name not in ("canary", *_MIGRATED)]
    # Facts refuse to be deleted, unless their triggers sleep.
    emptied = [f"DELETE FROM {name}" for name in tables]
    _execute(url, "; ".join(["SET session_replication_role = replica", *emptied, *_AS_MIGRATED]))


def _execute(url: str, statement: str) -> None:
    driver = url.replace("postgresql:", "postgresql+psycopg:")
    engine = create_engine(driver, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql(statement)
    engine.dispose()
