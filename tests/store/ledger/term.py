"""A term of a course, drawn at random: everything that can happen to money, in any order.

A test of an invariant hands its check to `play`, which looks after each step of each term.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from hypothesis import HealthCheck, Phase, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Engine

from gpuspawner.errors import NotAllowed
from gpuspawner.policy.money import Rate
from gpuspawner.policy.money_errors import InsufficientCredit, NotReversible
from gpuspawner.store import ledger
from gpuspawner.store.ledger import Actor, Meter, Role
from tests.store.ledger.bank import ADMIN, ALL, GP3, HOUR, LARGE, NINE, SMALL, UNIT, Bank

AMOUNTS = st.one_of(st.integers(1, UNIT // 2), st.integers(1, 3 * UNIT))
WHO = st.integers(0, 2)
"""The two students, and the pool."""
NTH = st.integers(0, 5)
SECONDS = st.one_of(st.integers(0, 90), st.integers(0, 4 * HOUR))


@dataclass
class Asked:
    """Something that was asked for, what was there for it, and whether it was granted."""

    what: str
    who: str
    there: int
    wanted: int
    granted: bool


@dataclass
class Seen:
    """What a check wants to know of what has happened, beside the tables."""

    asked: list[Asked] = field(default_factory=list)
    alarms: int = 0
    readings: dict[int, list[int]] = field(default_factory=dict)


class Term(RuleBasedStateMachine):
    def __init__(self, engine: Engine, check: Callable[[Term], None], every: int) -> None:
        super().__init__()
        self.connection = engine.connect()
        self.check, self.every, self.steps = check, every, 0

    @initialize(overdraft=st.sampled_from([0, 0, 700_000]))
    def begin(self, overdraft: int) -> None:
        self.bank = Bank(self.connection, funded=3 * UNIT)
        self.c, self.course = self.connection, self.bank.course
        self.wallets = [*self.bank.students, self.bank.pool]
        self.overdraft, self.now = overdraft, NINE
        self.seen, self.meters, self.refs = Seen(), [], []  # type: ignore[var-annotated]
        self.bank.give(self.bank.alice, 2 * UNIT)
        self.bank.give(self.bank.alice, UNIT // 2, expires_at=NINE + 5 * HOUR)
        self.bank.give(self.bank.bora, UNIT // 5)
        self.hold(0, UNIT // 4, None)
        self.start(0, 0, SMALL, 10, held=True)
        self.start(1, 1, GP3, 10, held=False)

    def teardown(self) -> None:
        try:
            if hasattr(self, "bank"):
                self.look()
        finally:
            self.connection.rollback()
            self.connection.close()

    def look(self) -> None:
        try:
            self.check(self)
        except AssertionError:
            note(self.bank.dump())
            raise

    @contextlib.contextmanager
    def step(self) -> Iterator[None]:
        """All of it or nothing, as a transaction of the controller's."""
        with (
            contextlib.suppress(InsufficientCredit, NotReversible, NotAllowed),
            self.c.begin_nested(),
        ):
            yield

    def read(self, settled: list[ledger.Settled]) -> None:
        self.seen.alarms += sum(one.written_off for one in settled)

    def reads(self) -> None:
        """Note how far each meter was read."""
        for number, to in self.bank.ask("SELECT id, metered_to FROM meters WHERE course = :course"):
            self.seen.readings.setdefault(number, []).append(to)

    def nth(self, number: int) -> Meter:
        return ledger.get_meter(self.c, self.meters[number % len(self.meters)])

    @rule(micros=AMOUNTS, role=st.sampled_from(Role))
    def fund(self, micros: int, role: Role) -> None:
        asked = Asked("fund", role.value, 0, micros, granted=False)
        self.seen.asked.append(asked)
        with self.step():
            ledger.fund(
                self.c, self.course, micros, idem=self.bank.key(), actor=Actor(role), now=self.now
            )
            asked.granted = True

    @rule(who=st.integers(0, 1), micros=AMOUNTS, lasts=st.none() | st.integers(0, 10 * HOUR))
    def grant(self, who: int, micros: int, lasts: int | None) -> None:
        there = self.bank.balance(self.bank.pool) - self.bank.held(self.bank.pool)
        asked = Asked("grant", "teacher", there, micros, granted=False)
        self.seen.asked.append(asked)
        expires_at = None if lasts is None else self.now + lasts
        with self.step():
            self.bank.give(self.wallets[who], micros, now=self.now, expires_at=expires_at)
            asked.granted = True

    @rule(who=WHO, micros=AMOUNTS, lasts=st.none() | st.integers(1, HOUR))
    def hold(self, who: int, micros: int, lasts: int | None) -> None:
        account, ref = self.wallets[who], self.bank.key()
        with self.step():
            ledger.sweep_holds(self.c, self.now)
            ledger.expire(self.c, self.now, account=account)
        there = self.bank.balance(account) - self.bank.held(account)
        asked = Asked("hold", str(who), there, micros, granted=False)
        self.seen.asked.append(asked)
        expires_at = None if lasts is None else self.now + lasts
        with self.step():
            ledger.place_hold(self.c, account, micros, ref=ref, now=self.now, expires_at=expires_at)
            asked.granted = True
            self.refs.append(ref)

    @precondition(lambda self: self.refs)
    @rule(which=NTH, micros=AMOUNTS)
    def top_up(self, which: int, micros: int) -> None:
        with self.step():
            ledger.top_up(self.c, self.refs[which % len(self.refs)], micros, now=self.now)

    @precondition(lambda self: self.refs)
    @rule(which=NTH)
    def release(self, which: int) -> None:
        with self.step():
            ledger.release_hold(self.c, self.refs[which % len(self.refs)], now=self.now)

    @rule(
        which=st.integers(0, 2), who=WHO, sku=st.sampled_from([SMALL, LARGE, GP3]),
        back=st.integers(0, 120), held=st.booleans(),
    )  # fmt: skip
    def start(self, which: int, who: int, sku: ledger.Sku, back: int, held: bool) -> None:
        ref = self.refs[-1] if held and self.refs else None
        with self.step():
            meter = self.bank.start(
                f"i-{which}-{sku.sku}", self.wallets[who], self.now - back, sku, hold=ref,
                quantity=64 if sku == GP3 else 1,
            )  # fmt: skip
            self.meters = [*dict.fromkeys([*self.meters, meter.id])]

    @rule(seconds=SECONDS, look=st.booleans())
    def time_passes(self, seconds: int, look: bool) -> None:
        self.now += seconds
        if look:
            with self.step():
                self.read(
                    ledger.settle_all(
                        self.c, self.now, now=self.now, course=self.course,
                        max_overdraft=self.overdraft,
                    )
                )  # fmt: skip

    @rule(
        who=WHO, sku=st.sampled_from([SMALL, LARGE]), seconds=SECONDS, looks=st.integers(0, 3),
        late=st.integers(0, 90),
    )  # fmt: skip
    def a_session(self, who: int, sku: ledger.Sku, seconds: int, looks: int, late: int) -> None:
        """From the start to the stop; either is heard of late, the last look may be after the stop."""
        self.hold(who, UNIT // 10, None)
        before = len(self.meters)
        self.start(3 + who, who, sku, late, held=True)
        began = self.now
        for _ in range(looks):
            self.time_passes(seconds // (looks or 1), look=True)
        self.now = max(self.now, began + seconds)
        if len(self.meters) > before:
            self.stop(before, late)

    @precondition(lambda self: self.meters)
    @rule(which=NTH, back=st.integers(0, 5 * HOUR))
    def stop(self, which: int, back: int) -> None:
        with self.step():
            settled = ledger.close(
                self.c, self.nth(which).id, self.now - back, reason="user", now=self.now,
                max_overdraft=self.overdraft,
            )  # fmt: skip
            assert settled
            self.read([settled])

    @precondition(lambda self: self.meters)
    @rule(which=NTH, who=WHO, back=st.integers(0, 100))
    def somebody_else_pays(self, which: int, who: int, back: int) -> None:
        before = -self.bank.of_kind("writeoff")
        with self.step():
            meter = ledger.switch(
                self.c, self.nth(which).id, self.now - back, reason="window", now=self.now,
                payer=self.wallets[who], max_overdraft=self.overdraft,
            )  # fmt: skip
            self.meters = [*dict.fromkeys([*self.meters, meter.id])]
        self.seen.alarms += max(0, -self.bank.of_kind("writeoff") - before)

    @precondition(lambda self: self.meters)
    @rule(which=NTH)
    def the_pool_pays_for_a_failed_start(self, which: int) -> None:
        with self.step():
            ledger.pay_from_pool(self.c, self.nth(which).id, now=self.now)

    @rule(sku=st.sampled_from([SMALL, LARGE]), num=st.integers(0, 2 * UNIT), later=SECONDS)
    def price(self, sku: ledger.Sku, num: int, later: int) -> None:
        with self.step():
            self.bank.price(sku, Rate(num, 3600, 60), valid_from=self.now + later, now=self.now)

    @rule()
    def follow_prices(self) -> None:
        before = -self.bank.of_kind("writeoff")
        with self.step():
            for meter in ledger.follow_prices(
                self.c, course=self.course, now=self.now, max_overdraft=self.overdraft
            ):
                self.meters.append(meter.id)
        self.seen.alarms += max(0, -self.bank.of_kind("writeoff") - before)

    @rule(which=st.integers(0, 12), share=st.none() | st.integers(1, 120))
    def take_back(self, which: int, share: int | None) -> None:
        rows = self.bank.ask(
            "SELECT t.id, max(p.micros) FROM transactions t JOIN postings p ON p.txn = t.id "
            "WHERE t.course = :course GROUP BY t.id ORDER BY t.id DESC"
        )
        number, whole = rows[which % len(rows)]
        part = None if share is None else max(1, int(whole) * share // 100)
        with self.step():
            ledger.reverse(self.c, number, part, idem=self.bank.key(), actor=ADMIN, now=self.now)

    @rule()
    def expire(self) -> None:
        with self.step():
            ledger.sweep_holds(self.c, self.now)
            ledger.expire(self.c, self.now, course=self.course)

    @invariant()
    def holds(self) -> None:
        if hasattr(self, "bank"):
            self.reads()
            self.steps += 1
            if self.steps % self.every == 0:
                self.look()


def play(
    engine: Engine, check: Callable[[Term], None], *, examples: int = 5, every: int = 8
) -> None:
    """Play terms, and `check` after every so many steps and at the end of each."""
    run_state_machine_as_test(
        lambda: Term(engine, check, every),
        settings=settings(
            max_examples=examples * (10 if ALL else 1),
            stateful_step_count=50 if ALL else 25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            # To look for a shorter term takes minutes, and the whole course is shown anyway.
            phases=[one for one in Phase if ALL or one is not Phase.shrink],
        ),
    )
