"""The outputs of one run of a cell, by the rules of Jupyter's message protocol, within a bound.

https://jupyter-client.readthedocs.io/en/stable/messaging.html#messages-on-the-iopub-pub-sub-channel
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from nbformat.v4 import output_from_msg

from labs_extension.language import LANGUAGES, _, say
from labs_extension.outputs.text import LINE_COST, Text

SHOWN = frozenset({"stream", "display_data", "execute_result", "error"})
"""The types of messages that are outputs."""

_CUT = _(
    "[{lines} lines and {others} other outputs were left out here: a cell printed more than the {limit:.4g} MiB that are kept of one.]"
)


@dataclass
class Printed:
    """What was printed to one stream without a break."""

    name: str
    text: Text

    @property
    def size(self) -> int:
        """What it weighs."""
        return self.text.size + LINE_COST

    def as_output(self) -> dict[str, Any]:
        """As it is in a notebook."""
        return {"output_type": "stream", "name": self.name, "text": str(self.text)}


@dataclass
class Shown:
    """A picture, a result, an error; `display` is the id by which it can be changed later."""

    output: dict[str, Any]
    display: str | None
    size: int

    @classmethod
    def of(cls, kind: str, content: Mapping[str, Any]) -> Shown:
        """Raises KeyError or ValueError for what is no output."""
        message = {"header": {"msg_type": kind}, "content": content}
        output = dict(output_from_msg(message))  # type: ignore[no-untyped-call]
        return cls(output, display_of(content), len(json.dumps(output)))

    def as_output(self) -> dict[str, Any]:
        """As it is in a notebook."""
        return self.output


def display_of(content: Mapping[str, Any]) -> str | None:
    """The id by which an output can be changed later."""
    name = (content.get("transient") or {}).get("display_id")
    return name if isinstance(name, str) else None


class Outputs:
    """What a cell shows.

    Args:
        limit: how much is kept, in characters. Beyond it the first quarter and the newest stay, and
            a line says what was left out between them.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.clear()

    @property
    def size(self) -> int:
        """What all of it weighs."""
        return self._size

    def clear(self) -> None:
        """Nothing is shown any more."""
        self._first: list[Printed | Shown] = []
        self._last: deque[Printed | Shown] = deque()
        self._divided = False
        self._clear_next = False
        self._size = self._cut_lines = self._cut_others = 0

    def hear(self, kind: str, content: Mapping[str, Any]) -> bool:
        """Take a message of the kernel's in; whether it changed anything.

        Raises:
            KeyError, ValueError: it is no message of the protocol.
        """
        if kind == "clear_output":
            if content.get("wait"):
                self._clear_next = True
                return False
            self.clear()
            return True
        if kind not in SHOWN:
            return False
        made = None if kind == "stream" else Shown.of(kind, content)
        if self._clear_next:
            self.clear()
        if made is None:
            self._print(content["name"], content["text"])
        else:
            self._last.append(made)
            self._size += made.size
        self._cut()
        return True

    def change(self, display: str, content: Mapping[str, Any]) -> bool:
        """Change what has this display id; whether there is any."""
        found = [one for one in self._all() if isinstance(one, Shown) and one.display == display]
        for one in found:
            one.output = {**one.output, "data": content["data"], "metadata": content["metadata"]}
            self._size -= one.size
            one.size = len(json.dumps(one.output))
            self._size += one.size
        self._cut()
        return bool(found)

    def as_notebook(self) -> list[dict[str, Any]]:
        """As a cell has them in a notebook, nbformat 4."""
        first = [one.as_output() for one in self._first]
        last = [one.as_output() for one in self._last]
        return [*first, *self._cut_notice(), *last]

    def _all(self) -> Iterator[Printed | Shown]:
        yield from self._first
        yield from self._last

    def _print(self, name: str, text: str) -> None:
        newest = self._last[-1] if self._last else None
        if not isinstance(newest, Printed) or newest.name != name:
            newest = Printed(name, Text())
            self._last.append(newest)
            self._size += newest.size
        before = newest.size
        newest.text.write(text)
        self._size += newest.size - before

    def _cut(self) -> None:
        if self._size > self._limit and not self._divided:
            self._divide()
        while self._size > self._limit and self._last:
            oldest = self._last[0]
            before = oldest.size
            if isinstance(oldest, Printed) and oldest.text.take_line() is not None:
                self._cut_lines += 1
                self._size += oldest.size - before
            elif isinstance(oldest, Printed) and len(self._last) == 1:
                break  # the line that is being printed
            else:
                self._last.popleft()
                self._size -= before
                self._cut_others += isinstance(oldest, Shown)

    def _divide(self) -> None:
        """Set the first quarter apart, to be kept."""
        self._divided = True
        room = self._limit // 4
        while self._last and self._last[0].size <= room:
            room -= self._last[0].size
            self._first.append(self._last.popleft())
        if self._last and isinstance(oldest := self._last[0], Printed):
            kept = Printed(oldest.name, Text())
            self._size += kept.size
            while kept.size < room and (line := oldest.text.take_line()) is not None:
                kept.text.write(line)
            self._first.append(kept)

    def _cut_notice(self) -> list[dict[str, Any]]:
        if not self._cut_lines and not self._cut_others:
            return []
        mib = self._limit / (1 << 20)
        said = say(_CUT, lines=self._cut_lines, others=self._cut_others, limit=mib)
        text = "".join(f"{said[language]}\n" for language in LANGUAGES)
        return [{"output_type": "stream", "name": "stderr", "text": text}]
