"""What was delivered, in a hidden file of the course's folder: who removes the folder gets it anew."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from labs_extension.delivery.decide import Known
from labs_extension.delivery.folder import Folder, NotPlain

NAME = ".gpuspawner-course.json"
LARGEST_BYTES = 4 << 20


@dataclass
class Record:
    """What was delivered.

    Attributes:
        commit: of the repository, when all of it was delivered; "" when nothing of it was, or not all.
        files: by their path below the course's folder.
    """

    commit: str = ""
    files: dict[str, Known] = field(default_factory=dict)


def read(folder: Folder) -> Record:
    """What was delivered; nothing when the file is not there or is broken.

    Nothing is lost then: a file of the student's that differs is kept in any case.
    """
    try:
        text = folder.read(NAME, LARGEST_BYTES)
        return Record() if text is None else _record(json.loads(text))
    except (NotPlain, OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return Record()


def write(folder: Folder, record: Record) -> None:
    """Keep it.

    Raises:
        NotPlain, OSError: it cannot be written.
    """
    files = {path: asdict(known) for path, known in sorted(record.files.items())}
    said = {"version": 1, "commit": record.commit, "files": files}
    folder.write(NAME, (json.dumps(said, indent=1) + "\n").encode(), replace=True)


def _record(said: Any) -> Record:
    files = {
        str(path): Known(str(one["delivered"]), one.get("offered"), one.get("beside"))
        for path, one in said["files"].items()
    }
    return Record(str(said["commit"]), files)
