"""`gpuspawner/api/session` in a real Jupyter server, with a controller that listens."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tornado import web
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port

from tests.labs_extension.hand_clock import HandClock

URL = "gpuspawner/api/session"


class Controller:
    """Answers like the controller, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, Any]] = []
        self.status = 200
        self.body: Any = {"until": "2026-12-01T10:00:00+00:00", "extensions_left": 2}
        seen = self

        class Handler(web.RequestHandler):
            def check_xsrf_cookie(self) -> None:
                pass

            def post(self) -> None:
                said = json.loads(self.request.body)
                seen.asked.append((self.request.path, self.request.headers["Authorization"], said))
                self.set_status(seen.status)
                self.finish(seen.body)

        self.http = HTTPServer(web.Application([(".*", Handler)]))
        socket, self.port = bind_unused_port()
        self.http.add_socket(socket)


@pytest.fixture
async def controller(monkeypatch):
    controller = Controller()
    url = f"http://127.0.0.1:{controller.port}/services/gpuspawner/api/v1"
    monkeypatch.setenv("GPUSPAWNER_API_URL", url)
    monkeypatch.setenv("GPUSPAWNER_CLAIM", "gs-alice")
    monkeypatch.setenv("GPUSPAWNER_GENERATION", "3")
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "the-students-token")
    monkeypatch.setenv("JUPYTERHUB_BASE_URL", "/jupyter/")
    yield controller
    controller.http.stop()
    await controller.http.close_all_connections()


@pytest.fixture
def clock(monkeypatch):
    clock = HandClock()
    monkeypatch.setattr("labs_extension.extension.SystemClock", lambda: clock)
    return clock


@pytest.fixture
def session(tmp_path, monkeypatch):
    """The file that the agent writes."""
    file = tmp_path / "session.json"
    monkeypatch.setenv("GPUSPAWNER_SESSION_FILE", str(file))
    return file


async def test_the_session_is_what_the_agent_wrote_and_who_we_are(
    make_server, controller, clock, session
):
    said = {"verdict": "warn", "reason": "idle", "session": {"mode": "idle", "save": None}}
    session.write_text(json.dumps(said))
    assert await make_server().ask(URL) == (
        200,
        {
            **said,
            "server_time": "2027-01-15T08:00:00.000+00:00",
            "claim": "gs-alice",
            "generation": 3,
            "hub_prefix": "/jupyter/hub/",
            "managed": True,
        },
    )


@pytest.mark.parametrize("reason", ["unreachable", "disowned"])
async def test_an_agent_that_gives_up_is_explained_in_both_languages(
    make_server, controller, clock, session, reason
):
    session.write_text(json.dumps({"verdict": "warn", "reason": reason, "seconds_left": 200}))
    _, body = await make_server().ask(URL)
    assert "switches itself off soon" in body["sentence"]["en"]
    assert "저장" in body["sentence"]["ko"]


@pytest.mark.parametrize("text", [None, "", "[1]", '{"verdict": "ke', "[" * 50_000])
async def test_a_session_file_that_makes_no_sense_is_no_session(
    make_server, controller, clock, session, text
):
    if text is not None:
        session.write_text(text)
    status, body = await make_server().ask(URL)
    assert status == 200
    assert "verdict" not in body
    assert body["claim"] == "gs-alice"


@pytest.mark.parametrize("act", ["keep", "lease", "stop"])
async def test_a_button_is_relayed_with_the_students_own_token_and_is_the_act_of_a_person(
    make_server, controller, clock, act
):
    server = make_server()
    assert await server.ask(f"{URL}/{act}", "POST") == (200, controller.body)
    path = f"/services/gpuspawner/api/v1/claims/gs-alice/{act}"
    assert controller.asked == [(path, "token the-students-token", {"generation": 3})]
    assert server.lab.activity.human() == (0.0, "click")


async def test_a_refusal_of_the_controllers_reaches_the_student_as_it_is(
    make_server, controller, clock
):
    controller.status, controller.body = 409, {"error": "generation-mismatch", "sentence": {}}
    assert await make_server().ask(f"{URL}/keep", "POST") == (409, controller.body)


async def test_a_controller_that_is_away_is_said_in_both_languages(make_server, controller, clock):
    controller.http.stop()
    status, body = await make_server().ask(f"{URL}/stop", "POST")
    assert (status, body["error"]) == (502, "unreachable")
    assert "use the hub's own page" in body["sentence"]["en"]
    assert "허브" in body["sentence"]["ko"]


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [(503, "<html>", "unreachable"), (200, "<html>", "nonsense"), (404, "[1]", "nonsense")],
)
async def test_an_answer_that_is_not_the_controllers_is_not_handed_on(
    make_server, controller, clock, status, body, error
):
    controller.status, controller.body = status, body
    answer = await make_server().ask(f"{URL}/keep", "POST")
    assert (answer[0], answer[1]["error"]) == (502, error)


