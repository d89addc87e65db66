"""The books of a class: a cloud in memory, a real ledger, and a controller that may be killed."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from sqlalchemy import text

from gpuspawner.controllers.meter import Meter
from gpuspawner.errors import ControllerUnavailable, ProviderUnavailable
from gpuspawner.model import Disk, DiskKind, Specification, World
from gpuspawner.policy.money import Book, Component, Rate, seconds_of
from gpuspawner.policy.payers import MeteringPolicy, hold_ref
from gpuspawner.policy.steps import Known
from gpuspawner.store import ledger, metering_writes
from gpuspawner.store.ledger import Actor, Role, Sku
from tests.controllers.stage import IDENTITY, LARGE, SMALL, Stage, name_of, staged

UNIT = 1_000_000
OTHER_IMAGE = replace(SMALL, image="another")
ADMIN = Actor(Role.ADMIN, "p-admin")
RATES = {
    ("small", Component.COMPUTE): Rate(526_000, 3600, 60),
    ("large", Component.COMPUTE): Rate(1_212_000, 3600, 60),
    ("ssd", Component.DISK): Rate(80_000, 2_592_000),
    ("ssd", Component.HOME): Rate(80_000, 2_592_000),
}


@dataclass
class Books:
    """A stage, and the meter that follows it. Times are seconds since the curtain rose."""

    stage: Stage
    policy: MeteringPolicy = field(default_factory=MeteringPolicy)
    meter: Meter = field(init=False)

    def __post_init__(self) -> None:
        self.began = seconds_of(self.stage.clock.now())
        self.restart()

    def restart(self) -> None:
        """The controller is killed, and another one begins."""
        stage = self.stage
        stage.restart_controller()
        self.meter = Meter("fake", stage.database, stage.seen, stage.clock, self.policy)
        stage.reconciler._books = self.meter
        looks = stage.reconciler.tick

        async def tick() -> None:
            await looks()
            self.kept = await self.meter.look()

        stage.tick = tick

    async def priced(self, *without: str, valid_from: int = 0) -> None:
        rates = {what: rate for what, rate in RATES.items() if what[0] not in without}
        await self.stage.database.run(_price, rates, valid_from, seconds_of(self.stage.clock.now()))

    async def gives(self, user: str, micros: int = 100 * UNIT) -> None:
        await self.stage.database.run(_give, user, micros, seconds_of(self.stage.clock.now()))

    async def segments(self, component: str = "compute") -> list[tuple[Any, ...]]:
        """From when to when, why it ended, who pays, and the charge: of every meter, in order."""
        rows = await self.ask(
            "SELECT m.opened_at, m.closed_at, m.close_reason, p.name, m.charged FROM meters m "
            "JOIN accounts a ON a.id = m.payer LEFT JOIN people p ON p.id = a.owner "
            "WHERE m.component = :component ORDER BY m.id",
            component=component,
        )
        return [
            (
                row.opened_at - self.began,
                None if row.closed_at is None else row.closed_at - self.began,
                row.close_reason,
                "pool" if row.name is None else row.name.strip('"'),
                row.charged,
            )
            for row in rows
        ]

    async def ask(self, question: str, **values: Any) -> list[Any]:
        return await self.stage.database.read(
            lambda c: list(c.execute(text(question), values).all())
        )

    async def sound(self) -> bool:
        return await self.stage.database.read(ledger.differences) == []


def _price(c, rates, valid_from: int, now: int) -> None:
    course = ledger.course(c).id
    for (sku, component), rate in rates.items():
        for book in Book:
            ledger.add_price(
                c, course, book, Sku("fake", "fake-1", sku), component, rate,
                valid_from=valid_from, source="a test", fetched_at=now, now=now,
            )  # fmt: skip


def _give(c, user: str, micros: int, now: int) -> None:
    course = ledger.course(c).id
    ledger.fund(c, course, micros, idem=f"fund-{user}", actor=ADMIN, now=now)
    who = ledger.person_for(c, f"id-{user}", user, now=now)
    account = ledger.student_account(c, course, who.id)
    ledger.grant(c, account.id, micros, idem=f"grant-{user}", actor=ADMIN, now=now)


def micros(seconds: int, size: str = "small") -> int:
    return RATES[size, Component.COMPUTE].num * max(seconds, 60) // 3600


@pytest.fixture
async def books(tmp_path):
    async with staged(tmp_path) as stage:
        found = Books(stage)
        await found.priced()
        await found.gives("alice")
        yield found


async def test_a_session_is_its_students_from_the_clouds_start_to_the_clouds_end(books: Books):
    stage = books.stage
    await stage.runs("alice")
    await stage.pass_time(600, every=30)
    await stage.stops("alice")
    await stage.reports("alice", "saved")
    await stage.pass_time(120)
    assert await books.segments() == [(0, 660, "stopped", "alice", micros(660))]
    assert [one[:4] for one in await books.segments("disk")] == [(0, None, None, "pool")]
    assert [one[:4] for one in await books.segments("home")] == [(21, None, None, "pool")]
    assert await books.sound()


async def test_two_sessions_are_two_meters_and_a_larger_machine_costs_more(books: Books):
    stage = books.stage
    await stage.runs("alice")
    await stage.stops("alice")
    await stage.reports("alice", "saved")
    await stage.pass_time(140)
    await stage.wants("alice", LARGE)
    await stage.pass_time(100)
    await stage.reports("alice", "up")
    await stage.pass_time(300)
    await stage.stops("alice")
    await stage.reports("alice", "saved")
    await stage.pass_time(100)
    first, second = await books.segments()
    assert first == (0, 60, "stopped", "alice", micros(60))
    lasted = second[1] - second[0]
    assert second[2:] == ("stopped", "alice", micros(lasted, "large"))
    assert lasted == 400


@pytest.mark.parametrize("every", [60, 290])
async def test_however_often_it_is_killed_the_bill_is_the_same(books: Books, every: int):
    stage = books.stage
    await stage.runs("alice")
    for _ in range(1200 // every):
        await stage.pass_time(every, every=20)
        books.restart()
    ran = 60 + 1200 // every * every
    await stage.stops("alice")
    await stage.reports("alice", "saved")
    await stage.tick()
    books.restart()
    await stage.pass_time(200)
    assert await books.segments() == [(0, ran, "stopped", "alice", micros(ran))]
    assert await books.sound()


@pytest.mark.parametrize("specification", [SMALL, LARGE, OTHER_IMAGE])
async def test_a_kill_before_the_books_have_a_stop_loses_nothing_to_the_next_start(
    books: Books, specification: Specification
):
    """A start, or a deletion for another image, takes the stop's time out of what the cloud tells."""
    stage = books.stage
    await stage.runs("alice")
    await stage.stops("alice")
    await stage.reports("alice", "saved")
    await stage.tick()
    await stage.clock.advance(40)
    await stage.wants("alice", specification)
    for _ in range(5):
        # Each of these controllers is killed before it has written anything.
        await stage.reconciler.tick()
        await stage.clock.advance(3)
        books.restart()
    await stage.pass_time(200)
    first, second = await books.segments()
    assert first == (0, 60, "stopped", "alice", micros(60))
    assert (second[1], second[3]) == (None, "alice")


