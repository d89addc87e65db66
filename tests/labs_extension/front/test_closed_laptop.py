"""Output survives the closed laptop: a cell that goes on while no page is there, in a real browser."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import nbformat
import pytest
from jupyter_server.services.kernels.connection.channels import (
    ZMQChannelsWebsocketConnection,
)
from nbformat.reader import NotJSONError
from nbformat.v4 import new_code_cell, new_notebook
from playwright.async_api import expect
from tornado.testing import bind_unused_port

from tests.labs_extension.conftest import TOKEN
from tests.labs_extension.front.conftest import CHROMIUM

PATIENCE = 30_000
PRINTS = """import time, pathlib
n = 0
while not pathlib.Path('enough').exists():
    print('line', n, flush=True)
    n += 1
    time.sleep(0.2)"""
INTERRUPTED = "KeyboardInterrupt"
"""What a cell shows that was running when its kernel was ended."""
PROMPT = ".jp-InputPrompt"

pytestmark = [
    pytest.mark.end_to_end,
    pytest.mark.skipif(
        CHROMIUM is None and not os.environ.get("CI"), reason="Chromium is not installed"
    ),
]


def write(folder: Path) -> None:
    """A notebook with the cell that prints a line every 0.2 s until there is the file `enough`."""
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    cells = [new_code_cell(PRINTS, id="prints"), new_code_cell("'another'", id="another")]
    nbformat.write(new_notebook(cells=cells, metadata=kernel), folder / "work.ipynb")


def printed(folder: Path) -> list[str]:
    """The lines in the file; none while it is being written, which Jupyter does in place."""
    try:
        cell = nbformat.read(folder / "work.ipynb", 4).cells[0]
    except NotJSONError:
        return []
    said = [one for one in cell.outputs if one.get("ename") != INTERRUPTED]
    assert [one.name for one in said] in ([], ["stdout"])
    return "".join(one.text for one in said).splitlines()


async def shown(page) -> list[str]:
    """The lines in the page."""
    output = page.locator(".jp-CodeCell").first.locator(".jp-OutputArea-output")
    said = [one for one in await output.all_text_contents() if INTERRUPTED not in one]
    return "".join(said).splitlines()


async def until(page, condition) -> None:
    """Wait until it is true of the page, the file or the server."""
    for _ in range(300):
        met = condition()
        if await met if asyncio.iscoroutine(met) else met:
            return
        await page.wait_for_timeout(100)
    raise AssertionError("it did not happen")


async def until_lines(page, count: int) -> None:
    async def enough() -> bool:
        return len(await shown(page)) >= count

    await until(page, enough)


def assert_counts(lines: list[str]) -> None:
    """In order and once; the last may be on its way."""
    assert lines[:-1] == [f"line {n}" for n in range(len(lines) - 1)]


@asynccontextmanager
async def window(browser, url: str):
    """A window with the notebook open; closed with all that it remembers."""
    context = await browser.new_context(viewport={"width": 1200, "height": 800})
    page = await context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    await page.goto(f"{url}lab/tree/work.ipynb?token={TOKEN}")
    await expect(page.locator(".jp-Notebook")).to_be_visible(timeout=PATIENCE)
    yield page
    assert errors == []
    await context.close()


async def run(page) -> None:
    """Run the first cell, when the kernel is there."""
    bar = page.locator("#jp-bottom-panel")
    await expect(bar).to_contain_text("Python 3 (ipykernel) | Idle", timeout=PATIENCE)
    await page.locator(".jp-Toolbar [data-command='notebook:run-cell-and-select-next']").click()


@pytest.fixture
async def lab(tmp_path, monkeypatch):
    """JupyterLab in a process of its own, so that it can be ended as the agent does it."""
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "XDG_DATA_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    root = tmp_path / "root"
    root.mkdir()
    socket, port = bind_unused_port()
    socket.close()
    settings = {
        "ServerApp.root_dir": root,
        "ServerApp.ip": "127.0.0.1",
        "ServerApp.port": port,
        "ServerApp.open_browser": False,
        "ServerApp.allow_root": True,
        "IdentityProvider.token": TOKEN,
        "LabApp.news_url": None,
        "LabsExtension.output_seconds": 1.0,
    }
    options = [f"--{name}={value}" for name, value in settings.items()]
    extension = "--ServerApp.jpserver_extensions=labs_extension=True"
    command = [sys.executable, "-m", "jupyterlab", extension, *options]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stderr=pipe)
    assert process.stderr is not None
    said = [await process.stderr.readline()]
    while b"is running at" not in said[-1]:
        assert said[-1], b"".join(said).decode()
        said.append(await process.stderr.readline())
    rest = asyncio.create_task(process.stderr.read())
    yield f"http://127.0.0.1:{port}/", root, process
    if process.returncode is None:
        process.kill()
    await process.wait()
    await rest


async def test_every_line_is_there_when_the_student_comes_back_and_after_a_stop(
    lab, browser, shots
):
    url, root, process = lab
    write(root)
    async with window(browser, url) as page:
        await run(page)
        await until_lines(page, 3)
    closed = await browser.new_page()
    await until(closed, lambda: len(printed(root)) >= 15)
    async with window(browser, url) as page:
        await until_lines(page, 25)
        assert_counts(await shown(page))
        await expect(page.locator(PROMPT).first).to_have_text("[*]:")
        await page.screenshot(path=shots / "laptop-again.png")
        await page.keyboard.press("Control+s")
        process.terminate()
        await asyncio.wait_for(process.wait(), 30)
        seen = await shown(page)
    kept = printed(root)
    assert_counts(kept)
    assert len(kept) >= len(seen)


async def test_a_page_that_slept_has_every_line_once_and_is_asked_nothing(stage, browser, shots):
    write(stage.root)
    keeper = stage.server.lab.keeper
    async with window(browser, stage.url) as page:
        await run(page)
        await until_lines(page, 3)
        await page.keyboard.press("Control+s")
        await expect(page.locator("#jp-bottom-panel")).to_contain_text("Saving completed")
        assert len(printed(stage.root)) >= 3
        await page.context.set_offline(True)
        for line in list(ZMQChannelsWebsocketConnection._open_sockets):
            line.websocket_handler.ws_connection._abort()
        before = len(printed(stage.root))

        async def written() -> bool:
            await keeper.tick()
            return len(printed(stage.root)) >= before + 10

        await until(page, written)
        await page.context.set_offline(False)
        await until_lines(page, before + 20)
        await page.keyboard.press("Control+s")
        await until(page, lambda: len(printed(stage.root)) >= before + 20)
        await page.screenshot(path=shots / "laptop-slept.png")
        await expect(page.locator(".jp-Dialog")).to_have_count(0)
        assert_counts(await shown(page))
        assert_counts(printed(stage.root))
        (stage.root / "enough").touch()
        await expect(page.locator(PROMPT).first).to_have_text("[1]:", timeout=PATIENCE)
        assert_counts(await shown(page))
