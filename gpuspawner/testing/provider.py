"""A provider in memory, with levers to make it misbehave."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from gpuspawner.clock import Clock
from gpuspawner.errors import ProviderError, WrongState
from gpuspawner.model import Finding, Fragment, Home, Machine, Offering, Placement, Severity, World
from gpuspawner.policy.money import seconds_of
from gpuspawner.policy.prices import Quote
from gpuspawner.providers.base import Expected, HomeRequest, MachineRequest, Quota
from gpuspawner.testing.cloud import DEFAULT_IMAGE, GUEST, USER, VM, Delays, FakeCloud
from gpuspawner.testing.disks import listed as disks_listed
from gpuspawner.testing.prices import listed as listed_prices

T = TypeVar("T")

REGION = "fake-1"
ZONES = ("fake-1a", "fake-1b")
OFFERED = tuple(
    Offering(Placement(REGION, zone, size), vcpus, memory, gpu, 1, gpu_memory, price)
    for size, vcpus, memory, gpu, gpu_memory, price in (
        ("small", 4, 16384, "T4", 16384, 526_000),
        ("large", 8, 32768, "A10G", 24576, 1_212_000),
    )
    for zone in ZONES
)
"""What a `FakeProvider` offers unless it is told otherwise: two sizes in two zones."""


@dataclass(frozen=True)
class Call:
    """One call that was made: the method's name and its arguments."""

    method: str
    arguments: tuple[Any, ...] = ()


@dataclass
class _Failure:
    error: ProviderError
    times: int
    after_effect: bool


