"""Who sees and changes whose credit: over HTTP, with tokens of a real hub, in roles as docs/credit.md has them."""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from jupyterhub.tests.utils import api_request

from tests.hub.school import SERVICE, School, school
from tests.hub.test_credit import UNIT, credit

DOCS = Path(__file__).parents[2] / "docs" / "credit.md"
READ = "custom:gpuspawner:read!group=vision-students"
ACCESS = "access:services!service=gpuspawner"
GROUPS = {
    "vision-teachers": ["teacher"],
    "vision-students": ["alice", "bob"],
    "vision-assistants": ["assistant"],
}
PEOPLE = ("alice", "bob", "carol", "teacher", "assistant", "admin")
CLASS = ("students", "students.csv", "pool", "burn", "audit", "prices")


def roles(c) -> None:
    """The teacher's is what the documentation tells an administrator to write."""
    [example] = re.findall(
        r"```python\n(c\.JupyterHub\.load_roles.*?)```", DOCS.read_text(), re.DOTALL
    )
    exec(example, {"c": c})
    c.JupyterHub.load_roles.append(
        {"name": "assistant-vision", "groups": ["vision-assistants"], "scopes": [READ, ACCESS]}
    )
    c.JupyterHub.load_groups = {name: {"users": users} for name, users in GROUPS.items()}


@dataclass
class Class:
    """The class, and who asks about it."""

    stage: School
    http: aiohttp.ClientSession
    tokens: dict[str, str]

    async def ask(self, who: str, path: str, body=None, **query):
        """Status and what is said; a change under a key of its own."""
        headers = {
            "Authorization": f"token {self.tokens[who]}",
            "Idempotency-Key": str(uuid.uuid4()),
        }
        url = f"{self.stage.controller.url}{SERVICE}api/v1/{path}"
        method = "GET" if body is None else "POST"
        async with self.http.request(
            method, url, json=body, headers=headers, params=query
        ) as answer:
            text = await answer.text()
            is_json = answer.content_type == "application/json"
            return answer.status, json.loads(text) if is_json else text

    async def gives(self, who: str, student: str, units: int = 1) -> int:
        body = {"student": student, "micros": units * UNIT, "reason": "a test"}
        return (await self.ask(who, "grants", body))[0]

    async def names(self, who: str) -> dict[str, int]:
        """The balances that somebody sees, by name."""
        _status, said = await self.ask(who, "students")
        return {one["name"]: one["balance"] // UNIT for one in said["students"]}

    def enters(self, name: str) -> None:
        """A token of the hub's own, with whatever its user may do."""
        self.tokens[name] = self.stage.user(name).new_api_token()

    async def hub(self, method: str, *path: str, body=None) -> None:
        data = None if body is None else json.dumps(body)
        answer = await api_request(
            self.stage.app, *path, method=method, data=data, bypass_proxy=True
        )
        assert answer.ok, answer.text


@pytest.fixture
async def klass(hub_app, tidy, server_url, tmp_path, monkeypatch):
    async with (
        school(
            hub_app, tidy, server_url, tmp_path, monkeypatch, credit=credit(), more=roles
        ) as stage,
        aiohttp.ClientSession() as http,
    ):
        one = Class(stage, http, {})
        for name in PEOPLE:
            stage.student(name)
            one.enters(name)
        for name in ("alice", "bob", "carol"):
            assert await one.gives("admin", name, 10) == 201
        yield one


async def test_a_teacher_sees_and_grants_within_the_group_and_nowhere_else(klass: Class):
    assert await klass.names("teacher") == {"alice": 10, "bob": 10}
    assert [await klass.gives("teacher", name) for name in ("alice", "carol")] == [201, 404]
    assert await klass.names("admin") == {"alice": 11, "bob": 10, "carol": 10}
    seen = {name: (await klass.ask("teacher", "statement", student=name))[0]
            for name in ("alice", "bob", "carol", "nobody")}  # fmt: skip
    assert seen == {"alice": 200, "bob": 200, "carol": 404, "nobody": 404}
    _status, csv = await klass.ask("teacher", "students.csv")
    assert ("alice" in csv, "carol" in csv) == (True, False)
    _status, log = await klass.ask("teacher", "audit")
    assert {one["student_name"] for one in log["entries"]} == {"alice", "bob", None}


async def test_a_teacher_takes_back_within_the_group_and_brings_nothing_in(klass: Class):
    _status, log = await klass.ask("admin", "audit")
    grants = {one["student_name"]: one["transaction"] for one in log["entries"] if one["student"]}
    back = {name: {"transaction": number, "reason": "a slip"} for name, number in grants.items()}
    found = {
        name: (await klass.ask("teacher", "reversals", body))[0] for name, body in back.items()
    }
    assert found == {"alice": 201, "bob": 201, "carol": 404}
    assert (await klass.ask("teacher", "fund", {"micros": UNIT, "reason": "mine"}))[0] == 403
    assert (await klass.ask("teacher", "stop-everything", {"reason": "mine"}))[0] == 403
    assert await klass.gives("teacher", "teacher") == 403
    assert await klass.names("admin") == {"alice": 0, "bob": 0, "carol": 10}


async def test_an_assistant_sees_the_group_and_changes_nothing(klass: Class):
    assert await klass.names("assistant") == {"alice": 10, "bob": 10}
    assert [await klass.gives("assistant", name) for name in ("alice", "carol")] == [403, 403]


async def test_a_student_sees_their_own_and_nothing_else(klass: Class):
    _status, me = await klass.ask("alice", "me")
    assert (me["credit"]["name"], me["credit"]["balance"]) == ("alice", 10 * UNIT)
    _status, said = await klass.ask("alice", "statement")
    assert [line["amount"] for line in said["lines"]] == [10 * UNIT]
    for path in ("statement", "statement.csv", "grants", "holds"):
        assert (await klass.ask("alice", path, student="bob"))[0] == 404, path
    assert [(await klass.ask("alice", path))[0] for path in CLASS] == [403] * len(CLASS)
    assert [await klass.gives("alice", name) for name in ("alice", "bob")] == [403, 403]


async def test_who_has_no_right_to_the_service_is_answered_nothing(klass: Class):
    carol = klass.stage.user("carol")
    klass.tokens |= {
        "a narrow token": carol.new_api_token(scopes=["read:users:name!user"]),
        "nonsense": "0" * 32,
        "nobody": "",
    }
    for who in ("a narrow token", "nonsense", "nobody"):
        found = [(await klass.ask(who, path))[0] for path in ("me", "statement", *CLASS)]
        assert found == [403] * len(found), who
        assert await klass.gives(who, "carol") == 403


async def test_who_gets_the_name_of_a_former_user_gets_none_of_their_credit(klass: Class):
    former = klass.tokens["alice"]
    await klass.hub("delete", "users", "alice")
    await klass.hub("post", "users", "alice")
    await klass.hub("post", "groups", "vision-students", "users", body={"users": ["alice"]})
    klass.enters("alice")
    _status, me = await klass.ask("alice", "me")
    assert (me["credit"]["person"], me["credit"]["balance"]) == (None, 0)
    assert (await klass.ask("alice", "statement"))[1]["lines"] == []
    assert (await klass.ask("alice", "grants"))[1]["grants"] == []
    assert await klass.names("teacher") == {"bob": 10}
    assert await klass.gives("teacher", "alice", 3) == 201
    assert await klass.names("teacher") == {"alice": 3, "bob": 10}
    klass.tokens["the former alice"] = former
    assert (await klass.ask("the former alice", "me"))[0] == 403
