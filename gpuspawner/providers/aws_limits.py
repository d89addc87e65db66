"""Asking less often than AWS allows, and the urgent things first.

EC2 gives each action of an account and region a bucket of tokens, shared with everything else that
uses the account (AWS, "Request throttling for the Amazon EC2 API"). We keep to 80 to 95 % of each,
halve our rate when we are refused all the same, and let it grow back. A refused call is never
repeated here: whoever plans looks again.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from gpuspawner.clock import Clock
from gpuspawner.providers.limits import Bucket, Turnstile

CAUTION = 0.9
"""The part of AWS's own capacity and rate that we use."""

_REQUESTS = {
    "RunInstances": (5, 2),
    "StartInstances": (5, 2),
    "StopInstances": (50, 5),
    "TerminateInstances": (100, 5),
    "CreateVolume": (100, 5),
    "DeleteVolume": (100, 5),
    "ModifyInstanceAttribute": (50, 5),
    "AttachVolume": (50, 5),
    # Parameter Store's default is 40 a second; Service Quotas documents none, so a little.
    "GetParameter": (20, 10),
    "GetServiceQuota": (10, 2),
    "GetProducts": (10, 5),
}
_READS = (100, 20)
_RESOURCES = {
    "RunInstances": (1000, 2),
    "StartInstances": (1000, 2),
    "StopInstances": (1000, 20),
    "TerminateInstances": (1000, 20),
}

PRIORITY = {
    "StopInstances": 0,
    "TerminateInstances": 0,
    "StartInstances": 1,
    "ModifyInstanceAttribute": 1,
    "RunInstances": 2,
    "CreateVolume": 2,
    "AttachVolume": 2,
}
"""Stopping costs nothing and saves money, so it goes first; reading, which repeats, goes last."""
_LAST = 3


class Limits:
    """All of an account's buckets, and the places at the door."""

    def __init__(self, clock: Clock, places: int) -> None:
        self._clock = clock
        self._turnstile = Turnstile(places)
        self._requests: dict[str, Bucket] = {}
        self._resources = {
            action: Bucket(clock, capacity * CAUTION, rate * CAUTION)
            for action, (capacity, rate) in _RESOURCES.items()
        }

    @contextlib.asynccontextmanager
    async def turn(self, action: str, resources: int = 0) -> AsyncIterator[None]:
        """Wait for the right to ask `action` for `resources` machines, and hold a place meanwhile.

        The tokens are taken at the door, not before: those who waited there with theirs in hand
        would pass it together one day, and AWS counts when they arrive.
        """
        needed = [(self.bucket(action), 1)]
        if resources and action in self._resources:
            needed.append((self._resources[action], resources))
        while True:
            for bucket, count in needed:
                await bucket.ready(count)
            async with self._turnstile.place(PRIORITY.get(action, _LAST)):
                if all(bucket.has(count) for bucket, count in needed):
                    for bucket, count in needed:
                        bucket.spend(count)
                    yield
                    return

    def bucket(self, action: str) -> Bucket:
        """The bucket of `action`'s requests."""
        if action not in self._requests:
            capacity, rate = _REQUESTS.get(action, _READS)
            self._requests[action] = Bucket(self._clock, capacity * CAUTION, rate * CAUTION)
        return self._requests[action]
