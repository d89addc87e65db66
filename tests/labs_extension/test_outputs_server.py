"""Cells that go on with no page there, in a real server with a real kernel."""

from __future__ import annotations

import json
import uuid

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from tornado.httpclient import HTTPRequest
from tornado.websocket import websocket_connect

from tests.labs_extension.conftest import TOKEN, Server
from tests.labs_extension.hand_clock import HandClock

PRINTS = "import time\nfor n in range({}):\n    print('line', n, flush=True)\n    time.sleep(0.02)"


class Page:
    """What JupyterLab does when it has a notebook open."""

    def __init__(self, server: Server, path: str, name: str, session: dict) -> None:
        self.server = server
        self.path = path
        self.name = name
        self.session = session["id"]
        self.kernel = session["kernel"]["id"]

    async def connect(self) -> Page:
        address = f"api/kernels/{self.kernel}/channels?session_id={self.name}"
        url = f"ws://127.0.0.1:{self.server.port}{self.server.app.base_url}{address}"
        request = HTTPRequest(url, headers={"Authorization": f"token {TOKEN}"})
        self.line = await websocket_connect(request)
        return self

    async def run(self, cell: str, code: str, **metadata) -> str:
        header = {
            "msg_id": uuid.uuid4().hex,
            "msg_type": "execute_request",
            "session": self.name,
            "username": "",
            "version": "5.4",
            "date": "2026-12-01T00:00:00Z",
        }
        content = {"code": code, "silent": False, "store_history": True, "allow_stdin": True}
        message = {
            "header": header,
            "parent_header": {},
            "metadata": {"cellId": cell, **metadata},
            "content": content,
            "channel": "shell",
            "buffers": [],
        }
        await self.line.write_message(json.dumps(message))
        return header["msg_id"]

    async def hear(self, text: str) -> None:
        """Read until the kernel says so."""
        while text not in (await self.line.read_message()):
            pass

    async def close(self) -> None:
        if self.line.protocol is not None:  # not closed already
            self.line.close()
            while await self.line.read_message() is not None:
                pass

    async def news(self, after: int = 0) -> dict:
        query = f"session={self.session}&kernel={self.kernel}&page={self.name}&after={after}"
        status, body = await self.server.ask(f"gpuspawner/api/outputs?{query}")
        assert status == 200
        return body


@pytest.fixture
def clock(monkeypatch):
    clock = HandClock()
    monkeypatch.setattr("labs_extension.extension.SystemClock", lambda: clock)
    return clock


@pytest.fixture
def server(make_server, clock):
    return make_server(output_seconds=600.0, sample_seconds=600.0)


@pytest.fixture
async def opened():
    """Opens a notebook as a page does; what is still open at the end is closed."""
    pages = []

    async def open_page(server, path, name="page-a", kernel=None, kind="notebook") -> Page:
        which = {"id": kernel} if kernel else {"name": "python3"}
        body = {"path": path, "type": kind, "name": path, "kernel": which}
        status, session = await server.ask("api/sessions", "POST", body)
        assert status == 201
        page = await Page(server, path, name, session).connect()
        pages.append(page)
        if kind == "notebook":
            await page.news()
        return page

    yield open_page
    for page in pages:
        await page.close()


def notebook(server: Server, name: str, *cells) -> None:
    made = new_notebook(cells=[new_code_cell(code, id=cell) for cell, code in cells])
    (server.root / name).parent.mkdir(exist_ok=True)
    nbformat.write(made, server.root / name)


def read(server: Server, name: str) -> dict:
    """The notebook's cells by id: the code, and what they show."""
    cells = nbformat.read(server.root / name, 4).cells
    return {cell.id: (cell.source, shown(cell.outputs)) for cell in cells}


def shown(outputs: list) -> list:
    return [one.get("text") or one.get("data") or one.get("ename") for one in outputs]


async def until_idle(server: Server) -> None:
    """Wait, without a page, until the kernel has said that it is done."""
    keeper = server.lab.keeper
    for _ in range(5000):
        await server.ask("api")  # which lets the server hear
        runs = keeper._records.runs
        if runs and all(run.finished for run in runs):
            return
    raise AssertionError("the cell did not end")


def lines(count: int) -> str:
    return "".join(f"line {n}\n" for n in range(count))


async def test_a_cell_that_goes_on_without_a_page_has_every_line_in_its_notebook(server, opened):
    code = PRINTS.format(30)
    notebook(server, "a.ipynb", ("one", code))
    page = await opened(server, "a.ipynb")
    await page.run("one", code)
    await page.hear("line 3")
    await page.close()
    await until_idle(server)
    assert read(server, "a.ipynb") == {"one": (code, [])}
    await server.lab.keeper.tick()  # the page has only just gone
    assert read(server, "a.ipynb") == {"one": (code, [])}
    await server.lab.keeper.tick()
    assert read(server, "a.ipynb") == {"one": (code, [lines(30)])}
    assert server.lab.activity.human()[1] == "cell"  # our writing is nobody's saving


