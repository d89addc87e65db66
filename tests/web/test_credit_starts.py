"""A wish to run at the door of a class with credit: admitted, or refused in words and by a reason."""

from __future__ import annotations

from gpuspawner.policy.money import seconds_of
from gpuspawner.settings import Credit
from gpuspawner.store import allowance
from tests.controllers.stage import name_of
from tests.web import hub_auth
from tests.web.house import house

GIVEN = {"course_credit": 100.0, "student_credit": 5.0}


def credit(**settings):
    made = Credit()
    for name, value in settings.items():
        setattr(made, name, value)
    return made.record()


async def opens(there, *, priced: bool = True) -> None:
    now = seconds_of(there.stage.clock.now())
    await there.stage.database.run(allowance.set_up, there.controller.services.credit, now)
    if priced:
        await there.controller._pricer.begin()


async def test_who_can_pay_starts(tmp_path):
    async with house(tmp_path, credit=credit(**GIVEN)) as there:
        await opens(there)
        status, view = await there.put("alice")
        assert (status, view["desired"], view["credit"]) == (200, "running", None)


async def test_who_cannot_pay_is_told_so_and_leaves_nothing_behind(tmp_path):
    async with house(tmp_path, credit=credit(course_credit=100.0)) as there:
        await opens(there)
        status, said = await there.put("alice")
        assert (status, said["error"], said["reason"]) == (402, "insufficient-credit", "credit")
        assert said["sentence"]["values"]["available"] == "$0.00"
        assert (await there.ask("GET", f"claims/{name_of('alice')}"))[0] == 404


async def hub_page(there, user: str) -> dict:
    """What the hub's home and start page are told of a user."""
    query = {"user_id": hub_auth.id_of(user), "user_name": user}
    return (await there.ask("GET", "credit", params=query))[1]


async def test_who_looks_at_the_start_page_has_the_credit_that_the_first_start_counts_on(tmp_path):
    async with house(tmp_path, credit=credit(**GIVEN)) as there:
        await opens(there)
        for _look in range(2):
            shown = await hub_page(there, "alice")
            assert (shown["balance"], shown["sizes"]["small"]["per_hour"]) == (5_000_000, 526_000)
            assert shown["sizes"]["small"]["runs_for_seconds"] > 9 * 3600
        assert (await there.put("alice"))[0] == 200
        assert (await hub_page(there, "alice"))["balance"] == 5_000_000


async def test_a_class_that_only_keeps_books_gives_nobody_credit_for_looking(tmp_path):
    async with house(tmp_path, credit=credit(**GIVEN, enforce=False)) as there:
        await opens(there)
        assert (await hub_page(there, "alice"))["balance"] == 0


async def test_what_has_no_price_is_not_started(tmp_path):
    async with house(tmp_path, credit=credit(**GIVEN)) as there:
        await opens(there, priced=False)
        status, said = await there.put("alice")
        assert (status, said["error"], said["reason"]) == (409, "price-unknown", "price")


class TestStopEverything:
    async def test_stops_refuses_and_is_lifted(self, tmp_path):
        async with house(tmp_path) as there:
            await there.put("alice")
            why = {"reason": "a leak"}
            status, said = await there.ask("POST", "stop-everything", why)
            assert (status, said["stopped"], said["running"]) == (200, 1, [])
            assert (said["in_force"]["actor"], said["in_force"]["reason"]) == ("console", "a leak")
            status, view = await there.ask("GET", f"claims/{name_of('alice')}")
            assert (view["desired"], view["reason"]) == ("stopped", "everything_stopped")
            status, said = await there.put("bora")
            assert (status, said["reason"]) == (409, "everything_stopped")
            status, said = await there.ask("POST", "stop-everything", why | {"lift": True})
            assert (status, said["in_force"]) == (200, None)
            assert (await there.put("bora"))[0] == 200

    async def test_shows_what_runs_before(self, tmp_path):
        async with house(tmp_path) as there:
            await there.put("alice")
            status, said = await there.ask("GET", "stop-everything")
            assert (status, said["in_force"]) == (200, None)
            assert [(one["name"], one["user"]) for one in said["running"]] == [
                (name_of("alice"), "alice")
            ]

    async def test_needs_a_reason(self, tmp_path):
        async with house(tmp_path) as there:
            assert (await there.ask("POST", "stop-everything", {}))[0] == 400
