"""`gpuspawner.configure(c)`: everything a hub needs, in one line of its configuration file.

What is set is listed at `configure`; whatever stands after it in the file wins. The file is read by
the hub and by the controller alike, so this has no side effect but making the secret file once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import urlsplit

from aiohttp import ClientTimeout

from gpuspawner import identity
from gpuspawner.errors import ConfigurationError
from gpuspawner.language import LANGUAGES

SERVICE = "gpuspawner"
ADMIN_SCOPE = "custom:gpuspawner:admin"
GRANT_SCOPE = "custom:gpuspawner:grant"
READ_SCOPE = "custom:gpuspawner:read"
"""What a teacher or an assistant may do, for everybody or with `!group=` for the group of a class."""

ADMIN_GROUP = "gpuspawner-admin"
TEMPLATES = Path(__file__).parent / "web" / "templates"

SERVICE_SCOPES = (
    "list:users",
    "read:users",
    "read:servers",
    "admin:server_state",
    "servers",
    "read:groups",
    "read:hub",
)
"""What the controller may do at the hub."""

CLOUD_VARIABLES = ("AWS_", "AZURE_")
CONTROLLER_VARIABLES = (
    "HOME",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_FILE",
)
"""The hub starts its services with a bare environment; the controller needs these of the hub's."""

ANSWER_SECONDS = 10.0
"""So long one request of the hub's to a server may take before it is made anew.

Without it `Spawner.http_timeout` is not kept for a server that takes connections and says nothing:
JupyterHub 6 looks at that limit between requests only, and one request may take 300 s.
"""


