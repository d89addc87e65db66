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

import pytest
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from gpuspawner.store import schema

_numbers = itertools.count(1)


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

        def run(program: str, *arguments: str) -> None:
            subprocess.run(
                [binaries / program, *arguments],
                check=True,
                cwd=folder,
                user=user,
                group=pwd.getpwnam(user).pw_gid if user else None,
                extra_groups=[] if user else None,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )

        data = f"{folder}/data"
        run("initdb", "-D", data, "-U", "gpuspawner", "-A", "trust", "--no-sync", "-E", "UTF8")
        options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
        run("pg_ctl", "-D", data, "-w", "-o", options, "-l", f"{folder}/log", "start")
        try:
            yield f"postgresql://gpuspawner@/{{}}?host={folder}"
        finally:
            run("pg_ctl", "-D", data, "-w", "-m", "immediate", "stop")


def new_database(server: str) -> str:
    """The URL of a new database."""
    name = f"test{next(_numbers)}"
    _execute(server.format("postgres"), f"CREATE DATABASE {name}")
    return server.format(name)


def clean(url: str) -> None:
    """Empty the tables that a test writes to."""
    tables = [name for name in schema.metadata.tables if name != "canary"]
    _execute(url, "; ".join(f"DELETE FROM {name}" for name in tables))


def _execute(url: str, statement: str) -> None:
    driver = url.replace("postgresql:", "postgresql+psycopg:")
    engine = create_engine(driver, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql(statement)
    engine.dispose()
