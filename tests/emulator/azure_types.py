"""Holds what goes over the wire against Microsoft's own types, where a copy of them is at hand.

The types are in a folder beside the checkout. Without it nothing is checked here, and the tests
pass all the same.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema

from gpuspawner.emulator.arm_app import body_of
from gpuspawner.emulator.arm_wire import Answer, Call
from tests.house import sources

FOLDER = Path(os.environ.get("AZURE_SPECS") or sources.ROOT.parent / "shared" / "azure-specs")
HERE = FOLDER.is_dir()
_TYPES = FOLDER / "bicep-types-az" / "generated"
_OPENAPI = FOLDER / (
    "azure-rest-api-specs/specification/compute/resource-manager/Microsoft.Compute/stable/2021-07-01"
)

REQUIRED, READ_ONLY, WRITE_ONLY, CONSTANT = 1, 2, 4, 8

_VM = ("compute_1/microsoft.compute/2026-04-01", "Microsoft.Compute/virtualMachines")
_NIC = ("network/microsoft.network/2025-09-01", "Microsoft.Network/networkInterfaces")
_ANSWERED = {
    "VirtualMachines_Get": _VM,
    "VirtualMachines_CreateOrUpdate": _VM,
    "VirtualMachines_Update": _VM,
    "VirtualMachines_List": _VM,
    "VirtualMachines_ListAll": _VM,
    "NetworkInterfaces_List": _NIC,
    "NetworkInterfaces_Get": _NIC,
}
_DEFINITIONS = {
    "VirtualMachines_Get": "VirtualMachine",
    "VirtualMachines_CreateOrUpdate": "VirtualMachine",
    "VirtualMachines_InstanceView": "VirtualMachineInstanceView",
    "VirtualMachines_List": "VirtualMachineListResult",
    "VirtualMachines_ListAll": "VirtualMachineListResult",
    "Usage_List": "ListUsagesResult",
    "ResourceSkus_List": "ResourceSkusResult",
}


def violations(call: Call, answer: Answer) -> list[str]:
    """What is wrong with one call and its answer, in sentences; nothing without the types."""
    if not HERE:
        return []
    content = body_of(answer)
    found: list[str] = []
    if call.action == "VirtualMachines_CreateOrUpdate":
        found += checked(call.body, _VM, request=True)
    if answer.status < 300 and content is not None:
        kind = _ANSWERED.get(call.action)
        entries = content.get("value", [content]) if kind else []
        found += [one for entry in entries for one in checked(entry, kind, request=False)]
        found += _schema(call.action, content)
    found += _status(call, answer)
    return [f"{call.action}: {one}" for one in found]


def checked(content: Any, kind: tuple[str, str], *, request: bool) -> list[str]:
    """What is wrong with a resource by the bicep types."""
    types, index = _resource(*kind)
    return list(_walk(content, types, index, kind[1].rpartition("/")[2], request=request))


def _walk(value: Any, types: list[Any], index: int, path: str, *, request: bool) -> Iterator[str]:
    kind = types[index]
    name = kind["$type"]
    if value is None or name == "AnyType":
        return
    if name == "ObjectType":
        if not isinstance(value, Mapping):
            yield f"{path} is not an object"
            return
        yield from _object(value, types, kind, path, request=request)
    elif name == "ArrayType":
        if not isinstance(value, list):
            yield f"{path} is not a list"
            return
        for number, one in enumerate(value):
            yield from _walk(
                one, types, _ref(kind["itemType"]), f"{path}[{number}]", request=request
            )
    elif name == "UnionType":
        members = [types[_ref(one)] for one in kind["elements"]]
        literals = [one["value"] for one in members if one["$type"] == "StringLiteralType"]
        if all(one["$type"] == "StringLiteralType" for one in members) and value not in literals:
            yield f"{path} is {value!r}, not one of {literals}"
    else:
        yield from _plain(value, kind, path)


def _plain(value: Any, kind: Any, path: str) -> Iterator[str]:
    name = kind["$type"]
    if name == "StringLiteralType" and value != kind["value"]:
        yield f"{path} is {value!r}, not {kind['value']!r}"
    elif name == "StringType" and not isinstance(value, str):
        yield f"{path} is not a text"
    elif name == "IntegerType" and (not isinstance(value, int) or isinstance(value, bool)):
        yield f"{path} is not a whole number"
    elif name == "BooleanType" and not isinstance(value, bool):
        yield f"{path} is neither true nor false"


def _object(
    value: Mapping[str, Any], types: list[Any], kind: Any, path: str, *, request: bool
) -> Iterator[str]:
    known = kind.get("properties", {})
    more = kind.get("additionalProperties")
    for key, one in value.items():
        if key not in known:
            if more is None:
                yield f"{path}.{key} is unknown"
            else:
                yield from _walk(one, types, _ref(more), f"{path}.{key}", request=request)
            continue
        flags = known[key]["flags"]
        if request and flags & READ_ONLY and not flags & CONSTANT:
            yield f"{path}.{key} is read-only"
        if not request and flags & WRITE_ONLY:
            yield f"{path}.{key} must not be returned"
        yield from _walk(one, types, _ref(known[key]["type"]), f"{path}.{key}", request=request)
    for key, one in known.items():
        needed = one["flags"] & REQUIRED and not one["flags"] & (READ_ONLY | CONSTANT)
        if request and needed and value.get(key) is None:
            yield f"{path}.{key} is missing"


def _ref(one: Mapping[str, str]) -> int:
    return int(one["$ref"][2:])


@functools.cache
def _types(folder: str) -> list[Any]:
    return json.loads((_TYPES / folder / "types.json").read_text())


@functools.cache
def _resource(folder: str, name: str) -> tuple[list[Any], int]:
    types = _types(folder)
    for one in types:
        if one["$type"] == "ResourceType" and one["name"].startswith(name + "@"):
            return types, _ref(one["body"])
    raise AssertionError(f"{name} is not in {folder}")


@functools.cache
def openapi() -> Any:
    return json.loads((_OPENAPI / "compute.json").read_text())


@functools.cache
def _validator(name: str) -> Any:
    document = openapi()
    if name == "ResourceSkusResult":
        document = json.loads((_OPENAPI / "skus.json").read_text())
    definitions = _opened(document["definitions"])
    schema = {"$ref": f"#/definitions/{name}", "definitions": definitions}
    return jsonschema.Draft4Validator(schema)


def _opened(schema: Any) -> Any:
    """The schema without the lists of values that Microsoft itself calls open."""
    if isinstance(schema, list):
        return [_opened(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    is_open = (schema.get("x-ms-enum") or {}).get("modelAsString")
    return {key: _opened(one) for key, one in schema.items() if not (is_open and key == "enum")}


def _schema(action: str, content: Any) -> list[str]:
    name = _DEFINITIONS.get(action)
    if name is None:
        return []
    return [f"{one.json_path}: {one.message}" for one in _validator(name).iter_errors(content)]


@functools.cache
def _statuses() -> Mapping[str, set[int]]:
    return {
        operation["operationId"]: {int(code) for code in operation["responses"] if code.isdigit()}
        for path in openapi()["paths"].values()
        for operation in path.values()
        if isinstance(operation, dict) and "operationId" in operation
    }


def _status(call: Call, answer: Answer) -> list[str]:
    legal = _statuses().get(call.action)
    if legal is None or answer.status >= 400 or answer.status in legal:
        return []
    return [f"the status is {answer.status}, not one of {sorted(legal)}"]
