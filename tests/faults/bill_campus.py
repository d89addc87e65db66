"""What the bill's tests ask of a campus: from outside, and of the emulated cloud's own bill."""

from __future__ import annotations

import contextlib
import json
from urllib.parse import quote
from urllib.request import Request, urlopen

from tests.faults.campus import OFF, TOKEN

HASTY = """
def _hasty(spawner):
    if spawner.user.name.startswith("hasty"):
        spawner.start_timeout = 20 if spawner.user.name == "hasty-mute" else 10
c.GPUSpawner.pre_spawn_hook = _hasty
"""
"""A line of configuration: users whose names begin so have little time to start.

Who is mute is to have a machine by then, also where the tests are many and slow."""


def all_machines(campus, user, server=""):
    """Every machine that a claim ever had and the cloud still lists, the terminated ones too."""
    claim = campus.claim_of(user, server)
    return [
        one
        for one in campus.cloud("machines")["machines"]
        if one["tags"].get("gpuspawner:claim") == claim
    ]


def lines(campus, user, server=""):
    """The lines of the cloud's bill for the computing of one claim, in order."""
    ids = {one["id"] for one in all_machines(campus, user, server)}
    return [
        line
        for line in campus.cloud("bill")["lines"]
        if line["kind"] == "machine" and line["id"] in ids
    ]


def running_up(campus, user, server=""):
    """The lines that grow now."""
    return [line for line in lines(campus, user, server) if line["to"] is None]


def free(campus, user, server=""):
    """Whether nothing of the claim is billed, or about to be, but its disks."""
    return not running_up(campus, user, server) and all(
        one["state"] in OFF for one in all_machines(campus, user, server)
    )


def over(campus, user, server=""):
    """Whether a session is over everywhere: in the hub, in the controller, on the bill."""
    view = campus.view(user, server)
    return (
        campus.gone(user, server)
        and free(campus, user, server)
        and (view is None or (view["desired"], view["billed"]) == ("stopped", False))
    )


def asked(campus, user, server=""):
    """Whether a request to make the machine is under way: sent, and not answered."""
    return campus.rows(
        "SELECT id FROM intents WHERE claim = ? AND state = 'open'", campus.claim_of(user, server)
    )


def attempts(campus, user):
    """What became of each attempt to make a machine for the user."""
    found = campus.rows("SELECT state FROM intents WHERE claim = ?", campus.claim_of(user))
    return [one["state"] for one in found]


def creating(campus, user, **fault):
    """A fault that comes over the creation of one student's machine."""
    claim = campus.claim_of(user)
    match = {"TagSpecification.1.Tag.1.Value": claim}
    if campus.kind.name == "azure":
        match = {"name": f"{claim}-*"}  # its machines are called so
    campus.cloud("faults", {"action": "RunInstances", "match": match, **fault})


def behaves(campus, user, behaviour):
    """How the student's machine behaves at its next boot, once."""
    rule = {"kind": "machines", "behaviour": behaviour, "tag": campus.claim_of(user), "count": 1}
    campus.cloud("faults", rule)


@contextlib.contextmanager
def trouble(campus, *rules):
    """Faults of the whole cloud for a while; they end all other faults with them."""
    campus.cloud("faults", list(rules))
    try:
        yield
    finally:
        campus.cloud("faults", method="DELETE")


def power(campus, user, action, server=""):
    """Do something to the student's machine behind our back."""
    machine = campus.machine(user, server)
    campus.cloud(f"machines/{machine['id']}/power", {"action": action})
    return machine


def story(campus, user, server=""):
    """Every event of the page of a starting server, to the stream's own end."""
    where = f"servers/{quote(server)}" if server else "server"
    request = Request(
        f"{campus.hub_url}/hub/api/users/{quote(user)}/{where}/progress",
        headers={"Authorization": f"token {TOKEN}"},
    )
    with urlopen(request, timeout=60) as stream:
        return [json.loads(line[5:]) for line in stream if line.startswith(b"data:")]


def told(campus, user, server=""):
    """What the student is told at the end of a start that failed."""
    events = story(campus, user, server)
    assert events[-1].get("failed"), events
    return events[-1]["message"]


def write(campus, user, text):
    """Leave a file in the student's home."""
    status, _ = campus.page(user, "/stub/file/work.txt", method="PUT", body=text)
    assert status == 201


def read(campus, user):
    """The file in the student's home."""
    return campus.page(user, "/stub/file/work.txt")[1]
