"""What a pass notes of the starts that it sees: all that is new, and nothing twice."""

from __future__ import annotations

import pytest

from gpuspawner.controllers import reconciler
from tests.controllers.stage import Stage, staged


@pytest.fixture
async def stage(tmp_path):
    async with staged(tmp_path) as one:
        yield one


@pytest.fixture
def writes(stage, monkeypatch):
    """How many starts each writing of notes was about."""
    numbers, write = [], reconciler._record

    def counted(connection, noted, now):
        numbers.append(len(noted))
        write(connection, noted, now)

    monkeypatch.setattr(reconciler, "_record", counted)
    return numbers


async def test_a_pass_that_sees_nothing_new_writes_nothing(stage: Stage, writes):
    await stage.wants("alice")
    await stage.pass_time(60)
    before = list(writes)
    await stage.pass_time(60)
    assert (sum(before) > 0, writes) == (True, before)
    assert await stage.history("alice") == ["capacity", "machine", "boot", "boot"]


async def test_a_start_that_goes_on_is_noted_and_the_others_are_not_written_again(
    stage: Stage, writes
):
    await stage.wants("alice")
    await stage.pass_time(60)
    writes.clear()
    await stage.wants("bob")
    await stage.pass_time(60)
    assert set(writes) == {1}
    assert await stage.history("bob") == ["capacity", "machine", "boot", "boot"]
    assert await stage.history("alice") == ["capacity", "machine", "boot", "boot"]


async def test_what_the_agent_has_reported_is_not_gone_back_from(stage: Stage):
    await stage.wants("alice")
    await stage.pass_time(60)
    claim = await stage.claim("alice")
    listed = (await stage.provider.list()).machines
    seen = reconciler._progress(claim, {one.id: one for one in listed}, {})
    await stage.database.run(
        reconciler.events.record, claim.name, claim.generation,
        reconciler.Stage.SERVER, seen[1], stage.clock.now(),
    )  # fmt: skip
    await stage.database.run(reconciler._record, [(claim, seen)], stage.clock.now())
    assert (await stage.history("alice"))[-1] == "server"
