"""Files below one folder of the home, reached without following a link, written whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from types import TracebackType

_CHUNK = 1 << 20
_OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_OPEN_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class NotPlain(Exception):
    """There is something that is no plain file, or its way leads over a link: it is the student's."""


def sha256(data: bytes) -> str:
    """The fingerprint of a file's content."""
    return hashlib.sha256(data).hexdigest()


class Folder:
    """The folder `name` of `home`, made when it is not there.

    Every step of the way is opened by itself and no link is followed, so that nothing outside of
    the home is ever read or written, whatever is put in its place meanwhile.

    Raises:
        NotPlain: it is a link or a file, or not below the home.
        OSError: it cannot be made.
    """

    def __init__(self, home: Path, name: str) -> None:
        parts = PurePosixPath(name).parts
        if not parts or {"/", ".."} & {*parts}:
            raise NotPlain(name)
        at_home = os.open(home, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self._fd = _walk(at_home, parts, make=True)
        finally:
            os.close(at_home)

    def __enter__(self) -> Folder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        os.close(self._fd)

    def fingerprint(self, path: str) -> str | None:
        """The fingerprint of the file; None when nothing is there.

        Raises:
            NotPlain: see there.
            OSError: it cannot be read.
        """
        digest = hashlib.sha256()
        try:
            with self._parent(path) as (parent, name), _opened(parent, name) as descriptor:
                while chunk := os.read(descriptor, _CHUNK):
                    digest.update(chunk)
        except FileNotFoundError:
            return None
        return digest.hexdigest()

    def read(self, path: str, most: int) -> bytes | None:
        """The first `most` bytes of the file; None when nothing is there.

        Raises:
            NotPlain, OSError: as `fingerprint`.
        """
        try:
            with self._parent(path) as (parent, name), _opened(parent, name) as descriptor:
                return os.read(descriptor, most)
        except FileNotFoundError:
            return None

    def write(self, path: str, data: bytes, *, replace: bool) -> None:
        """Put the file there, at once and for good.

        Args:
            path: below this folder; the folders on its way are made.
            data: its whole content.
            replace: whether a file that is there may go.

        Raises:
            FileExistsError: something is there and may not go.
            NotPlain: its way leads over a link or a file.
            OSError: it cannot be written, such as for want of room; nothing is left of it.
        """
        with self._parent(path, make=True) as (parent, name):
            part = _part(name)
            with suppress(FileNotFoundError):
                os.unlink(part, dir_fd=parent)
            try:
                with os.fdopen(os.open(part, _OPEN_NEW, 0o644, dir_fd=parent), "wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                if replace:
                    os.replace(part, name, src_dir_fd=parent, dst_dir_fd=parent)
                else:
                    # Unlike a renaming, a link takes nobody's place.
                    os.link(part, name, src_dir_fd=parent, dst_dir_fd=parent, follow_symlinks=False)
            finally:
                with suppress(FileNotFoundError):
                    os.unlink(part, dir_fd=parent)
            os.fsync(parent)

    def clear(self, path: str) -> None:
        """Remove what a writer that was cut off has left beside the file."""
        with suppress(OSError, NotPlain), self._parent(path) as (parent, name):
            os.unlink(_part(name), dir_fd=parent)

    @contextmanager
    def _parent(self, path: str, *, make: bool = False) -> Iterator[tuple[int, str]]:
        *way, name = PurePosixPath(path).parts
        descriptor = _walk(self._fd, tuple(way), make=make)
        try:
            yield descriptor, name
        finally:
            os.close(descriptor)


def _part(name: str) -> str:
    return f".{name}.part"


def _walk(start: int, parts: tuple[str, ...], *, make: bool) -> int:
    descriptor = os.dup(start)
    for part in parts:
        try:
            if make:
                with suppress(FileExistsError):
                    os.mkdir(part, 0o755, dir_fd=descriptor)
            following = os.open(part, _OPEN_FOLDER, dir_fd=descriptor)
        except OSError as error:
            if error.errno in {errno.ELOOP, errno.ENOTDIR}:
                raise NotPlain(part) from None
            raise
        finally:
            os.close(descriptor)
        descriptor = following
    return descriptor


@contextmanager
def _opened(parent: int, name: str) -> Iterator[int]:
    try:
        descriptor = os.open(name, _OPEN_FILE, dir_fd=parent)
    except OSError as error:
        if error.errno in {errno.ELOOP, errno.ENXIO}:
            raise NotPlain(name) from None
        raise
    try:
        if not _is_plain(descriptor):
            raise NotPlain(name)
        yield descriptor
    finally:
        os.close(descriptor)


def _is_plain(descriptor: int) -> bool:
    return stat.S_ISREG(os.fstat(descriptor).st_mode)
