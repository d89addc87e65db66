"""What is answered about credit: amounts in whole micros of `unit`, moments in ISO 8601 and UTC."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict


class Reply(BaseModel):
    """The base."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Machine(Reply):
    """A machine that the student pays for now.

    `runs_for_seconds` is how long the credit lasts at the rates of everything that is on, kept
    below what is promised; None when nothing is charged.
    """

    claim: str
    server: str
    size: str | None
    per_hour: int
    runs_for_seconds: int | None


class Balance(Reply):
    """Where one student stands. `live` is `balance` less what has been used and not written yet.

    `held` is set aside for machines, `available` what a start may still set aside. `per_hour` is
    what everything that is on costs now.
    """

    name: str | None
    person: str | None
    balance: int
    held: int
    available: int
    live: int
    per_hour: int


class Me(Reply):
    """`GET me`."""

    unit: str
    credit: Balance
    machines: list[Machine]
    runs_for_seconds: int | None


class Line(Reply):
    """One line of a statement; `amount` is what the balance changed by, so below zero it was paid.

    `minimum` is how many seconds are charged of such a start at the least, 0 where it has no minimum.
    """

    at: str
    kind: str
    amount: int
    start: str
    stop: str
    seconds: int
    minimum: int
    component: str | None
    claim: str | None
    per_hour: int | None
    total: int
    own: bool
    open: bool
    reason: str | None
    transaction: int | None
    note: str


class Statement(Reply):
    """`GET statement`: the lines add up from `opening` to `closing`."""

    unit: str
    name: str | None
    since: str
    until: str
    opening: int
    closing: int
    lines: list[Line]


class Grant(Reply):
    """One grant, and what is left of it."""

    transaction: int | None
    granted: int
    remaining: int
    granted_at: str
    expires_at: str | None
    note: str


class Grants(Reply):
    """`GET grants`."""

    unit: str
    name: str | None
    grants: list[Grant]


class Hold(Reply):
    """Credit set aside; `remaining` is what has not been used."""

    placed: int
    remaining: int
    placed_at: str
    expires_at: str | None
    claim: str | None


class Holds(Reply):
    """`GET holds`: those that are open."""

    unit: str
    name: str | None
    holds: list[Hold]


class Students(Reply):
    """`GET students`: those whom the caller may see, by name."""

    unit: str
    students: list[Balance]


class Pool(Reply):
    """`GET pool`: `funded + written_off = pool + students + spent + expired`; `cost` in `cost_unit`."""

    unit: str
    cost_unit: str
    funded: int
    pool: int
    held: int
    students: int
    spent: int
    expired: int
    written_off: int
    cost: int


class Burn(Reply):
    """`GET burn`: what an hour of everything that is on costs, as it is charged and as it is billed."""

    unit: str
    cost_unit: str
    charge_per_hour: int
    cost_per_hour: int


class Price(Reply):
    """What one thing costs and is charged, in micros of the book's unit `per` hour or GiB-month.

    `as_of` is when `source` said so, and `valid_from` since when it counts. `gpu` is known of sizes
    that are offered.
    """

    sku: str
    component: str
    provider: str
    region: str
    gpu: str | None
    per: str
    charge: int | None
    cost: int | None
    source: str
    charge_source: str | None
    as_of: str
    age_days: int
    valid_from: str


class PriceFinding(Reply):
    """A price that was not believed or is missing, and what to do."""

    subject: str
    severity: str
    message: str
    remedy: str


class Prices(Reply):
    """`GET prices`. `read_at` is when the cloud's own list was last read in full."""

    unit: str
    cost_unit: str
    read_at: str | None
    prices: list[Price]
    findings: list[PriceFinding]


class PricesAsked(Prices):
    """`POST prices/refresh`; when the cloud has not `answered`, the last good prices stay."""

    answered: bool


class Entry(Reply):
    """An entry of the audit log.

    `kind` is that of a transaction; or, without one, `stop` of everything or its `lift`, which move
    no credit.
    """

    transaction: int | None
    at: str
    kind: str
    by: str
    by_name: str | None
    student: str | None
    student_name: str | None
    micros: int
    note: str
    reverses: int | None
    undone: bool


class Audit(Reply):
    """`GET audit`: the last first. `before` asks for the next page, None when there is none."""

    unit: str
    entries: list[Entry]
    before: int | None


class Made(Reply):
    """What a POST has written, or had written before under the same key."""

    transaction: int
    unit: str
    pool: int
    credit: Balance | None


class HubSession(Reply):
    """The last session of a claim: what it came to, and whether it is over."""

    started_at: str
    stopped_at: str | None
    seconds: int
    charged: int


class HubSize(Reply):
    """A size as this student would pay for it."""

    per_hour: int
    runs_for_seconds: int | None


class HubCredit(Reply):
    """`GET credit`: for the hub's own pages. `shown` is false where students do not see their credit."""

    unit: str
    shown: bool
    balance: int
    available: int
    live: int
    per_hour: int
    runs_for_seconds: int | None
    sizes: dict[str, HubSize]
    sessions: dict[str, HubSession]

    def json_dict(self) -> dict[str, Any]:
        """As it is sent."""
        return self.model_dump()
