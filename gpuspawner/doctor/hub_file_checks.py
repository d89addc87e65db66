"""The files and services on the hub's own host: secret, database, lock, disk."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path

from gpuspawner import identity
from gpuspawner.doctor.case import Case
from gpuspawner.doctor.lines import Line, Mark
from gpuspawner.errors import ConfigurationError, ControllerUnavailable
from gpuspawner.language import Sentence, _, say
from gpuspawner.store import look

_USUAL_OVER = timedelta(days=14)
_LEAST_MIB, _LITTLE_MIB = 100, 1024
_MIB = 1024 * 1024


def secret(case: Case) -> Line:
    """Whole, and nobody else's to read. A missing one is made by the controller, not by the doctor."""
    path = case.secret_file
    subject = str(path)
    if not path.exists():
        finding = say(_("There is none yet: the first start of the hub makes it."))
        return Line("secret", Mark.OK, subject, finding)
    try:
        mode = path.stat().st_mode & 0o777
    except OSError:
        mode = 0
    if mode & 0o077:
        finding = say(_("Others on this computer can read it (mode {mode})."), mode=f"{mode:04o}")
        remedy = say(_("Run: chmod 600 {path}"), path=subject)
        return Line("secret", Mark.FAILURE, subject, finding, remedy)
    try:
        identity.load(path)
    except ConfigurationError as error:
        finding = say(_("It cannot be used: {detail}"), detail=error.detail)
        remedy = say(_("Restore it from a backup; a new one would disown every machine."))
        return Line("secret", Mark.FAILURE, subject, finding, remedy)
    finding = say(_("It is whole, and only its owner can read it."))
    return Line("secret", Mark.OK, subject, finding)


def database(case: Case, looked: list[look.Seen]) -> Iterator[Line]:
    """Answers, of our version, and written with our secret. What was seen is added to `looked`."""
    subject = "c.Controller.database_url"
    record = case.record
    url = record.database_url if record else case.controller.database_url
    try:
        path = look.file_of(url)
        if path is not None and not path.exists():
            yield _to_be_made(path)
            return
        key = case.identity.encryption_key if case.identity else None
        seen = look.look(url, key, case.now - _USUAL_OVER)
    except ConfigurationError as error:
        remedy = say(_("Correct it in the configuration file."))
        yield _failed(subject, say(_("It cannot be used: {detail}"), detail=error.detail), remedy)
        return
    except ControllerUnavailable as error:
        remedy = say(
            _("See that the database runs, and that no other program but the controller uses it.")
        )
        yield _failed(subject, say(_("It cannot be read: {detail}"), detail=error.detail), remedy)
        return
    looked.append(seen)
    yield _version(str(path) if path else subject, seen)


def _to_be_made(path: Path) -> Line:
    folder = next((one for one in path.parents if one.exists()), path.parent)
    if folder.is_dir() and os.access(folder, os.W_OK | os.X_OK):
        finding = say(_("There is none yet: the controller's first start makes it."))
        return Line("database", Mark.OK, str(path), finding)
    finding = say(
        _("There is none yet, and the folder {folder} cannot be written to."), folder=str(folder)
    )
    remedy = say(_("Run this as the controller's user; let that user write to the folder."))
    return _failed(str(path), finding, remedy)


def _version(subject: str, seen: look.Seen) -> Line:
    figures = {"version": seen.version or "-", "newest": seen.newest}
    if not seen.known:
        finding = say(
            _("It is of version {version}, which this program does not know; it knows {newest}."),
            **figures,
        )
        remedy = say(_("Install the newer gpuspawner that wrote it, or restore a backup."))
        return _failed(subject, finding, remedy)
    if seen.ours is False:
        finding = say(_("It was written with another secret file."))
        remedy = say(
            _("Restore the secret file that belongs to it, or begin with an empty database.")
        )
        return _failed(subject, finding, remedy)
    if seen.version != seen.newest:
        finding = say(
            _("It is of version {version}; the controller's next start makes it {newest}."),
            **figures,
        )
        remedy = say(_("Copy it before you start the controller."))
        return Line("database", Mark.WARNING, subject, finding, remedy)
    finding = say(_("It answers, and is of version {version}."), **figures)
    return Line("database", Mark.OK, subject, finding)


def _failed(subject: str, finding: Sentence, remedy: Sentence) -> Line:
    return Line("database", Mark.FAILURE, subject, finding, remedy)


def lock(case: Case) -> tuple[Line, bool]:
    """Who acts, and whether anybody does."""
    record = case.record
    url = record.database_url if record else case.controller.database_url
    subject = "lock"
    try:
        held_by = look.holder(url)
    except (ConfigurationError, ControllerUnavailable) as error:
        finding = say(_("It could not be looked at: {detail}"), detail=error.detail)
        return Line("lock", Mark.NOT_CHECKED, subject, finding), False
    if held_by is None:
        finding = say(_("This system does not say who holds a lock."))
        return Line("lock", Mark.NOT_CHECKED, subject, finding), False
    if not held_by:
        finding = say(_("Nobody holds it: no controller runs with this database now."))
        return Line("lock", Mark.OK, subject, finding), False
    finding = say(
        _("A controller holds it and acts: {holder}. Another one would stand by."), holder=held_by
    )
    return Line("lock", Mark.OK, subject, finding), True


def disk(case: Case) -> Line:
    """Free space where the database is; a full disk refuses every start."""
    record = case.record
    url = record.database_url if record else case.controller.database_url
    path: Path | None
    try:
        path = look.file_of(url)
    except ConfigurationError:
        path = None
    if path is None:
        finding = say(
            _("The database is not a file on this computer, so its disk was not looked at.")
        )
        return Line("disk", Mark.NOT_CHECKED, "disk", finding)
    folder = next((one for one in path.parents if one.is_dir()), Path("/"))
    free = shutil.disk_usage(folder).free // _MIB
    figures: Mapping[str, str | int] = {"free": free, "folder": str(folder)}
    finding = say(_("{free} MiB are free in {folder}."), **figures)
    if free >= _LITTLE_MIB:
        return Line("disk", Mark.OK, "disk", finding)
    remedy = say(_("Make room: when the disk is full, no start is accepted."))
    mark = Mark.FAILURE if free < _LEAST_MIB else Mark.WARNING
    return Line("disk", mark, "disk", finding, remedy)
