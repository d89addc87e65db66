"""How much one account may ask for: token buckets, vCPU quotas, and what a zone has free.

The buckets are those of AWS's page "Request throttling for the Amazon EC2 API" (capacity, refill
per second): per account and region, each action its own. A refused request takes no token.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from gpuspawner.emulator.ec2_wire import Call, Refusal
from gpuspawner.emulator.fault_schema import Terms

REQUESTS: dict[str, tuple[int, int]] = {
    "RunInstances": (5, 2),
    "StartInstances": (5, 2),
    "TerminateInstances": (100, 5),
    "CreateTags": (100, 10),
    "DeleteTags": (100, 10),
    "CreateVolume": (100, 5),
    "DeleteVolume": (100, 5),
    "CreateSnapshot": (100, 5),
}
MUTATING = (50, 5)
READING = (100, 20)
READING_ALL = (50, 10)
COSTLY_WITHOUT_FILTER = frozenset(
    {
        "DescribeInstances",
        "DescribeInstanceStatus",
        "DescribeVolumes",
        "DescribeNetworkInterfaces",
        "DescribeSecurityGroups",
        "DescribeSnapshots",
    }
)
RESOURCES: dict[str, tuple[int, int]] = {
    "RunInstances": (1000, 2),
    "StartInstances": (1000, 2),
    "StopInstances": (1000, 20),
    "TerminateInstances": (1000, 20),
}

QUOTAS: dict[str, tuple[str, float]] = {
    "L-DB2E81BA": ("Running On-Demand G and VT instances", 512),
    "L-417A185B": ("Running On-Demand P instances", 64),
    "L-1216C47A": ("Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances", 1152),
}
"""Quota code: AWS's name of it, and the vCPUs it allows here at start."""


TERMS = Terms(
    quotas={code: limit for code, (_, limit) in QUOTAS.items()},
    statuses={
        "InsufficientInstanceCapacity": 500,
        "InternalError": 500,
        "ServerInternal": 500,
        "RequestLimitExceeded": 503,
        "ServiceUnavailable": 503,
        "Unavailable": 503,
        "UnauthorizedOperation": 403,
    },
)
"""What fault rules may name here."""


@dataclass
class Bucket:
    """A token bucket that is full at first."""

    capacity: float
    refill: float
    tokens: float
    at: float

    def take(self, tokens: float, now: float) -> bool:
        """Whether there were so many; none are taken if not."""
        self.tokens = min(self.capacity, self.tokens + (now - self.at) * self.refill)
        self.at = now
        if self.tokens + 1e-9 < tokens:
            return False
        self.tokens -= tokens
        return True


def request_bucket(call: Call) -> tuple[str, tuple[int, int]]:
    """The bucket's name and (capacity, refill per second) that one request of this kind draws on."""
    action = call.action
    if not action.startswith(("Describe", "Get", "List", "Search")):
        return action, REQUESTS.get(action, MUTATING)
    narrowed = any(key.startswith(("Filter.", "MaxResults")) for key in call.params)
    if action in COSTLY_WITHOUT_FILTER and not narrowed:
        return action + " (all)", READING_ALL
    return action, READING


def resources(call: Call) -> int:
    """How many machines the call asks to change."""
    if call.action == "RunInstances":
        return int(call.params.get("MaxCount", "1"))
    return len(call.numbered("InstanceId"))


class Throttle:
    """All buckets of one account in one region."""

    def __init__(self) -> None:
        self._buckets: dict[str, Bucket] = {}

    def admit(self, call: Call, now: float) -> None:
        """Take the call's tokens.

        Raises:
            Refusal: `RequestLimitExceeded`, HTTP 503.
        """
        name, size = request_bucket(call)
        if not self._take(name, size, 1, now):
            raise _throttled()
        if call.action in RESOURCES and not call.dry_run:
            size = RESOURCES[call.action]
            if not self._take(call.action + " (resources)", size, resources(call), now):
                raise _throttled()

    def _take(self, name: str, size: tuple[int, int], tokens: int, now: float) -> bool:
        capacity, refill = size
        bucket = self._buckets.setdefault(name, Bucket(capacity, refill, capacity, now))
        return bucket.take(tokens, now)


def _throttled() -> Refusal:
    return Refusal("RequestLimitExceeded", "Request limit exceeded.", 503)


def quota_of(machine_type: str) -> str:
    """The code of the quota that a type counts against, "" when it has none here."""
    family = machine_type.partition(".")[0]
    if family.startswith(("g", "vt")):
        return "L-DB2E81BA"
    if family.startswith("p"):
        return "L-417A185B"
    return "L-1216C47A" if family[:1] in "acdhimrtz" else ""


def room_for(vcpus: int, used: float, limit: float) -> float:
    """How many machines of `vcpus` fit under a quota that is `used` so far."""
    return math.floor((limit - used) / vcpus) if vcpus else math.inf


def no_capacity(machine_type: str, zone: str) -> Refusal:
    """AWS has no such machine free; it says so as a server error, which SDKs like to repeat."""
    message = (
        f"We currently do not have sufficient {machine_type} capacity in the Availability Zone you "
        f"requested ({zone}). Our system will be working on provisioning additional capacity."
    )
    return Refusal("InsufficientInstanceCapacity", message, 500)


def over_quota(limit: float) -> Refusal:
    """The account's vCPU limit for the family would be passed."""
    message = (
        f"You have requested more vCPU capacity than your current vCPU limit of {limit:g} allows "
        "for the instance bucket that the specified instance type belongs to."
    )
    return Refusal("VcpuLimitExceeded", message)
