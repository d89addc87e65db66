"""What a page sends to a kernel, taken apart as far as somebody wants to know it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from jupyter_server.services.kernels.connection.base import (
    deserialize_binary_message,
    deserialize_msg_from_ws_v1,
)

_V1 = "v1.kernel.websocket.jupyter.org"
_LOUDEST = 1 << 20
"""The content of a message that is larger than this, as JSON, is not taken apart."""


@dataclass(frozen=True)
class Sent:
    """A message from a page to a kernel.

    `content` is empty where it is too large to be looked at for no more than to see who sent it.
    """

    channel: str
    kind: str
    name: str
    metadata: dict[str, Any]
    content: dict[str, Any]


def taken_apart(
    raw: str | bytes, protocol: str | None, wanted: set[tuple[str, str]]
) -> Sent | None:
    """The message `raw`, if its channel and its type are among `wanted`; else None.

    Raises:
        Exception: it is no message of the protocol.
    """
    if protocol == _V1:
        assert isinstance(raw, bytes)
        channel, parts = deserialize_msg_from_ws_v1(raw)  # type: ignore[no-untyped-call]
        header = json.loads(parts[0])
        if (channel, header["msg_type"]) not in wanted:
            return None
        content = json.loads(parts[3]) if len(parts[3]) <= _LOUDEST else {}
        return Sent(channel, header["msg_type"], header["msg_id"], json.loads(parts[2]), content)
    message = deserialize_binary_message(raw) if isinstance(raw, bytes) else json.loads(raw)  # type: ignore[no-untyped-call]
    channel, header = message.get("channel") or "shell", message["header"]
    if (channel, header["msg_type"]) not in wanted:
        return None
    metadata = message.get("metadata") or {}
    return Sent(channel, header["msg_type"], header["msg_id"], metadata, message["content"])
