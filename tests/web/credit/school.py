"""A school with a pool, students with credit, and a hub that says who people are and in which group."""

from __future__ import annotations

import itertools
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from gpuspawner.hub_api import Hub
from gpuspawner.policy.money import Book, Component, Rate, seconds_of
from gpuspawner.store import ledger
from gpuspawner.store.ledger import Actor, Role, Sku
from gpuspawner.web.application import SERVICE_PREFIX
from gpuspawner.web.people import introduce
from tests.controllers.stage import IDENTITY, name_of
from tests.web import hub_auth
from tests.web.house import House, house

UNIT = 1_000_000
HOUR = 3600
ACCESS = "access:services!service=gpuspawner"
GRANT = "custom:gpuspawner:grant"
READ = "custom:gpuspawner:read"
GROUPS = {"blue": ["alice", "bob"], "red": ["carol"]}
SMALL = Sku("fake", "fake-1", "small")


def user(name: str, *scopes: str, admin: bool = False) -> dict[str, Any]:
    return {
        "kind": "user", "name": name, "admin": admin, "groups": [], "scopes": [ACCESS, *scopes],
    }  # fmt: skip


PEOPLE = {
    one["name"]: one
    for one in (
        user("alice"),
        user("bob"),
        user("carol"),
        user("admin", admin=True),
        user("teacher", f"{GRANT}!group=blue"),
        user("assistant", f"{READ}!group=blue"),
        user("head", GRANT),
        {"kind": "service", "name": "robot", "admin": True, "scopes": [ACCESS, GRANT]},
    )
}
"""What the hub says of each token; a token is the name before it here."""

USERS = [*(name for name, one in PEOPLE.items() if one["kind"] == "user"), "newcomer"]

_numbers = itertools.count(1)


@dataclass
class School:
    house: House
    groups: dict[str, list[str]] = field(default_factory=lambda: dict(GROUPS))
    silent: bool = False
    again: dict[str, int] = field(default_factory=dict)
    """How often the name has been given to somebody else."""

    @property
    def now(self) -> int:
        return seconds_of(self.house.stage.clock.now())

    async def get(self, path: str, who: str | None = "alice", **query):
        return await self.house.ask("GET", path, token=who, params=query)

    async def post(self, path: str, who: str | None, body: Any, key: str | None = ""):
        """A change, under a key of its own unless one is given; None for no key at all."""
        key = f"key-{next(_numbers)}" if key == "" else key
        token = IDENTITY.claims_token if who is None else who
        headers = {"Authorization": f"Bearer {token}"}
        if key is not None:
            headers["Idempotency-Key"] = key
        url = f"{self.house.url}api/v1/{path}"
        async with self.house.session.post(url, json=body, headers=headers) as answer:
            return answer.status, await answer.json()

    async def text(self, path: str, who: str, **headers):
        headers["Authorization"] = f"Bearer {who}"
        url = f"{self.house.url}{path}"
        async with self.house.session.get(url, headers=headers, allow_redirects=False) as answer:
            return answer.status, answer.headers, (await answer.read()).decode("utf-8")

    async def run(self, fn, *args, **kwargs):
        return await self.house.stage.database.run(fn, *args, **kwargs)

    async def account(self, name: str) -> int:
        def made(c):
            one = ledger.person_for(c, hub_auth.id_of(name), name, now=self.now)
            return ledger.student_account(c, ledger.course(c).id, one.id).id

        return await self.run(made)

    async def uses(self, name: str, seconds: int, resource: str = "i-1", *, ends: bool = True):
        """The student's machine is on for so long, from now on."""
        account, since = await self.account(name), self.now

        def used(c):
            person = ledger.find_named(c, name)
            meter = ledger.open_meter(
                c, ledger.course(c).id, resource, Component.COMPUTE, start=str(since),
                payer=account, sku=SMALL, opened_at=since, reason="user", person=person.id,
                claim=name_of(name),
            )  # fmt: skip
            if ends:
                ledger.close(c, meter.id, since + seconds, reason="user", now=since + seconds)
            return meter.id

        found = await self.run(used)
        await self.house.stage.clock.advance(seconds)
        return found


@asynccontextmanager
async def hub(school: dict[str, School]):
    """The few addresses of a hub that are asked."""

    async def user_(request):
        who = PEOPLE.get(request.headers["Authorization"].removeprefix("token "))
        return web.json_response(who) if who else web.json_response({}, status=403)

    async def group(request):
        one = school["it"]
        if one.silent:
            return web.json_response({}, status=503)
        name = request.match_info["name"]
        if name not in one.groups:
            return web.json_response({}, status=404)
        return web.json_response({"kind": "group", "name": name, "users": one.groups[name]})

    async def named(request):
        if school["it"].silent:
            return web.json_response({}, status=503)
        name = request.match_info["name"]
        if name not in USERS:
            return web.json_response({}, status=404)
        return web.json_response(hub_auth.told(name, school["it"].again.get(name, 0)))

    async def users(_request):
        if school["it"].silent:
            return web.json_response({}, status=503)
        again = school["it"].again
        items = [hub_auth.told(name, again.get(name, 0)) for name in USERS]
        return web.json_response({"items": items, "_pagination": {"next": None}})

    app = web.Application()
    app.router.add_get("/hub/api/user", user_)
    app.router.add_get("/hub/api/groups/{name}", group)
    app.router.add_get("/hub/api/users", users)
    app.router.add_get("/hub/api/users/{name}", named)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}/hub/api"
    await runner.cleanup()


@asynccontextmanager
async def school(folder, monkeypatch):
    """1000 in the pool, 10 for each of alice, bob and carol, and a price for `small`."""
    there: dict[str, School] = {}
    async with hub(there) as api:
        hub_api = Hub(api, "token")
        async with house(folder, hub=hub_api) as one:
            monkeypatch.setenv("JUPYTERHUB_API_URL", api)
            monkeypatch.delenv("JUPYTERHUB_BASE_URL", raising=False)
            hub_auth.forget()
            introduce(IDENTITY.service_token, SERVICE_PREFIX)
            it = there["it"] = School(one)
            await it.run(_begin, it.now)
            yield it
            await hub_auth.close_client()
            hub_auth.forget()


def _begin(c, now: int) -> None:
    course = ledger.configure_course(
        c, "default", unit="USD", cost_unit="USD", timezone="Asia/Seoul"
    )
    for book in Book:
        ledger.add_price(
            c, course.id, book, SMALL, Component.COMPUTE, Rate(526_000, HOUR, 60),
            valid_from=0, source="a test", fetched_at=0, now=now,
        )  # fmt: skip
    admin = Actor(Role.ADMIN)
    ledger.fund(c, course.id, 1000 * UNIT, idem="begin", actor=admin, now=now, note="the term")
    for name in ("alice", "bob", "carol"):
        person = ledger.person_for(c, hub_auth.id_of(name), name, now=now)
        account = ledger.student_account(c, course.id, person.id)
        ledger.grant(
            c, account.id, 10 * UNIT, idem=f"begin-{name}", actor=admin, now=now,
            note=f"a beginning for {name}",
        )  # fmt: skip
