"""Nobody sees or changes another student's money: each route, each kind of person."""

from __future__ import annotations

import json

import pytest

from gpuspawner.web.credit.viewer import Reach, reach
from tests.controllers.stage import name_of
from tests.web import hub_auth
from tests.web.credit.school import GRANT, PEOPLE, UNIT, School

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


async def test_when_the_hub_is_silent_a_teacher_sees_nobody_rather_than_everybody(
    there: School, monkeypatch
):
    for who in ("teacher", "admin"):
        monkeypatch.setitem(PEOPLE[who], "token_id", f"t-{who}")
        assert (await there.get("pool", who))[0] == 200  # so that the hub has said who they are
    there.silent = True
    assert (await there.get("students", "teacher"))[1]["students"] == []
    assert len((await there.get("students", "admin"))[1]["students"]) == 3


async def test_who_has_left_the_group_is_seen_no_more_a_minute_later(there: School):
    assert await asked(there, "grants", "teacher", student="bob") == 200
    there.groups["blue"] = ["alice"]
    await there.house.stage.clock.advance(61)
    assert await asked(there, "grants", "teacher", student="bob") == 404


async def test_the_route_for_the_hub_is_not_a_persons(there: School):
    query = {"user_id": hub_auth.id_of("alice"), "user_name": "alice"}
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


# -- a name that was somebody else's


async def test_who_gets_the_name_of_a_former_user_gets_nothing_of_theirs(there: School):
    there.again["alice"] = 1
    _status, me = await there.get("me")
    assert (me["credit"]["person"], me["credit"]["balance"]) == (None, 0)
    assert (await there.get("statement"))[1]["lines"] == []
    assert (await there.get("grants"))[1]["grants"] == []
    _status, _headers, text = await there.text("api/v1/statement.csv", "alice")
    assert "a beginning for alice" not in text
    _status, _headers, page = await there.text("credit", "alice")
    assert "a beginning for alice" not in page
    headers = {"Authorization": "token alice"}
    async with there.house.session.get(
        f"{there.house.url}api/v1/events", headers=headers
    ) as answer:
        told = json.loads((await answer.content.readuntil(b"\n\n")).split(b"data: ")[1])
    assert told["live"]["micros"] == 0


async def test_a_new_user_with_an_old_name_may_not_touch_the_old_machine(there: School):
    await there.house.put("alice")
    assert len((await there.get("machines"))[1]) == 1
    there.again["alice"] = 1
    assert (await there.get("machines"))[1] == []
    status, said = await there.house.ask("DELETE", f"machines/{name_of('alice')}", token="alice")
    assert (status, said["error"]) == (404, "claim-not-found")


async def test_a_teacher_sees_and_gives_to_the_new_user_of_a_name_and_not_the_former(there: School):
    there.again["alice"] = 1
    assert [one["name"] for one in (await there.get("students", "teacher"))[1]["students"]] == [
        "bob"
    ]
    assert await asked(there, "statement", "teacher", student="alice") == 404
    _status, log = await there.get("audit", "admin")
    [old] = [one for one in log["entries"] if one["student_name"] == "alice"]
    back = {"transaction": old["transaction"], "reason": "r"}
    assert (await there.post("reversals", "teacher", back))[0] == 404
    grant = {"student": "alice", "micros": UNIT, "reason": "hello"}
    _status, made = await there.post("grants", "teacher", grant)
    assert made["credit"]["person"] != old["student"]
    assert (await there.get("me"))[1]["credit"]["balance"] == UNIT
    # An admin still finds the former one by the ledger's id, and everybody in the list.
    _status, former = await there.get("statement", "admin", student=old["student"])
    assert former["lines"][0]["amount"] == 10 * UNIT
    _status, found = await there.get("students", "admin")
    balances = {one["balance"] for one in found["students"] if one["name"] == "alice"}
    assert balances == {UNIT, 10 * UNIT}


async def test_nobody_is_taken_for_somebody_when_the_hub_does_not_say_who_they_are(there: School):
    there.silent = True
    status, said = await there.get("me")
    assert (status, said["error"]) == (503, "controller-unavailable")
