"""What a real cloud would have billed, from the emulator's own record of what ran when.

Which states cost is the cloud's business, and what they cost is in its table of prices. On EC2 a
machine costs from the moment it is `running` until it is `stopping` or `shutting-down`, sixty
seconds at least for every start (EC2 user guide, "Instance lifecycle"); on Azure until it is being
deallocated, so a machine that is merely stopped goes on costing. A disk costs from its creation to
its deletion, whether the machine runs or not. Amounts are whole micros of a dollar, rounded down
once for each line.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from fractions import Fraction
from typing import Any

from gpuspawner.emulator.clock_ import text

HOUR = 3600


@dataclass(frozen=True)
class Prices:
    """One cloud's table: micros an hour for machines and an address, per GiB and month for disks.

    `month_seconds` 0 means that each calendar month (in UTC) costs the same, however long it is. A
    machine or disk that is missing is billed at nothing, and the statement says so.
    `minimum_seconds` are by kind of line: the least that each costs.
    """

    as_of: str
    machines: Mapping[str, int]
    disks: Mapping[str, int]
    address: int
    month_seconds: int
    minimum_seconds: Mapping[str, int]
    currency: str = "USD"

    def machine(self, machine_type: str) -> int:
        """Micros an hour, 0 for a type that is not in the table."""
        return self.machines.get(machine_type, 0)


@dataclass
class Line:
    """One stretch of time that is billed. `price_micros` is per `per_seconds` for one of `quantity`."""

    kind: str
    id: str
    what: str
    since: float
    price_micros: int
    per_seconds: int = HOUR
    quantity: int = 1
    minimum_seconds: int = 0
    until: float | None = None

    def seconds(self, now: float) -> int:
        """How long it has lasted, between the whole seconds in which the cloud would list both ends."""
        return max(0, int(now if self.until is None else self.until) - int(self.since))

    def billed_seconds(self, now: float) -> int:
        """How long it is billed for: the minimum is due as soon as the line begins."""
        return max(self.minimum_seconds, self.seconds(now))

    def micros(self, now: float) -> int:
        """The amount so far."""
        if not self.per_seconds:
            begin = int(self.since)
            months = _months(begin, begin + self.billed_seconds(now))
            return math.floor(self.quantity * self.price_micros * months)
        return self.quantity * self.price_micros * self.billed_seconds(now) // self.per_seconds

    def to_json(self, now: float) -> dict[str, Any]:
        """The line as it is served."""
        return {
            "kind": self.kind,
            "id": self.id,
            "what": self.what,
            "from": text(self.since),
            "to": text(self.until),
            "seconds": self.seconds(now),
            "billed_seconds": self.billed_seconds(now),
            "quantity": self.quantity,
            "price_micros": self.price_micros,
            "per_seconds": self.per_seconds,
            "micros": self.micros(now),
        }


def _months(since: int, until: int) -> Fraction:
    """How many calendar months there are between two times: parts of each by its own length."""
    total, at = Fraction(0), since
    while at < until:
        day = datetime.fromtimestamp(at, timezone.utc)
        first = day.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        following = (first + timedelta(days=32)).replace(day=1)
        end = min(until, int(following.timestamp()))
        total += Fraction(end - at, int((following - first).total_seconds()))
        at = end
    return total


class Bill:
    """All lines of the account, in the order in which they began."""

    def __init__(self, prices: Prices) -> None:
        self.prices = prices
        self._lines: list[Line] = []
        self._open: dict[tuple[str, str], Line] = {}

    def machine_runs(self, machine_id: str, machine_type: str, at: float) -> None:
        """Computing begins."""
        self._begin("machine", machine_id, machine_type, at, self.prices.machine(machine_type))

    def machine_ends(self, machine_id: str, at: float) -> None:
        """Computing ends; a machine that was not billed is no error."""
        self._end("machine", machine_id, at)

    def disk_exists(self, disk_id: str, disk_type: str, gib: int, at: float) -> None:
        """A disk has been created, attached or not."""
        price, month = self.prices.disks.get(disk_type, 0), self.prices.month_seconds
        self._begin("disk", disk_id, disk_type, at, price, month, gib)

    def disk_is_gone(self, disk_id: str, at: float) -> None:
        """A disk has been deleted."""
        self._end("disk", disk_id, at)

    def address_exists(self, machine_id: str, at: float) -> None:
        """A machine has got a public IPv4 address."""
        self._begin("address", machine_id, "public IPv4", at, self.prices.address)

    def address_is_gone(self, machine_id: str, at: float) -> None:
        """The machine's public address has been given back."""
        self._end("address", machine_id, at)

    def reprice(self, machines: Mapping[str, int], at: float) -> None:
        """From now on machines of these types cost so many micros an hour.

        What runs goes on as a line of its own, from where the one before has billed to.
        """
        self.prices = replace(self.prices, machines={**self.prices.machines, **machines})
        for (kind, thing), line in list(self._open.items()):
            if kind == "machine" and line.what in machines:
                self._end(kind, thing, at)
                begins = int(line.since) + line.billed_seconds(at)
                self._begin(kind, thing, line.what, begins, self.prices.machine(line.what))
                self._open[kind, thing].minimum_seconds = 0

    def statement(self, now: float) -> dict[str, Any]:
        """The bill up to `now`: lines, totals in micros by kind, and where the prices are from."""
        lines = [line.to_json(now) for line in self._lines]
        totals = {
            kind: sum(line["micros"] for line in lines if line["kind"] == kind)
            for kind in ("machine", "disk", "address")
        }
        return {
            "currency": self.prices.currency,
            "prices_as_of": self.prices.as_of,
            "at": text(now),
            "lines": lines,
            "totals": {**totals, "all": sum(totals.values())},
            "unpriced": sorted({line["what"] for line in lines if not line["price_micros"]}),
        }

    def _begin(
        self,
        kind: str,
        thing: str,
        what: str,
        at: float,
        price: int,
        per_seconds: int = HOUR,
        quantity: int = 1,
    ) -> None:
        least = self.prices.minimum_seconds.get(kind, 0)
        line = Line(kind, thing, what, at, price, per_seconds, quantity, least)
        self._lines.append(line)
        self._open[kind, thing] = line

    def _end(self, kind: str, thing: str, at: float) -> None:
        line = self._open.pop((kind, thing), None)
        if line is not None:
            line.until = at
