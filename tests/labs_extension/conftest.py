"""A real Jupyter server in the test's process, with the extension found by its name."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from jupyter_server.serverapp import ServerApp
from tornado.httpclient import AsyncHTTPClient, HTTPRequest
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from traitlets.config import Config

TOKEN = "a-token"


@dataclass
class Server:
    """A server that listens."""

    app: ServerApp
    port: int
    http: HTTPServer

    async def stop(self) -> None:
        """As at a stop of the machine. Safe to repeat."""
        self.http.stop()
        await self.http.close_all_connections()
        await self.app._cleanup()
        ServerApp.clear_instance()

    async def ask(self, path: str, method: str = "GET", body: Any = None, token: str = TOKEN):
        """The status and the body, read as JSON where it is, of `path` below the base URL."""
        answer = await self.raw(path, method, body, token)
        try:
            return answer.code, json.loads(answer.body)
        except ValueError:
            return answer.code, answer.body.decode()

    async def raw(self, path: str, method: str = "GET", body: Any = None, token: str = TOKEN):
        """The answer as it came."""
        url = f"http://127.0.0.1:{self.port}{self.app.base_url}{path}"
        headers = {"Authorization": f"token {token}"} if token else {}
        text = None if body is None else json.dumps(body)
        request = HTTPRequest(url, method, headers, text, allow_nonstandard_methods=True)
        return await AsyncHTTPClient().fetch(request, raise_error=False)

    @property
    def root(self) -> Path:
        """The folder that it serves."""
        return Path(self.app.root_dir)

    @property
    def lab(self):
        """The extension's application in this server."""
        (app,) = self.app.extension_manager.extension_apps["labs_extension"]
        return app


@pytest.fixture
async def make_server(tmp_path, monkeypatch):
    """Starts a server with further extensions and our settings; all are stopped at the end."""
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "XDG_DATA_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("JUPYTER_NO_CONFIG", "1")
    running: list[Server] = []

    def make(*extensions: str, **settings: Any) -> Server:
        (tmp_path / "root").mkdir(exist_ok=True)
        # The home is where the file browser begins, as on a machine.
        monkeypatch.setenv("HOME", str(tmp_path / "root"))
        config = Config()
        config.ServerApp.jpserver_extensions = dict.fromkeys(("labs_extension", *extensions), True)
        config.ServerApp.root_dir = str(tmp_path / "root")
        config.ServerApp.base_url = "/user/student1/"
        config.ServerApp.allow_unauthenticated_access = False
        config.ServerApp.open_browser = False
        config.ServerApp.allow_root = True
        config.IdentityProvider.token = TOKEN
        config.LabsExtension.update(settings)
        # JupyterLab reads where these are when it is imported: the folders of the process's first test.
        config.LabApp.user_settings_dir = str(tmp_path / "user-settings")
        config.LabApp.workspaces_dir = str(tmp_path / "workspaces")
        ServerApp.clear_instance()
        app = ServerApp.instance(config=config)
        monkeypatch.setattr(app, "init_signal", lambda: None)
        app.initialize(argv=[], new_httpserver=False)
        socket, port = bind_unused_port()
        http = HTTPServer(app.web_app)
        http.add_socket(socket)
        running.append(Server(app, port, http))
        return running[-1]

    yield make
    for server in running:
        await server.stop()
