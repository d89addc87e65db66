"""Runs a module, such as a kernel, in the student's own environment: `launch.py MODULE ARGUMENTS…`.

The Python environments of the image belong to root, and what is written to the machine's disk is
gone with the machine. So each has a second one in the home, where `pip` puts what the student
installs; it comes first on Python's path, and all of the image's environment behind it. It is made
for one version of Python: what was compiled for another could not be loaded.

Standard library only, and one file: it is run by environments that do not have us installed.
"""

from __future__ import annotations

import fcntl
import itertools
import os
import site
import sys
import venv
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

PATH_FILE = "gpuspawner_image.pth"
_PIP = '#!/bin/sh\nexec "$(dirname "$0")/python" -m pip "$@"\n'


def main(argv: Sequence[str]) -> None:
    """Become the module, in the student's environment where there can be one."""
    python, variables = sys.executable, dict(os.environ)
    try:
        own = environment(os.environ, Path.home())
    except (OSError, ValueError) as error:
        sys.stderr.write(f"Packages cannot be installed into your home: {error}\n")
    else:
        if own is not None:
            python, variables = str(own / "bin/python"), with_path(os.environ, own)
    options = itertools.takewhile(lambda one: one.startswith("-X"), sys.orig_argv[1:])
    os.execve(python, [python, *options, "-m", *argv], variables)  # noqa: S606 - that is what it is for


def environment(variables: Mapping[str, str], home: Path) -> Path | None:
    """The student's environment for the Python that runs this, made when it is not there.

    None where it is not needed, since the environment itself can be written, and where the server
    was started without the student's own settings: a package of theirs may be what is broken.

    Raises:
        OSError, ValueError: it cannot be made, such as in a full home.
    """
    behind = site.getsitepackages()
    if variables.get("GPUSPAWNER_WITHOUT_SETTINGS") or os.access(behind[0], os.W_OK):
        return None
    own = folder(variables, home) / name(sys.prefix, sys.version_info)
    line = f"import site; list(map(site.addsitedir, {behind!r}))\n"
    ready = _site_packages(own) / PATH_FILE
    if not _is_made(own, ready, line):
        own.mkdir(parents=True, exist_ok=True)
        with (own / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not _is_made(own, ready, line):
                _make(own, ready, line)
    return own


def folder(variables: Mapping[str, str], home: Path) -> Path:
    """Where all environments of a student are."""
    return Path(variables.get("XDG_DATA_HOME") or home / ".local/share") / "gpuspawner/python"


def name(prefix: str, version: Sequence[object]) -> str:
    """The name of the environment in the home: where the image's is, and Python's version."""
    return "-".join([*Path(prefix).parts[1:], f"{version[0]}.{version[1]}"])


def with_path(variables: Mapping[str, str], own: Path) -> dict[str, str]:
    """The variables with which the programs of the environment are found, as when it is activated."""
    path = os.pathsep.join(
        [str(own / "bin"), str(Path(sys.executable).parent), variables.get("PATH", os.defpath)]
    )
    return {**variables, "PATH": path, "VIRTUAL_ENV": str(own)}


def _is_made(own: Path, ready: Path, line: str) -> bool:
    try:
        return ready.read_text(encoding="utf-8") == line and (own / "bin/python").exists()
    except OSError:
        return False


def _make(own: Path, ready: Path, line: str) -> None:
    """Make it, or repair it; what is installed in it stays. The path's file says that it is made."""
    for old in (own / "bin").glob("python*"):
        with suppress(OSError):
            old.unlink()  # the image's Python has moved
    venv.EnvBuilder(symlinks=True).create(own)
    pip = own / "bin/pip"
    if not pip.exists():
        pip.write_text(_PIP, encoding="utf-8")
        pip.chmod(0o755)
    part = ready.with_suffix(".part")
    part.write_text(line, encoding="utf-8")
    part.replace(ready)


def _site_packages(own: Path) -> Path:
    version = sys.version_info
    return own / f"lib/python{version[0]}.{version[1]}/site-packages"


if __name__ == "__main__":
    main(sys.argv[1:])
