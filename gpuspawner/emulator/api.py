"""`/_emulator/`: what no cloud has, for tests and the demo. JSON in, JSON out.

| request | answer |
|---|---|
| `GET seed` | ids of what is there from the start (`subnets` by zone), `names`, `sizes` with prices in USD an hour, and in a sentence the `separation` of machines |
| `GET machines` | every instance: id, state, type, zone, address, tags, volumes, since |
| `POST machines/<id>/power {"action": A}` | what somebody does to it behind everybody's back: in the console `start`, `stop`, `reboot` or `terminate`, or `off` from inside it; answers the machine, or 409 when its state forbids it |
| `GET events?since=N` | the events of machines after number N, in order; prices in USD an hour |
| `GET bill` | what the cloud would have billed until now |
| `GET prices`, `POST prices {"machines": {type: micros}}` | what machines cost an hour; a change counts from now on, in the bill and in the price list |
| `GET calls`, `DELETE calls` | calls by action, and those that were throttled |
| `GET`, `POST`, `DELETE faults` | see `gpuspawner.emulator.faults` |
| `GET clock`, `POST clock {"advance": seconds}` | the emulated time |

An error is `{"error": sentence}` with status 400, 404, 405 or 409.
"""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Protocol
from urllib.parse import parse_qs

from gpuspawner.emulator.bill import Bill
from gpuspawner.emulator.clock_ import Clock, text
from gpuspawner.emulator.fault_schema import BadRule
from gpuspawner.emulator.faults import Faults
from gpuspawner.emulator.wire import Answer, Refusal

Query = Mapping[str, list[str]]
Reply = tuple[int, Any]
Door = Callable[[Query, Any], Reply]

_POWER = re.compile(r"machines/([^/]+)/power")
_ACTIONS = ("off", "start", "stop", "reboot", "terminate")


class World(Protocol):
    """What is common to every emulated cloud. Hold `lock` while you look at it."""

    lock: threading.RLock
    clock: Clock
    bill: Bill
    faults: Faults
    calls: Counter[str]
    throttled: Counter[str]

    def settle(self) -> None:
        """Do what is due by now."""


class Front(Protocol):
    """What one cloud says of itself and its machines."""

    def seed(self) -> dict[str, Any]:
        """What is there from the start."""

    def machines(self) -> list[dict[str, Any]]:
        """Every machine."""

    def machine(self, machine_id: str) -> dict[str, Any] | None:
        """One machine, if there is such a one."""

    def power(self, machine_id: str, action: str) -> None:
        """Do one of `off`, `start`, `stop`, `reboot`, `terminate` to it.

        Raises:
            Refusal: its state forbids it.
        """

    def events(self) -> list[dict[str, Any]]:
        """All events, in order."""


class Api:
    """Answers for one world."""

    def __init__(self, world: World, front: Front) -> None:
        self._world = world
        self._front = front
        self._doors: dict[str, dict[str, Door]] = {
            "seed": {"GET": self._seed},
            "machines": {"GET": self._machines},
            "events": {"GET": self._events},
            "bill": {"GET": lambda _query, _body: (200, world.bill.statement(world.clock.now()))},
            "prices": {"GET": self._prices, "POST": self._reprice},
            "calls": {"GET": self._calls, "DELETE": self._forget_calls},
            "faults": {"GET": self._faults, "POST": self._fault, "DELETE": self._no_faults},
            "clock": {"GET": self._time, "POST": self._advance},
        }

    def answer(self, method: str, path: str, query: str, body: bytes) -> Answer:
        """The answer to one request below `/_emulator/`."""
        status, content = self._reply(method, path, query, body)
        return Answer(status, json.dumps(content).encode() + b"\n", "application/json")

    def _reply(self, method: str, path: str, query: str, body: bytes) -> Reply:
        name = path.removeprefix("/_emulator").strip("/")
        methods = self._doors.get(name)
        if named := _POWER.fullmatch(name):
            methods = {"POST": lambda _query, body: self._power(named[1], body)}
        if methods is None:
            return 404, {"error": f"There is only {', '.join(self._doors)} here."}
        if method not in methods:
            return 405, {"error": f"Use {' or '.join(methods)} here."}
        try:
            asked = json.loads(body) if body else None
        except ValueError:
            return 400, {"error": "The body is not JSON."}
        with self._world.lock:
            self._world.settle()
            return methods[method](parse_qs(query), asked)

    def _seed(self, _query: Query, _body: Any) -> Reply:
        return 200, self._front.seed()

    def _machines(self, _query: Query, _body: Any) -> Reply:
        return 200, {"machines": self._front.machines()}

    def _power(self, machine_id: str, body: Any) -> Reply:
        action = body.get("action") if isinstance(body, dict) else None
        if action not in _ACTIONS:
            return 400, {"error": f'The body is {{"action": one of {", ".join(_ACTIONS)}}}.'}
        if self._front.machine(machine_id) is None:
            return 404, {"error": f"There is no machine {machine_id}."}
        try:
            self._front.power(machine_id, action)
        except Refusal as error:
            return 409, {"error": f"{error.code}: {error.message}"}
        return 200, self._front.machine(machine_id)

    def _events(self, query: Query, _body: Any) -> Reply:
        since = query.get("since", ["0"])[0]
        if not since.isdigit():
            return 400, {"error": "The query's since is the number of the last event you have."}
        return 200, {"events": self._front.events()[int(since) :]}

    def _prices(self, _query: Query, _body: Any) -> Reply:
        return 200, {"machines": dict(self._world.bill.prices.machines)}

    def _reprice(self, query: Query, body: Any) -> Reply:
        machines = body.get("machines") if isinstance(body, dict) else None
        if not isinstance(machines, dict) or not all(
            type(micros) is int and micros >= 0 for micros in machines.values()
        ):
            return 400, {"error": 'The body is {"machines": {type: micros an hour}}.'}
        self._world.bill.reprice(machines, self._world.clock.now())
        return self._prices(query, body)

    def _calls(self, _query: Query, _body: Any) -> Reply:
        calls, throttled = dict(self._world.calls), dict(self._world.throttled)
        return 200, {"calls": calls, "total": sum(calls.values()), "throttled": throttled}

    def _forget_calls(self, _query: Query, _body: Any) -> Reply:
        self._world.calls.clear()
        self._world.throttled.clear()
        return 200, {}

    def _faults(self, _query: Query, _body: Any) -> Reply:
        return 200, self._world.faults.to_json()

    def _fault(self, _query: Query, body: Any) -> Reply:
        try:
            ids = self._world.faults.post(body)
        except BadRule as error:
            return 400, {"error": str(error)}
        return 201, {"ids": ids}

    def _no_faults(self, _query: Query, _body: Any) -> Reply:
        self._world.faults.reset()
        return 200, self._world.faults.to_json()

    def _time(self, _query: Query, _body: Any) -> Reply:
        return 200, {"now": text(self._world.clock.now())}

    def _advance(self, query: Query, body: Any) -> Reply:
        seconds = body.get("advance") if isinstance(body, dict) else None
        if not isinstance(seconds, int | float) or isinstance(seconds, bool) or seconds < 0:
            return 400, {"error": 'The body is {"advance": seconds}, of 0 or more.'}
        self._world.clock.advance(seconds)
        self._world.settle()
        return self._time(query, body)