async def test_who_opens_the_notebook_reads_all_of_it_and_is_told_what_comes_later(server, opened):
    code = PRINTS.format(60)
    notebook(server, "sub/a.ipynb", ("one", code))
    first = await opened(server, "sub/a.ipynb")
    await first.run("one", code)
    await first.hear("line 3")
    await first.close()
    status, model = await server.ask("api/contents/sub/a.ipynb")
    (one,) = model["content"]["cells"]
    (text,) = shown(one["outputs"])
    assert (status, text) == (200, lines(len(text.splitlines())))
    assert one["metadata"]["trusted"]
    assert read(server, "sub/a.ipynb") == {"one": (code, [text])}
    second = await opened(server, "sub/a.ipynb", "page-b", first.kernel)
    news = await second.news()
    while news["coming"]:
        news = await second.news(0)
    (cell,) = news["cells"]
    assert (cell["id"], cell["finished"], cell["execution_count"]) == ("one", True, 1)
    assert shown(cell["outputs"]) == [lines(60)]
    assert await second.news(news["version"]) == {**news, "cells": []}


async def test_a_page_is_told_nothing_of_what_it_ran_and_heard_itself(server, opened):
    notebook(server, "a.ipynb", ("one", "print(1)"))
    page = await opened(server, "a.ipynb")
    await page.run("one", "print(1)")
    await until_idle(server)
    news = await page.news()
    assert (news["cells"], news["coming"], news["rewritten"]) == ([], False, None)


async def test_a_server_that_ends_writes_what_is_in_no_file(server, opened):
    notebook(server, "a.ipynb", ("one", PRINTS.format(1000)))
    page = await opened(server, "a.ipynb")
    await page.run("one", PRINTS.format(1000))
    await page.hear("line 8")  # the server has a line of its own to the kernel, not the page's
    await server.lab.stop_extension()
    ((_, (text, ended)),) = read(server, "a.ipynb").values()
    count = len(text.splitlines())
    assert (text, count >= 6, ended) == (lines(count), True, "KeyboardInterrupt")


async def test_what_a_cell_says_when_it_is_ended_is_in_its_notebook(server, opened):
    tidies = "try:\n    print('begun', flush=True)\n    while True:\n        pass\nexcept KeyboardInterrupt:\n    print('the weights are saved')"
    notebook(server, "a.ipynb", ("one", tidies))
    page = await opened(server, "a.ipynb")
    await page.run("one", tidies)
    await page.hear("begun")
    await server.lab.stop_extension()
    assert read(server, "a.ipynb") == {"one": (tidies, ["begun\nthe weights are saved\n"])}


async def test_a_server_whose_kernels_cannot_be_ended_writes_what_was_heard(
    server, opened, monkeypatch
):
    async def cannot(**_):
        raise RuntimeError("no")

    notebook(server, "a.ipynb", ("one", PRINTS.format(1000)))
    page = await opened(server, "a.ipynb")
    await page.run("one", PRINTS.format(1000))
    await page.hear("line 8")
    with monkeypatch.context() as patch:
        patch.setattr(server.app.kernel_manager, "shutdown_all", cannot)
        await server.lab.stop_extension()
    ((_, (text,)),) = read(server, "a.ipynb").values()
    assert text.startswith(lines(6))


async def test_what_was_run_and_never_saved_is_kept_and_what_was_deleted_is_not(server, opened):
    notebook(server, "a.ipynb", ("old", "print('old')"), ("same", "print('same')"))
    page = await opened(server, "a.ipynb")
    for cell, code in (("old", "print('edited')"), ("new", "print('new')"), ("no", "print('no')")):
        await page.run(cell, code)
    await page.run("same", "print('same')", deletedCells=["no"])
    await page.hear("same")
    await until_idle(server)
    await page.close()
    await server.ask("api/contents/a.ipynb")
    assert read(server, "a.ipynb") == {
        "old": ("print('edited')", ["edited\n"]),
        "same": ("print('same')", ["same\n"]),
        "new": ("print('new')", ["new\n"]),
    }


async def test_what_a_page_saved_since_stays_as_it_saved_it(server, clock, opened):
    notebook(server, "a.ipynb", ("one", "1 + 1"), ("two", "2 + 2"))
    page = await opened(server, "a.ipynb")
    await page.run("one", "print('slow')")
    await page.run("two", "print('deleted')")
    await page.hear("deleted")
    await until_idle(server)
    clock.at += 60
    cells = [new_code_cell("edited later", id="one")]
    body = {"type": "notebook", "format": "json", "content": new_notebook(cells=cells)}
    status, _ = await server.ask("api/contents/a.ipynb", "PUT", body)
    assert status == 200
    await page.close()
    await server.ask("api/contents/a.ipynb")
    assert read(server, "a.ipynb") == {"one": ("edited later", [])}
    assert server.lab.keeper._records.runs == []


