"""What goes over the wire: one ARM request taken apart, and the answers Azure gives.

An action is called as in Microsoft's OpenAPI files (`operationId`). Paths are compared without
regard to case, as ARM does. Source: azure-rest-api-specs, Microsoft.Compute 2021-07-01 and
2026-04-01, Microsoft.Network 2025-09-01.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from gpuspawner.emulator.wire import Answer, Dropped, Refusal

__all__ = ["Answer", "Call", "Dropped", "Refusal", "answer", "parse", "refusal", "resource_id"]

JSON = "application/json; charset=utf-8"
_SUBSCRIPTION = r"/subscriptions/(?P<subscription>[^/]+)"
_GROUP = _SUBSCRIPTION + r"/resourcegroups/(?P<group>[^/]+)"
_COMPUTE = "/providers/microsoft.compute"
_NETWORK = "/providers/microsoft.network"
_VM = _GROUP + _COMPUTE + r"/virtualmachines/(?P<name>[^/]+)"
_DISK = _GROUP + _COMPUTE + r"/disks/(?P<name>[^/]+)"
_NIC = _GROUP + _NETWORK + r"/networkinterfaces/(?P<name>[^/]+)"
_WORKFLOW = _GROUP + r"/providers/microsoft.logic/workflows/(?P<name>[^/]+)"
_LOCATION = _SUBSCRIPTION + _COMPUTE + r"/locations/(?P<location>[^/]+)"
_IMAGES = (
    _LOCATION + r"/publishers/(?P<publisher>[^/]+)/artifacttypes/vmimage/offers/(?P<offer>[^/]+)"
    r"/skus/(?P<sku>[^/]+)/versions"
)
_ROUTES = [
    (re.compile(pattern, re.IGNORECASE), methods)
    for pattern, methods in (
        (_SUBSCRIPTION, {"GET": "Subscriptions_Get"}),
        (_GROUP, {"GET": "ResourceGroups_Get", "PUT": "ResourceGroups_CreateOrUpdate"}),
        (_SUBSCRIPTION + _COMPUTE + "/virtualmachines", {"GET": "VirtualMachines_ListAll"}),
        (_SUBSCRIPTION + _COMPUTE + "/skus", {"GET": "ResourceSkus_List"}),
        (_LOCATION + "/usages", {"GET": "Usage_List"}),
        (_LOCATION + r"/operations/(?P<operation>[^/]+)", {"GET": "Operations_Get"}),
        (_IMAGES, {"GET": "VirtualMachineImages_List"}),
        (_IMAGES + r"/(?P<version>[^/]+)", {"GET": "VirtualMachineImages_Get"}),
        (_GROUP + _COMPUTE + "/virtualmachines", {"GET": "VirtualMachines_List"}),
        (
            _VM,
            {
                "GET": "VirtualMachines_Get",
                "PUT": "VirtualMachines_CreateOrUpdate",
                "PATCH": "VirtualMachines_Update",
                "DELETE": "VirtualMachines_Delete",
            },
        ),
        (_VM + "/instanceview", {"GET": "VirtualMachines_InstanceView"}),
        (_VM + "/start", {"POST": "VirtualMachines_Start"}),
        (_VM + "/restart", {"POST": "VirtualMachines_Restart"}),
        (_VM + "/poweroff", {"POST": "VirtualMachines_PowerOff"}),
        (_VM + "/deallocate", {"POST": "VirtualMachines_Deallocate"}),
        (_VM + "/attachdetachdatadisks", {"POST": "VirtualMachines_AttachDetachDataDisks"}),
        (
            _VM + "/retrievebootdiagnosticsdata",
            {"POST": "VirtualMachines_RetrieveBootDiagnosticsData"},
        ),
        (_GROUP + _COMPUTE + "/disks", {"GET": "Disks_ListByResourceGroup"}),
        (
            _DISK,
            {"GET": "Disks_Get", "PUT": "Disks_CreateOrUpdate", "DELETE": "Disks_Delete"},
        ),
        (_GROUP + _NETWORK + "/networkinterfaces", {"GET": "NetworkInterfaces_List"}),
        (
            _NIC,
            {
                "GET": "NetworkInterfaces_Get",
                "PUT": "NetworkInterfaces_CreateOrUpdate",
                "DELETE": "NetworkInterfaces_Delete",
            },
        ),
        (
            _GROUP + _NETWORK + r"/virtualnetworks/(?P<network>[^/]+)/subnets/(?P<name>[^/]+)",
            {"GET": "Subnets_Get"},
        ),
        (
            _WORKFLOW,
            {"GET": "Workflows_Get", "PUT": "Workflows_CreateOrUpdate"},
        ),
        (_WORKFLOW + "/runs", {"GET": "WorkflowRuns_List"}),
        (
            _GROUP + _COMPUTE + r"/galleries/(?P<gallery>[^/]+)/images/(?P<image>[^/]+)"
            r"/versions/(?P<version>[^/]+)",
            {"GET": "GalleryImageVersions_Get"},
        ),
    )
]


SKIP = "$skiptoken"
"""The parameter that asks for a further page of a list."""


@dataclass(frozen=True)
class Call:
    """One request. `params` are what the path names and the query gives; `body` is the JSON.

    A request that creates or resizes a machine has `size` and `zone` in `params` as well, so that a
    fault rule can be meant for it.
    """

    method: str
    path: str
    action: str
    params: Mapping[str, str]
    body: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def reads(self) -> bool:
        """Whether it changes nothing."""
        return self.method == "GET"

    @property
    def counted_as(self) -> str:
        """Its action; a list is counted apart from the further pages of it, which come of its length."""
        return f"{self.action}, further page" if SKIP in self.params else self.action


def parse(method: str, target: str, headers: Mapping[str, str], body: bytes) -> Call:
    """The call that a request makes.

    Raises:
        Refusal: there is no such route, the version is missing, or the body is not a JSON object.
    """
    parts = urlsplit(target)
    path = unquote(parts.path)
    query = dict(parse_qsl(parts.query))
    for pattern, methods in _ROUTES:
        if (found := pattern.fullmatch(path.rstrip("/"))) and method in methods:
            break
    else:
        message = f"No registered resource provider found for {method} {path}."
        raise Refusal("NotFound", message, 404)
    if "api-version" not in query:
        message = "The api-version query parameter (?api-version=) is required for all requests."
        raise Refusal("MissingApiVersionParameter", message, 400)
    try:
        content = json.loads(body) if body else {}
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise Refusal("InvalidRequestContent", "The request content was invalid.", 400)
    params = {**query, **found.groupdict(), **_of_body(content)}
    lower = {key.lower(): value for key, value in headers.items()}
    return Call(method, path, methods[method], params, content, lower)


def answer(
    status: int,
    content: Mapping[str, Any] | Sequence[Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """An answer in JSON; empty when there is nothing to say."""
    body = b"" if content is None else json.dumps(content).encode()
    return Answer(status, body, JSON, headers or {})


def refusal(error: Refusal, *, wrapped: bool = True) -> Answer:
    """`error` in ARM's words. The compute service's own 429 comes without the outer `error`."""
    said: dict[str, Any] = {"code": error.code, "message": error.message}
    if error.details:
        said["details"] = list(error.details)
    return answer(error.status, {"error": said} if wrapped else said, error.headers)


def resource_id(subscription: str, group: str, kind: str, name: str) -> str:
    """The full id of a resource; `kind` is such as `Microsoft.Compute/disks`."""
    return f"/subscriptions/{subscription}/resourceGroups/{group}/providers/{kind}/{name}"


def _of_body(content: Mapping[str, Any]) -> dict[str, str]:
    properties = content.get("properties")
    size = ((properties or {}).get("hardwareProfile") or {}).get("vmSize")
    zones = content.get("zones") or []
    return {**({"size": size} if size else {}), **({"zone": zones[0]} if zones else {})}