def configure(
    c: Any,
    *,
    public_url: str | None = None,
    controller_url: str = "http://127.0.0.1:8010",
    language: str = "en",
    managed: bool = True,
    secret_file: str | Path | None = None,
    config_file: str | Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Set the hub up for GPU machines.

    Sets `JupyterHub.spawner_class`, `cleanup_servers`, `concurrent_spawn_limit`,
    `init_spawners_timeout`, `redirect_to_server` and `allow_named_servers`; adds to `services`,
    `load_roles`, `custom_scopes`, `template_paths`, `template_vars` and
    `jinja_environment_options`, and to `JupyterHubHTTPClient.session_options` a limit on each
    request; sets `GPUSpawner.controller_url`, `secret_file`,
    `default_language` and `hub_connect_url`, and `Controller.bind_url`, `public_url`,
    `secret_file` and `language`. To override a list or a dict, add to it: `c.JupyterHub.services
    .append(…)`; a new one in its place loses ours.

    `Spawner.consecutive_failure_limit` is left as it is: refusals of ours are never counted, so a
    class that meets a full cloud cannot end the hub.

    Args:
        c: the configuration of the file that this is called in.
        public_url: the hub's URL as machines and people reach it, such as
            `https://hub.example.org/`. Without it `c.Controller.public_url` must be set.
        controller_url: where the controller listens.
        language: `en` or `ko`, for people who have not chosen one.
        managed: whether the hub starts the controller; False when it is run on its own.
        secret_file: where the secret is; default `gpuspawner_secret` beside the file.
        config_file: the file to give to the controller; default the file this is called in.
        environment: further environment variables for a managed controller.

    Raises:
        ConfigurationError: an argument is impossible, or the secret file cannot be used.
    """
    _refuse_impossible(c, language, public_url)
    file = Path(config_file) if config_file else _calling_file(sys._getframe(1))  # noqa: SLF001
    secret = Path(secret_file) if secret_file else file.parent / "gpuspawner_secret"
    secret = secret.absolute()
    token = identity.load(secret).service_token

    _hub(c)
    _roles(c)
    _pages(c, language)
    c.JupyterHub.services.append(_service(file, controller_url, token, managed, environment or {}))
    c.GPUSpawner.controller_url = controller_url
    c.GPUSpawner.secret_file = str(secret)
    c.GPUSpawner.default_language = language
    c.Controller.bind_url = controller_url
    c.Controller.secret_file = str(secret)
    c.Controller.language = language
    if public_url is not None:
        c.Controller.public_url = public_url
        c.GPUSpawner.hub_connect_url = public_url.rstrip("/")


def _refuse_impossible(c: Any, language: str, public_url: str | None) -> None:
    if language not in LANGUAGES:
        raise ConfigurationError(f"configure(language={language!r}): one of {LANGUAGES}")
    if public_url is not None and urlsplit(public_url).scheme not in ("http", "https"):
        raise ConfigurationError(f"configure(public_url={public_url!r}): must be http(s)://…")
    if c.JupyterHub.get("internal_ssl") is True:
        raise ConfigurationError(
            "c.JupyterHub.internal_ssl is not supported: a machine has no certificate of the hub's; "
            "leave it off, and keep the machines in a private network"
        )


def _hub(c: Any) -> None:
    hub = c.JupyterHub
    hub.spawner_class = "gpu"
    hub.cleanup_servers = False  # machines outlive the hub, and are adopted when it is back
    hub.concurrent_spawn_limit = (
        500  # a class starts all at once; the cloud's limits are ours to keep
    )
    hub.init_spawners_timeout = 1  # a managed controller starts only after this
    hub.redirect_to_server = False  # a login must not start a machine that costs money
    hub.allow_named_servers = False  # one machine a student
    c.JupyterHubHTTPClient.session_options.update({"timeout": ClientTimeout(total=ANSWER_SECONDS)})


def _roles(c: Any) -> None:
    c.JupyterHub.custom_scopes.update(
        {
            ADMIN_SCOPE: {
                "description": "Administer the GPU machines and the credit of everybody."
            },
            GRANT_SCOPE: {"description": "Give credit of the class to students, and take it back."},
            READ_SCOPE: {"description": "See the credit of students."},
        }
    )
    own = f"access:services!service={SERVICE}"
    c.JupyterHub.load_roles.extend(
        [
            {"name": SERVICE, "services": [SERVICE], "scopes": list(SERVICE_SCOPES)},
            {"name": "user", "scopes": ["self", own]},
            # JupyterHub's own, and ours: the buttons in JupyterLab speak with the server's token.
            {
                "name": "server",
                "scopes": ["users:activity!user", "access:servers!server", own],
            },
            {"name": ADMIN_GROUP, "groups": [ADMIN_GROUP], "scopes": [ADMIN_SCOPE, own]},
        ]
    )


def _pages(c: Any, language: str) -> None:
    c.JupyterHub.template_paths.insert(0, str(TEMPLATES))  # before the hub's own
    c.JupyterHub.template_vars.update({"gpuspawner_language": language})
    # Not a template variable: those are often replaced, and every page needs this.
    c.JupyterHub.jinja_environment_options.update(
        {"extensions": ["gpuspawner.spawner_pages.Sentences"]}
    )


def _service(
    file: Path, url: str, token: str, managed: bool, environment: Mapping[str, str]
) -> dict[str, Any]:
    service: dict[str, Any] = {
        "name": SERVICE,
        "url": url,
        "api_token": token,
        "oauth_no_confirm": True,
        # What our pages may know of a person beside the name; without it, who is in the group
        # of our admins would be nobody in a browser.
        "oauth_client_allowed_scopes": [ADMIN_SCOPE, GRANT_SCOPE, READ_SCOPE],
        "display": True,
    }
    if managed:
        kept = {
            key: value
            for key, value in os.environ.items()
            if key in CONTROLLER_VARIABLES or key.startswith(CLOUD_VARIABLES)
        }
        service["command"] = [
            sys.executable,
            "-m",
            "gpuspawner.cli",
            "controller",
            "--config",
            str(file),
        ]
        service["environment"] = {**kept, **environment}
    return service


def _calling_file(frame: FrameType | None) -> Path:
    """The file that `configure` is called in; traitlets runs it with its path in `__file__`."""
    file = frame.f_globals.get("__file__") if frame is not None else None
    if not file:
        raise ConfigurationError("configure() is not called from a file: give config_file=…")
    return Path(file).absolute()
