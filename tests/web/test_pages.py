"""What people see of the controller, and may do there, with a hub that says who they are."""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from bs4 import BeautifulSoup
from tornado.web import create_signed_value

from gpuspawner.errors import ClaimNotFound, NotAllowed, ProviderUnavailable
from gpuspawner.hub_api import Hub
from gpuspawner.names import claim_name
from gpuspawner.web.application import SERVICE_PREFIX
from gpuspawner.web.people import ADMIN_SCOPE, introduce
from tests.controllers.stage import IDENTITY, SMALL, name_of
from tests.web import hub_auth
from tests.web.house import House, house

ACCESS = "access:services!service=gpuspawner"
PEOPLE = {
    "alice": {"kind": "user", "name": "alice", "admin": False, "groups": [], "scopes": [ACCESS]},
    "bob": {"kind": "user", "name": "bob", "admin": False, "groups": [], "scopes": [ACCESS]},
    "teacher": {"kind": "user", "name": "teacher", "admin": True, "groups": [], "scopes": [ACCESS]},
    "assistant": {
        "kind": "user", "name": "assistant", "admin": False, "groups": [],
        "scopes": [ACCESS, ADMIN_SCOPE],
    },
    "stranger": {"kind": "user", "name": "alice", "admin": False, "groups": [], "scopes": []},
    "robot": {"kind": "service", "name": "robot", "admin": True, "scopes": [ACCESS, ADMIN_SCOPE]},
}  # fmt: skip
"""What the hub says of each token; a token is the name before it here."""

EVIL = "<svg onload=alert(1)>"


@asynccontextmanager
async def hub():
    """The one address of a hub that is asked."""

    async def user(request):
        who = PEOPLE.get(request.headers["Authorization"].removeprefix("token "))
        return web.json_response(who) if who else web.json_response({}, status=403)

    async def named(request):
        return web.json_response(hub_auth.told(request.match_info["name"]))

    app = web.Application()
    app.router.add_get("/hub/api/user", user)
    app.router.add_get("/hub/api/users/{name}", named)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}/hub/api"
    await runner.cleanup()


@pytest.fixture
async def there(tmp_path, monkeypatch):
    async with hub() as api, house(tmp_path, hub=Hub(api, "token")) as one:
        monkeypatch.setenv("JUPYTERHUB_API_URL", api)
        monkeypatch.delenv("JUPYTERHUB_BASE_URL", raising=False)
        hub_auth.forget()
        introduce(IDENTITY.service_token, SERVICE_PREFIX)
        yield one
        await hub_auth.close_client()
        hub_auth.forget()


async def page(there: House, who: str = "alice", method: str = "GET", form=None, **headers):
    """Status and parsed page, asked for with a person's token."""
    if who:
        headers["Authorization"] = f"token {who}"
    async with there.session.request(
        method, there.url, data=form, headers=headers, allow_redirects=False
    ) as answer:
        return answer.status, BeautifulSoup(await answer.text(), "html5lib")


async def machines(there: House, who: str) -> set[str]:
    status, said = await there.ask("GET", "machines", token=who)
    assert status == 200
    return {view["owner"]["user_name"] for view in said}


def rows(shown) -> set[str]:
    return {row["data-claim"] for row in shown.select("[data-claim]")}


async def class_of_two(there: House) -> None:
    for user in ("alice", "bob"):
        await there.put(user)
    await there.pass_time(30)


# -- who sees what


async def test_everybody_sees_the_own_machines_only(there: House):
    await class_of_two(there)
    for who in ("alice", "bob"):
        assert await machines(there, who) == {who}
        status, shown = await page(there, who)
        assert (status, rows(shown)) == (200, {name_of(who)})


@pytest.mark.parametrize("who", ["teacher", "assistant"])
async def test_an_admin_of_the_hub_or_of_ours_sees_all(there: House, who):
    await class_of_two(there)
    assert await machines(there, who) == {"alice", "bob"}
    _status, shown = await page(there, who)
    assert rows(shown) == {name_of("alice"), name_of("bob")}
    assert "bob" in shown.get_text()


async def test_only_an_admin_is_told_what_went_wrong(there: House):
    await class_of_two(there)
    there.stage.provider.fail_next("list", ProviderUnavailable("account 4711"))
    await there.controller.tick()
    assert "account 4711" in (await page(there, "teacher"))[1].get_text()
    assert "account 4711" not in (await page(there, "alice"))[1].get_text()


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("DELETE", ""), ("POST", "/stop")])
async def test_somebody_elses_machine_is_not_told_from_none(there: House, method, path):
    await class_of_two(there)
    body = {"generation": 1} if method == "POST" else None
    there_is = await there.ask(method, f"machines/{name_of('bob')}{path}", body, token="alice")
    there_is_none = await there.ask(
        method, f"machines/{name_of('carol')}{path}", body, token="alice"
    )
    assert there_is == there_is_none
    assert (there_is[0], there_is[1]["error"]) == (404, "claim-not-found")
    assert (await there.stage.claim("bob")).desired == "running"


