"""Nobody sees or changes another student's money: each route, each kind of person."""

from __future__ import annotations

import pytest

from gpuspawner.web.credit.viewer import Reach, reach
from tests.web.credit.school import GRANT, UNIT, School

OWN = ("statement", "grants", "holds", "statement.csv")
CLASS = ("students", "pool", "burn", "audit", "students.csv")


async def asked(there: School, path: str, who: str, **query) -> int:
    url = f"{there.house.url}api/v1/{path}"
    headers = {"Authorization": f"token {who}"}
    async with there.house.session.get(url, params=query, headers=headers) as answer:
        await answer.read()
        return answer.status


async def test_whose_credit_who_may_look_at(there: School):
    wanted = {
        ("alice", "alice"): 200,
        ("alice", "bob"): 404,
        ("alice", "nobody"): 404,
        ("teacher", "alice"): 200,
        ("teacher", "carol"): 404,
        ("assistant", "bob"): 200,
        ("assistant", "carol"): 404,
        ("head", "carol"): 200,
        ("admin", "carol"): 200,
        ("robot", "alice"): 403,
        ("stranger", "alice"): 403,
    }
    for path in OWN:
        found = {
            (who, whose): await asked(there, path, who, student=whose) for who, whose in wanted
        }
        assert (path, found) == (path, wanted)


async def test_everybody_may_look_at_their_own(there: School):
    for path in ("me", *OWN):
        assert (path, await asked(there, path, "alice")) == (path, 200)


async def test_the_class_is_seen_by_those_who_teach_it(there: School):
    wanted = {"alice": 403, "assistant": 200, "teacher": 200, "admin": 200, "robot": 403}
    for path in CLASS:
        found = {who: await asked(there, path, who) for who in wanted}
        assert (path, found) == (path, wanted)


async def test_somebody_elses_credit_is_not_told_from_nobodys(there: School):
    for path in ("statement", "grants", "holds"):
        assert await there.get(path, student="bob") == await there.get(path, student="nobody")


async def test_the_list_and_the_log_hold_only_those_who_may_be_seen(there: School):
    blue, everybody = ["alice", "bob"], ["alice", "bob", "carol"]
    wanted = {"teacher": blue, "assistant": blue, "head": everybody, "admin": everybody}
    for who, names in wanted.items():
        _status, said = await there.get("students", who)
        assert (who, [one["name"] for one in said["students"]]) == (who, names)
        _status, log = await there.get("audit", who)
        assert {one["student_name"] for one in log["entries"] if one["student"]} == set(names)


async def test_who_may_give_to_whom(there: School):
    wanted = {
        ("alice", "alice"): 403,
        ("alice", "bob"): 403,
        ("assistant", "alice"): 403,
        ("teacher", "alice"): 201,
        ("teacher", "carol"): 404,
        ("teacher", "teacher"): 403,
        ("head", "carol"): 201,
        ("head", "head"): 403,
        ("admin", "carol"): 201,
        ("robot", "alice"): 403,
    }
    found = {
        (who, student): (
            await there.post("grants", who, {"student": student, "micros": 1, "reason": "why not"})
        )[0]
        for who, student in wanted
    }
    assert found == wanted


async def test_only_an_admin_brings_money_in(there: School):
    wanted = {"alice": 403, "assistant": 403, "teacher": 403, "head": 403, "admin": 201}
    body = {"micros": UNIT, "reason": "r"}
    assert {who: (await there.post("fund", who, body))[0] for who in wanted} == wanted
    assert (await there.get("pool", "admin"))[1]["funded"] == 1001 * UNIT


async def test_who_may_take_a_grant_of_carols_back(there: School):
    _status, log = await there.get("audit", "admin", student="carol")
    body = {"transaction": log["entries"][0]["transaction"], "reason": "r"}
    wanted = {"alice": 403, "assistant": 403, "teacher": 404, "head": 201, "admin": 409}
    assert {who: (await there.post("reversals", who, body))[0] for who in wanted} == wanted


async def test_only_an_admin_takes_money_out(there: School):
    _status, log = await there.get("audit", "admin")
    body = {"transaction": log["entries"][-1]["transaction"], "reason": "r"}
    # 30 of the 1000 are with students, so not even an admin gets all of it out.
    wanted = {"teacher": 403, "head": 403, "admin": 402}
    assert {who: (await there.post("reversals", who, body))[0] for who in wanted} == wanted


async def test_when_the_hub_is_silent_a_teacher_sees_nobody_rather_than_everybody(there: School):
    there.silent = True
    assert (await there.get("students", "teacher"))[1]["students"] == []
    assert len((await there.get("students", "admin"))[1]["students"]) == 3


async def test_who_has_left_the_group_is_seen_no_more_a_minute_later(there: School):
    assert await asked(there, "grants", "teacher", student="bob") == 200
    there.groups["blue"] = ["alice"]
    await there.house.stage.clock.advance(61)
    assert await asked(there, "grants", "teacher", student="bob") == 404


async def test_the_route_for_the_hub_is_not_a_persons(there: School):
    query = {"user_id": "id-alice", "user_name": "alice"}
    assert await asked(there, "credit", "admin", **query) == 403
    status, said = await there.house.ask("GET", "credit", params=query)
    assert (status, said["balance"]) == (200, 10 * UNIT)


@pytest.mark.parametrize(
    ("scopes", "found"),
    [
        ([], Reach()),
        ([f"{GRANT}!group=blue"], Reach(groups=frozenset({"blue"}))),
        ([f"{GRANT}!user=alice"], Reach(users=frozenset({"alice"}))),
        ([GRANT, f"{GRANT}!group=blue"], Reach(True, frozenset({"blue"}))),
        ([f"{GRANT}!server=alice/"], Reach()),
        ([f"{GRANT}!group="], Reach()),
        ([f"{GRANT}s"], Reach()),
    ],
)
def test_a_scope_reaches_whom_it_names_and_nobody_else(scopes, found):
    assert reach(scopes, GRANT) == found
