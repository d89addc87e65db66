"""What the controller tells `gpuspawner status`: age, cost so far, next step; and who has no claim."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gpuspawner.language import Sentence
from gpuspawner.providers.base import MachineRequest
from gpuspawner.testing import OFFERED
from tests.controllers.stage import name_of
from tests.web.house import House, house


@pytest.fixture
async def there(tmp_path):
    async with house(tmp_path) as one:
        yield one


async def told(there: House) -> dict:
    status, said = await there.ask("GET", "status")
    assert status == 200
    return said


async def claim(there: House, user: str = "alice") -> dict:
    [found] = [one for one in (await told(there))["claims"] if one["name"] == name_of(user)]
    return found


def cost(of: dict) -> tuple:
    return of["billed_seconds"], of["price_micros"], of["currency"], of["cost_micros"]


def step(of: dict) -> tuple[str, str]:
    return of["next"]["action"], Sentence.from_json(of["next"]["sentence"]).text()


async def test_a_session_has_an_age_and_a_cost_at_the_price_of_its_size(there: House):
    await there.put("alice")
    await there.pass_time(3600)
    seen = await claim(there)
    [machine] = await there.stage.machines("alice")
    billed = (there.stage.clock.now() - machine.powered_at).total_seconds()
    assert (seen["machine_id"], seen["age_seconds"]) == (machine.id, None)
    # Nobody reported up, so the start was given up, and what is off costs nothing more.
    assert cost(seen) == (None, 526_000, "USD", None)
    assert billed > 0


async def test_a_machine_that_runs_is_charged_by_the_second_since_it_was_switched_on(there: House):
    await there.put("alice")
    await there.pass_time(120)
    seen = await claim(there)
    [machine] = await there.stage.machines("alice")
    billed = (there.stage.clock.now() - machine.powered_at).total_seconds()
    assert seen["age_seconds"] == 120
    assert cost(seen) == (int(billed), 526_000, "USD", -int(-billed * 526_000 // 3600))
    assert step(seen) == ("nothing", "Wait until the server reports that it is up.")


async def test_what_nobody_has_priced_has_no_cost_and_not_none_at_all(there: House):
    await there.put("alice")
    await there.pass_time(120)
    there.controller.board.seen.offered = ()
    billed, *rest = cost(await claim(there))
    assert (billed > 0, rest) == (True, [None, None, None])


async def test_a_wish_that_was_just_written_has_its_next_step(there: House):
    await there.controller.tick()
    await there.put("alice")
    seen = await claim(there)
    assert step(seen) == ("create", "Ask for a machine small in fake-1a.")
    assert seen["next"]["look_again_at"] == seen["start_by"]


async def test_before_the_first_listing_nothing_is_foretold(there: House):
    await there.put("alice")
    said = await told(there)
    assert step(said["claims"][0]) == ("nothing", "Wait until the cloud has been listed.")
    assert (said["machines"], said["look_again_at"]) == ([], None)


async def test_the_next_look_at_the_cloud_is_what_the_loop_waits_for(there: House):
    due = await there.controller.tick()
    assert (await told(there))["look_again_at"] == due.isoformat()


async def test_a_machine_without_a_claim_is_listed_with_what_becomes_of_it(there: House):
    place = replace(OFFERED[0].placement)
    await there.stage.provider.create(
        MachineRequest("an-intent", name_of("nobody"), "", 0, place, "", 60, b"")
    )
    await there.controller.tick()
    await there.stage.clock.advance(60)
    await there.controller.tick()
    said = await told(there)
    [machine] = said["machines"]
    assert (said["claims"], machine["claim"], machine["power"]) == (
        [],
        name_of("nobody"),
        "running",
    )
    assert step(machine) == ("nothing", "Wait whether somebody claims it.")
    assert machine["cost_micros"] > 0


async def test_a_machine_that_a_claim_names_is_not_listed_twice(there: House):
    await there.put("alice")
    await there.pass_time(30)
    assert (await told(there))["machines"] == []


async def test_to_ask_changes_nothing(there: House):
    await there.put("alice")
    await there.pass_time(30)
    before = there.stage.provider.called("create"), there.controller.board.number
    for _ in range(5):
        await told(there)
    assert (there.stage.provider.called("create"), there.controller.board.number) == before
