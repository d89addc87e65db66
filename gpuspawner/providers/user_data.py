"""What a machine is told at its first boot: where the controller is, and its one-time ticket.

The format is set down in `docs/explain/protocols.md`. The first line makes cloud-init take the rest
as its own; YAML contains JSON, so any image's cloud-init reads it and ignores the key it does not
know. The agent reads the second line. Nothing in it is secret once the start is over.
"""

from __future__ import annotations

import json

from gpuspawner.errors import InvalidSpec

LIMIT = 16 * 1024
"""EC2's limit, in bytes before base64 (EC2 user guide, "Instance user data"); Azure's is larger."""


def render(agent_url: str, ticket: str, ca: str = "") -> bytes:
    """The user data of one machine. The same arguments give the same bytes, for a replay.

    `agent_url` is the agent's part of the controller as the machine reaches it, `ca` the PEM text
    of an authority to trust for it, left out when empty.

    Raises:
        InvalidSpec: it is longer than 16 KiB.
    """
    content: dict[str, object] = {"version": 1, "url": agent_url, "ticket": ticket}
    if ca:
        content["ca"] = ca
    text = json.dumps({"gpuspawner": content}, sort_keys=True, ensure_ascii=True)
    data = f"#cloud-config\n{text}\n".encode("ascii")
    if len(data) > LIMIT:
        raise InvalidSpec(f"the user data is {len(data)} bytes long; {LIMIT} are allowed")
    return data
