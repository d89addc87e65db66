"""Brings the course into the home before the student opens it, and says what became of each file.

Nothing here keeps a server from starting: whatever goes wrong ends up in the report.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path, PurePosixPath

from labs_extension.clock import Clock
from labs_extension.delivery import record as records
from labs_extension.delivery.decide import MINE, Act, Known, decide
from labs_extension.delivery.folder import Folder, NotPlain, sha256
from labs_extension.delivery.record import Record
from labs_extension.delivery.source import LANGUAGES, Git, NoCourse, Repository, copy_here, files

MOST_COPIES = 20
_KEPT = {Act.KEEP, Act.OFFER}
_FULL = {errno.ENOSPC, errno.EDQUOT}


@dataclass(frozen=True)
class Wish:
    """What is to be delivered.

    Attributes:
        home: the student's home.
        folder: of the course, below the home; "" when there is none.
        repository: where it comes from; None for the copy that is installed.
        seconds: how long all of it may take.
        copy: another folder than the installed copy; for tests, and who has a course of their own.
    """

    home: Path
    folder: str
    repository: Repository | None
    seconds: float
    copy: Path | None = None


@dataclass(frozen=True)
class Delivered:
    """What became of one file: its path below the home, and the new copy beside it."""

    path: str
    state: str
    beside: str | None = None


@dataclass
class Report:
    """What the student is told.

    Attributes:
        problem: a key of `sentences.PROBLEMS`; None when all went well.
        detail: for whoever administers the machine.
        at: when, in seconds since 1970.
    """

    folder: str
    at: float
    commit: str = ""
    problem: str | None = None
    detail: str = ""
    files: list[Delivered] = field(default_factory=list)


class _Late(Exception):
    """The time is over."""


def deliver(wish: Wish, clock: Clock, environment: Mapping[str, str]) -> Report:
    """Deliver the course. Never raises for what is in the home, on the disk or in the network.

    Args:
        wish: what, and where to.
        clock: for the time limit, and for the day in the name of a copy.
        environment: of which git is given its PATH and the proxies.
    """
    report = Report(wish.folder, clock.now())
    try:
        with Folder(wish.home, wish.folder) as folder:
            _Delivery(wish, clock, folder, report).run(environment)
    except NotPlain:
        report.problem = "link"
    except NoCourse as error:
        report.problem, report.detail = error.kind, str(error)
    except OSError as error:
        _note(report, error)
    return report


class _Delivery:
    """One delivery into one folder."""

    def __init__(self, wish: Wish, clock: Clock, folder: Folder, report: Report) -> None:
        self._wish = wish
        self._clock = clock
        self._folder = folder
        self._report = report
        self._until = clock.monotonic() + wish.seconds
        self._record = records.read(folder)

    def run(self, environment: Mapping[str, str]) -> None:
        """From the repository, else from the copy here, else only look at what is there."""
        repository = self._wish.repository
        self._report.commit = self._record.commit
        if repository is None:
            self._from_copy()
            return
        try:
            repository.check()
            git = Git(lambda: self._until - self._clock.monotonic(), environment)
            commit, wanted = git.commit(repository)
            if commit == self._record.commit:
                self._look()
                return
            with git.tree(repository, wanted) as (commit, tree):
                self._carry_out(files(tree), commit)
        except NoCourse as error:
            self._report.problem, self._report.detail = error.kind, str(error)
            if self._record.commit:
                self._look()  # a copy that is older must not undo what the repository gave
            else:
                self._from_copy()

    def _from_copy(self) -> None:
        copy = self._wish.copy or copy_here()
        if copy is None:
            self._look()
            return
        self._carry_out(files(copy, () if self._wish.copy else LANGUAGES), "")

    def _look(self) -> None:
        """Only say how the files are."""
        for path, known in sorted(self._record.files.items()):
            try:
                there = self._folder.fingerprint(path)
            except (NotPlain, OSError):
                there = MINE
            act = decide(known, there, known.delivered)
            beside = self._still_there(known.beside) if act in _KEPT else None
            self._tell(path, act.state, beside)

    def _carry_out(self, wanted: Mapping[str, Path], commit: str) -> None:
        old, new = self._record, Record()
        try:
            done = [self._attempt(path, source, new) for path, source in wanted.items()]
            # Not all of it: the next start has to look again.
            new.commit = commit if all(done) else ""
            self._report.commit = commit
        finally:
            if new != old:
                records.write(self._folder, new)

    def _attempt(self, path: str, source: Path, new: Record) -> bool:
        known = self._record.files.get(path)
        try:
            self._one(path, source.read_bytes(), known, new)
        except (OSError, NotPlain, _Late) as error:
            if known is not None:
                new.files[path] = known
            self._tell(path, "failed")
            _note(self._report, error)
            return False
        return True

    def _one(self, path: str, data: bytes, known: Known | None, new: Record) -> None:
        if self._clock.monotonic() > self._until:
            raise _Late
        self._folder.clear(path)
        wanted = sha256(data)
        try:
            there = self._folder.fingerprint(path)
        except NotPlain:
            there = MINE
        act = decide(known, there, wanted)
        beside = known.beside if known else None
        if act in {Act.NEW, Act.UPDATE}:
            self._folder.write(path, data, replace=act is Act.UPDATE)
        elif act is Act.OFFER:
            beside = self._offer(path, data, wanted)
        new.files[path] = _known_after(act, known, wanted, beside)
        self._tell(path, act.state, self._still_there(beside) if act in _KEPT else None)

    def _still_there(self, beside: str | None) -> str | None:
        with suppress(NotPlain, OSError):
            if beside is not None and self._folder.fingerprint(beside) is not None:
                return beside
        return None

    def _offer(self, path: str, data: bytes, wanted: str) -> str:
        """Put the course's version beside the student's, under a name that nobody has taken."""
        now = datetime.fromtimestamp(self._clock.now(), timezone.utc)
        day = now.astimezone().date().isoformat()
        for number in range(1, MOST_COPIES + 1):
            name = copy_name(path, day, number)
            with suppress(FileExistsError):
                self._folder.write(name, data, replace=False)
                return name
            with suppress(NotPlain):
                if self._folder.fingerprint(name) == wanted:
                    return name
        raise FileExistsError(errno.EEXIST, "too many copies", path)

    def _tell(self, path: str, state: str, beside: str | None = None) -> None:
        base = PurePosixPath(self._wish.folder)
        shown = str(base / beside) if beside else None
        self._report.files.append(Delivered(str(base / path), state, shown))


def copy_name(path: str, day: str, number: int) -> str:
    """The name of a new copy: `lesson (new 2026-11-28).ipynb`, and `… 2)` where that one is taken."""
    place = PurePosixPath(path)
    more = f" {number}" if number > 1 else ""
    return str(place.with_name(f"{place.stem} (new {day}{more}){place.suffix}"))


def _known_after(act: Act, known: Known | None, wanted: str, beside: str | None) -> Known:
    if act is Act.OFFER:
        return replace(known or Known(delivered=""), offered=wanted, beside=beside)
    if act in {Act.KEEP, Act.DELETED} and known is not None:
        return known
    return Known(wanted)


def _note(report: Report, error: Exception) -> None:
    """Remember the first problem."""
    if report.problem is not None:
        return
    if isinstance(error, _Late):
        report.problem = "slow"
    else:
        full = isinstance(error, OSError) and error.errno in _FULL
        report.problem, report.detail = "full" if full else "files", str(error)
