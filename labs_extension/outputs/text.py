"""What a stream shows after all that was printed to it, as JupyterLab would show it."""

from __future__ import annotations

import re
from collections import deque

LINE_COST = 64
"""What a line weighs besides its characters, about as much as Python needs to keep it."""

LONGEST_LINE = 8192
"""A line without an end is cut into such pieces; a carriage return does not go back beyond one."""

_CONTROL = re.compile(r"[\n\r\b]")


class Text:
    """Lines, of which only the last can still change.

    A carriage return goes back to the beginning of the line, a backspace takes a character away, and
    what follows is written over what is there: a progress bar is one line, however often it moves.
    These are the rules of JupyterLab's output area, which saves a notebook in the same form.
    """

    def __init__(self) -> None:
        self._lines: deque[str] = deque()
        self._line = ""
        self._cursor = 0
        self._weight = 0

    @property
    def size(self) -> int:
        """What it weighs: its characters, and `LINE_COST` for each line."""
        return self._weight + len(self._line)

    def write(self, text: str) -> None:
        """Print more."""
        at = 0
        for found in _CONTROL.finditer(text):
            self._put(text[at : found.start()])
            at = found.end()
            if found[0] == "\n":
                self._end_line("\n")
            elif found[0] == "\r":
                self._cursor = 0
            elif self._cursor:
                self._line = self._line[: self._cursor - 1] + self._line[self._cursor :]
                self._cursor -= 1
        self._put(text[at:])

    def take_line(self) -> str | None:
        """Take the first line away; None when only the one is left that can still change."""
        if not self._lines:
            return None
        line = self._lines.popleft()
        self._weight -= len(line) + LINE_COST
        return line

    def __str__(self) -> str:
        return "".join(self._lines) + self._line

    def _put(self, piece: str) -> None:
        end = self._cursor + len(piece)
        self._line = self._line[: self._cursor] + piece + self._line[end:]
        self._cursor = end
        while len(self._line) > LONGEST_LINE:
            rest = self._line[LONGEST_LINE:]
            self._line = self._line[:LONGEST_LINE]
            self._end_line("")
            self._line, self._cursor = rest, max(end - LONGEST_LINE, 0)
            end = self._cursor

    def _end_line(self, end: str) -> None:
        self._lines.append(self._line + end)
        self._weight += len(self._line) + len(end) + LINE_COST
        self._line, self._cursor = "", 0