async def test_without_an_agent_the_buttons_say_that_there_is_nothing_to_keep(
    make_server, clock, monkeypatch
):
    for name in ("API_URL", "CLAIM", "GENERATION"):
        monkeypatch.delenv(f"GPUSPAWNER_{name}", raising=False)
    server = make_server()
    status, body = await server.ask(f"{URL}/keep", "POST")
    assert (status, body["error"]) == (503, "unmanaged")
    assert (await server.ask(URL))[1]["managed"] is False


async def test_open_front_ends_are_counted_until_they_close_or_say_nothing_more(make_server, clock):
    server = make_server()

    async def tab(name: str, **said: Any) -> dict[str, Any]:
        status, _ = await server.ask(f"{URL}/tab", "POST", {"id": name, **said})
        assert status == 204
        sensed = server.lab.sensors.read()
        return {**sensed["tabs"], "unsaved": sensed["unsaved"]}

    first = await tab("a", visible=True, unsaved=2)
    assert first == {"open": 1, "visible": 1, "closed_age": None, "unsaved": 2}
    second = await tab("b", visible=False, unsaved=1)
    assert second == {"open": 2, "visible": 1, "closed_age": None, "unsaved": 3}
    closed = await tab("a", closed=True)
    assert closed == {"open": 1, "visible": 0, "closed_age": None, "unsaved": 1}
    clock.at += 149
    assert server.lab.sensors.read()["tabs"]["open"] == 1
    clock.at += 2
    said = server.lab.sensors.read()
    assert (said["tabs"]["open"], said["tabs"]["closed_age"], said["unsaved"]) == (0, 151.0, None)
    assert said["human_age"] is None


async def test_a_save_is_confirmed_when_every_open_front_end_has_answered(
    make_server, clock, session
):
    session.write_text(json.dumps({"session": {"save": "stop-3"}}))
    server = make_server()
    for name in ("a", "b"):
        await server.ask(f"{URL}/tab", "POST", {"id": name, "visible": True, "unsaved": 1})
    await server.ask(URL)
    assert server.lab.sensors.read()["saved"] is None
    answer = {"request": "stop-3", "documents": 1, "failed": [], "id": "a"}
    assert (await server.ask(f"{URL}/saved", "POST", answer))[0] == 204
    assert server.lab.sensors.read()["saved"] is None
    await server.ask(f"{URL}/saved", "POST", {**answer, "id": "b", "failed": ["x.ipynb"]})
    confirmed = {"request": "stop-3", "documents": 2, "failed": ["x.ipynb"]}
    assert server.lab.sensors.read()["saved"] == confirmed
    assert server.lab.sensors.read()["human_age"] is None


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("tab", []),
        ("tab", {"visible": True}),
        ("tab", {"id": "x" * 200}),
        ("tab", {"id": "x", "unsaved": -1}),
        ("tab", {"id": "x", "unsaved": "1"}),
        ("saved", {"documents": 1}),
        ("saved", {"request": "r", "failed": "x"}),
        ("saved", {"request": "r", "failed": [1]}),
    ],
)
async def test_a_report_that_makes_no_sense_is_refused(make_server, clock, path, body):
    server = make_server()
    assert (await server.ask(f"{URL}/{path}", "POST", body))[0] == 400
    assert server.lab.sensors.read()["tabs"]["open"] == 0


@pytest.mark.parametrize("path", ["", "/keep", "/lease", "/stop", "/tab", "/saved"])
async def test_a_stranger_gets_nowhere(make_server, controller, clock, path):
    method = "POST" if path else "GET"
    server = make_server()
    assert (await server.ask(URL + path, method, {}, token="another"))[0] == 403
    assert controller.asked == []


async def test_who_is_logged_in_but_not_authorised_is_refused(
    make_server, controller, clock, monkeypatch
):
    server = make_server()
    asked = []

    def is_authorized(handler, user, action, resource):
        asked.append((action, resource))
        return False

    monkeypatch.setattr(server.app.authorizer, "is_authorized", is_authorized)
    assert (await server.ask(URL))[0] == 403
    assert (await server.ask(f"{URL}/stop", "POST", {}))[0] == 403
    assert asked == [("read", "gpuspawner"), ("write", "gpuspawner")]
