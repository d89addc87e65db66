"""How stub machines behave: which rule is meant for which machine, and who is told.

A machine gets its behaviour when it boots, each time anew: that of the rule posted last which fits
and is not used up, else `well`. Some also come over machines that run already (`AT_ONCE`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from typing import Any, Protocol, runtime_checkable

BEHAVIOURS = ("well", "mute", "fails", "dies", "partitioned", "unready")
AT_ONCE = frozenset({"well", "dies", "partitioned"})
WELL = "well"
CLAIM_TAG = "gpuspawner:claim"
"""The tag by which a rule can tell machines apart: the only name of a guest's that is known here."""


@runtime_checkable
class Behaving(Protocol):
    """A host whose machines can misbehave; a real machine cannot be told to."""

    def behave(self, machine_id: str, behaviour: str) -> None:
        """From now on, or from its next boot on if it is off. Returns at once."""


@dataclass
class MachineRule:
    """One rule, with how many machines it has come over (`hits`). `tag` and `id` are patterns."""

    behaviour: str
    tag: str = "*"
    id: str = "*"
    count: int | None = None
    hits: int = 0

    def takes(self, machine_id: str, claim: str) -> bool:
        """Whether the rule is meant for this machine and not used up; if so it counts it."""
        spent = self.count is not None and self.hits >= self.count
        if spent or not fnmatchcase(machine_id, self.id) or not fnmatchcase(claim, self.tag):
            return False
        self.hits += 1
        return True


class Behaviours:
    """The rules of one emulator. Everything here runs under the world's lock."""

    def __init__(self) -> None:
        self._rules: list[MachineRule] = []
        self._host: Behaving | None = None
        self._running: Callable[[], Iterable[tuple[str, str]]] = list

    @property
    def possible(self) -> bool:
        """Whether the machines are such that can misbehave."""
        return self._host is not None

    def connect(self, host: object, running: Callable[[], Iterable[tuple[str, str]]]) -> None:
        """Tell `host` from now on; `running` lists the machines that run, id and claim's tag."""
        self._host = host if isinstance(host, Behaving) else None
        self._running = running

    def add(self, values: dict[str, Any]) -> None:
        """One more rule, before all others; at once where that is possible."""
        rule = MachineRule(**values)
        self._rules.insert(0, rule)
        if self._host is None or rule.behaviour not in AT_ONCE:
            return
        for machine_id, claim in list(self._running()):
            if rule.takes(machine_id, claim):
                self._host.behave(machine_id, rule.behaviour)

    def reset(self) -> None:
        """No rules, and every machine that runs is well again as far as it can be."""
        self._rules = []
        if self._host is not None:
            for machine_id, _ in list(self._running()):
                self._host.behave(machine_id, WELL)

    def booting(self, machine_id: str, claim: str) -> None:
        """A machine boots now: let it know how to behave."""
        if self._host is not None:
            fitting = (rule.behaviour for rule in self._rules if rule.takes(machine_id, claim))
            self._host.behave(machine_id, next(fitting, WELL))

    def to_json(self) -> list[dict[str, Any]]:
        """The rules as they are served, the last one first."""
        return [asdict(rule) for rule in self._rules]
