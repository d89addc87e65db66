"""A student's credit runs out while a machine runs: a cloud in memory, a real ledger, the real rooms."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
from traitlets.config import Config

from gpuspawner.controllers.credit import CreditKeeper
from gpuspawner.controllers.meter import Meter
from gpuspawner.controllers.rounds import Rounds
from gpuspawner.errors import ControllerUnavailable
from gpuspawner.model import Claim, Desired, Owner, Reason, Specification
from gpuspawner.policy import credit_sentences as sentences
from gpuspawner.policy.money import Book, Component, Rate, hold_for, moment_of, seconds_of
from gpuspawner.policy.payers import hold_ref
from gpuspawner.settings import Credit, CreditRecord
from gpuspawner.store import agents, allowance, brake, ledger
from gpuspawner.store.admission import Refused, Terms, Wish, put_running
from gpuspawner.store.ledger import AccountKind, Sku
from gpuspawner.store.ledger.records import CONTROLLER
from tests.controllers.stage import LARGE, SMALL, Stage, name_of, staged

UNIT = 1_000_000
RATE = Rate(3_600_000, 3600, 60)  # 1000 micros a second
HOLD = hold_for(RATE, session=60)
SOME = 1_500_000
"""What ends after 1260 seconds, with the reserve left."""
RESERVE = 240_000
_STEP = 30


def settings(**changes: Any) -> CreditRecord:
    return Credit(
        config=Config(
            {"Credit": {"course_credit": 1000.0, "grace": 0.0, "session_hold": 60.0} | changes}
        )
    ).record()


@dataclass
class Classroom:
    """The stage, its meter and its keeper; each looks when it is due."""

    stage: Stage
    record: CreditRecord = field(default_factory=settings)
    meter: Meter = field(init=False)
    keeper: CreditKeeper = field(init=False)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """The controller is killed, and another one begins."""
        stage = self.stage
        stage.restart_controller()
        self.meter = Meter("fake", stage.database, stage.seen, stage.clock)
        stage.reconciler._books = self.meter
        self.keeper = CreditKeeper(stage.database, stage.seen, stage.clock, self.record)
        self.due = stage.clock.now()
        looks = stage.reconciler.tick

        async def tick() -> None:
            await looks()
            await self.meter.look()
            if stage.clock.now() >= self.due:
                self.due = await self.keeper.look()

        stage.tick = tick

    async def opens(self) -> None:
        await self.stage.database.run(_prices)
        await self.stage.database.run(allowance.set_up, self.record, self.now)

    @property
    def now(self) -> int:
        return seconds_of(self.stage.clock.now())

    async def gives(self, user: str, micros: int) -> None:
        await self.stage.database.run(_give, user, micros, self.now)

    async def starts(self, user: str, specification: Specification = SMALL) -> Claim | Refused:
        now = self.stage.clock.now()
        wish = Wish(
            name_of(user), Owner(f"id-{user}", user, ""), specification, {}, ["jupyterhub-singleuser"],
            8888, now + timedelta(seconds=600),
        )  # fmt: skip
        terms = Terms("fake", self.record.enforce, self.record.rules)
        return await self.stage.database.run(put_running, wish, terms, now)

    async def works(self, user: str, micros: int, specification: Specification = SMALL) -> None:
        """A student who has so much, at work."""
        await self.gives(user, micros)
        assert isinstance(await self.starts(user, specification), Claim)
        await self.stage.pass_time(30)
        await self.stage.beats(user)
        assert await self.stage.reports(user, "up")

    async def goes_on(self, user: str, seconds: float) -> list[tuple[int | None, str]]:
        """Time passes, and the machine saves when it is told to; each warning and its sentence, in order."""
        told: list[tuple[int | None, str]] = []
        end = self.stage.clock.now() + timedelta(seconds=seconds)
        while self.stage.clock.now() < end:
            await self.stage.clock.advance(_STEP)
            await self.stage.tick()
            claim = await self.stage.claim(user)
            view = self.stage.seen.credit_of(claim)
            if view and view.sentence and (view.warned_seconds, view.sentence.text()) not in told:
                told.append((view.warned_seconds, view.sentence.text()))
            await self.stage.beats(user)
            if claim.desired is not Desired.RUNNING and claim.saved_at is None:
                await self.stage.database.run(
                    agents.report, claim.name, claim.generation, "saved", "", self.stage.clock.now()
                )
        return told

    async def balance(self, user: str) -> int:
        """What the postings say, in micros."""
        return await self.stage.database.read(_balance, user)

    async def holds(self, user: str) -> list[tuple[str, int, int | None]]:
        found = await self.stage.database.read(_holds, user)
        return [(one.ref, one.remaining, one.expires_at) for one in found]

    async def is_sound(self) -> bool:
        """I1, I4, I7, I14: everything counted again."""
        return await self.stage.database.read(ledger.differences) == []


def _prices(c) -> None:
    course = ledger.course(c).id
    for sku, component in (("small", Component.COMPUTE), ("large", Component.COMPUTE),
                           ("ssd", Component.DISK), ("ssd", Component.HOME)):  # fmt: skip
        rate = RATE if component is Component.COMPUTE else Rate(80_000, 2_592_000)
        for book in Book:
            ledger.add_price(
                c, course, book, Sku("fake", "fake-1", sku), component, rate,
                valid_from=0, source="a test", fetched_at=0, now=0,
            )  # fmt: skip


def _give(c, user: str, micros: int, now: int) -> None:
    account = allowance.student(c, Owner(f"id-{user}", user, ""), 0, now).id
    ledger.grant(c, account, micros, idem=f"{user}-{now}", actor=CONTROLLER, now=now)


def _account(c, user: str) -> int:
    person = ledger.find_person(c, f"id-{user}")
    return next(
        one.account.id for one in ledger.standings(c, ledger.course(c).id, 0)
        if one.account.owner == person.id
    )  # fmt: skip


def _balance(c, user: str) -> int:
    return ledger.balance(c, _account(c, user))


def _holds(c, user: str):
    return ledger.holds(c, _account(c, user))


def _pool(c) -> int:
    return ledger.course_account(c, ledger.course(c).id, AccountKind.POOL).id


@pytest.fixture
async def room(tmp_path):
    async with staged(tmp_path) as stage:
        one = Classroom(stage)
        await one.opens()
        yield one
        assert await one.is_sound()


@pytest.fixture
def ruled(tmp_path):
    """A classroom with other settings."""

    async def make(stage: Stage, **changes: Any) -> Classroom:
        one = Classroom(stage, settings(**changes))
        await one.opens()
        return one

    return make


class TestWhoseCreditEnds:
    async def test_is_warned_three_times_stopped_told_why_and_ends_at_0_or_above(self, room):
        await room.works("alice", SOME)
        told = await room.goes_on("alice", 1320)
        claim = await room.stage.claim("alice")
        assert [(warned, text.partition(". ")[0]) for warned, text in told] == [
            (900, "Your credit lasts about 15 min more"),
            (300, "Your credit lasts about 5 min more"),
            (60, "Your credit lasts about 1 min more"),
        ]
        assert (claim.desired, claim.reason) == (Desired.STOPPED, Reason.CREDIT)
        assert claim.because == sentences.credit_ended()
        assert await room.stage.billed() == []
        # What is left is less than the reserve, and none of it is a debt.
        assert 0 <= await room.balance("alice") <= RESERVE
        assert await room.holds("alice") == []

    async def test_cannot_start_again(self, room):
        await room.works("alice", SOME)
        await room.goes_on("alice", 1320)
        answer = await room.starts("alice")
        assert isinstance(answer, Refused)
        assert answer.error.reason is Reason.CREDIT

    async def test_goes_on_when_a_teacher_gives_more_in_time(self, room):
        await room.works("alice", SOME)
        told = await room.goes_on("alice", 600)
        assert [warned for warned, _text in told] == [900]
        await room.gives("alice", 100 * UNIT)
        await room.goes_on("alice", 900)
        claim = await room.stage.claim("alice")
        view = room.stage.seen.credit_of(claim)
        assert (claim.desired, view.warned_seconds, view.sentence) == (Desired.RUNNING, None, None)

    async def test_is_shown_when_it_will_end(self, room):
        await room.works("alice", SOME)
        began = room.now
        await room.goes_on("alice", 120)
        view = room.stage.seen.credit_of(await room.stage.claim("alice"))
        left = view.balance_micros - RESERVE
        assert (
            view.deadline == moment_of(room.now + left // 1000)
            or abs((view.deadline - moment_of(room.now + left // 1000)).total_seconds()) <= 60
        )
        assert view.deadline > moment_of(began + 1000)
        assert view.per_hour_micros == 3_600_000
        assert view.runs_for_seconds == left // 1000

    async def test_is_not_shown_it_where_only_teachers_see_it(self, tmp_path, ruled):
        async with staged(tmp_path) as stage:
            room = await ruled(stage, shown_to="teachers")
            await room.works("alice", SOME)
            await room.goes_on("alice", 120)
            view = stage.seen.credit_of(await stage.claim("alice"))
            assert (view.balance_micros, view.per_hour_micros, view.runs_for_seconds) == (None,) * 3
            assert view.deadline is not None

    async def test_stops_nobody_else(self, room):
        await room.works("alice", SOME)
        await room.works("bora", 100 * UNIT, LARGE)
        await room.goes_on("alice", 1320)
        assert (await room.stage.claim("bora")).desired is Desired.RUNNING

    async def test_is_not_stopped_without_enforcement(self, tmp_path, ruled):
        async with staged(tmp_path) as stage:
            room = await ruled(stage, enforce=False)
            await room.works("alice", UNIT)
            await room.goes_on("alice", 900)
            claim = await stage.claim("alice")
            view = stage.seen.credit_of(claim)
            assert (claim.desired, view.deadline, view.sentence) == (Desired.RUNNING, None, None)


class TestAGrace:
    async def test_is_paid_by_the_pool_and_then_ends(self, tmp_path, ruled):
        async with staged(tmp_path) as stage:
            room = await ruled(stage, grace=600.0)
            await room.works("alice", SOME)
            before = await stage.database.read(lambda c: ledger.balance(c, _pool(c)))
            told = await room.goes_on("alice", 1320)
            assert "The class pays for about 10 min more" in " ".join(text for _, text in told)
            assert (await stage.claim("alice")).desired is Desired.RUNNING
            await room.goes_on("alice", 600)
            claim = await stage.claim("alice")
            assert (claim.desired, claim.reason) == (Desired.STOPPED, Reason.CREDIT)
            assert 0 <= await room.balance("alice") <= RESERVE + 60_000
            paid = before - await stage.database.read(lambda c: ledger.balance(c, _pool(c)))
            assert 600_000 <= paid <= 600_000 + RESERVE
            assert await room.is_sound()

    async def test_ends_early_when_there_is_credit_again(self, tmp_path, ruled):
        async with staged(tmp_path) as stage:
            room = await ruled(stage, grace=600.0)
            await room.works("alice", SOME)
            await room.goes_on("alice", 1320)
            assert stage.seen.credit_of(await stage.claim("alice")).grace
            await room.gives("alice", 50 * UNIT)
            await room.goes_on("alice", 900)
            claim = await stage.claim("alice")
            assert claim.desired is Desired.RUNNING
            assert not stage.seen.credit_of(claim).grace
            assert await room.balance("alice") < 50 * UNIT
            assert await room.is_sound()


class TestAHold:
    async def test_lasts_and_is_filled_up_while_the_machine_runs(self, room):
        await room.works("alice", 100 * UNIT)
        await room.goes_on("alice", 120)
        ((ref, left, ends),) = await room.holds("alice")
        assert (ref, ends) == (hold_ref(name_of("alice"), 1), None)
        await room.goes_on("alice", 900)
        ((_ref, later, ends),) = await room.holds("alice")
        full = hold_for(RATE.continued(), session=60)
        # What is used is charged every five minutes, and the hold filled up after it.
        assert (left <= HOLD, 0 <= later <= full, ends) == (True, True, None)

    async def test_of_a_start_that_came_to_nothing_is_given_back(self, room):
        await room.gives("alice", SOME)
        await room.starts("alice")
        await room.stage.stops("alice", 1)
        await room.stage.pass_time(30)
        assert await room.holds("alice") == []

    async def test_that_was_left_behind_ends_by_itself(self, room):
        await room.gives("alice", SOME)
        ref = hold_ref("gs-nobody", 1)
        await room.stage.database.run(
            lambda c: ledger.place_hold(
                c, _account(c, "alice"), UNIT, ref=ref, now=room.now, expires_at=room.now + 100
            )
        )
        await room.stage.pass_time(90)
        assert [ref for ref, *_ in await room.holds("alice")] == [ref]
        await room.stage.pass_time(90)
        assert await room.holds("alice") == []


async def test_a_lot_expires_on_its_day(room):
    async def left() -> int:
        return await room.balance("alice")

    def give(c) -> None:
        account = allowance.student(c, Owner("id-alice", "alice", ""), 0, room.now).id
        ledger.grant(
            c, account, UNIT, idem="lot", actor=CONTROLLER, now=room.now, expires_at=room.now + 600
        )

    await room.stage.database.run(give)
    await room.stage.pass_time(590, every=30)
    assert await left() == UNIT
    await room.stage.pass_time(90, every=30)
    assert await left() == 0


class TestNobodyIsStopped:
    async def test_by_a_look_that_no_second_one_confirms(self, room):
        await room.works("alice", SOME)
        await room.goes_on("alice", 1170)
        for _restart in range(3):  # each look is the first one of a new controller
            room.restart()
            await room.stage.tick()
            await room.stage.clock.advance(60)
        assert (await room.stage.claim("alice")).desired is Desired.RUNNING
        for _look in range(2):
            await room.stage.tick()
            await room.stage.clock.advance(5)
        assert (await room.stage.claim("alice")).desired is Desired.STOPPED

    async def test_while_the_ledger_cannot_be_read(self, room, monkeypatch, caplog):
        await room.works("alice", SOME)
        await room.goes_on("alice", 1080)

        async def gone(*_args, **_more):
            raise ControllerUnavailable("the database: locked")

        with monkeypatch.context() as patched:
            patched.setattr(room.stage.database, "read", gone)
            with caplog.at_level(logging.WARNING):
                for _look in range(5):
                    await room.keeper.look()
                    await room.stage.clock.advance(60)
            assert "nobody is stopped for credit now" in caplog.text
        assert (await room.stage.claim("alice")).desired is Desired.RUNNING

    async def test_at_the_first_look_after_the_clock_was_set(self, room):
        await room.works("alice", SOME)
        await room.goes_on("alice", 120)
        room.stage.clock.jump(timedelta(hours=3))
        await room.keeper.look()
        assert (await room.stage.claim("alice")).desired is Desired.RUNNING

    async def test_who_has_started_again_since_it_was_looked_at(self, room):
        await room.works("alice", SOME)
        await room.goes_on("alice", 60)
        stale = replace(room.stage.seen.credit_of(await room.stage.claim("alice")))
        assert stale.deadline
        session = _Session(name_of("alice"), 1)
        await room.starts("alice")
        await room.keeper._stop(session, _Verdict(), room.stage.clock.now())
        assert (await room.stage.claim("alice")).desired is Desired.RUNNING


@dataclass(frozen=True)
class _Session:
    claim: str
    generation: int


@dataclass(frozen=True)
class _Verdict:
    reason: Reason = Reason.CREDIT
    sentence: Any = field(default_factory=sentences.credit_ended)


class TestALimitPerDay:
    async def test_warns_and_stops_what_runs(self, tmp_path, ruled):
        async with staged(tmp_path) as stage:
            room = await ruled(stage, student_day_limit=1.5, grace=600.0)
            await room.works("alice", 100 * UNIT)
            told = await room.goes_on("alice", 1320)
            claim = await stage.claim("alice")
            assert [warned for warned, _ in told] == [900, 300, 60]
            assert (claim.desired, claim.reason) == (Desired.STOPPED, Reason.LIMIT)
            assert 100 * UNIT - await room.balance("alice") <= 1_500_000
            answer = await room.starts("alice")
            assert isinstance(answer, Refused)
            assert answer.error.reason is Reason.LIMIT


async def test_what_runs_in_spite_of_a_stop_of_everything_is_stopped(room):
    """A machine that was adopted from the cloud, say: its wish was written after the stop."""
    await room.stage.database.run(
        brake.stop_everything, "a leak", room.stage.clock.now(), actor="console"
    )
    claim = await room.stage.wants("alice")
    await room.stage.pass_time(63)
    found = await room.stage.claim("alice")
    assert (found.generation, found.desired) == (claim.generation, Desired.STOPPED)
    assert found.reason is Reason.EVERYTHING_STOPPED


async def test_it_looks_again_and_again_and_when_it_is_woken(room):
    looks = []

    async def look():
        looks.append(room.stage.clock.now())
        return room.stage.clock.now() + timedelta(seconds=60)

    room.keeper._rounds = Rounds(look, room.stage.clock)
    task = asyncio.create_task(room.keeper.run())
    await room.stage.clock.advance(61)
    room.keeper.wake()
    await room.stage.clock.advance(1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert len(looks) == 3
