"""Asking less often than Azure allows, and the urgent things first.

Azure Resource Manager counts by subscription and principal, the compute service by subscription
and region for each kind of call (Microsoft, "Understand how Azure Resource Manager throttles
requests" and "Compute throttling limits"). We keep to 90 % of each, and correct ourselves by what
the answers say is left, since others may use the same subscription. A call that would have to wait
long is refused here at once: Azure may say "in twenty minutes", and a start must say so, not hang.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping

from gpuspawner.clock import Clock
from gpuspawner.errors import Throttled
from gpuspawner.providers.azure_errors import seconds
from gpuspawner.providers.limits import Bucket, Turnstile

CAUTION = 0.9
"""The part of Azure's own capacity and rate that we use."""

PATIENCE_SECONDS = 30.0
"""How long a call waits for its turn; one that would wait longer is refused with how long."""

_ARM: Mapping[str, tuple[float, float]] = {
    "reads": (250, 25),
    "writes": (200, 10),
    "deletes": (200, 10),
}
"""Kind to (bucket, refill a second), for one principal."""

_COMPUTE: Mapping[str, tuple[float, float]] = {
    "PutVM": (1500, 500 / 60),
    "UpdateVM": (1500, 500 / 60),
    "DeleteVM": (1500, 500 / 60),
    "LowCostGet": (24000, 8000 / 60),
    "HighCostGet": (900, 300 / 60),
    "GetOperation": (15000, 5000 / 60),
}
"""Policy of the compute service to (bucket, refill a second)."""

STOP, START, CREATE, READ = 0, 1, 2, 3
"""How urgent: stopping saves money, so it goes first; reading, which repeats, goes last."""

_LEFT = "x-ms-ratelimit-remaining-subscription-"
_LEFT_OF_POLICY = "x-ms-ratelimit-remaining-resource"


class Limits:
    """The buckets of one subscription, and the places at the door."""

    def __init__(self, clock: Clock, places: int) -> None:
        self._turnstile = Turnstile(places)
        self._buckets = {
            name: Bucket(clock, capacity * CAUTION, rate * CAUTION)
            for name, (capacity, rate) in {**_ARM, **_COMPUTE}.items()
        }

    @contextlib.asynccontextmanager
    async def turn(self, kind: str, policy: str | None, urgency: int) -> AsyncIterator[None]:
        """Wait for the right to make one call, and hold a place meanwhile.

        Raises:
            Throttled: it would take longer than `PATIENCE_SECONDS`.
        """
        needed = self._needed(kind, policy)
        while True:
            longest = max(bucket.wait() for bucket in needed)
            if longest > PATIENCE_SECONDS:
                raise Throttled(f"Azure's limit for {policy or kind} is used", retry_after=longest)
            for bucket in needed:
                await bucket.ready()
            async with self._turnstile.place(urgency):
                if all(bucket.has() for bucket in needed):
                    for bucket in needed:
                        bucket.spend()
                    yield
                    return

    def heard(self, kind: str, policy: str | None, headers: Mapping[str, str]) -> None:
        """An answer came: correct the buckets by what it says is left."""
        for bucket in self._needed(kind, policy):
            bucket.accepted()
        left = seconds(headers.get(_LEFT + kind))
        if left is not None:
            self._buckets[kind].at_most(left * CAUTION)
        for name, count in _policies(headers.get(_LEFT_OF_POLICY, "")):
            if name in self._buckets:
                self._buckets[name].at_most(count * CAUTION)

    def refused(self, kind: str, policy: str | None, retry_after: float) -> None:
        """Azure refused: half as fast, and nothing before it said."""
        # Which of the two buckets it was, the answer does not always say: the narrower one.
        bucket = self._needed(kind, policy)[-1]
        bucket.refused()
        bucket.hold(retry_after)

    def bucket(self, name: str) -> Bucket:
        """One bucket: `reads`, `writes`, `deletes`, or a policy of the compute service."""
        return self._buckets[name]

    def _needed(self, kind: str, policy: str | None) -> list[Bucket]:
        names = [kind, *([policy] if policy else [])]
        return [self._buckets[name] for name in names]


def _policies(text: str) -> list[tuple[str, float]]:
    """`Microsoft.Compute/HighCostGet3Min;159,Microsoft.Compute/HighCostGet30Min;799` taken apart.

    The windows of three and thirty minutes are of an older scheme than the buckets; the smaller
    number is the one to keep to.
    """
    found = []
    for part in text.split(","):
        name, _, count = part.strip().partition(";")
        left = seconds(count)
        if left is not None:
            policy = name.rpartition("/")[2].removesuffix("3Min").removesuffix("30Min")
            found.append((policy, left))
    return found
