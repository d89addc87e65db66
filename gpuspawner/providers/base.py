"""What every cloud does for us, in the same words.

The rules, which the contract suite in `gpuspawner.testing` holds every provider to:

* every change is idempotent and returns when the cloud has *accepted* it. That it has *happened*
  is only ever seen in `list()`;
* tags and the idempotency token (or the deterministic name) go in the create call itself;
* `stop` means that computing is no longer billed; `delete` is repeated until it raises
  `MachineNotFound`, which means that nothing of the machine is left, homes apart;
* every failure is one of the classes in `gpuspawner.errors`; nothing of an SDK escapes;
* no method blocks the event loop, and no number of waiting students makes more calls.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from gpuspawner.errors import ProviderError
from gpuspawner.model import Finding, Home, Machine, Offering, Placement, World
from gpuspawner.policy.prices import Quote


@dataclass(frozen=True, slots=True)
class MachineRequest:
    """All that a create call depends on, so that a replay of it is identical to the byte.

    `intent` is the idempotency token (a UUID). `user_data` is at most 16 KiB and holds no secret
    but the one-time ticket. `disk_gib` is the machine's own disk.
    """

    intent: str
    claim: str
    owner_id: str
    generation: int
    placement: Placement
    image: str
    disk_gib: int
    user_data: bytes


@dataclass(frozen=True, slots=True)
class HomeRequest:
    """All that creating a home depends on. `token` is the idempotency token, at most 64 characters."""

    token: str
    claim: str
    owner_id: str
    region: str
    zone: str
    size_gib: int


@dataclass(frozen=True, slots=True)
class Quota:
    """A limit of the account, in the cloud's own unit (vCPUs for EC2), and what is in use."""

    name: str
    code: str
    limit: float
    used: float
    unit: str = "vCPU"


@dataclass(frozen=True, slots=True)
class Expected:
    """What a class is going to ask of the account, so that a check can say whether there is enough.

    `students` is how many start at once, `machines` how many of a size at most; 0 and a size that is
    missing mean that nobody knows. `images` are those that profiles name. `port` is where the
    servers listen. `hub` are the addresses of the hub's URL `public_url`, with its port.
    `unreachable_seconds` is how long machines wait for a controller that is away.
    """

    students: int = 0
    machines: Mapping[str, int] = field(default_factory=dict)
    images: tuple[str, ...] = ()
    port: int = 0
    hub: tuple[tuple[str, int], ...] = ()
    public_url: str = ""
    unreachable_seconds: float = 1800.0


class Provider(Protocol):
    """One cloud account, seen through one hub's tag."""

    name: str
    """`aws`, `azure` or `fake`."""

    minimum_seconds: int
    """The least that the cloud bills for one start of a machine."""

    region: str
    """Where its machines are."""

    async def bootstrap(self) -> None:
        """Do what is slow, free and needed once: resolve the image, look the network up."""
        ...

    async def check(self, expected: Expected | None = None) -> list[Finding]:
        """Look at everything a start would need, changing nothing. Does not raise for a finding.

        With `expected`, also whether it is enough for a whole class.
        """
        ...

    async def resolve_image(self, reference: str) -> str:
        """The id of the image that `reference` (an id, a name, a parameter; "" the default) means.

        The same answer for the whole life of the provider, so that a class stays on one image.

        Raises:
            InvalidSpec: there is no such image.
        """
        ...

    async def offerings(self) -> tuple[Offering, ...]:
        """All placements that the configuration admits, best zone first, unavailable ones marked.

        Their prices are the shipped list's, 0 where it has none; the price book has the last word.
        """
        ...

    def prices(self) -> tuple[Quote, ...]:
        """The list prices that this release knows, of all that may be met in the region."""
        ...

    async def fetch_prices(self) -> tuple[Quote, ...]:
        """What the cloud's own price service says now; what it does not know is left out.

        Raises:
            ProviderError: it does not answer, or what it says is no price list.
        """
        ...

    async def quota(self, offering: Offering) -> Quota:
        """The account's limit that this offering counts against."""
        ...

    async def create(self, request: MachineRequest) -> Machine:
        """Create a machine and begin to run it. The same request again returns the same machine.

        Raises:
            CapacityError, QuotaExceeded, InvalidSpec, NotAuthorized: refused; nothing was made.
            MachineNotFound: this intent's machine was made before, and is gone: the intent is over.
            Throttled: not carried out.
            ProviderUnavailable: whether it was carried out is not known; send the same again.
        """
        ...

    async def start(self, ids: Collection[str], size: str) -> Mapping[str, ProviderError]:
        """Start stopped machines, resizing those that are of another size first.

        Returns the error of each machine that was not started. A machine that runs is no error.
        """
        ...

    async def stop(self, ids: Collection[str]) -> Mapping[str, ProviderError]:
        """Stop machines so that computing is no longer billed.

        Returns the error of each machine that was not stopped. A stopped machine is no error.
        """
        ...

    async def delete(self, id: str) -> None:  # noqa: A002 - the clouds' own word
        """Delete a machine, its own disk and its network interface; or one fragment. Never a home.

        Raises:
            MachineNotFound: nothing of it is left.
        """
        ...

    async def create_home(self, request: HomeRequest) -> Home:
        """Create a home. The same request again returns the same home."""
        ...

    async def attach_home(self, home_id: str, machine_id: str) -> None:
        """Attach a home to a machine of the same zone. Attached already is no error.

        Raises:
            WrongState: the machine or the home cannot be attached in its present state.
        """
        ...

    async def delete_home(self, home_id: str) -> None:
        """Delete a home for good, for an admin only.

        Raises:
            MachineNotFound: it is gone.
            WrongState: it is attached to a machine.
        """
        ...

    async def console(self, id: str) -> str:  # noqa: A002
        """What the machine wrote to its console while booting; "" when there is nothing yet."""
        ...

    async def list(self, missed: Collection[str] = ()) -> World:
        """Everything that carries this hub's tag, completely, or an error.

        `missed` are machines that were not listed, or are to be gone: one that the cloud positively
        has no more is in `World.gone`, whoever deleted it.

        Raises:
            ProviderUnavailable, Throttled, NotAuthorized: a partial listing is no listing.
        """
        ...

    async def close(self) -> None:
        """Give threads and connections back."""
        ...
