"""The REST interface's own description, made from the models that check the requests."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from gpuspawner._version import __version__
from gpuspawner.web import schemas
from gpuspawner.web.handler import ApiHandler


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path. `replies` are the statuses beside 400 and 403."""

    path: str
    method: str
    summary: str
    security: str
    body: type[BaseModel] | None = None
    replies: tuple[int, ...] = (200,)


_CLAIM, _HOME = "/claims/{name}", "/homes/{id}"

OPERATIONS = (
    Operation("/claims", "get", "All claims; with watch=1, a stream of their changes.", "hub"),
    Operation(_CLAIM, "get", "One claim.", "hub", None, (200, 404)),
    Operation(_CLAIM, "put", "Want the machine running.", "hub", schemas.ClaimBody, (200, 409)),
    Operation(_CLAIM, "delete", "Want the machine deleted.", "hub", None, (202, 404)),
    Operation(f"{_CLAIM}/stop", "post", "Want it stopped.", "hub", schemas.StopBody, (200, 404, 409)),
    Operation("/agent/register", "post", "A machine's first word.", "ticket", schemas.RegisterBody, (200, 401, 409, 410)),
    Operation("/agent/environment", "get", "What to start the server with.", "machine", None, (200, 401, 409)),
    Operation("/agent/report", "post", "How far a start is.", "machine", schemas.ReportBody, (200, 401)),
    Operation("/agent/heartbeat", "post", "The machine lives.", "machine", schemas.HeartbeatBody, (200, 401)),
    Operation("/machines", "get", "One's own machines; all for an admin.", "person"),
    Operation("/machines/{name}", "get", "One machine.", "person", None, (200, 404)),
    Operation("/machines/{name}", "delete", "Delete a machine for good; the home stays.", "person", None, (202, 404)),
    Operation("/machines/{name}/stop", "post", "Stop a machine.", "person", schemas.StopBody, (200, 404, 409)),
    Operation("/status", "get", "Claims, homes and problems.", "hub"),
    Operation("/homes", "get", "All homes.", "hub"),
    Operation(f"{_HOME}/give", "post", "Hand a home to another server.", "hub", schemas.GiveBody, (200, 404)),
    Operation(_HOME, "delete", "Delete a home for good.", "hub", None, (200, 404, 502)),
)  # fmt: skip

_SECURITY = {
    "hub": "The token that derives from the hub's secret file.",
    "machine": "The machine's id and key.",
    "person": "A JupyterHub token.",
}


@cache
def document() -> dict[str, Any]:
    """The OpenAPI 3.1 document."""
    models = {one.body for one in OPERATIONS if one.body} | {schemas.ErrorReply}
    ordered = sorted(models, key=lambda model: model.__name__)
    _names, definitions = models_json_schema(
        [(model, "validation") for model in ordered],
        ref_template="#/components/schemas/{model}",
    )
    paths: dict[str, dict[str, Any]] = {}
    for one in OPERATIONS:
        paths.setdefault(one.path, {})[one.method] = _operation(one)
    return {
        "openapi": "3.1.0",
        "info": {"title": "gpuspawner", "version": __version__},
        "servers": [{"url": "/services/gpuspawner/api/v1"}],
        "paths": paths,
        "components": {
            "schemas": definitions["$defs"],
            "securitySchemes": {
                name: {"type": "http", "scheme": "bearer", "description": text}
                for name, text in _SECURITY.items()
            },
        },
    }


def _operation(one: Operation) -> dict[str, Any]:
    refused = {"schema": {"$ref": "#/components/schemas/ErrorReply"}}
    statuses = sorted({*one.replies, 400, 403, 503})
    made: dict[str, Any] = {
        "summary": one.summary,
        "responses": {
            str(status): {"description": "Done."}
            if status < 400
            else {"description": "Refused.", "content": {"application/json": refused}}
            for status in statuses
        },
    }
    if one.security in _SECURITY:
        made["security"] = [{one.security: []}]
    names = [part[1:-1] for part in one.path.split("/") if part.startswith("{")]
    if names:
        made["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in names
        ]
    if one.body:
        schema = {"$ref": f"#/components/schemas/{one.body.__name__}"}
        made["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": schema}},
        }
    return made


class OpenAPIHandler(ApiHandler):
    """`openapi.json`. Needs no token."""

    def get(self) -> None:
        """The document."""
        self.reply(document())
