"""What lies in the future because the clock was set back is pulled back to now."""

from __future__ import annotations

from gpuspawner.store import agents, claims, clock_set_back
from tests.store.wishes import NAME, at, boot


async def test_a_wish_of_the_future_was_written_now_and_keeps_its_time_to_start(database):
    await database.run(boot)
    await database.run(agents.heartbeats, [(NAME, 1, at(20))])
    assert await database.run(clock_set_back.settle, at(-3600)) == 1
    claim = await database.run(claims.get, NAME)
    assert (claim.desired_at, claim.start_by, claim.heartbeat_at) == (
        at(-3600),
        at(-2700),
        at(-3600),
    )


async def test_what_lies_in_the_past_is_left_alone(database):
    await database.run(boot)
    before = await database.run(claims.get, NAME)
    assert await database.run(clock_set_back.settle, at(0)) == 0
    assert await database.run(claims.get, NAME) == before


async def test_a_machine_is_heard_again_after_the_clock_was_set_back(database):
    await database.run(boot)
    await database.run(agents.heartbeats, [(NAME, 1, at(20))])
    await database.run(clock_set_back.settle, at(10))
    await database.run(agents.heartbeats, [(NAME, 1, at(15))])
    assert (await database.run(claims.get, NAME)).heartbeat_at == at(15)
