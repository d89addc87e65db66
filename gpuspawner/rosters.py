"""The students of a class from a file: the users CSV of an Azure Lab Services lab, or one like it.

A lab takes, and gives out, a CSV file with the students' e-mail addresses in a column (Microsoft,
"Manage lab users in Azure Lab Services"). What else is in it is left alone.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path

from gpuspawner.errors import ConfigurationError

_ADDRESS = re.compile(r"[^@\s,;<>\"]+@[^@\s,;<>\"]+\.[^@\s,;<>\"]+")
_ENCODINGS = ("utf-8-sig", "cp949")
"""Excel's, the second in Korea; addresses are the same letters in both."""


def roster(path: str | Path, *, domain: str | None = None) -> set[str]:
    """The names of the users in a CSV file, for `c.Authenticator.allowed_users`.

    A name is the whole address in lower case, as a login with the university's account gives it.
    With `domain`, only people with an address there are let in, by the part before the `@`.

    Raises:
        ConfigurationError: there is no such file, nobody in it, or two people would have one name.
    """
    found = [match for row in _rows(Path(path)) for cell in row
             if (match := _ADDRESS.fullmatch(cell.strip()))]  # fmt: skip
    addresses = {match[0].lower() for match in found}
    if domain is not None:
        end = f"@{domain.lower()}"
        strangers = sorted(one for one in addresses if not one.endswith(end))
        if strangers:
            raise ConfigurationError(f"{path}: not in {domain}: {', '.join(strangers)}")
        addresses = {one.removesuffix(end) for one in addresses}
    if not addresses:
        raise ConfigurationError(f"{path} has no e-mail address in it")
    return addresses


def _rows(path: Path) -> list[list[str]]:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from error
    for encoding in _ENCODINGS:
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        comma = ";" if text.count(";") > text.count(",") else ","
        return list(csv.reader(text.splitlines(), delimiter=comma))
    raise ConfigurationError(f"{path} is neither UTF-8 nor what Excel writes in Korea")