@pytest.mark.parametrize("who", ["", "nobody", "stranger"])
async def test_a_token_of_nobody_or_for_another_purpose_is_refused_as_json(there: House, who):
    await class_of_two(there)
    for method, path in (("GET", "machines"), ("DELETE", f"machines/{name_of('alice')}")):
        status, said = await there.ask(method, path, token=who)
        assert (status, said["error"]) == (403, "http-403")
        assert said["sentence"]["message"]


async def test_a_service_is_no_person_whatever_its_scopes(there: House):
    await class_of_two(there)
    status, said = await there.ask("GET", "machines", token="robot")
    assert (status, said["error"]) == (403, "not-allowed")


async def test_the_token_of_the_spawner_is_no_persons(there: House):
    status, _said = await there.ask("GET", "machines")
    assert status == 403


async def test_a_persons_token_does_not_open_what_is_the_hubs(there: House):
    for path in ("claims", "status", "homes"):
        assert (await there.ask("GET", path, token="teacher"))[0] == 403


@pytest.mark.parametrize("who", ["alice", "stranger", "robot", "nobody", ""])
async def test_only_an_admin_stops_everything(there: House, who):
    await there.put("alice")
    for method, body in (("POST", {"reason": "mischief"}), ("GET", None)):
        assert (await there.ask(method, "stop-everything", body, token=who))[0] == 403
    assert (await there.ask("GET", "stop-everything"))[1]["in_force"] is None


@pytest.mark.parametrize("who", ["teacher", "assistant"])
async def test_an_admin_stops_everything_and_the_log_knows_no_name(there: House, who):
    await there.put("alice")
    status, said = await there.ask("POST", "stop-everything", {"reason": "a leak"}, token=who)
    assert (status, said["stopped"], said["in_force"]["actor"]) == (200, 1, "admin")


async def test_a_browser_that_nobody_has_logged_in_is_sent_to_the_hub(there: House):
    async with there.session.get(there.url, allow_redirects=False) as answer:
        assert answer.status == 302
        assert answer.headers["Location"].startswith("/hub/api/oauth2/authorize?")
        assert (
            "redirect_uri=%2Fservices%2Fgpuspawner%2Foauth_callback" in answer.headers["Location"]
        )


async def test_a_hub_that_does_not_answer_does_not_keep_the_machines_waiting(there, monkeypatch):
    hub_auth.forget()
    monkeypatch.setenv("JUPYTERHUB_API_URL", "http://127.0.0.1:1/hub/api")
    introduce(IDENTITY.service_token, SERVICE_PREFIX)
    assert (await there.ask("GET", "machines", token="alice"))[0] == 500
    status, shown = await page(there, "alice")
    assert (status, shown.select_one("[role=alert]") is not None) == (500, True)
    assert (await there.ask("GET", "claims"))[0] == 200


# -- what they may do


async def test_a_stop_of_what_was_looked_at_is_a_stop_by_the_user(there: House):
    await class_of_two(there)
    stop = f"machines/{name_of('alice')}/stop"
    status, view = await there.ask("POST", stop, {"generation": 1}, token="alice")
    assert (status, view["desired"], view["reason"]) == (200, "stopped", "user")


async def test_a_stop_by_an_admin_says_so(there: House):
    await class_of_two(there)
    stop = f"machines/{name_of('alice')}/stop"
    _status, view = await there.ask("POST", stop, {"generation": 1}, token="assistant")
    assert (view["desired"], view["reason"]) == ("stopped", "admin")


async def test_a_stop_of_an_older_generation_does_nothing(there: House):
    await class_of_two(there)
    await there.put("alice")
    stop = f"machines/{name_of('alice')}/stop"
    status, said = await there.ask("POST", stop, {"generation": 1}, token="alice")
    assert (status, said["error"]) == (409, "generation-mismatch")
    assert (await there.stage.claim("alice")).desired == "running"


async def test_a_deletion_ends_the_machine_and_keeps_the_home(there: House):
    await class_of_two(there)
    status, view = await there.ask("DELETE", f"machines/{name_of('alice')}", token="alice")
    assert (status, view["desired"]) == (202, "deleted")
    await there.pass_time(120)
    assert await there.stage.machines("alice") == []
    assert len(await there.stage.homes("alice")) == 1
    assert len(await there.stage.machines("bob")) == 1


async def test_a_deletion_that_is_over_at_once_is_answered_all_the_same(there: House, monkeypatch):
    await there.put("alice")
    board = there.controller.board

    async def forgotten():
        board.views.clear()

    monkeypatch.setattr(board, "refresh", forgotten)
    status, view = await there.ask("DELETE", f"machines/{name_of('alice')}", token="alice")
    assert (status, view["name"]) == (202, name_of("alice"))


