"""What Azure really answered once (azure-cli, 2020), as sessions that can be played to our emulator.

A session is a list of exchanges. Names that are another's are put into ours: the subscription, the
group, the region, the size, the image, the network. What a deployment made at once, a network
interface and a machine, is taken out of its template and sent as the two requests that the
deployment made itself; their answers were not recorded, so nothing is compared with them.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import yaml

from gpuspawner.emulator.arm_world import Seed
from tests.emulator.azure_types import FOLDER

SESSIONS = ("test_vm_create_no_wait", "test_vm_create_ubuntu", "test_vm_usage")
REGION = "koreacentral"
SIZE = "Standard_NC4as_T4_v3"
_DEPLOYED = ("Microsoft.Network/networkInterfaces", "Microsoft.Compute/virtualMachines")
_IGNORED = ("virtualnetworks", "publicipaddresses", "deployments", "aliases.json")
"""What our emulator has not, since the controller never asks for it."""


@dataclass(frozen=True)
class Exchange:
    """One request, and what was recorded of its answer; `status` 0 when nothing was.

    `state` is that of the machine when Azure answered, which ours is brought to first.
    """

    method: str
    path: str
    query: dict[str, str] = field(default_factory=dict)
    body: Any = None
    status: int = 0
    headers: frozenset[str] = frozenset()
    content: Any = None

    @property
    def kind(self) -> str:
        """Such as `virtualMachines`."""
        parts = self.path.strip("/").split("/")
        return parts[-1] if parts[-1] == "usages" else parts[-2]

    @property
    def state(self) -> str:
        """What the machine was when this was answered; `Creating 1` and `Creating 2` while it boots."""
        properties = (self.content or {}).get("properties") or {}
        said = str(properties.get("provisioningState", ""))
        codes = [
            one["code"] for one in (properties.get("instanceView") or {}).get("statuses") or []
        ]
        if said != "Creating":
            return said
        late = any(code.endswith("/osProvisioningInProgress") for code in codes)
        return "Creating 2" if late else "Creating 1"


def session(name: str, seed: Seed) -> list[Exchange]:
    """The exchanges of one recording, in our names."""
    path = FOLDER / "recordings" / "azure-cli" / f"{name}.yaml"
    ours = _Names(path.read_text(encoding="utf-8"), seed)
    return list(_exchanges(yaml.safe_load(ours.text), ours))


def _exchanges(recorded: Any, ours: _Names) -> Iterator[Exchange]:
    due: list[Exchange] = []
    for one in recorded["interactions"]:
        request, answer = one["request"], one["response"]
        parts = urlsplit(request["uri"])
        body = _content(request["body"])
        if "/deployments/" in parts.path.lower() and request["method"] == "PUT":
            due = list(_deployed(body, ours))
        if any(word in parts.path.lower() for word in _IGNORED):
            continue
        if answer["status"]["code"] < 300:
            # A deployment takes its time: what it makes is there when Azure first shows it.
            yield from due
            due = []
        yield Exchange(
            request["method"],
            parts.path,
            {k: v for k, v in parse_qsl(parts.query) if k != "api-version"},
            body,
            answer["status"]["code"],
            frozenset(map(str.lower, answer["headers"])),
            _content(answer["body"]["string"]),
        )


def _deployed(body: Any, ours: _Names) -> Iterator[Exchange]:
    resources = {one["type"]: one for one in body["properties"]["template"]["resources"]}
    for kind in _DEPLOYED:
        one = resources[kind]
        wanted = {key: one[key] for key in ("location", "tags", "properties")}
        yield Exchange("PUT", f"{ours.group}/providers/{kind}/{one['name']}", body=wanted)


class _Names:
    """A recording with its names put into ours."""

    def __init__(self, text: str, seed: Seed) -> None:
        self.group = f"/subscriptions/{seed.subscription}/resourceGroups/{seed.group}"
        swaps = [
            (r"00000000-0000-0000-0000-000000000000", seed.subscription),
            (r"(?i)cli_test_vm_(no_wait|create_ubuntu)\w+", seed.group),
            (r"/[\w/.-]+/virtualNetworks/[\w-]+VNET/subnets/[\w-]+", seed.subnet_id(REGION)),
            (r"\bwestus\b", REGION),
            (r"Standard_DS1_v2", SIZE),
            (r"Canonical", seed.publisher),
            (r"UbuntuServer", seed.offer),
            (r"18\.04-LTS", seed.sku),
            (r"18\.04\.202006101", seed.version),
        ]
        for pattern, name in swaps:
            text = re.sub(pattern, name, text)
        self.text = text


def _content(text: Any) -> Any:
    """JSON; a request is kept as the text of Python's bytes now and then."""
    if not text:
        return None
    if isinstance(text, str) and text.startswith("b'"):
        text = ast.literal_eval(text)
    try:
        return json.loads(text)
    except ValueError:
        return None  # not Azure's: a list of images' names from elsewhere
