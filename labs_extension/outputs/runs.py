"""What is remembered of a cell that was run, and of a kernel's pages."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from labs_extension.outputs.cell import Outputs


@dataclass(eq=False)
class Run:
    """A cell that was run, until what it has shown is safe.

    `page` is the session id of the connection that asked for it. `version` is the count of changes
    when it last changed, `written` that of what is in the file, `news` that when there was something
    to tell other pages, or its own, last; `changed` is when it last changed (monotonic).
    """

    name: str
    kernel: str
    page: str
    cell: str
    code: str
    outputs: Outputs
    asked: float
    changed: float
    paths: tuple[str, ...] = ()
    """The notebooks that it may be from; mostly it is known which one."""
    started: bool = False
    finished: bool = False
    count: int | None = None
    missed: bool = False
    """Its page may not have all of it."""
    seen: bool = False
    """It is finished, and a page has all of it."""
    saved_since: bool = False
    """A page has saved the notebook since, so the file is newer than `code`."""
    version: int = 0
    written: int = 0
    news: int = 0
    weight: int = 0

    @property
    def is_written(self) -> bool:
        """Whether all of it is in the file."""
        return self.written == self.version


@dataclass
class Pages:
    """The pages of one kernel.

    How many connections of which are there; for whom Jupyter keeps messages, and how many bytes; and
    who came back to what was kept.
    """

    there: Counter[str] = field(default_factory=Counter)
    awaited: str | None = None
    kept: int = 0
    returned: set[str] = field(default_factory=set)
