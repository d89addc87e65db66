"""Whatever is done to a claim, in whatever order: a model beside the real database."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from sqlalchemy import func, select

from gpuspawner.errors import ClaimNotFound, GenerationMismatch
from gpuspawner.model import Claim, Desired, Reason
from gpuspawner.store import agents, claims, schema
from gpuspawner.store.database import Connection, Database, engine_of
from tests.store.wishes import KEY, NAME, SAID, at, attempt, run

NEAR = st.integers(-2, 1)
"""A generation beside the present one, as somebody might have seen it."""


class Generations(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.database = Database(f"sqlite:///{Path(self.folder.name)}/controller.sqlite", KEY)
        self.database.migrate()
        self.seconds = 0
        self.generation = 0
        self.desired: Desired | None = None
        self.ids: list[str] = []

    def teardown(self) -> None:
        self.database.close()
        self.folder.cleanup()

    def now(self) -> float:
        self.seconds += 1
        return self.seconds

    @rule()
    def press_start(self) -> None:
        with engine_of(self.database).begin() as c:
            claim = run(c, seconds=self.now())
        self.generation += 1
        self.desired = Desired.RUNNING
        assert (claim.generation, claim.up_at, claim.saved_at) == (self.generation, None, None)

    @rule(near=NEAR, anyhow=st.booleans())
    def stop(self, near: int, anyhow: bool) -> None:
        looked_at = None if anyhow else self.generation + near
        with engine_of(self.database).begin() as c:
            try:
                claims.put_stopped(c, NAME, looked_at, Reason.USER, None, at(self.now()))
            except ClaimNotFound:
                assert self.desired is None
            except GenerationMismatch:
                assert looked_at not in (None, self.generation)
            else:
                assert looked_at in (None, self.generation)
                self._stopped()

    @rule(near=NEAR)
    def end(self, near: int) -> None:
        looked_at = self.generation + near
        with engine_of(self.database).begin() as c:
            ended = claims.end(c, NAME, looked_at, Reason.CAPACITY, SAID, at(self.now()))
        assert (ended is not None) == (self.desired is Desired.RUNNING and near == 0)
        if ended:
            self._stopped()

    @rule(near=NEAR, stage=st.sampled_from(agents.STAGES))
    def report(self, near: int, stage: str) -> None:
        with engine_of(self.database).begin() as c:
            heard = agents.report(c, NAME, self.generation + near, stage, "", at(self.now()))
        runs = self.desired is Desired.RUNNING
        known = self.desired is not None and near == 0
        assert heard == (known and runs == (stage != "saved"))
        if heard and stage == "failed":
            self._stopped()

    @rule()
    def delete(self) -> None:
        with engine_of(self.database).begin() as c:
            try:
                claims.put_deleted(c, NAME, Reason.DELETED, at(self.now()))
            except ClaimNotFound:
                assert self.desired is None
            else:
                self.desired = Desired.DELETED

    @rule()
    def forget(self) -> None:
        with engine_of(self.database).begin() as c:
            forgotten = claims.forget(c, NAME)
        assert forgotten == (self.desired is Desired.DELETED)
        if forgotten:
            self.desired = None
            self.ids.clear()

    @rule(near=NEAR)
    def open_attempt(self, near: int) -> None:
        with engine_of(self.database).begin() as c:
            free = not claims.open_intents(c)
            try:
                intent = attempt(c, self.generation + near, self.now())
            except (ClaimNotFound, GenerationMismatch):
                assert self.desired is not Desired.RUNNING or near or not free
            else:
                assert self.desired is Desired.RUNNING
                assert not near
                assert free
                self.ids.append(intent.id)

    @precondition(lambda self: self.ids)
    @rule(data=st.data(), way=st.sampled_from(["accept", "refuse", "abandon"]))
    def settle(self, data: st.DataObject, way: str) -> None:
        intent = data.draw(st.sampled_from(self.ids))
        with engine_of(self.database).begin() as c:
            if way == "accept":
                claims.accept_intent(c, intent, f"i-{intent}", at(self.now()))
                assert claims.get(c, NAME).machine_id == f"i-{intent}"
            elif way == "refuse":
                claims.refuse_intent(c, intent, "", at(self.now()))
            else:
                claims.abandon_intent(c, intent, at(self.now()))

    @invariant()
    def the_wish_is_what_was_wished_last(self) -> None:
        with engine_of(self.database).begin() as c:
            claim = _get(c)
            open_now = claims.open_intents(c)
            kept = c.execute(select(schema.environments.c.generation)).scalars().all()
            lines = c.execute(select(func.count()).select_from(schema.audit)).scalar_one()
        assert (claim.desired if claim else None) is self.desired
        assert claim is None or claim.generation == self.generation
        assert len(open_now) <= 1
        assert kept == ([self.generation] if self.desired is Desired.RUNNING else [])
        assert lines >= self.generation

    def _stopped(self) -> None:
        if self.desired is Desired.RUNNING:
            self.desired = Desired.STOPPED


def _get(c: Connection) -> Claim | None:
    try:
        return claims.get(c, NAME)
    except ClaimNotFound:
        return None


TestGenerations = Generations.TestCase
TestGenerations.settings = settings(
    max_examples=25,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