async def test_a_start_that_nobody_saw_is_in_the_books_before_the_next_one(books: Books):
    stage = books.stage
    claim = await stage.runs("alice")
    await stage.stops("alice")
    await stage.reports("alice", "saved")
    await stage.pass_time(140)
    await stage.provider.start([claim.machine_id], "small")
    await stage.clock.advance(100)
    await stage.provider.stop([claim.machine_id])
    await stage.clock.advance(60)
    books.restart()
    await stage.wants("alice")
    for _ in range(5):
        await stage.reconciler.tick()
        await stage.clock.advance(3)
        books.restart()
    await stage.pass_time(200)
    assert [one[:4] for one in await books.segments()] == [
        (0, 60, "stopped", "alice"),
        (200, 300, "stopped", "pool"),
        (378, None, None, "alice"),
    ]


async def test_a_restarted_controller_starts_at_once_what_is_in_the_books(books: Books):
    """Also a machine that has switched itself off, whose end no cloud dates."""
    stage = books.stage
    claim = await stage.runs("alice")
    stage.provider.poweroff(claim.machine_id)
    await stage.pass_time(100)
    books.restart()
    await stage.wants("alice")
    for _ in range(2):
        await stage.tick()
        await stage.clock.advance(3)
    assert stage.asked("start") == 1


async def test_a_machine_that_is_only_resized_has_not_been_on_again(books: Books):
    """A kill between the change of its size and its start leaves it so."""
    stage = books.stage
    claim = await stage.runs("alice")
    await stage.stops("alice")
    await stage.reports("alice", "saved")
    await stage.pass_time(100)
    vm = stage.provider.cloud.vms[claim.machine_id]
    larger = replace(vm.machine.placement, size="large")
    vm.machine = replace(vm.machine, placement=larger)
    books.restart()
    await stage.pass_time(200)
    assert await books.segments() == [(0, 60, "stopped", "alice", micros(60))]