@dataclass
class FakeProvider:
    """Implements `gpuspawner.providers.base.Provider` over a `FakeClock`.

    What it was asked is in `calls`. Two of them with one `cloud` are two hubs in one account.
    """

    clock: Clock
    hub_id: str = "0badcafe"
    offered: tuple[Offering, ...] = OFFERED
    cloud: FakeCloud = None  # type: ignore[assignment] # made below, from the clock
    calls: list[Call] = field(default_factory=list)
    consoles: dict[str, str] = field(default_factory=dict)
    latency: float = 0.0
    name: str = "fake"
    minimum_seconds: int = 60
    region: str = REGION

    def __post_init__(self) -> None:
        self.cloud = self.cloud or FakeCloud(self.clock, self.offered)
        self._failures: dict[str, list[_Failure]] = {}
        self._hidden: frozenset[str] = frozenset()

    # The levers.

    def fail_next(
        self, method: str, error: ProviderError, times: int = 1, *, after_effect: bool = False
    ) -> None:
        """Let the next `times` calls of `method` fail; `after_effect`: done, but the answer lost.

        `start` and `stop` then return the error for each of their machines.
        """
        self._failures.setdefault(method, []).append(_Failure(error, times, after_effect))

    def refuse(self, where: str | Placement) -> None:
        """Have no capacity for a size, or at one placement, until `admit`."""
        self.cloud.refused.add(where)

    def admit(self, where: str | Placement) -> None:
        """Have capacity again."""
        self.cloud.refused.discard(where)

    def hide_from_listing(self, ids: Iterable[str]) -> None:
        """Leave these, and only these, out of `list()`, as a lagging cloud does."""
        self._hidden = frozenset(ids)

    def poweroff(self, id: str, *, halted: bool = False) -> None:  # noqa: A002
        """Power off from inside the machine; `halted`: it stays billed, as on Azure."""
        self.cloud.settle()
        vm = self.cloud.vm(id, self.hub_id)
        self.cloud.stop(vm, GUEST, halted=halted)

    def terminate(self, id: str) -> None:  # noqa: A002
        """Delete a machine behind our back, as somebody in the cloud's console does."""
        self.cloud.settle()
        self.cloud.delete(self.cloud.vm(id, self.hub_id), USER)

    def leave_fragment(self, id: str, kind: str = "disk", claim: str | None = None) -> None:  # noqa: A002
        """Let a leftover exist."""
        self.cloud.fragments[id] = (self.hub_id, Fragment(id, kind, self.clock.now(), claim))

    def called(self, method: str) -> list[Call]:
        """The calls of one method, in order."""
        return [call for call in self.calls if call.method == method]

    def reset(self) -> None:
        """Forget everything: machines, homes, levers and calls."""
        self.cloud = FakeCloud(self.clock, self.offered, delays=Delays())
        self.calls.clear()
        self.consoles.clear()
        self._failures.clear()
        self._hidden = frozenset()
        self.latency = 0.0

    # The contract.

    async def bootstrap(self) -> None:
        """Nothing is slow here."""
        await self._do("bootstrap", (), lambda: None)

    async def resolve_image(self, reference: str) -> str:
        """`reference` itself; `image-0` for the default."""
        return await self._do("resolve_image", (reference,), lambda: reference or DEFAULT_IMAGE)

    async def check(self, expected: Expected | None = None) -> list[Finding]:
        """All is well, unless a failure was ordered."""
        del expected
        try:
            await self._do("check", (), lambda: None)
        except ProviderError as error:
            return [Finding("account", Severity.ERROR, error.detail or error.code)]
        return [Finding("account", Severity.OK, "a cloud in memory")]

    async def offerings(self) -> tuple[Offering, ...]:
        """What was offered at the start, refused and full placements marked."""
        return await self._do(
            "offerings",
            (),
            lambda: tuple(
                replace(o, available=self.cloud.available(o.placement)) for o in self.cloud.offered
            ),
        )

    def prices(self) -> tuple[Quote, ...]:
        """A price of everything there is."""
        return tuple(listed_prices(self.name, self.offered))

    async def fetch_prices(self) -> tuple[Quote, ...]:
        """The same, as of now."""
        now = seconds_of(self.clock.now())
        fresh = tuple(replace(one, as_of=now) for one in self.prices())
        return await self._do("fetch_prices", (), lambda: fresh)

    async def quota(self, offering: Offering) -> Quota:
        """One limit for all sizes."""
        return await self._do(
            "quota", (offering,), lambda: Quota("vCPU", "fake", self.cloud.quota, self.cloud.used())
        )

    async def create(self, request: MachineRequest) -> Machine:
        """Create a machine, or find the one that this intent made."""
        return await self._do("create", (request,), lambda: self.cloud.create(self.hub_id, request))

    async def start(self, ids: Collection[str], size: str) -> Mapping[str, ProviderError]:
        """Start machines, each by itself."""
        return await self._each("start", ids, (size,), lambda vm: self.cloud.start(vm, size))

    async def stop(self, ids: Collection[str]) -> Mapping[str, ProviderError]:
        """Stop machines, each by itself."""
        return await self._each("stop", ids, (), lambda vm: self.cloud.stop(vm, USER))

    async def delete(self, id: str) -> None:  # noqa: A002
        """Begin to delete a machine, or remove a fragment."""
        await self._do("delete", (id,), lambda: self._delete(id))

    async def create_home(self, request: HomeRequest) -> Home:
        """Create a home, or find the one that this token made."""
        return await self._do(
            "create_home", (request,), lambda: self.cloud.create_home(self.hub_id, request)
        )

    async def attach_home(self, home_id: str, machine_id: str) -> None:
        """Attach a home."""
        await self._do(
            "attach_home", (home_id, machine_id), lambda: self._attach(home_id, machine_id)
        )

    async def delete_home(self, home_id: str) -> None:
        """Delete a home that is not attached."""
        await self._do("delete_home", (home_id,), lambda: self._delete_home(home_id))

    async def console(self, id: str) -> str:  # noqa: A002
        """What was put into `consoles`."""
        return await self._do("console", (id,), lambda: self._console(id))

    async def list(self, missed: Collection[str] = ()) -> World:  # noqa: ARG002 - it tells
        """All that carries this hub's tag and is not hidden."""
        return await self._do("list", (), self._list)

    async def close(self) -> None:
        """Nothing is held here."""
        await self._do("close", (), lambda: None)

    # Behind it.

    async def _do(self, method: str, arguments: tuple[Any, ...], effect: Callable[[], T]) -> T:
        self.calls.append(Call(method, arguments))
        failure = self._next_failure(method)
        if self.latency:
            await self.clock.sleep(self.latency)
        if failure is not None and not failure.after_effect:
            raise failure.error
        self.cloud.settle()
        result = effect()
        if failure is not None:
            raise failure.error
        return result

    def _next_failure(self, method: str) -> _Failure | None:
        waiting = self._failures.get(method, [])
        while waiting and waiting[0].times < 1:
            waiting.pop(0)
        if not waiting:
            return None
        waiting[0].times -= 1
        return waiting[0]

    async def _each(
        self,
        method: str,
        ids: Collection[str],
        more: tuple[Any, ...],
        effect: Callable[[VM], None],
    ) -> Mapping[str, ProviderError]:
        errors: dict[str, ProviderError] = {}

        def all_of_them() -> None:
            for id_ in ids:
                error = self._error_of(effect, id_)
                if error is not None:
                    errors[id_] = error

        try:
            await self._do(method, (tuple(ids), *more), all_of_them)
        except ProviderError as error:
            return dict.fromkeys(ids, error)
        return errors

    def _error_of(self, effect: Callable[[VM], None], id_: str) -> ProviderError | None:
        try:
            effect(self.cloud.vm(id_, self.hub_id))
        except ProviderError as error:
            return error
        return None

    def _delete(self, id: str) -> None:  # noqa: A002
        hub_id, _ = self.cloud.fragments.get(id, (None, None))
        if hub_id == self.hub_id:
            del self.cloud.fragments[id]
            return
        self.cloud.delete(self.cloud.vm(id, self.hub_id), USER)

    def _attach(self, home_id: str, machine_id: str) -> None:
        disk, vm = self.cloud.disk(home_id, self.hub_id), self.cloud.vm(machine_id, self.hub_id)
        self.cloud.attach(disk, vm.machine)

    def _delete_home(self, home_id: str) -> None:
        if self.cloud.disk(home_id, self.hub_id).home.machine_id is not None:
            raise WrongState(f"{home_id} is attached")
        del self.cloud.disks[home_id]

    def _console(self, id: str) -> str:  # noqa: A002
        self.cloud.vm(id, self.hub_id)
        return self.consoles.get(id, "")

    def _list(self) -> World:
        mine = [vm for vm in self.cloud.vms.values() if vm.hub_id == self.hub_id]
        disks = [disk for disk in self.cloud.disks.values() if disk.hub_id == self.hub_id]
        left = [
            fragment for hub_id, fragment in self.cloud.fragments.values() if hub_id == self.hub_id
        ]
        return World(
            listed_at=self.clock.now(),
            machines=tuple(
                vm.machine for vm in mine if not vm.gone and vm.machine.id not in self._hidden
            ),
            homes=tuple(disk.home for disk in disks if disk.home.id not in self._hidden),
            fragments=tuple(fragment for fragment in left if fragment.id not in self._hidden),
            gone=frozenset(vm.machine.id for vm in mine if vm.gone),
            disks=tuple(disks_listed(self.cloud, self.hub_id, self._hidden)),
            ended=tuple(vm.machine for vm in mine if vm.gone),
        )
