"""How much one subscription may ask for: token buckets, quotas, and what a zone has free.

The buckets are those of two pages of Microsoft's: "Understand how Azure Resource Manager throttles
requests" (subscription and principal: bucket, refill a second) and "Compute throttling limits"
(per minute: refill, bucket), for the subscription and for each machine. A refused request takes
no token.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from gpuspawner.emulator.arm_sizes import CORES, FAMILIES, Size
from gpuspawner.emulator.arm_wire import Call, Refusal
from gpuspawner.emulator.fault_schema import Terms

ARM: dict[str, tuple[int, float]] = {"reads": (250, 25), "writes": (200, 10), "deletes": (200, 10)}

_PUT, _UPDATE, _DELETE, _LOW, _HIGH, _OPERATION = (
    "PutVM", "UpdateVM", "DeleteVM", "LowCostGet", "HighCostGet", "GetOperation",
)  # fmt: skip
COMPUTE: dict[str, tuple[tuple[int, int] | None, tuple[int, int]]] = {
    _PUT: ((4, 12), (500, 1500)),
    _UPDATE: ((4, 12), (500, 1500)),
    _DELETE: ((4, 12), (500, 1500)),
    _LOW: ((12, 36), (8000, 24000)),
    _HIGH: (None, (300, 900)),
    _OPERATION: (None, (5000, 15000)),
}
"""Policy: (per machine, of the subscription), each refill a minute and bucket."""

_POLICY = {
    "VirtualMachines_CreateOrUpdate": _PUT,
    "VirtualMachines_Update": _UPDATE,
    "VirtualMachines_Start": _UPDATE,
    "VirtualMachines_Restart": _UPDATE,
    "VirtualMachines_PowerOff": _UPDATE,
    "VirtualMachines_AttachDetachDataDisks": _UPDATE,
    "VirtualMachines_Delete": _DELETE,
    "VirtualMachines_Deallocate": _DELETE,
    "VirtualMachines_Get": _LOW,
    "VirtualMachines_InstanceView": _LOW,
    "VirtualMachines_List": _HIGH,
    "VirtualMachines_ListAll": _HIGH,
    "Operations_Get": _OPERATION,
}

TERMS = Terms(
    quotas={CORES: 400.0, **dict.fromkeys(FAMILIES, 240.0)},
    statuses={
        "AllocationFailed": 409,
        "AnotherOperationInProgress": 429,
        "AuthenticationFailed": 401,
        "AuthorizationFailed": 403,
        "Conflict": 409,
        "InternalServerError": 500,
        "OperationNotAllowed": 409,
        "OverconstrainedZonalAllocationRequest": 409,
        "RetryableErrorDueToAnotherOperation": 429,
        "ServerTimeout": 503,
        "ServiceUnavailable": 503,
        "SkuNotAvailable": 409,
        "TooManyRequests": 429,
        "ZonalAllocationFailed": 409,
    },
    late=True,
)


@dataclass
class Bucket:
    """A token bucket that is full at first; `refill` is a second's."""

    capacity: float
    refill: float
    tokens: float
    at: float

    def left(self, now: float) -> float:
        """How many there are."""
        self.tokens = min(self.capacity, self.tokens + (now - self.at) * self.refill)
        self.at = now
        return self.tokens


class Throttle:
    """All buckets of one subscription and principal. Counts always; refuses when it is on."""

    def __init__(self) -> None:
        self._buckets: dict[str, Bucket] = {}

    def admit(self, call: Call, now: float, *, on: bool) -> dict[str, str]:
        """Take the call's tokens; the headers that say how many are left.

        Raises:
            Refusal: too many requests; `details` is empty when ARM itself refuses.
        """
        kind = {"GET": "reads", "DELETE": "deletes"}.get(call.method, "writes")
        arm = self._bucket(f"arm {kind}", *ARM[kind], now)
        needed = [arm]
        policy = _POLICY.get(call.action)
        shared: Bucket | None = None
        if policy:
            each, (refill, capacity) = COMPUTE[policy]
            shared = self._bucket(policy, capacity, refill / 60, now)
            needed.append(shared)
            if each:
                name = f"{policy} {call.params.get('name', '').lower()}"
                needed.append(self._bucket(name, each[1], each[0] / 60, now))
        if on:
            for bucket in needed:
                if bucket.left(now) < 1:
                    raise _refused(bucket, policy if bucket is not arm else None)
        for bucket in needed:
            bucket.tokens = max(0.0, bucket.left(now) - 1)
        headers = {f"x-ms-ratelimit-remaining-subscription-{kind}": str(int(arm.tokens))}
        if shared is not None:
            headers["x-ms-ratelimit-remaining-resource"] = (
                f"Microsoft.Compute/{policy}3Min;{int(shared.tokens)}"
            )
        return headers

    def _bucket(self, name: str, capacity: float, refill: float, now: float) -> Bucket:
        return self._buckets.setdefault(name, Bucket(capacity, refill, capacity, now))


def _refused(bucket: Bucket, policy: str | None) -> Refusal:
    seconds = max(1, round((1 - bucket.tokens) / bucket.refill + 0.5))
    headers = {"Retry-After": str(seconds)}
    if policy is None:
        message = "Number of requests for the subscription exceeded the limit. Try again later."
        return Refusal("SubscriptionRequestsThrottled", message, 429, headers=headers)
    detail = {
        "code": "TooManyRequests",
        "target": f"{policy}3Min",
        "message": json.dumps(
            {"operationGroup": f"{policy}3Min", "allowedRequestCount": int(bucket.capacity)}
        ),
    }
    message = "The server rejected the request because too many requests have been received for this subscription."
    return Refusal("OperationNotAllowed", message, 429, details=(detail,), headers=headers)


def no_capacity(size: Size, region: str, zone: str) -> Refusal:
    """Azure has no such machine free now (the page "Troubleshoot allocation failures")."""
    if zone:
        message = (
            "Allocation failed. We do not have sufficient capacity for the requested VM size in "
            "this zone. Read more about improving likelihood of allocation success at "
            "https://aka.ms/allocation-guidance"
        )
        return Refusal("ZonalAllocationFailed", message, 409)
    message = (
        f"Allocation failed. We do not have sufficient capacity for the requested VM size "
        f"{size.name} in this region ({region}). Read more about improving likelihood of "
        "allocation success at https://aka.ms/allocation-guidance"
    )
    return Refusal("AllocationFailed", message, 409)


def over_quota(name: str, region: str, limit: float, used: float, more: float) -> Refusal:
    """A vCPU limit would be passed; the code is that of two other things as well."""
    shown = "Total Regional Cores" if name == CORES else f"{name} Cores"
    message = (
        f"Operation could not be completed as it results in exceeding approved {shown} quota. "
        "Additional details - Deployment Model: Resource Manager, "
        f"Location: {region}, Current Limit: {limit:g}, Current Usage: {used:g}, "
        f"Additional Required: {more:g}, (Minimum) New Limit Required: {used + more:g}. Submit a "
        "request for Quota increase by specifying parameters listed in the 'Details' section for "
        "deployment to succeed."
    )
    return Refusal("OperationNotAllowed", message, 409)
