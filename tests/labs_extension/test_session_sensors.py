"""What a real server sees of people and kernels, and what it does not take for a person."""

from __future__ import annotations

import json

import pytest
from jupyter_server.services.kernels.connection.base import serialize_msg_to_ws_v1
from tornado.httpclient import HTTPRequest
from tornado.websocket import websocket_connect

from tests.labs_extension.conftest import TOKEN, Server
from tests.labs_extension.hand_clock import HandClock

V1 = "v1.kernel.websocket.jupyter.org"


@pytest.fixture
def clock(monkeypatch):
    clock = HandClock()
    monkeypatch.setattr("labs_extension.extension.SystemClock", lambda: clock)
    return clock


@pytest.fixture
def file(tmp_path, monkeypatch):
    file = tmp_path / "run" / "sensors.json"
    file.parent.mkdir()
    monkeypatch.setenv("GPUSPAWNER_SENSORS_FILE", str(file))
    return file


@pytest.fixture
async def connected():
    """Opens a websocket as a page does; what is still open at the end is closed."""
    lines = []

    async def connect(server: Server, path: str, protocol: str | None = None):
        url = f"ws://127.0.0.1:{server.port}{server.app.base_url}{path}"
        request = HTTPRequest(url, headers={"Authorization": f"token {TOKEN}"})
        line = await websocket_connect(request, subprotocols=[protocol] if protocol else None)
        lines.append(line)
        return line

    yield connect
    for line in lines:
        if line.protocol is not None:  # not closed by the test itself
            await closed(line)


async def closed(line) -> None:
    """Close a page's websocket, and wait until the server agrees."""
    line.close()
    while await line.read_message() is not None:
        pass


async def kernel(server: Server) -> str:
    """A new kernel's id."""
    status, body = await server.ask("api/kernels", "POST", {"name": "python3"})
    assert status == 201, body
    return str(body["id"])


def message(kind: str, content: dict, channel: str = "shell", protocol: str | None = None):
    """What a page sends to a kernel."""
    header = {
        "msg_id": f"{kind}-1",
        "msg_type": kind,
        "session": "s",
        "username": "",
        "date": "2026-01-01T00:00:00Z",
        "version": "5.3",
    }
    parts = {"header": header, "parent_header": {}, "metadata": {}, "content": content}
    if protocol == V1:
        return serialize_msg_to_ws_v1(parts, channel, lambda part: json.dumps(part).encode())
    return json.dumps({**parts, "channel": channel, "buffers": []})


def execute(code: str, *, silent: bool = False) -> dict:
    return {"code": code, "silent": silent, "store_history": not silent, "allow_stdin": True}


async def until(line, kind: str, **content):
    """The next message of this kind with this content; the server's own form of it."""
    while True:
        said = json.loads(await line.read_message())
        if said["msg_type"] == kind and content.items() <= said["content"].items():
            return said


async def test_what_is_written_before_anybody_came(make_server, clock, file):
    server = make_server()
    said = json.loads(file.read_text())
    assert said == {
        "version": 1,
        "server": server.lab.sensors._name,
        "sequence": 1,
        "human_age": None,
        "human_kind": None,
        "kernels": {"count": 0, "busy": 0, "busy_age": None},
        "output_age": None,
        "terminals": 0,
        "tabs": {"open": 0, "visible": 0, "closed_age": None},
        "unsaved": None,
        "saved": None,
    }
    server.lab.sensors.write()
    assert json.loads(file.read_text())["sequence"] == 2
    assert [path.name for path in file.parent.iterdir()] == ["sensors.json"]


@pytest.mark.parametrize("protocol", [None, V1])
async def test_a_cell_is_the_act_of_a_person_and_what_programs_send_is_none(
    make_server, connected, clock, file, protocol
):
    server = make_server()
    line = await connected(server, f"api/kernels/{await kernel(server)}/channels", protocol)
    await line.write_message(message("kernel_info_request", {}, "shell", protocol), bool(protocol))
    await line.write_message(
        message("comm_info_request", {"target_name": "w"}, "shell", protocol), bool(protocol)
    )
    silent = message("execute_request", execute("1", silent=True), "shell", protocol)
    await line.write_message(silent, bool(protocol))
    while (await line.read_message()) is not None and server.lab.sensors.read()[
        "output_age"
    ] is None:
        pass
    assert server.lab.sensors.read()["human_kind"] is None
    loud = message("execute_request", execute("2"), "shell", protocol)
    await line.write_message(loud, bool(protocol))
    await line.read_message()
    for _ in range(200):
        if server.lab.sensors.read()["human_kind"]:
            break
        await line.read_message()
    clock.at += 12
    said = server.lab.sensors.read()
    assert (said["human_kind"], said["human_age"]) == ("cell", 12.0)
    assert said["tabs"] == {"open": 1, "visible": 0, "closed_age": None}


async def test_a_kernel_that_waits_for_input_is_busy_also_when_nobody_is_there(
    make_server, connected, clock, file
):
    server = make_server()
    number = await kernel(server)
    line = await connected(server, f"api/kernels/{number}/channels")
    server.lab.sensors.read()
    await line.write_message(message("execute_request", execute("input('?')")))
    await until(line, "input_request")
    clock.at += 30
    await closed(line)
    clock.at += 70
    said = server.lab.sensors.read()
    assert said["kernels"] == {"count": 1, "busy": 1, "busy_age": 100.0}
    assert (said["human_age"], said["output_age"]) == (100.0, 100.0)
    assert said["tabs"] == {"open": 0, "visible": 0, "closed_age": 70.0}
    line = await connected(server, f"api/kernels/{number}/channels")
    await line.write_message(message("input_reply", {"value": "x"}, "stdin"))
    await until(line, "status", execution_state="idle")
    while server.lab.sensors.read()["kernels"]["busy"]:
        await line.read_message()
    said = server.lab.sensors.read()
    assert said["kernels"] == {"count": 1, "busy": 0, "busy_age": None}
    assert (said["human_age"], said["human_kind"]) == (0.0, "cell")


