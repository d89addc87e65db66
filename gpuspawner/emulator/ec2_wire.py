"""What goes over the wire: one request taken apart, and the answers EC2 gives.

EC2 speaks its own protocol: a form in, XML out. SSM and Service Quotas speak JSON with the action
in a header. Source: botocore 1.44.5, `data/ec2/2016-11-15/service-2.json`.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode
from xml.sax.saxutils import escape

from gpuspawner.emulator.wire import Answer, Dropped, Refusal

__all__ = ["Answer", "Call", "Dropped", "Refusal", "items", "parse", "refusal", "tag", "xml"]

NAMESPACE = "http://ec2.amazonaws.com/doc/2016-11-15/"
_CREDENTIAL = re.compile(r"Credential=[^/]+/\d+/([^/]+)/([^/]+)/aws4_request")


@dataclass(frozen=True)
class Call:
    """One API call. `params` are the flat parameters of the form, empty for the JSON services."""

    service: str
    region: str
    action: str
    params: Mapping[str, str]
    body: bytes = b""

    @property
    def describes(self) -> bool:
        """Whether it only reads, from replicas that may lag behind."""
        return self.action.startswith("Describe")

    @property
    def dry_run(self) -> bool:
        """Whether only the permission is asked for."""
        return self.params.get("DryRun", "").lower() == "true"

    def numbered(self, name: str) -> list[str]:
        """The values of `name.1`, `name.2`, … in order."""
        prefix = name + "."
        keys = [
            key for key in self.params if key.startswith(prefix) and key[len(prefix) :].isdigit()
        ]
        return [self.params[key] for key in sorted(keys, key=lambda key: int(key[len(prefix) :]))]

    def replaced(self, **params: str) -> Call:
        """The same call with other values for some parameters."""
        changed = {**self.params, **params}
        return Call(self.service, self.region, self.action, changed, urlencode(changed).encode())


def parse(environ: Mapping[str, object], body: bytes) -> Call:
    """The call that a signed request makes; the signature itself is not checked."""
    found = _CREDENTIAL.search(str(environ.get("HTTP_AUTHORIZATION", "")))
    region, service = found.groups() if found else ("", "")
    target = str(environ.get("HTTP_X_AMZ_TARGET", ""))
    if target:
        return Call(service, region, target.rpartition(".")[2], {}, body)
    form = str(environ.get("CONTENT_TYPE", "")).startswith("application/x-www-form-urlencoded")
    params = dict(parse_qsl(body.decode(), keep_blank_values=True)) if form else {}
    return Call(service, region, params.get("Action", ""), params, body)


def xml(action: str, inner: str) -> Answer:
    """The answer to `action` with `inner` as its content."""
    head = f'<?xml version="1.0" encoding="UTF-8"?>\n<{action}Response xmlns="{NAMESPACE}">'
    request = f"<requestId>{uuid.uuid4()}</requestId>"
    return Answer(200, f"{head}{request}{inner}</{action}Response>".encode())


def items(name: str, members: Iterable[str]) -> str:
    """A list, as EC2 writes lists."""
    return f"<{name}>" + "".join(f"<item>{member}</item>" for member in members) + f"</{name}>"


def tag(name: str, value: object) -> str:
    """One element with escaped text."""
    return f"<{name}>{escape(str(value))}</{name}>"


def refusal(call: Call, error: Refusal) -> Answer:
    """`error` in the words of the call's protocol."""
    if call.service in JSON_SERVICES:
        body = json.dumps({"__type": error.code, "message": error.message}).encode()
        return Answer(error.status, body, "application/x-amz-json-1.1")
    inner = f"<Error>{tag('Code', error.code)}{tag('Message', error.message)}</Error>"
    text = f"<Response><Errors>{inner}</Errors>{tag('RequestID', uuid.uuid4())}</Response>"
    return Answer(error.status, text.encode())


JSON_SERVICES = frozenset({"ssm", "servicequotas", "pricing"})
"""The services of ours that speak JSON, by the name they are signed with."""
