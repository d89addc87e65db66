"""One demo for all: an emulated EC2, a hub, a controller and real machines; and a real browser."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

from tests.end_to_end.classroom import CHROMIUM, FLAGS, opened


@pytest.fixture(scope="session")
def shots(tmp_path_factory) -> Path:
    """Where screenshots go: SCREENSHOTS, or a temporary folder."""
    folder = Path(os.environ.get("SCREENSHOTS") or tmp_path_factory.mktemp("screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def classroom(tmp_path_factory):
    """One demo for all that need no settings of their own."""
    with opened(tmp_path_factory.mktemp("demo")) as room:
        yield room


@pytest.fixture(scope="module")
def azure_classroom(tmp_path_factory):
    """A demo on the emulated Azure."""
    with opened(tmp_path_factory.mktemp("azure"), "azure") as room:
        yield room


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
    given = item.funcargs if hasattr(item, "funcargs") else {}
    room = given.get("classroom") or given.get("azure_classroom")
    if report.when == "call" and report.failed and room:
        report.sections.append(("the world", room.world()))
