"""All routes of the controller, below one prefix."""

from __future__ import annotations

from typing import Any

from jupyterhub.services.auth import HubOAuthCallbackHandler
from jupyterhub.utils import url_path_join
from tornado.httpserver import HTTPServer
from tornado.web import Application

from gpuspawner.web import (
    admin_api,
    agent_api,
    benchmarks_api,
    brake_api,
    claims_api,
    heartbeat_api,
    metrics,
    openapi,
    pages,
    people_api,
    session_api,
)
from gpuspawner.web.credit import routes as credit_routes
from gpuspawner.web.services import Services

SERVICE_PREFIX = "/services/gpuspawner/"
API = "api/v1"

_NAME = r"([a-z0-9-]{1,64})"
_ID = r"([A-Za-z0-9_.-]{1,256})"

ROUTES: tuple[tuple[str, Any], ...] = (
    ("health", admin_api.HealthHandler),
    ("metrics", metrics.MetricsHandler),
    (f"{API}/openapi.json", openapi.OpenAPIHandler),
    (f"{API}/claims", claims_api.ClaimsHandler),
    (f"{API}/claims/{_NAME}", claims_api.ClaimHandler),
    (f"{API}/claims/{_NAME}/stop", session_api.ClaimStopHandler),
    (f"{API}/claims/{_NAME}/keep", session_api.KeepHandler),
    (f"{API}/claims/{_NAME}/lease", session_api.LeaseHandler),
    (f"{API}/claims/{_NAME}/hold", session_api.HoldHandler),
    (f"{API}/claims/{_NAME}/benchmark", benchmarks_api.ClaimBenchmarkHandler),
    (f"{API}/benchmarks", benchmarks_api.BenchmarksHandler),
    (f"{API}/agent/register", agent_api.RegisterHandler),
    (f"{API}/agent/environment", agent_api.EnvironmentHandler),
    (f"{API}/agent/report", agent_api.ReportHandler),
    (f"{API}/agent/heartbeat", heartbeat_api.HeartbeatHandler),
    (f"{API}/machines", people_api.MachinesHandler),
    (f"{API}/machines/{_NAME}", people_api.MachineHandler),
    (f"{API}/machines/{_NAME}/stop", people_api.MachineStopHandler),
    (f"{API}/status", admin_api.StatusHandler),
    (f"{API}/homes", admin_api.HomesHandler),
    (f"{API}/homes/{_ID}", admin_api.HomeHandler),
    (f"{API}/homes/{_ID}/give", admin_api.HomeGiveHandler),
    *((f"{API}/{path}", handler) for path, handler in credit_routes.API),
    (f"{API}/stop-everything", brake_api.StopEverythingHandler),
    *credit_routes.PAGES,
    ("language", pages.LanguagePage),
    ("", pages.MachinesPage),
)


def application(services: Services, prefix: str = SERVICE_PREFIX) -> Application:
    """The tornado application. `prefix` begins and ends with a slash."""
    handlers: list[Any] = [
        (url_path_join(prefix, path) + "$", handler, {"services": services})
        for path, handler in ROUTES
    ]
    handlers.append((url_path_join(prefix, "oauth_callback"), HubOAuthCallbackHandler))
    return Application(
        handlers,
        cookie_secret=services.identity.cookie_secret,
        default_handler_class=admin_api.NotFoundHandler,
        default_handler_args={"services": services},
    )


def standby(prefix: str = SERVICE_PREFIX) -> Application:
    """What a controller answers that does not hold the lock: that it stands by, and nothing else."""
    return Application(
        [(url_path_join(prefix, "health") + "$", admin_api.StandbyHandler)],
        default_handler_class=admin_api.StandbyRefusal,
    )


def http_server(app: Application) -> HTTPServer:
    """A server for `app` that believes the proxy's headers and reads no giant bodies."""
    return HTTPServer(app, xheaders=True, max_body_size=1024 * 1024)
