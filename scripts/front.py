"""Build JupyterLab's side of labs_extension, or check that what is committed is what it builds.

Usage: front.py [--check]

The build notes in `built_from.json` the hash of what it was made from, and a test
compares it, so that a source without its build, or the reverse, is noticed without node. `--check`
builds afresh in another folder and compares every file.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

FRONT = Path(__file__).resolve().parent.parent / "labs_extension"
SOURCES = ("package.json", "package-lock.json", "tsconfig.json", "src", "style")
BUILT = "labextension"
STAMP = "built_from.json"


def files(folder: Path) -> list[Path]:
    """Every file below `folder`, or itself, in the order of their names."""
    found = [folder] if folder.is_file() else folder.rglob("*")
    return sorted(path for path in found if path.is_file())


def source_hash(front: Path = FRONT) -> str:
    """SHA-256 over the names and contents of everything that the build reads."""
    digest = hashlib.sha256()
    for path in (one for name in SOURCES for one in files(front / name)):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(front).as_posix()} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def stamped(front: Path = FRONT) -> str:
    """The hash of what the committed build was made from."""
    return str(json.loads((front / STAMP).read_text(encoding="ascii"))["sha256"])


def build(front: Path) -> None:
    """Install what the lock file names, compile, bundle.

    Raises:
        subprocess.CalledProcessError: one of these failed; its output has been shown.
    """
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for command in (["npm", "ci", "--no-audit", "--no-fund"], ["npm", "run", "build"]):
        subprocess.run(command, cwd=front, check=True, env={**os.environ, "PATH": path})
    stamp = json.dumps({"sha256": source_hash(front)}) + "\n"
    (front / STAMP).write_text(stamp, encoding="ascii")


def comparable(front: Path) -> dict[str, str]:
    """What was built, without the two things that follow from the folder it was built in.

    The bundler numbers the entry by its absolute path, and names the entry's file by its content.
    """
    built = {}
    for path in files(front / BUILT):
        text = path.read_text(encoding="utf-8")
        number = re.search(r"\b(\d+)\(e,r,n\)\{var t=\{\"\./index\"", text)
        if number:
            text = re.sub(rf"\b{number[1]}\b", "ENTRY", text)
        name = path.relative_to(front / BUILT).as_posix()
        built[re.sub(r"remoteEntry\.\w+", "remoteEntry", name)] = re.sub(
            r"remoteEntry\.\w+", "remoteEntry", text
        )
    return built


def check() -> int:
    """Build a copy, and say what is not as it is committed."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / FRONT.name
        copy.mkdir()
        for name in SOURCES:
            source = FRONT / name
            (shutil.copytree if source.is_dir() else shutil.copy)(source, copy / name)
        build(copy)
        there, built = comparable(FRONT), comparable(copy)
    different = sorted(
        name for name in there.keys() | built.keys() if there.get(name) != built.get(name)
    )
    for name in different:
        print(f"labs_extension/{BUILT}/{name} is not what the source builds")
    if not different:
        print("labs_extension/labextension is what the source builds")
    return 1 if different else 0


def main() -> int:
    """Build or check; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare instead of building here")
    if parser.parse_args().check:
        return check()
    build(FRONT)
    return 0


if __name__ == "__main__":
    sys.exit(main())
