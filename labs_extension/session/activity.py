"""What people did and what their front ends said, by a clock that only goes forward."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from labs_extension.clock import Clock

TAB_SECONDS = 150.0
"""A front end that has said nothing for so long is closed. It reports every 30 s, but a browser lets
a hidden page run once a minute only: https://developer.chrome.com/blog/timer-throttling-in-chrome-88"""

SAVING_SECONDS = 60.0
"""So long after a front end has been asked to save, what it saves is no act of a person."""

MOST_TABS = 64
MOST_FAILED = 100


@dataclass(frozen=True)
class Tab:
    """One open front end, as it last reported; `at` is when, `unsaved` how many documents."""

    at: float
    visible: bool
    unsaved: int


@dataclass
class Saving:
    """A request to save, and the answers so far: how many documents, and which could not be saved."""

    request: str
    answers: dict[str, tuple[int, tuple[str, ...]]] = field(default_factory=dict)


class Activity:
    """The memory behind the sensors; see docs/explain/protocols.md for what counts."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._human: tuple[float, str] | None = None
        self._tabs: dict[str, Tab] = {}
        self._open_until: float | None = None
        self._saving: Saving | None = None
        self._asked_at: float | None = None

    def person(self, kind: str) -> None:
        """A person did something now: `cell`, `terminal`, `save` or `click`."""
        self._human = (self._clock.monotonic(), kind)

    def saved(self) -> None:
        """A document was saved, with something that a person changed, or by their wish."""
        asked = self._asked_at
        if asked is None or self._clock.monotonic() - asked > SAVING_SECONDS:
            self.person("save")

    def human(self) -> tuple[float | None, str | None]:
        """Seconds since a person last did something, and what; None when never."""
        if self._human is None:
            return None, None
        at, kind = self._human
        return self._clock.monotonic() - at, kind

    def report_tab(self, name: str, *, visible: bool, unsaved: int, closed: bool) -> None:
        """A front end says that it is there, or that it is about to be closed."""
        now = self._clock.monotonic()
        self._open_until = now
        if closed:
            self._tabs.pop(name, None)
        elif name in self._tabs or len(self._living()) < MOST_TABS:
            self._tabs[name] = Tab(now, visible, unsaved)

    def page_left(self) -> None:
        """A page was connected until now."""
        self._open_until = self._clock.monotonic()

    def tabs(self, connected: bool) -> dict[str, Any]:
        """The open front ends.

        Args:
            connected: whether a kernel or a terminal is connected to a page, which is a front end
                too if none reports.
        """
        living, now = self._living(), self._clock.monotonic()
        count = len(living) or int(connected)
        since = None if count or self._open_until is None else now - self._open_until
        return {
            "open": count,
            "visible": sum(tab.visible for tab in living.values()),
            "closed_age": since,
        }

    def unsaved(self) -> int | None:
        """Documents that are not saved, in all front ends; None when none reports."""
        living = self._living()
        return sum(tab.unsaved for tab in living.values()) if living else None

    def asked_to_save(self, request: str) -> None:
        """The front ends are shown a request to save."""
        if self._saving is None or self._saving.request != request:
            self._saving = Saving(request)
            self._asked_at = self._clock.monotonic()

    def answer(self, request: str, tab: str, documents: int, failed: tuple[str, ...]) -> None:
        """A front end has saved what it had open."""
        self.asked_to_save(request)
        assert self._saving is not None
        if tab in self._saving.answers or len(self._saving.answers) < MOST_TABS:
            self._saving.answers[tab] = (documents, failed[:MOST_FAILED])

    def saving(self) -> Mapping[str, Any] | None:
        """The answer to the last request to save; None until every open front end has answered."""
        if self._saving is None:
            return None
        answers = self._saving.answers.values()
        if len(answers) < max(1, len(self._living())):
            return None
        failed = sorted({path for _, paths in answers for path in paths})
        return {
            "request": self._saving.request,
            "documents": sum(documents for documents, _ in answers),
            "failed": failed[:MOST_FAILED],
        }

    def _living(self) -> dict[str, Tab]:
        oldest = self._clock.monotonic() - TAB_SECONDS
        self._tabs = {name: tab for name, tab in self._tabs.items() if tab.at >= oldest}
        return self._tabs