async def test_the_form_with_a_cookie_and_no_xsrf_token_deletes_nothing(there: House):
    await class_of_two(there)
    cookie = _login_cookie()
    status, shown = await page(there, "", "POST", {"machine": name_of("alice")}, Cookie=cookie)
    assert status == 403
    assert NotAllowed.sentence.text() in shown.get_text()
    assert (await there.stage.claim("alice")).desired == "running"


async def test_the_same_for_the_rest_interface(there: House):
    await class_of_two(there)
    cookie = _login_cookie()
    async with there.session.delete(
        f"{there.url}api/v1/machines/{name_of('alice')}", headers={"Cookie": cookie}
    ) as answer:
        assert (answer.status, (await answer.json())["error"]) == (403, "http-403")
    assert (await there.stage.claim("alice")).desired == "running"


async def test_the_cookie_itself_is_good_for_looking(there: House):
    await class_of_two(there)
    cookie = _login_cookie()
    status, shown = await page(there, "", Cookie=cookie, **{"Sec-Fetch-Mode": "navigate"})
    assert (status, rows(shown)) == (200, {name_of("alice")})


async def test_the_form_with_its_xsrf_token_deletes(there: House):
    await class_of_two(there)
    cookie = _login_cookie()
    headers = {"Cookie": cookie, "Sec-Fetch-Mode": "navigate"}
    async with there.session.get(there.url, headers=headers) as answer:
        shown = BeautifulSoup(await answer.text(), "html5lib")
        xsrf = answer.cookies["_xsrf"].value
    form = {field["name"]: field["value"] for field in shown.select("form input[name]")}
    headers["Cookie"] += f"; _xsrf={xsrf}"
    async with there.session.post(
        there.url, data=form, headers=headers, allow_redirects=False
    ) as answer:
        assert (answer.status, answer.headers["Location"]) == (302, SERVICE_PREFIX)
    assert (await there.stage.claim("alice")).desired == "deleted"


def _login_cookie(who: str = "alice") -> str:
    """What a browser has after the hub's login: the token, signed."""
    signed = create_signed_value(IDENTITY.cookie_secret, "service-gpuspawner", who)
    return f"service-gpuspawner={signed.decode()}"


# -- how it is said


@pytest.mark.parametrize(
    ("cookie", "accepts", "language", "title"),
    [
        ("", "", "en", "Machines and files"),
        ("", "ko-KR,ko;q=0.9,en;q=0.8", "ko", "머신과 파일"),
        ("", "de,ko;q=0.9", "ko", "머신과 파일"),
        ("ko", "en", "ko", "머신과 파일"),
        ("en", "ko", "en", "Machines and files"),
        ("tlh", "", "en", "Machines and files"),
    ],
)
async def test_the_page_is_in_the_language_of_its_reader(there, cookie, accepts, language, title):
    headers = {"Accept-Language": accepts, "Cookie": f"gpuspawner_language={cookie}"}
    _status, shown = await page(there, "alice", **headers)
    assert shown.html["lang"] == language
    assert shown.title.get_text().startswith(title)


async def test_an_error_is_a_sentence_in_the_language_of_its_reader(there: House):
    await class_of_two(there)
    form = {"machine": name_of("bob")}
    for language in ("en", "ko"):
        status, shown = await page(
            there, "alice", "POST", form, Cookie=f"gpuspawner_language={language}"
        )
        assert status == 404
        assert ClaimNotFound.sentence.text(language) in shown.select_one("[role=alert]").get_text()


async def test_a_fault_of_ours_shows_no_traceback(there: House, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError("in the middle")

    monkeypatch.setattr("gpuspawner.web.pages.MachinesPage._homes", broken)
    await class_of_two(there)
    status, shown = await page(there, "alice")
    assert status == 500
    assert shown.select_one("[role=alert]").get_text().strip()
    assert "ZeroDivisionError" not in str(shown)
    assert "in the middle" not in str(shown)


async def test_what_others_named_is_text_and_nothing_else(there: House):
    name = claim_name(IDENTITY.hub_id, "alice", EVIL)
    evil = there.claim("alice") | {
        "owner": {"user_id": hub_auth.id_of("alice"), "user_name": "alice", "server_name": EVIL},
        "specification": SMALL.to_json() | {"display_name": EVIL, "profile": EVIL},
    }
    assert (await there.ask("PUT", f"claims/{name}", evil))[0] == 200
    there.stage.provider.fail_next("create", ProviderUnavailable(EVIL))
    await there.controller.tick()
    for who in ("alice", "teacher"):
        _status, shown = await page(there, who)
        assert rows(shown) == {name}
        assert shown.find("svg") is None
        assert [tag for tag in shown.find_all() if "onload" in tag.attrs] == []
        assert shown.get_text().count(EVIL) >= 2


async def test_nothing_of_the_page_may_be_framed_or_stored(there: House):
    async with there.session.get(there.url, headers={"Authorization": "token alice"}) as answer:
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["Cache-Control"] == "no-store"
