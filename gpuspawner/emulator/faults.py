"""What can be made to go wrong, over HTTP: `POST`, `GET` and `DELETE /_emulator/faults`.

A body is one object or a list of objects; `kind` says which. `GET` answers
`{"rules": […], "settings": {…}}`, `DELETE` puts everything back to how the emulator started.

`{"kind": "fault", …}` (the default kind) applies to calls, in the order in which it was posted:

* `action`: the API action, or a pattern such as `Describe*`; default `*`
* `match`: request parameter to pattern, all must fit: `{"InstanceType": "g5.*"}`
* `code`, `status`, `message`: the error to answer; `status` is 400 unless the code is one that AWS
  sends as 500 or 503
* `drop`: end the connection without an answer
* `pages`: `"missing"` leaves the second half out of DescribeInstances and says nothing,
  `"duplicate"` repeats the first reservation at the end; on Azure it does nothing
* `delay`: seconds of real time before the call is looked at
* `when`: `"before"` (default), or `"after"`: the call is carried out and then the answer is lost
* `probability`: 0 to 1, default 1; `count`: how often it happens, default for ever

The other kinds set one thing each, until they are set again:

* `{"kind": "capacity", "type": "g5.xlarge", "zone": "us-east-1a", "limit": 2}`: so many machines
  may be pending or running together; `type` and `zone` are patterns, `limit` null is no limit;
  `"late": true` on Azure: the request is accepted, and the operation fails afterwards
* `{"kind": "quota", "code": "L-DB2E81BA", "limit": 8}`: vCPUs; on Azure a family, or `cores`
* `{"kind": "throttle", "on": true}`: the cloud's documented token buckets
* `{"kind": "lag", "hidden": 5, "stale": 3}`: new things are not listed for `hidden` seconds, states
  are those of `stale` seconds ago; on Azure `hidden` alone does something, for machines
* `{"kind": "times", "pending": 8, "stopping": 5, "shutting_down": 5, "attaching": 1}`: seconds
* `{"kind": "machines", "behaviour": "mute", "count": 1, "tag": "gs-*", "id": "i-*"}`: how machines
  behave that boot from now on, the first `count` of them (default: all) whose id and whose tag
  `gpuspawner:claim` fit the patterns; with `--machines stub` only. The rule posted last goes first.

  `behaviour` is `well`; `mute`: it boots and never speaks; `fails`: it reports `failed` with the end
  of a log instead of `up`; `dies`: its server dies once, in mid-session, and is started again;
  `partitioned`: its agent cannot reach the controller, its server goes on; or `unready`: it
  reports `up` and its server answers nothing. `well`, `dies` and `partitioned` come over machines
  that run as well, at once; `well` ends a partition, and so does `DELETE`.
"""

from __future__ import annotations

import fnmatch
import itertools
import random
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from gpuspawner.emulator.behaviours import Behaviours
from gpuspawner.emulator.fault_schema import BadRule, Terms, checked
from gpuspawner.emulator.wire import Asked, Dropped, Refusal


@dataclass(frozen=True)
class Times:
    """How long a change of state takes, in seconds."""

    pending: float = 8.0
    stopping: float = 5.0
    shutting_down: float = 5.0
    attaching: float = 1.0


@dataclass
class Rule:
    """One fault, with how often it has happened (`hits`)."""

    id: int
    action: str = "*"
    match: dict[str, str] = field(default_factory=dict)
    code: str | None = None
    status: int | None = None
    message: str = "Injected by a fault rule."
    drop: bool = False
    pages: str | None = None
    delay: float = 0.0
    when: str = "before"
    probability: float = 1.0
    count: int | None = None
    hits: int = 0

    def fits(self, call: Asked) -> bool:
        """Whether the rule is meant for `call`, chance and count apart."""
        return fnmatch.fnmatchcase(call.action, self.action) and all(
            fnmatch.fnmatchcase(call.params.get(name, ""), pattern)
            for name, pattern in self.match.items()
        )

    def strike(self) -> None:
        """Raise what the rule says to raise, if anything.

        Raises:
            Refusal, Dropped: as configured.
        """
        if self.drop:
            raise Dropped
        if self.code is not None:
            raise Refusal(self.code, self.message, self.status or 400)


