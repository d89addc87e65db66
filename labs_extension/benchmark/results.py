"""Result files: written whole or not at all, and believed only as far as the schema goes.

A file may have been edited or put there by anybody, so what is read is bounded, held against the
schema, and called self-reported.
"""

from __future__ import annotations

import json
import os
import stat
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema

SCHEMA_FILE = Path(__file__).with_name("result.schema.json")
LARGEST_BYTES = 256 << 10
MOST_FILES = 200


class BadResult(Exception):
    """The file is no result: too large, no JSON, or not as the schema says."""


def results_folder(environment: Mapping[str, str], home: Path) -> Path:
    """Where results are kept: `gpuspawner/results` in the user's data folder (XDG)."""
    return Path(environment.get("XDG_DATA_HOME") or home / ".local/share") / "gpuspawner/results"


@cache
def _validator() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(json.loads(SCHEMA_FILE.read_text()))


def check(data: Any) -> dict[str, Any]:
    """The same `data`, if it is a result.

    Raises:
        BadResult: it is not as the schema says.
    """
    error = next(iter(_validator().iter_errors(data)), None)
    if error is not None:
        where = "/".join(map(str, error.absolute_path)) or "the whole"
        # Not the error's own text: it repeats what is in the file.
        raise BadResult(f"{where}: not as the schema says ({error.validator})")
    result: dict[str, Any] = data
    return result


def write(data: dict[str, Any], path: Path) -> None:
    """Write a result, whole or not at all.

    Raises:
        BadResult: it is not as the schema says.
        OSError: it cannot be written.
    """
    check(data)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(data, file, indent=1, allow_nan=False)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def read(path: Path) -> dict[str, Any]:
    """The result in a file that anybody may have written.

    Raises:
        BadResult: it is none.
    """
    try:
        # Neither a link out of the folder nor a pipe that never ends.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise BadResult("is no file")
            text = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise BadResult(f"cannot be read: {error.strerror}") from error
    if len(text) > LARGEST_BYTES:
        raise BadResult(f"is larger than {LARGEST_BYTES} bytes")
    try:
        data = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise BadResult("is no JSON") from error
    return check(data)


def read_all(folder: Path) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    """The newest results of a folder, newest first, and the files that are none, with the reason."""
    try:
        names = sorted((path.name for path in folder.glob("*.json")), reverse=True)
    except OSError:
        return [], []
    good, bad = [], []
    for name in names[:MOST_FILES]:
        try:
            good.append({**read(folder / name), "self_reported": True})
        except BadResult as error:  # noqa: PERF203 - few files
            bad.append({"file": name[:100], "reason": str(error)})
    return sorted(good, key=lambda one: one["started"], reverse=True), bad


def _refuse(name: str) -> Any:
    raise ValueError(name)