async def test_a_deleted_machines_last_stop_is_in_the_books_first(books: Books):
    stage = books.stage
    await stage.runs("alice")
    await stage.stops("alice")
    await stage.reports("alice", "saved")
    await stage.tick()
    await stage.clock.advance(40)
    await stage.deletes("alice")
    for _ in range(5):
        await stage.reconciler.tick()
        await stage.clock.advance(3)
        books.restart()
    await stage.pass_time(200)
    assert await books.segments() == [(0, 60, "stopped", "alice", micros(60))]
    assert await stage.machines("alice") == []


async def test_while_a_session_lasts_it_is_read_every_five_minutes_and_not_at_every_look(
    books: Books,
):
    stage = books.stage
    await stage.runs("alice")
    await stage.pass_time(30)
    readings = set()
    for _ in range(60):
        await stage.pass_time(10, every=10)
        readings |= {row.metered_to for row in await books.ask("SELECT metered_to FROM meters")}
    assert 2 <= len(readings) <= 4


async def test_a_start_that_never_came_up_is_the_pools(books: Books):
    stage = books.stage
    await stage.wants("alice")
    await stage.pass_time(90)
    assert [one[3] for one in await books.segments()] == ["alice"]
    await stage.reports("alice", "failed", "no network")
    await stage.pass_time(200)
    [(since, until, reason, payer, charged)] = await books.segments()
    assert (since, reason, payer, charged) == (0, "stopped", "pool", micros(until))
    assert await books.ask("SELECT balance FROM accounts WHERE kind = 'student'") == [(100 * UNIT,)]
    assert await books.sound()


async def test_a_machine_switched_off_from_inside_is_paid_by_its_student_as_far_as_it_was_seen(
    books: Books,
):
    stage = books.stage
    claim = await stage.runs("alice")
    await stage.pass_time(100, every=10)
    await stage.clock.advance(5)
    stage.provider.poweroff(claim.machine_id)
    await stage.clock.advance(20)
    await stage.tick()
    assert [one[:4] for one in await books.segments()] == [
        (0, 160, "unseen", "alice"),
        (160, 185, "seen off", "pool"),
    ]
    books.restart()
    await stage.pass_time(300)
    assert len(await books.segments()) == 2


async def test_a_machine_that_vanishes_ends_when_it_was_first_not_listed(books: Books):
    stage = books.stage
    claim = await stage.runs("alice")
    await stage.pass_time(10)
    stage.provider.hide_from_listing([claim.machine_id])
    await stage.clock.advance(5)
    await stage.pass_time(200)
    assert [one[:4] for one in await books.segments()] == [
        (0, 70, "unseen", "alice"),
        (70, 75, "vanished", "pool"),
    ]


async def test_a_machine_that_comes_back_is_charged_for_all_of_it(books: Books):
    stage = books.stage
    claim = await stage.runs("alice")
    stage.provider.hide_from_listing([claim.machine_id])
    await stage.pass_time(200)
    stage.provider.hide_from_listing([])
    await stage.pass_time(200)
    last = (await books.segments())[-1]
    assert last[1] is not None
    everything = sum(one[4] for one in await books.segments())
    assert micros(last[1]) - len(await books.segments()) <= everything <= micros(last[1])


async def test_an_accident_is_not_the_students(books: Books):
    stage = books.stage
    claim = await stage.runs("alice")
    cloud = stage.provider.cloud
    request = replace(cloud.vms[claim.machine_id].request, intent="an-accident")
    cloud.create(IDENTITY.hub_id, request)
    await stage.pass_time(120)
    assert [one[3] for one in await books.segments()] == ["alice", "pool"]


async def test_what_belongs_to_nobody_is_the_pools_until_its_owner_is_known(tmp_path, books: Books):
    stage = books.stage
    await stage.runs("alice")
    (tmp_path / "other").mkdir()
    async with staged(tmp_path / "other", cloud=stage) as after_the_loss:
        after = Books(after_the_loss)
        await after.priced()
        await after.gives("alice")
        await after_the_loss.pass_time(400)
        first, second = (await after.segments())[:2]
        assert (first[2], first[3], second[3]) == ("session", "pool", "alice")


async def test_a_hold_is_used_first_and_given_back_at_the_end(books: Books):
    stage = books.stage
    ref = hold_ref(name_of("alice"), 1)
    now = seconds_of(stage.clock.now())
    [account] = await books.ask("SELECT id FROM accounts WHERE kind = 'student'")
    await stage.database.run(ledger.place_hold, account.id, 5 * UNIT, ref=ref, now=now)
    await stage.runs("alice")
    await stage.pass_time(400)
    [held] = await books.ask("SELECT remaining, released_at FROM holds")
    assert (held.remaining < 5 * UNIT, held.released_at) == (True, None)
    await stage.stops("alice")
    await stage.reports("alice", "saved")
    await stage.pass_time(100)
    [held] = await books.ask("SELECT remaining, released_at FROM holds")
    assert held.released_at is not None


