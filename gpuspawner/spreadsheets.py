"""How a CSV is written for whom: Excel reads UTF-8 only with a mark. Standard library only."""

from __future__ import annotations

from typing import Literal, get_args

MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"
"""At the beginning, so that Excel reads UTF-8, and Korean names stay Korean names."""

Encoding = Literal["utf-8", "cp949"]
"""UTF-8 with the mark; or CP949, for Korean programs that know nothing else."""

ENCODINGS: tuple[Encoding, ...] = get_args(Encoding)


def encoded(text: str, encoding: Encoding) -> bytes:
    """A CSV that begins with the mark, as a file. CP949 has no mark, and a `?` for what it cannot say."""
    if encoding == "utf-8":
        return text.encode()
    return text.removeprefix(MARK).encode(encoding, "replace")
