"""The project's own files, as the house tests look at them."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType

import gpuspawner

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "gpuspawner"


@cache
def files() -> tuple[Path, ...]:
    """Every file of the project, committed or about to be; also where there is no git."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        found = (path for path in ROOT.rglob("*") if not {".venv", ".git"} & {*path.parts})
        return tuple(path for path in found if path.is_file())
    return tuple(ROOT / name for name in sorted(listed.split("\0")) if (ROOT / name).is_file())


def name(path: Path) -> str:
    """The file's path as people write it."""
    return path.relative_to(ROOT).as_posix()


@cache
def product() -> tuple[Path, ...]:
    """The Python files that are installed."""
    rooms = {"gpuspawner", "labs_extension"}
    return tuple(
        path
        for path in files()
        if path.suffix == ".py" and path.relative_to(ROOT).parts[0] in rooms
    )


@cache
def tree(path: Path) -> ast.Module:
    """The file, parsed."""
    return ast.parse(path.read_text())


@cache
def modules() -> tuple[ModuleType, ...]:
    """Every module of the package, imported; migrations are scripts of Alembic's and left out."""
    found = pkgutil.walk_packages(gpuspawner.__path__, "gpuspawner.")
    names = [one.name for one in found if not one.name.endswith("__main__")]
    return tuple(importlib.import_module(one) for one in names if ".migrations" not in one)


def subclasses(base: type) -> Iterator[type]:
    """All classes below `base`, each once."""
    for kind in base.__subclasses__():
        yield kind
        yield from subclasses(kind)
