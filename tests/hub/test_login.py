"""Our pages behind the hub's own login: who is known there, and as what."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

import aiohttp
import pytest
from bs4 import BeautifulSoup
from jupyterhub import orm
from jupyterhub.tests.utils import add_user, api_request

from tests.hub.school import BASE, SERVICE, school


@pytest.fixture
async def stage(hub_app, tidy, server_url, tmp_path, monkeypatch):
    async with school(hub_app, tidy, server_url, tmp_path, monkeypatch) as one:
        yield one


class Browser:
    """Sends each path to whom the proxy would, keeps cookies, and follows every redirect."""

    def __init__(self, session, stage):
        self.session, self.stage = session, stage

    async def go(self, path, method="GET", **more):
        for _hop in range(10):
            ours = path.startswith(SERVICE)
            host = (
                self.stage.controller.url if ours else f"http://127.0.0.1:{self.stage.app.hub.port}"
            )
            async with self.session.request(
                method,
                host + path,
                allow_redirects=False,
                headers={"Sec-Fetch-Mode": "navigate"},
                **more,
            ) as answer:
                text = await answer.text()
            if answer.status not in (301, 302, 303):
                return answer.status, text
            to = urlsplit(urljoin(path, answer.headers["Location"]))
            path, method, more = f"{to.path}?{to.query}".rstrip("?"), "GET", {}
        raise AssertionError(f"redirected for ever, at last to {path}")

    async def log_in(self, name):
        _status, text = await self.go(f"{BASE}hub/login")
        xsrf = BeautifulSoup(text, "html5lib").select_one("input[name=_xsrf]")["value"]
        form = {"username": name, "password": name, "_xsrf": xsrf}
        return await self.go(f"{BASE}hub/login?next={SERVICE}", "POST", data=form)


@pytest.fixture
async def browser(stage):
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        yield Browser(session, stage)


def owners(text):
    """Whose machines the page shows, by claim."""
    return {row["data-claim"] for row in BeautifulSoup(text, "html5lib").select("tr[data-claim]")}


async def alice_and_bob(stage):
    for name in ("alice", "bob"):
        stage.student(name)
        await stage.start(name)
    return {name: stage.spawner(name).claim_name for name in ("alice", "bob")}


async def test_a_student_who_logs_in_sees_the_own_machine_and_no_other(stage, browser):
    claims = await alice_and_bob(stage)
    status, text = await browser.log_in("alice")
    assert (status, owners(text)) == (200, {claims["alice"]})


async def test_an_admin_of_the_hub_sees_all(stage, browser):
    claims = await alice_and_bob(stage)
    add_user(stage.app.db, app=stage.app, name="teacher", admin=True)
    status, text = await browser.log_in("teacher")
    assert (status, owners(text)) == (200, {*claims.values()})


async def test_a_member_of_our_group_of_admins_sees_all_without_being_the_hubs_admin(
    stage, browser
):
    claims = await alice_and_bob(stage)
    assistant = stage.student("assistant")
    group = orm.Group.find(stage.app.db, "gpuspawner-admin")
    group.users.append(assistant.orm_user)
    stage.app.db.commit()
    status, text = await browser.log_in("assistant")
    assert (status, owners(text)) == (200, {*claims.values()})


async def test_the_form_of_the_page_deletes_the_machine_and_keeps_the_home(stage, browser):
    await alice_and_bob(stage)
    await stage.stop()
    _status, text = await browser.log_in("alice")
    fields = {
        field["name"]: field["value"]
        for field in BeautifulSoup(text, "html5lib").select("form input[name]")
    }
    assert (await browser.go(SERVICE, "POST", data=fields))[0] == 200
    await stage.until(lambda: stage.view() is None)
    assert [machine.claim for machine in await stage.machines()] == [
        stage.spawner("bob").claim_name
    ]
    assert len(await stage.homes()) == 2


async def test_the_form_without_its_token_deletes_nothing(stage, browser):
    claims = await alice_and_bob(stage)
    await browser.log_in("alice")
    status, text = await browser.go(SERVICE, "POST", data={"machine": claims["alice"]})
    assert status == 403
    assert "You may not do this" in text
    assert stage.view().desired.value == "running"


async def test_a_token_made_for_our_service_is_let_in_and_one_for_another_purpose_is_not(stage):
    claims = await alice_and_bob(stage)

    async def asks(scopes):
        token = stage.user().new_api_token(scopes=scopes)
        url = f"{stage.controller.url}{SERVICE}api/v1/machines"
        headers = {"Authorization": f"token {token}"}
        async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as answer:
            return answer.status, await answer.json()

    status, seen = await asks(["access:services!service=gpuspawner"])
    assert (status, [view["name"] for view in seen]) == (200, [claims["alice"]])
    status, said = await asks(["read:users:activity!user"])
    assert (status, said["error"]) == (403, "http-403")


async def test_the_hub_lists_our_page_among_its_services(stage):
    answer = await api_request(stage.app, "services", "gpuspawner", bypass_proxy=True)
    assert (answer.status_code, answer.json()["prefix"]) == (200, SERVICE)
