"""JupyterLab with the extension and a pretend GPU in this process, and a browser before it."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, async_playwright
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.web import Application, RequestHandler

from labs_extension.gpu.frameworks import Framework
from tests.end_to_end.conftest import FLAGS
from tests.labs_extension.conftest import TOKEN, Server
from tests.labs_extension.fake_nvml import GIB, Gpu, Library, install

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
SEES = Framework(True, "2.13.0", True)
BLIND = Framework(True, "2.13.0+cpu", False)
MORE = {"en": "It goes on for 30 more minutes.", "ko": "30분 더 실행합니다."}


@dataclass
class Stage:
    """The server, what the agent says of the session, and what the controller was asked for."""

    server: Server
    driver: Library
    file: Path
    session: dict[str, Any]
    disk: Path
    asked: list[tuple[str, Any]] = field(default_factory=list)
    refusal: dict[str, Any] | None = None
    told: list[dict[str, Any]] = field(default_factory=list)
    medians: list[dict[str, Any]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.port}{self.server.app.base_url}"

    @property
    def root(self) -> Path:
        return Path(self.server.app.root_dir)

    @property
    def activity(self):
        """What the server knows of its tabs."""
        return self.server.lab.activity

    def says(self, minutes: float | None = None, **changes: Any) -> None:
        """The agent writes its file anew: the machine stops in so many minutes."""
        if minutes is not None:
            until = datetime.now(timezone.utc) + timedelta(minutes=minutes)
            changes["deadline"] = until.isoformat()
        self.session |= changes
        self.file.write_text(json.dumps(self.session))

    def sample(self, *gpus: Gpu, **frameworks: Framework) -> None:
        """From now on there are these GPUs; look at them."""
        lab = self.server.lab
        self.driver.gpus = list(gpus)
        lab.frameworks._known = frameworks
        lab.frameworks._asked = lab._clock.monotonic()
        lab.sampler.sample(lab.sampler._make())

    async def speaks(self, language: str, theme: str = "JupyterLab Light") -> None:
        """JupyterLab's language and theme from the next page on."""
        settings = {
            "translation-extension:plugin": {"locale": language},
            "apputils-extension:themes": {"theme": theme},
            "apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
        }
        for name, values in settings.items():
            path = f"lab/api/settings/@jupyterlab/{name}"
            answer = await self.server.raw(path, "PUT", {"raw": json.dumps(values)})
            assert answer.code == 204

    async def keeps_panel_open(self, page: Page) -> None:
        """JupyterLab has written down that our panel is open, which it does a while afterwards."""
        for _ in range(200):
            _status, answer = await self.server.ask("lab/api/workspaces")
            for workspace in answer["workspaces"]["values"]:
                layout = workspace["data"].get("layout-restorer:data", {})
                if layout.get("left", {}).get("current") == "gpuspawner-labs":
                    return
            await page.wait_for_timeout(50)
        raise AssertionError("the layout is not written down")


def _controller(stage: list[Stage]) -> Application:
    class Claim(RequestHandler):
        def post(self, act: str) -> None:
            stage[0].asked.append((act, json.loads(self.request.body)))
            if stage[0].refusal:
                self.set_status(409)
                self.finish(stage[0].refusal)
                return
            until = datetime.now(timezone.utc) + timedelta(minutes=35)
            self.finish({"until": until.isoformat(), "because": MORE, "extensions_left": 1})

    class Benchmark(RequestHandler):
        def post(self) -> None:
            stage[0].told.append(json.loads(self.request.body))
            self.finish({"figures": 1})

    class Medians(RequestHandler):
        def get(self) -> None:
            self.finish({"self_reported": True, "least": 3, "medians": stage[0].medians})

    return Application(
        [
            (r"/claims/gs-alice/benchmark", Benchmark),
            (r"/claims/gs-alice/(\w+)", Claim),
            (r"/benchmarks", Medians),
        ]
    )


@pytest.fixture
def library(monkeypatch) -> Library:
    """One T4 at work."""
    made = Library(t4())
    install(monkeypatch, made)
    monkeypatch.setattr("labs_extension.gpu.nvml.has_nvidia_gpu", lambda pci: False)
    return made


def t4() -> Gpu:
    """A GPU on which this process holds memory."""
    return Gpu(processes=[(os.getpid(), 2 * GIB)])


@pytest.fixture
async def stage(make_server, library, tmp_path, monkeypatch) -> Stage:
    """JupyterLab, a student in the middle of a session."""
    file = tmp_path / "session.json"
    places: list[Stage] = []
    socket, port = bind_unused_port()
    controller = HTTPServer(_controller(places))
    controller.add_socket(socket)
    variables = {
        "GPUSPAWNER_API_URL": f"http://127.0.0.1:{port}",
        "GPUSPAWNER_CLAIM": "gs-alice",
        "GPUSPAWNER_GENERATION": "3",
        "GPUSPAWNER_SESSION_FILE": str(file),
        "GPUSPAWNER_SENSORS_FILE": str(tmp_path / "sensors.json"),
        "JUPYTERHUB_API_TOKEN": "a-hub-token",
        "JUPYTERHUB_BASE_URL": "/",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    disk = tmp_path / "mnt"
    disk.mkdir()
    server = make_server(
        "jupyterlab", sample_seconds=1.0, temporary_folders=[str(disk)], temporary_mib=1
    )
    server.lab.frameworks._known = {"torch": SEES, "jax": SEES}
    because = {
        "en": "It was used within the last 30 minutes.",
        "ko": "최근 30분 안에 사용했습니다.",
    }
    session = {
        "verdict": "keep",
        "reason": None,
        "sentence": None,
        "balance": {
            "micros": 12_345_678,
            "unit": "USD",
            "per_hour_micros": 526_000,
            "runs_for_seconds": 84_321,
        },
        "session": {
            "mode": "active",
            "because": because,
            "extensions_left": 2,
            "extension_seconds": 1800.0,
            "lease_until": None,
            "save": None,
        },
    }
    made = Stage(server, library, file, session, disk)
    places.append(made)
    made.says(95)
    await made.speaks("en")
    yield made
    controller.stop()
    await controller.close_all_connections()


@pytest.fixture
async def browser():
    """A real one."""
    async with async_playwright() as playwright:
        made = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield made
        await made.close()


@pytest.fixture
async def page(browser, stage):
    """A window, whose errors are collected; `login` is where it begins."""
    context = await browser.new_context(viewport={"width": 1200, "height": 1000})
    made = await context.new_page()
    made.errors = []
    made.on("pageerror", lambda error: made.errors.append(str(error)))
    made.login = f"{stage.url}lab?token={TOKEN}"
    yield made
    await context.close()


@pytest.fixture(scope="session")
def shots(tmp_path_factory) -> Path:
    """Where screenshots go: SCREENSHOTS, or a temporary folder."""
    folder = Path(os.environ.get("SCREENSHOTS") or tmp_path_factory.mktemp("screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder
