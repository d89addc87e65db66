"""Where the course comes from: a pinned commit of the one repository that is set, or a copy here."""

from __future__ import annotations

import importlib.util
import os
import re
import signal
import stat
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

LANGUAGES = ("ko", "en")
"""The folders of our own course that are delivered; its sources are not."""

MOST_FILES = 2000
LARGEST_FILE = 64 << 20
LARGEST_COURSE = 512 << 20

_COMMIT = re.compile(r"[0-9a-f]{40}")
_REF = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_/-]|\.(?!\.)){0,199}")
_KEPT = {"PATH", "HOME", "SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO"}
_PROXIES = {"http_proxy", "https_proxy", "all_proxy", "no_proxy"}
_OPTIONS = (
    "core.hooksPath=/dev/null",
    "core.symlinks=false",
    "core.fsmonitor=false",
    "credential.helper=",
    "protocol.allow=never",
    "protocol.https.allow=always",
    "protocol.file.allow=always",
    "gc.auto=0",
)
"""The repository is not the student's: nothing of it is run, and nothing else is asked for."""


class NoCourse(Exception):
    """The course is not to be had. `kind` is `network`, `setting`, `missing`, `large` or `git`."""

    def __init__(self, kind: str, detail: str = "") -> None:
        super().__init__(detail or kind)
        self.kind = kind


@dataclass(frozen=True)
class Repository:
    """The repository, the ref of it, and the folder in it; all from the settings."""

    url: str
    ref: str
    path: str = ""

    def check(self) -> None:
        """Refuse what could ask for something else than what was meant.

        Raises:
            NoCourse: it does.
        """
        parts = urlsplit(self.url)
        if parts.scheme not in {"https", "file"} or "@" in parts.netloc or parts.query:
            raise NoCourse("setting", "course_repository: https://HOST/PATH, without a password")
        if not _REF.fullmatch(self.ref):
            raise NoCourse("setting", "course_ref: a commit, a tag or a branch")
        if ".." in Path(self.path).parts or Path(self.path).is_absolute():
            raise NoCourse("setting", "course_path: a folder of the repository")


class Git:
    """Runs git, for as long as `left` says that there are seconds left."""

    def __init__(self, left: Callable[[], float], environment: Mapping[str, str]) -> None:
        self._left = left
        self._environment = {
            **{
                name: value
                for name, value in environment.items()
                if name in _KEPT or name.lower() in _PROXIES
            },
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_TERMINAL_PROMPT": "0",
            "LC_ALL": "C.UTF-8",
        }

    def commit(self, repository: Repository) -> tuple[str, str]:
        """The commit that the ref means now, and what to fetch for it.

        Raises:
            NoCourse: the repository is not to be reached, or has no such ref.
        """
        if _COMMIT.fullmatch(repository.ref):
            return repository.ref, repository.ref
        names = [f"refs/tags/{repository.ref}", f"refs/heads/{repository.ref}"]
        said = self._run(["ls-remote", "--", repository.url, *names, f"{names[0]}^{{}}"])
        lines = [line.split("\t", 1) for line in said.splitlines() if "\t" in line]
        found = {name: commit for commit, name in lines}
        for name in names:
            if name in found:
                return found.get(f"{name}^{{}}", found[name]), name
        raise NoCourse("missing", f"there is no {repository.ref} in {repository.url}")

    @contextmanager
    def tree(self, repository: Repository, wanted: str) -> Iterator[tuple[str, Path]]:
        """The commit and a folder with its files, which goes afterwards; not in the home.

        Raises:
            NoCourse: see there.
        """
        with _temporary_folder() as place:
            self._run(["init", "--quiet", "--template=", place])
            fetch = ["fetch", "--quiet", "--depth=1", "--no-tags", "--", repository.url, wanted]
            self._run(["-C", place, *fetch])
            self._run(["-C", place, "checkout", "--quiet", "--detach", "FETCH_HEAD"])
            commit = self._run(["-C", place, "rev-parse", "HEAD"]).strip()
            folder = Path(place) / repository.path
            if not folder.is_dir():
                raise NoCourse("missing", f"there is no folder {repository.path}")
            yield commit, folder

    def _run(self, arguments: Sequence[str]) -> str:
        options = [part for option in _OPTIONS for part in ("-c", option)]
        try:
            process = subprocess.Popen(
                ["git", *options, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=self._environment,
                cwd="/",
                start_new_session=True,
                text=True,
                errors="replace",
            )
        except OSError as error:
            raise NoCourse("git", str(error)) from error
        try:
            said, complaint = process.communicate(timeout=max(self._left(), 0.1))
        except subprocess.TimeoutExpired as error:
            # What git has begun for the network holds the pipes, and would be waited for.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            raise NoCourse("network", "git took too long") from error
        if process.returncode:
            raise NoCourse("network", complaint.strip()[-300:])
        return said


@contextmanager
def _temporary_folder() -> Iterator[str]:
    try:
        place = tempfile.TemporaryDirectory(prefix="gpuspawner-course-", ignore_cleanup_errors=True)
    except OSError as error:
        raise NoCourse("git", str(error)) from error
    with place as name:
        yield name


def copy_here() -> Path | None:
    """The copy of our own course that is installed with us; None when it is not."""
    spec = importlib.util.find_spec("course_content")
    places = list(spec.submodule_search_locations or ()) if spec else []
    return Path(places[0]) if places else None


def files(folder: Path, only: Sequence[str] = ()) -> dict[str, Path]:
    """The plain files below `folder` by their path in it; nothing hidden, and no link.

    Args:
        folder: the course.
        only: the folders at its top that are meant; all when there are none.

    Raises:
        NoCourse: it is larger than a course should be.
    """
    found: dict[str, Path] = {}
    total = 0
    for at, folders, names in os.walk(folder):
        below = Path(at) == folder and only
        folders[:] = sorted(
            one for one in folders if not _is_hidden(one) and (not below or one in only)
        )
        for name in sorted(() if below else names):
            path = Path(at) / name
            said = path.lstat()
            if _is_hidden(name) or not stat.S_ISREG(said.st_mode):
                continue
            total += said.st_size
            if len(found) >= MOST_FILES or said.st_size > LARGEST_FILE or total > LARGEST_COURSE:
                raise NoCourse("large", f"{path.name}: the course is too large")
            found[path.relative_to(folder).as_posix()] = path
    return found


def _is_hidden(name: str) -> bool:
    # A name that is no text cannot be shown, so it is left out as well.
    return name.startswith((".", "__pycache__")) or not name.isprintable()