# The terminals' own handler has no such mark; ours, which goes before it, has.
@pytest.mark.filterwarnings("ignore::jupyter_server.utils.JupyterServerAuthWarning")
async def test_typing_in_a_terminal_is_the_act_of_a_person_and_its_size_and_output_are_not(
    make_server, connected, clock, file
):
    server = make_server("jupyter_server_terminals")
    status, body = await server.ask("api/terminals", "POST")
    assert status == 200
    line = await connected(server, f"terminals/websocket/{body['name']}")
    await line.write_message(json.dumps(["set_size", 24, 80]))
    while json.loads(await line.read_message())[0] != "stdout":  # the shell's prompt
        pass
    before = server.lab.sensors.read()
    assert (before["human_age"], before["terminals"], before["tabs"]["open"]) == (None, 1, 1)
    await line.write_message(json.dumps(["stdin", "echo $((40+2))\r"]))
    seen = ""
    while "42" not in seen:
        seen += json.loads(await line.read_message())[1]
    clock.at += 5
    said = server.lab.sensors.read()
    assert (said["human_age"], said["human_kind"]) == (5.0, "terminal")


def notebook(source: str, *outputs: str) -> dict:
    """A notebook of one cell."""
    streams = [{"output_type": "stream", "name": "stdout", "text": one} for one in outputs]
    cell = {
        "cell_type": "code",
        "id": "a",
        "source": source,
        "outputs": streams,
        "execution_count": None,
        "metadata": {},
    }
    content = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    return {"type": "notebook", "format": "json", "content": content}


async def test_a_save_counts_when_a_person_wrote_or_asked_for_it_and_not_when_only_output_came(
    make_server, clock, file
):
    server = make_server()

    async def age_after(model: dict, path: str = "a.ipynb") -> float | None:
        clock.at += 100
        status, _ = await server.ask(f"api/contents/{path}", "PUT", model)
        assert status in {200, 201}
        age = server.lab.sensors.read()["human_age"]
        return float(age)

    ages = [
        await age_after(notebook("train()")),
        await age_after(notebook("train()", "epoch 1")),
        await age_after(notebook("train()", "epoch 1", "epoch 2")),
        await age_after(notebook("train(2)", "epoch 1", "epoch 2")),
        await age_after(notebook("train(2)", "epoch 3")),
        await age_after(notebook("train(2)", "epoch 3")),
        await age_after({"type": "file", "format": "text", "content": "x"}, "a.txt"),
    ]
    assert ages == [0, 100, 200, 0, 100, 0, 0]
    assert server.lab.sensors.read()["human_kind"] == "save"


async def test_what_is_saved_because_we_asked_for_it_is_no_act_of_a_person(
    make_server, clock, file
):
    server = make_server()
    server.lab.activity.asked_to_save("stop-3")
    await server.ask("api/contents/a.ipynb", "PUT", notebook("train()"))
    assert server.lab.sensors.read()["human_age"] is None
    clock.at += 61
    await server.ask("api/contents/a.ipynb", "PUT", notebook("train(2)"))
    assert server.lab.sensors.read()["human_age"] == 0


async def test_what_cannot_be_seen_is_null_and_said_once_and_the_server_goes_on(
    make_server, connected, clock, file, monkeypatch
):
    told = []
    server = make_server()
    monkeypatch.setattr(
        "labs_extension.session.kernels.Kernels.look", lambda self, manager: manager.no_such_thing
    )
    monkeypatch.setattr("labs_extension.session.listen.is_an_act", lambda raw, protocol: 1 / 0)
    monkeypatch.setattr(server.app.log, "error", lambda text, what, **_: told.append(what))
    server.lab.activity.person("click")
    line = await connected(server, f"api/kernels/{await kernel(server)}/channels")
    await line.write_message(message("execute_request", execute("6*7")))
    await until(line, "execute_result")
    said = server.lab.sensors.read()
    assert (said["human_age"], said["human_kind"], said["kernels"]) == (None, None, None)
    server.lab.sensors.read()
    assert sorted(told) == ["cells", "kernels"]


async def test_nothing_of_it_counts_as_the_servers_activity(make_server, clock, file):
    server = make_server()
    before = server.app.web_app.last_activity()
    await server.ask("gpuspawner/api/session")
    await server.ask("gpuspawner/api/session/tab", "POST", {"id": "t", "visible": True})
    await server.ask("gpuspawner/api/session/saved", "POST", {"request": "r", "documents": 0})
    await server.ask("gpuspawner/api/session/keep", "POST")
    server.lab.sensors.write()
    assert server.app.web_app.last_activity() == before


async def test_without_an_agent_nothing_is_written(make_server, clock, monkeypatch, tmp_path):
    monkeypatch.delenv("GPUSPAWNER_SENSORS_FILE", raising=False)
    server = make_server()
    server.lab.sensors.write()
    assert not list(tmp_path.rglob("sensors.json"))