@dataclass
class Settings:
    """Everything that is set rather than struck."""

    throttle: bool = False
    hidden: float = 0.0
    stale: float = 0.0
    times: Times = field(default_factory=Times)
    quotas: dict[str, float] = field(default_factory=dict)
    capacity: dict[tuple[str, str], int] = field(default_factory=dict)
    late: set[tuple[str, str]] = field(default_factory=set)

    def room(self, machine_type: str, zone: str, count: Callable[[str, str], int]) -> float:
        """How many more machines the zone has; `count` counts by patterns of type and zone."""
        fitting = [
            limit - count(*patterns)
            for patterns, limit in self.capacity.items()
            if fnmatch.fnmatchcase(machine_type, patterns[0])
            and fnmatch.fnmatchcase(zone, patterns[1])
        ]
        return max(0, min(fitting)) if fitting else float("inf")

    def to_json(self) -> dict[str, Any]:
        """The settings as they are served."""
        return {
            "throttle": self.throttle,
            "lag": {"hidden": self.hidden, "stale": self.stale},
            "times": asdict(self.times),
            "quotas": dict(self.quotas),
            "capacity": [
                {"type": type_, "zone": zone, "limit": limit}
                | ({"late": True} if (type_, zone) in self.late else {})
                for (type_, zone), limit in self.capacity.items()
            ],
        }


class Faults:
    """The rules and settings of one emulator.

    Args:
        terms: what the cloud calls its quotas, and the status of its errors.
        times: the delays at start, to which `reset` returns.
        throttle: whether the token buckets are on at start.
        seed: of the dice that `probability` rolls.
    """

    def __init__(
        self, terms: Terms, times: Times, *, throttle: bool = False, seed: int = 0
    ) -> None:
        self._terms = terms
        self._times = times
        self._throttle = throttle
        self._dice = random.Random(seed)  # noqa: S311 - dice, not secrets
        self._numbers = itertools.count(1)
        self.rules: list[Rule] = []
        self.settings = self._at_start()
        self.behaviours = Behaviours()

    def reset(self) -> None:
        """No rules, and the settings of the start."""
        self.rules = []
        self.settings = self._at_start()
        self.behaviours.reset()

    def post(self, body: object) -> list[int]:
        """Add what `body` says, all of it or nothing, and return the ids of the new fault rules.

        Raises:
            BadRule: something in it is wrong.
        """
        entries = body if isinstance(body, list) else [body]
        read = [checked(entry, self._terms) for entry in entries]
        if any(kind == "machines" for kind, _ in read) and not self.behaviours.possible:
            raise BadRule("Only stub machines can misbehave: run this with --machines stub.")
        ids = []
        for kind, values in read:
            if kind == "fault":
                if "code" in values:
                    values.setdefault("status", self._terms.statuses.get(values["code"], 400))
                self.rules.append(Rule(id=next(self._numbers), **values))
                ids.append(self.rules[-1].id)
            else:
                self._set(kind, values)
        return ids

    def striking(self, call: Asked) -> list[Rule]:
        """The rules that apply to this call now; each of them counts it."""
        found = []
        for rule in self.rules:
            spent = rule.count is not None and rule.hits >= rule.count
            if not spent and rule.fits(call) and self._dice.random() < rule.probability:
                rule.hits += 1
                found.append(rule)
        return found

    def to_json(self) -> dict[str, Any]:
        """Rules and settings as they are served."""
        rules = [asdict(rule) for rule in self.rules]
        settings = {**self.settings.to_json(), "machines": self.behaviours.to_json()}
        return {"rules": rules, "settings": settings}

    def _at_start(self) -> Settings:
        return Settings(throttle=self._throttle, times=self._times, quotas=dict(self._terms.quotas))

    def _set(self, kind: str, values: dict[str, Any]) -> None:
        settings = self.settings
        if kind == "times":
            settings.times = replace(settings.times, **values)
        elif kind == "lag":
            settings.hidden = values.get("hidden", settings.hidden)
            settings.stale = values.get("stale", settings.stale)
        elif kind == "throttle":
            settings.throttle = values["on"]
        elif kind == "quota":
            settings.quotas[values["code"]] = values["limit"]
        elif kind == "machines":
            self.behaviours.add(values)
        else:
            patterns = (values.get("type", "*"), values.get("zone", "*"))
            settings.capacity.pop(patterns, None)
            settings.late.discard(patterns)
            if values.get("late"):
                settings.late.add(patterns)
            if values["limit"] is not None:
                settings.capacity[patterns] = values["limit"]
