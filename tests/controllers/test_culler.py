"""Forgotten machines stop, trainings do not: a cloud in memory, a real database, the real rooms."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from gpuspawner.controllers.culler import Culler
from gpuspawner.errors import ControllerUnavailable
from gpuspawner.language import say
from gpuspawner.model import Desired, Reason
from gpuspawner.policy import clicks
from gpuspawner.policy.idle import RULE_VERSION
from gpuspawner.policy.observed import Facts, session_of
from gpuspawner.policy.session import IdleLimits, Policy, day_begins
from gpuspawner.policy.timetable import parse
from gpuspawner.store import events, sessions
from gpuspawner.store.observations import Observations
from tests.controllers.stage import Stage, name_of, staged

POLICY = Policy()
NOBODY = Facts(server_age=1, busy=0, tabs=0, gpus=(0.0,), processor=0.0, child=False)
"""A machine that has a GPU, and nobody ever came."""

STEP = 20
_MINUTE = 60


@dataclass
class Room:
    """The stage, and its culler that looks when it is due."""

    stage: Stage
    policy: Policy = POLICY
    facts: dict[str, Facts] = field(default_factory=dict)
    """What each machine says; ages as of now, so whoever has left grows older below."""
    told: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.sequence = 0
        self.restart()

    def restart(self) -> None:
        """The controller is killed, and another one begins."""
        stage = self.stage
        stage.restart_controller()
        self.observations = Observations(self.policy.idle, stage.clock.now())
        self.culler = Culler(
            stage.database, stage.seen, self.observations, stage.clock, self.policy
        )
        self.due = stage.clock.now()

    async def opens(self, user: str, facts: Facts = NOBODY) -> None:
        await self.stage.runs(user)
        self.facts[user] = facts

    async def passes(self, minutes: float, look: bool = True) -> None:
        """Time passes: every machine speaks every few seconds, and the culler looks when it is due."""
        end = self.stage.clock.now() + timedelta(minutes=minutes)
        while self.stage.clock.now() < end:
            await self.stage.clock.advance(STEP)
            for user, facts in self.facts.items():
                self.facts[user] = older(facts, STEP)
                await self.hears(user)
            if look and self.stage.clock.now() >= self.due:
                self.due = await self.culler.look()
                self._note()

    async def hears(self, user: str) -> None:
        claim = await self.stage.claim(user)
        self.sequence += 1
        if claim.desired is Desired.RUNNING:
            now = self.stage.clock.now()
            self.observations.hear(claim, self.facts[user], "boot", self.sequence, now)

    def _note(self) -> None:
        for name, (_generation, view) in self.stage.seen.sessions.items():
            if view.sentence and (name, view.reason.value) not in self.told:
                self.told.append((name, view.reason.value))

    async def ended(self, user: str) -> tuple[str, Reason | None]:
        claim = await self.stage.claim(user)
        return claim.desired.value, claim.reason

    async def clicks(self, user: str) -> sessions.Kept:
        """*Keep running*, as the REST interface does it."""
        return await self.stage.database.run(_click, name_of(user), self)

    def mode(self, user: str) -> str:
        return self.stage.seen.sessions[name_of(user)][1].mode


def older(facts: Facts, seconds: float) -> Facts:
    ages = {
        name: None if (age := getattr(facts, name)) is None else age + seconds
        for name in ("human_age", "closed_age", "typed_age")
    }
    return replace(facts, **ages)


def _click(c, name: str, room: Room) -> sessions.Kept:
    now = room.stage.clock.now()
    day = day_begins(room.policy.session, now)
    standing = sessions.of_claim(c, name, None, day)
    claim, kept, given = standing.claim, standing.kept, standing.given
    session = session_of(
        claim, None, room.observations.of(claim), now,
        extended_until=kept.extended_until, warned=kept.warned,
    )  # fmt: skip
    grant, _shown = clicks.keep(room.policy, session, given, now)
    if grant.until:
        sessions.extend(c, claim, grant.until, day, now, actor="id-alice")
    return sessions.of_claim(c, name, None, day).kept


@pytest.fixture
async def room(tmp_path):
    async with staged(tmp_path) as stage:
        yield Room(stage)


IDLE = ("stopped", Reason.IDLE)
RUNNING = ("running", None)


class TestAForgottenMachine:
    async def test_with_an_open_page_is_warned_and_stopped_with_the_reason(self, room):
        await room.opens("alice", replace(NOBODY, tabs=1, human_age=0))
        await room.passes(24.5)
        assert room.told == []
        await room.passes(1)
        assert (room.told, await room.ended("alice")) == ([(name_of("alice"), "idle")], RUNNING)
        await room.passes(6)
        claim = await room.stage.claim("alice")
        assert (claim.desired.value, claim.reason) == IDLE
        assert "30" in claim.because.text()

    async def test_is_stopped_by_a_version_of_the_rule(self, room):
        await room.opens("alice", replace(NOBODY, tabs=1, human_age=0))
        await room.passes(32)
        [line, *_] = await room.stage.database.read(events.audit_lines, name_of("alice"))
        assert (line.actor, line.action, line.detail) == (
            "controller", "stopped", f"rule {RULE_VERSION}",
        )  # fmt: skip

    async def test_that_nobody_ever_opened_is_a_no_show(self, room):
        await room.opens("alice")
        await room.passes(17)
        assert await room.ended("alice") == ("stopped", Reason.NO_SHOW)

    async def test_that_waits_for_input_for_ever_is_stopped(self, room):
        await room.opens("alice", replace(NOBODY, tabs=1, human_age=0, busy=1))
        await room.passes(60)
        assert (await room.ended("alice"))[0] == "stopped"

    @pytest.mark.parametrize(
        ("classes", "found"),
        [("Monday 08:00-09:50", RUNNING), ("Monday 12:00-13:50", IDLE)],
    )
    async def test_with_an_open_page_has_more_time_in_class(self, room, classes, found):
        room.policy = Policy(IdleLimits(classes=(parse(classes),)))
        room.restart()
        await room.opens("alice", replace(NOBODY, tabs=1, human_age=0))
        await room.passes(39)
        assert (await room.ended("alice"), room.told == []) == (found, found == RUNNING)

    async def test_is_not_stopped_when_the_rule_is_only_to_be_seen(self, room):
        room.policy = Policy(IdleLimits(enforce=False))
        room.restart()
        await room.opens("alice")
        await room.passes(40)
        assert (await room.ended("alice"), room.told) == (
            RUNNING, [(name_of("alice"), "no_show")],
        )  # fmt: skip


class TestAMachineAtWork:
    @pytest.mark.parametrize(
        "work", [{"gpus": (40.0,)}, {"processor": 180.0}, {"child": True}], ids=str
    )
    async def test_with_nobody_there_is_not_stopped_before_its_cap(self, room, work):
        await room.opens("alice", replace(NOBODY, human_age=0, closed_age=0, **work))
        await room.passes(85)
        assert (await room.ended("alice"), room.mode("alice")) == (RUNNING, "working")

    async def test_is_stopped_some_minutes_after_the_work(self, room):
        await room.opens("alice", replace(NOBODY, human_age=0, closed_age=0, gpus=(40.0,)))
        await room.passes(60)
        room.facts["alice"] = replace(room.facts["alice"], gpus=(0.0,))
        await room.passes(12)
        assert await room.ended("alice") == RUNNING
        await room.passes(2)
        assert await room.ended("alice") == ("stopped", Reason.WORK_DONE)

    async def test_of_which_a_signal_is_lost_is_not_idle_for_half_an_hour(self, room):
        await room.opens("alice", replace(NOBODY, human_age=0, closed_age=0, gpus=None))
        await room.passes(30)
        assert await room.ended("alice") == RUNNING
        await room.passes(20)
        assert (await room.ended("alice"))[0] == "stopped"


class TestALook:
    async def test_alone_stops_nobody(self, room):
        await room.opens("alice")
        await room.passes(14)
        await room.stage.clock.advance(3 * _MINUTE)
        await room.hears("alice")
        room.due = await room.culler.look()
        assert (await room.ended("alice"), room.due - room.stage.clock.now()) == (
            RUNNING, timedelta(seconds=5),
        )  # fmt: skip

    async def test_after_a_gap_is_the_first_again(self, room):
        await room.opens("alice")
        await room.passes(14.8)
        for _ in range(3):
            await room.stage.clock.advance(_MINUTE)
            await room.hears("alice")
            await room.culler.look()
        assert await room.ended("alice") == RUNNING
        await room.stage.clock.advance(5)
        await room.culler.look()
        assert (await room.ended("alice"))[0] == "stopped"

    async def test_after_the_clock_was_set_warns_anew(self, room):
        await room.opens("alice")
        await room.passes(14)
        room.stage.clock.jump(3600)
        room.due = room.stage.clock.now()
        await room.passes(4.5)
        assert await room.ended("alice") == RUNNING
        await room.passes(1)
        assert (await room.ended("alice"))[0] == "stopped"

    async def test_without_a_database_stops_nobody(self, room, monkeypatch):
        await room.opens("alice")
        await room.passes(14)

        def fail(*_args):
            raise ControllerUnavailable("the disk is full")

        monkeypatch.setattr(sessions, "read", fail)
        await room.passes(10)
        assert await room.ended("alice") == RUNNING

    async def test_does_not_stop_who_has_started_again(self, room, monkeypatch):
        await room.opens("alice")
        await room.passes(14.9)
        before = await room.stage.claim("alice")
        read = sessions.read

        def late(c, day):
            return replace(read(c, day), running=(before,))

        monkeypatch.setattr(sessions, "read", late)
        await room.stage.wants("alice")
        await room.passes(5)
        claim = await room.stage.claim("alice")
        assert (claim.desired, claim.generation) == (Desired.RUNNING, 2)


class TestARestart:
    async def test_keeps_the_word_that_was_given(self, room):
        await room.opens("alice")
        await room.passes(12)
        room.restart()
        await room.passes(4.5)
        assert await room.ended("alice") == ("stopped", Reason.NO_SHOW)

    async def test_looks_twice_itself(self, room):
        await room.opens("alice")
        await room.passes(14.9)
        await room.passes(2, look=False)
        room.restart()
        await room.hears("alice")
        await room.culler.look()
        assert await room.ended("alice") == RUNNING

    async def test_after_long_warns_anew(self, room):
        await room.opens("alice")
        await room.passes(12)
        await room.passes(30, look=False)
        room.restart()
        await room.passes(4.5)
        assert await room.ended("alice") == RUNNING

    async def test_remembers_a_training_that_has_just_ended(self, room):
        await room.opens("alice", replace(NOBODY, human_age=0, closed_age=0, gpus=(40.0,)))
        await room.passes(120)
        room.facts["alice"] = replace(room.facts["alice"], gpus=(0.0,))
        room.restart()
        await room.passes(11)
        assert await room.ended("alice") == RUNNING
        await room.passes(4)
        assert await room.ended("alice") == ("stopped", Reason.WORK_DONE)


class TestSilence:
    async def test_of_one_machine_counts_as_use_for_half_an_hour(self, room):
        await room.opens("alice", replace(NOBODY, human_age=0, closed_age=0))
        await room.passes(5)
        del room.facts["alice"]
        await room.passes(30)
        assert (await room.ended("alice"), room.mode("alice")) == (RUNNING, "unknown")
        # And then the time of somebody whose page is open, since nobody knows whether it is.
        await room.passes(35)
        assert (await room.ended("alice"))[0] == "stopped"

    async def test_of_everybody_stops_nobody_and_is_told(self, room):
        for user in ("a", "b", "c", "d"):
            await room.opens(user, replace(NOBODY, human_age=0, closed_age=0))
        room.facts.clear()
        await room.passes(120)
        assert {await room.ended(user) for user in ("a", "b", "c", "d")} == {RUNNING}
        [finding] = room.stage.seen.silent
        assert "4" in str(finding.message)


class TestAClick:
    async def test_gives_half_an_hour_three_times_a_day(self, room):
        await room.opens("alice")
        await room.passes(12)
        for _ in range(4):
            kept = await room.clicks("alice")
        up = (await room.stage.claim("alice")).up_at
        assert kept.extended_until - up == timedelta(minutes=15 + 90)
        await room.passes(12)
        assert room.stage.seen.sessions[name_of("alice")][1].extensions_left == 0
        await room.passes(78)
        assert await room.ended("alice") == RUNNING
        await room.passes(7)
        assert (await room.ended("alice"))[0] == "stopped"

    async def test_counts_in_the_next_session_of_the_day_and_not_in_the_next_day(self, room):
        await room.opens("alice")
        await room.clicks("alice")
        await room.stage.stops("alice")
        room.facts.clear()
        await room.stage.pass_time(120)
        await room.opens("alice")
        await room.culler.look()
        assert room.stage.seen.sessions[name_of("alice")][1].extensions_left == 2
        await room.stage.clock.advance(86_400)
        await room.culler.look()
        assert room.stage.seen.sessions[name_of("alice")][1].extensions_left == 3


class TestAMistake:
    async def stopped(self, room) -> None:
        await room.opens("alice", replace(NOBODY, tabs=1, human_age=0))
        await room.passes(32)
        assert await room.ended("alice") == IDLE
        room.facts.clear()

    async def test_is_counted_and_gives_longer_limits_for_the_day(self, room):
        await self.stopped(room)
        await room.stage.pass_time(60)
        await room.opens("alice", replace(NOBODY, tabs=1, human_age=0))
        await room.passes(43)
        assert (await room.ended("alice"), room.stage.seen.restarts) == (RUNNING, 1)
        await room.passes(4)
        assert await room.ended("alice") == IDLE

    async def test_is_none_when_it_is_started_again_later(self, room):
        await self.stopped(room)
        await room.stage.pass_time(601, every=30)
        await room.opens("alice", replace(NOBODY, tabs=1, human_age=0))
        await room.passes(32)
        assert (await room.ended("alice"), room.stage.seen.restarts) == (IDLE, 0)

    async def test_is_none_after_a_stop_of_the_students_own(self, room):
        await room.opens("alice")
        await room.stage.stops("alice")
        room.facts.clear()
        await room.stage.pass_time(60)
        await room.opens("alice")
        await room.culler.look()
        assert room.stage.seen.restarts == 0


async def test_the_longest_session_ends_whatever_a_machine_says(room):
    room.policy = replace(
        POLICY,
        session=replace(
            POLICY.session, longest=timedelta(hours=1), longest_with_work=timedelta(hours=2)
        ),
    )
    room.restart()
    await room.opens("alice", replace(NOBODY, tabs=1, gpus=(99.0,)))
    for _ in range(15):
        room.facts["alice"] = replace(room.facts["alice"], human_age=0)
        await room.passes(10)
    assert await room.ended("alice") == ("stopped", Reason.LONGEST_SESSION)


async def test_an_administrators_hold_keeps_it(room):
    await room.opens("alice")
    claim, now = await room.stage.claim("alice"), room.stage.clock.now()
    await room.stage.database.run(
        sessions.promise, claim, "hold", now + timedelta(hours=2), now, actor="id-teacher"
    )
    await room.passes(60)
    assert (await room.ended("alice"), room.mode("alice")) == (RUNNING, "held")
    assert room.stage.seen.sessions[name_of("alice")][1].because == say(
        "An administrator keeps it running."
    )
