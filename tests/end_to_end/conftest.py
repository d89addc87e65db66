"""One demo for all: an emulated EC2, a hub, a controller and real machines; and a real browser."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

from tests.end_to_end.classroom import Classroom, wait_until
from tests.ports import free_base

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
TOKEN = "e2e-admin-token"
BASES, PORTS = range(30000, 31000, 100), (0, 1, 10, 20, 81)
"""Of the demo. With these bases its machines have the networks 127.240 to 127.249, which no other
tests use."""


@pytest.fixture(scope="session")
def shots(tmp_path_factory) -> Path:
    """Where screenshots go: SCREENSHOTS, or a temporary folder."""
    folder = Path(os.environ.get("SCREENSHOTS") or tmp_path_factory.mktemp("screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def classroom(tmp_path_factory):
    """A demo that runs; afterwards not one of its processes may be left."""
    folder = tmp_path_factory.mktemp("demo")
    base = free_base(BASES, PORTS)
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("JUPYTERHUB_")},
        "DEMO_DIR": str(folder),
        "DEMO_PORT_BASE": str(base),
        "DEMO_ADMIN_TOKEN": TOKEN,
        "PYTHONUNBUFFERED": "1",
    }
    log = (folder / "demo.log").open("wb")
    process = subprocess.Popen(
        [sys.executable, "-m", "gpuspawner.cli", "demo"],
        stdout=log,
        stderr=subprocess.STDOUT,
        env=environment,
        start_new_session=True,
    )
    room = Classroom(base, TOKEN, folder, process)
    try:
        wait_until(room.is_open, 90, room.world)
        yield room
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)
        log.close()
    assert process.returncode == 0
    assert room.processes_left() == []


@pytest.fixture(scope="session")
def chromium():
    if CHROMIUM is None:
        if os.environ.get("CI"):
            pytest.fail("Chromium is not installed: run 'apt-get install chromium'")
        pytest.skip("Chromium is not installed: run 'apt-get install chromium'")
    expect.set_options(timeout=30_000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def browser_page(chromium):
    """A page of a browser that knows nobody."""
    context = chromium.new_context(viewport={"width": 1200, "height": 900}, locale="en-US")
    page = context.new_page()
    page.set_default_timeout(60_000)
    yield page
    context.close()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A test that fails tells what the world looked like."""
    outcome = yield
    report = outcome.get_result()
    room = item.funcargs.get("classroom") if hasattr(item, "funcargs") else None
    if report.when == "call" and report.failed and room:
        report.sections.append(("the world", room.world()))
