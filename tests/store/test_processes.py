"""Two real processes at one database: who wins, and what is left when one is killed."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url

from gpuspawner.errors import NotTheLeader
from gpuspawner.store import claims, engines
from gpuspawner.store.database import Database
from tests.store.wishes import NAME, run


class Worker:
    """`tests.store.worker` in a process of its own."""

    def __init__(self, url: str, action: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.store.worker", url, action],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.hear() == "ready"

    def go(self) -> Worker:
        assert self._process.stdin
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return self

    def hear(self) -> Any:
        assert self._process.stdout
        return json.loads(self._process.stdout.readline())

    def kill(self) -> None:
        self._process.kill()
        self.close()

    def close(self) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()


@pytest.fixture
def process(url: str) -> Iterator[Callable[[str], Worker]]:
    workers: list[Worker] = []

    def make(action: str) -> Worker:
        workers.append(Worker(url, action))
        return workers[-1]

    yield make
    for worker in workers:
        worker.kill()


Process = Callable[[str], Worker]


async def test_two_who_press_start_at_once_get_generations_of_their_own(
    own: Database, process: Process
) -> None:
    both = [process("wish"), process("wish")]
    generations = [worker.go() for worker in both] and [worker.hear() for worker in both]
    assert sorted(generations[0] + generations[1]) == list(range(1, 21))
    assert (await own.run(claims.get, NAME)).generation == 20


async def test_of_two_who_open_an_attempt_at_once_one_does(own: Database, process: Process) -> None:
    await own.run(run)
    both = [process("ask"), process("ask")]
    ids = [worker.go() for worker in both] and {worker.hear() for worker in both}
    (intent,) = await own.run(claims.open_intents)
    assert ids == {intent.id, None}


async def test_a_process_killed_in_a_transaction_leaves_nothing_of_it(
    own: Database, process: Process
) -> None:
    before = await own.run(run)
    worker = process("half").go()
    assert worker.hear() == "half"
    worker.kill()
    assert await own.run(claims.get, NAME) == before
    assert await own.run(claims.open_intents) == []
    # Nor does it stand in the way of the next.
    assert await own.run(run) == replace(before, generation=2)


def test_one_of_two_holds_the_lock(own: Database, process: Process) -> None:
    first, second = process("lead"), process("lead")
    assert first.go().hear() is True
    assert second.go().hear() is False


def test_the_lock_of_a_killed_process_passes_on(own: Database, process: Process) -> None:
    worker, lock = process("lead"), own.lock()
    assert worker.go().hear() is True
    assert not lock.acquire()
    with pytest.raises(NotTheLeader):
        lock.require()
    worker.kill()
    # The server takes a moment to see that a client is gone; a file's lock is free at once.
    assert any(lock.acquire() for _ in range(1000))
    lock.require()
    lock.release()


def test_a_lock_that_is_held_is_taken_again_by_its_holder_only(own: Database) -> None:
    first, second = own.lock(), own.lock()
    assert first.lost()
    assert first.acquire()
    assert first.acquire()
    assert not first.lost()
    assert not second.acquire()
    first.release()
    first.release()
    assert first.lost()
    assert second.acquire()
    second.release()


def test_two_who_migrate_at_once_both_end_with_tables(empty: Database, process: Process) -> None:
    both = [process("migrate"), process("migrate")]
    ends = [worker.go() for worker in both] and [worker.hear() for worker in both]
    assert ends == ["done", "done"]


def test_a_new_file_that_another_program_is_writing_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "new.sqlite"
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    engine = engines.make(make_url(f"sqlite:///{path}"), pool_size=1)
    threading.Timer(0.2, other.execute, ("COMMIT",)).start()
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
    engine.dispose()
    other.close()
