"""The REST interface's own description, made from the models that check the requests."""

from __future__ import annotations

from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from gpuspawner._version import __version__
from gpuspawner.web import schemas
from gpuspawner.web.credit.handler import KEY_PATTERN
from gpuspawner.web.credit.operations import CREDIT
from gpuspawner.web.handler import ApiHandler
from gpuspawner.web.operations import MACHINES, Operation

OPERATIONS = (*MACHINES, *CREDIT)

_SECURITY = {
    "hub": "The token that derives from the hub's secret file.",
    "machine": "The machine's id and key.",
    "person": "A JupyterHub token.",
    "admin": "A JupyterHub token of an admin, or the token that derives from the hub's secret file.",
}
_PATTERNS = {"name": "^[a-z0-9-]{1,64}$", "id": "^[A-Za-z0-9_.-]{1,256}$"}
_ALWAYS = {400, 403, 503}


@cache
def document() -> dict[str, Any]:
    """The OpenAPI 3.1 document."""
    read = {one.body for one in OPERATIONS if one.body} | {schemas.ErrorReply}
    written = {one.reply for one in OPERATIONS if one.reply}
    _names, definitions = models_json_schema(
        [
            *((model, "validation") for model in sorted(read, key=_name)),
            *((model, "serialization") for model in sorted(written, key=_name)),
        ],
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
    made: dict[str, Any] = {
        "summary": one.summary,
        "responses": {
            str(status): _done(one) if status < 400 else _refused()
            for status in sorted({*one.replies, *_ALWAYS, *([404] if "{" in one.path else ())})
        },
    }
    if one.security in _SECURITY:
        made["security"] = [{one.security: []}]
    parameters = _parameters(one)
    if parameters:
        made["parameters"] = parameters
    if one.body:
        made["requestBody"] = {"required": True, "content": {"application/json": _ref(one.body)}}
    return made


def _parameters(one: Operation) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {
            "name": part[1:-1],
            "in": "path",
            "required": True,
            "schema": {"type": "string", "pattern": _PATTERNS[part[1:-1]]},
        }
        for part in one.path.split("/")
        if part.startswith("{")
    ]
    if one.query:
        schema = one.query.model_json_schema()
        found += [
            {"name": name, "in": "query", "required": name in schema.get("required", ()),
             "schema": _without_none(about)}
            for name, about in schema["properties"].items()
        ]  # fmt: skip
    if one.keyed:
        found.append(
            {"name": "Idempotency-Key", "in": "header", "required": True,
             "schema": {"type": "string", "pattern": f"^{KEY_PATTERN}$"}}
        )  # fmt: skip
    return found


def _without_none(about: dict[str, Any]) -> dict[str, Any]:
    """In a URL what is left out is left out: there is no null."""
    kept = [one for one in about.get("anyOf", ()) if one.get("type") != "null"]
    return kept[0] if kept else {key: about[key] for key in about if key != "title"}


def _done(one: Operation) -> dict[str, Any]:
    if one.reply:
        return {"description": "Done.", "content": {one.media: _ref(one.reply)}}
    if one.media != "application/json":
        return {"description": "Done.", "content": {one.media: {"schema": {"type": "string"}}}}
    return {"description": "Done.", "content": {one.media: {"schema": {}}}}


def _refused() -> dict[str, Any]:
    return {"description": "Refused.", "content": {"application/json": _ref(schemas.ErrorReply)}}


def _ref(model: type[BaseModel]) -> dict[str, Any]:
    return {"schema": {"$ref": f"#/components/schemas/{model.__name__}"}}


def _name(model: type[BaseModel]) -> str:
    return model.__name__


class OpenAPIHandler(ApiHandler):
    """`openapi.json`. Needs no token."""

    def get(self) -> None:
        """The document."""
        self.reply(document())