async def test_without_a_price_a_machine_runs_and_the_admin_hears_of_it_once(tmp_path, caplog):
    async with staged(tmp_path) as stage:
        books = Books(stage)
        await books.priced("small")
        await books.gives("alice")
        with caplog.at_level(logging.WARNING):
            await stage.runs("alice")
            await stage.pass_time(120)
        told = [one.message for one in caplog.records if "price" in one.message]
        assert len(told) == 1, told
        assert "small" in told[0]
        assert [str(one) for one in stage.seen.unpriced] == told
        assert await books.segments() == []

        await books.priced()
        await stage.pass_time(30)
        assert (await books.segments())[0][:4] == (0, None, None, "alice")
        assert stage.seen.unpriced == ()


@pytest.mark.parametrize(("enforced", "level"), [(True, "ERROR"), (False, "INFO")])
async def test_what_nobody_pays_is_an_alarm_where_it_should_have_been_stopped(
    tmp_path, caplog, enforced, level
):
    async with staged(tmp_path) as stage:
        books = Books(stage, MeteringPolicy(enforced=enforced))
        await books.priced()
        await books.gives("alice", 1)
        with caplog.at_level(logging.INFO):
            await stage.runs("alice")
            await stage.pass_time(60)
        [told] = [one for one in caplog.records if "written off" in one.message]
        # One micro there was, and the least that a start costs is a minute.
        assert (told.levelname, " 8765 micros are written off" in told.message) == (level, True)


async def test_without_any_price_nothing_is_written(tmp_path):
    async with staged(tmp_path) as stage:
        books = Books(stage)
        await stage.runs("alice")
        await stage.pass_time(120)
        for table in ("meters", "sightings", "transactions", "people"):
            assert await books.ask(f"SELECT * FROM {table}") == []


class TestTrouble:
    async def test_a_database_that_fails_is_tried_again_after_the_next_listing(
        self, books: Books, monkeypatch, caplog
    ):
        stage = books.stage
        run = stage.database.run

        async def broken(fn, *args, **kwargs):
            if fn is metering_writes.apply:
                raise ControllerUnavailable("the disk is full")
            return await run(fn, *args, **kwargs)

        with monkeypatch.context() as patch, caplog.at_level(logging.WARNING):
            patch.setattr(stage.database, "run", broken)
            await stage.runs("alice")
            assert not books.kept
        assert await books.segments() == []
        assert "the disk is full" in caplog.text
        await stage.tick()
        assert [one[:4] for one in await books.segments()] == [(0, None, None, "alice")]

    async def test_what_nobody_expected_is_logged_and_tried_again(
        self, books: Books, monkeypatch, caplog
    ):
        stage = books.stage
        with monkeypatch.context() as patch:
            patch.setattr("gpuspawner.controllers.meter.changes", None)
            await stage.runs("alice")
            assert not books.kept
        assert "TypeError" in caplog.text
        await stage.tick()
        assert books.kept

    async def test_a_listing_that_failed_is_no_listing(self, books: Books):
        stage = books.stage
        await stage.runs("alice")
        before = await books.segments()
        for _ in range(6):
            stage.provider.fail_next("list", ProviderUnavailable("lost"))
            await stage.clock.advance(60)
            await stage.tick()
        assert [one[:4] for one in await books.segments()] == [one[:4] for one in before]

    async def test_it_follows_the_listings_in_a_task_of_its_own(self, books: Books):
        stage, now = books.stage, books.stage.clock.now()
        disk = Disk("disk-9", DiskKind.OS, "ssd", "fake-1", 60, now)
        written = asyncio.Event()
        stage.database.on_change(written.set)
        task = asyncio.create_task(books.meter.run())
        try:
            books.meter.listed(World(now, disks=(disk,)), Known(), now)
            await asyncio.wait_for(written.wait(), 60)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        assert [one[:4] for one in await books.segments("disk")] == [(0, None, None, "pool")]

    async def test_it_wakes_no_pass(self, books: Books):
        woken: list[int] = []
        books.stage.database.on_change(lambda: woken.append(1), plans=True)
        disk = Disk("disk-9", DiskKind.OS, "ssd", "fake-1", 60, books.stage.clock.now())
        now = books.stage.clock.now()
        books.meter.listed(World(now, disks=(disk,)), Known(), now)
        assert await books.meter.look()
        assert (len(await books.segments("disk")), woken) == (1, [])
