"""Where data sets are looked for, and what is said when they are not there."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from labs_extension.language import _, say, terminal_language

VARIABLE = "GPUSPAWNER_DATA"
SYSTEM_FOLDERS = (Path("/opt/gpuspawner/data"), Path("/usr/share/gpuspawner/data"))
"""Where an image keeps them, for all users."""


class DataMissing(Exception):
    """A data set is in none of the places, or what is there is not the data set.

    Attributes:
        sentence: what to do, by language.
        looked: each place, with what was wrong there.
    """

    def __init__(self, name: str, looked: Sequence[str], files: Sequence[str], url: str) -> None:
        self.sentence = say(
            _(
                "{name} is not on this machine. Get {files} from {url}, put it into a folder, and name that folder in the variable {variable}."
            ),
            name=name,
            files=", ".join(files),
            url=url,
            variable=VARIABLE,
        )
        self.looked = list(looked)
        super().__init__(name)

    def __str__(self) -> str:
        lines = [self.sentence[terminal_language(os.environ)], *self.looked]
        return "\n  ".join(lines)


def folders(environment: Mapping[str, str], home: Path) -> list[Path]:
    """The folders to look in, best first.

    Those of `GPUSPAWNER_DATA` (several with `:` between), then the image's, then the folder
    `data` in the home, then Keras' own.
    """
    named = [Path(one) for one in environment.get(VARIABLE, "").split(os.pathsep) if one]
    return [*named, *SYSTEM_FOLDERS, home / "data", keras_folder(environment, home)]


def keras_folder(environment: Mapping[str, str], home: Path) -> Path:
    """Where Keras keeps data sets. It is only ever read: Keras deletes what it does not know."""
    return Path(environment.get("KERAS_HOME") or home / ".keras") / "datasets"