async def test_a_renamed_notebook_is_found(server, opened):
    notebook(server, "a.ipynb", ("one", "print(1)"))
    page = await opened(server, "a.ipynb")
    await page.run("one", "print(1)")
    await until_idle(server)
    await page.close()
    (server.root / "a.ipynb").rename(server.root / "b.ipynb")
    status, _ = await server.ask(f"api/sessions/{page.session}", "PATCH", {"path": "b.ipynb"})
    assert status == 200
    await server.ask("api/contents/b.ipynb")
    assert read(server, "b.ipynb") == {"one": ("print(1)", ["1\n"])}


async def test_two_notebooks_and_a_console_on_one_kernel_are_told_apart(server, opened):
    notebook(server, "a.ipynb", ("one", "print('a')"))
    notebook(server, "b.ipynb", ("two", "print('b')"))
    first = await opened(server, "a.ipynb", "page-a")
    second = await opened(server, "b.ipynb", "page-b", first.kernel)
    console = await opened(server, "c", "page-c", first.kernel, "console")
    await first.run("one", "print('a')")
    await second.run("two", "print('b')")
    await console.run("three", "print('c')")
    await console.hear("'c'")
    await until_idle(server)
    for page in (first, second, console):
        await page.close()
    await server.lab.stop_extension()
    assert read(server, "a.ipynb") == {"one": ("print('a')", ["a\n"])}
    assert read(server, "b.ipynb") == {"two": ("print('b')", ["b\n"])}


async def test_a_kernel_that_dies_ends_its_cell_and_what_it_said_is_kept(server, opened):
    code = "import time\nprint('be' 'fore', flush=True)\ntime.sleep(600)"
    notebook(server, "a.ipynb", ("one", code), ("two", "print('never')"))
    page = await opened(server, "a.ipynb")
    await page.run("one", code)
    await page.run("two", "print('never')")
    await page.hear("before")
    await page.close()
    await server.app.kernel_manager.get_kernel(page.kernel).provisioner.kill()
    status, _ = await server.ask(f"api/kernels/{page.kernel}", "DELETE")
    assert status == 204
    await server.lab.keeper.tick()
    await server.lab.keeper.tick()
    assert read(server, "a.ipynb") == {
        "one": (code, ["before\n"]),
        "two": ("print('never')", []),
    }


async def test_a_page_that_slept_is_told_what_it_may_not_have_heard(server, clock, opened):
    notebook(server, "a.ipynb", ("one", "print(1)"))
    page = await opened(server, "a.ipynb")
    await page.run("one", "print(1)")
    await until_idle(server)
    before = (await server.ask("api/contents/a.ipynb?content=0&hash=1"))[1]["hash"]
    await page.close()
    await server.lab.keeper.tick()
    await server.lab.keeper.tick()
    after = (await server.ask("api/contents/a.ipynb?content=0&hash=1"))[1]["hash"]
    await page.connect()
    news = await page.news()
    assert [shown(one["outputs"]) for one in news["cells"]] == [["1\n"]]
    assert news["rewritten"] == {"from": before, "to": after}
    other = await opened(server, "a.ipynb", "page-b", page.kernel)
    assert (await other.news())["rewritten"] is None


async def test_messages_for_a_page_that_is_away_do_not_fill_the_memory(make_server, clock, opened):
    server = make_server(output_seconds=600.0, sample_seconds=600.0, waiting_mib=0.1)
    code = "for n in range(30):\n    print('x' * 10_000, flush=True)"
    notebook(server, "a.ipynb", ("one", code))
    page = await opened(server, "a.ipynb")
    await page.run("one", "import time; time.sleep(0.2)\n" + code)
    await page.close()
    await until_idle(server)
    assert page.kernel not in server.app.kernel_manager._kernel_buffers
    await page.connect()
    (cell,) = (await page.news())["cells"]
    assert shown(cell["outputs"]) == [("x" * 10_000 + "\n") * 30]


async def test_asking_is_no_activity_and_a_stranger_may_not(server, opened):
    notebook(server, "a.ipynb", ("one", "print(1)"))
    page = await opened(server, "a.ipynb")
    before = server.app.web_app.settings["api_last_activity"]
    await page.news()
    assert server.app.web_app.settings["api_last_activity"] == before
    query = f"session={page.session}&kernel={page.kernel}&page=x"
    assert (await server.ask(f"gpuspawner/api/outputs?{query}", token=""))[0] == 403
    assert (await server.ask("gpuspawner/api/outputs?session=no&kernel=x&page=x"))[0] == 404
    assert (await server.ask(f"gpuspawner/api/outputs?{query}&after=x"))[0] == 400
    assert (await server.ask("gpuspawner/api/outputs"))[0] == 400


async def test_it_can_be_switched_off(make_server):
    server = make_server(keep_outputs=False)
    assert (await server.ask("gpuspawner/api/outputs?session=x&kernel=x&page=x"))[0] == 404
