"""The provider as production runs it, in front of the emulated Azure, whose time stands still."""

from __future__ import annotations

import json
import uuid
from datetime import datetime, timezone
from typing import Any

import aiohttp
from azure.core.credentials import AccessToken

from gpuspawner.emulator.arm import Emulator
from gpuspawner.emulator.clock_ import Clock
from gpuspawner.emulator.faults import Times
from gpuspawner.model import Placement
from gpuspawner.providers.azure import AzureProvider, AzureRecord
from gpuspawner.providers.base import MachineRequest
from gpuspawner.testing import FakeClock
from tests.emulator.azure_types import violations

NOON = 1_800_000_000.0
SIZES = ("Standard_NC4as_T4_v3", "Standard_NV6ads_A10_v5")
HERE = Placement("eastus", "eastus-1", SIZES[0])


class Credential:
    """A token for whoever asks; the emulator takes any."""

    async def get_token(self, *_scopes: str, **_more: Any) -> AccessToken:
        return AccessToken("a-token", int(NOON) * 2)

    async def close(self) -> None:
        pass


class TurningClock(FakeClock):
    """A wait turns this clock and the emulator's at once: nobody else turns them meanwhile."""

    def __init__(self, emulator: Emulator) -> None:
        super().__init__(datetime.fromtimestamp(NOON, timezone.utc))
        self._emulator = emulator

    async def sleep(self, seconds: float) -> None:
        self.turn(seconds)
        self._emulator.world.clock.advance(seconds)


class Cloud:
    """One emulator, its clock and ours turned together, and the providers made on it."""

    def __init__(self, **options: Any) -> None:
        self.emulator = Emulator(
            clock=Clock(NOON, frozen=True),
            times=Times(pending=8, stopping=5, shutting_down=5, attaching=1),
            **options,
        )
        self.violations: list[str] = []
        """What Microsoft's own types say against the traffic so far, where they are at hand."""
        self.emulator.application.seen = lambda call, answer: self.violations.extend(
            violations(call, answer)
        )
        self.clock = TurningClock(self.emulator)
        self.seed = self.emulator.seed
        self.providers: list[AzureProvider] = []

    def record(self, **changes: Any) -> AzureRecord:
        return AzureRecord(
            **{
                "subscription": self.seed.subscription,
                "resource_group": self.seed.group,
                "subnets": {"eastus": self.seed.subnet_id("eastus")},
                "image": "microsoft-dsvm:ubuntu-hpc:2404:latest",
                "sizes": SIZES,
                "endpoint_url": self.emulator.url,
                "ca_file": str(self.emulator.authority),
                "tags": {"course": "ml-101"},
                **changes,
            }
        )

    def provider(self, hub_id: str = "0badcafe", **changes: Any) -> AzureProvider:
        provider = AzureProvider(self.record(**changes), hub_id, self.clock)
        provider._calls._credential = Credential()
        self.providers.append(provider)
        return provider

    async def settle(self, seconds: float = 30) -> None:
        await self.post("clock", {"advance": seconds})
        await self.clock.advance(seconds)

    async def fault(self, **rule: Any) -> None:
        await self.post("faults", rule)

    async def calls(self) -> dict[str, int]:
        """How often each action was asked since the last time."""
        answer = await self._ask("GET", "calls")
        await self._ask("DELETE", "calls")
        return answer["calls"]

    async def bill(self) -> Any:
        return await self._ask("GET", "bill")

    async def post(self, path: str, body: object) -> Any:
        return await self._ask("POST", path, json.dumps(body))

    async def _ask(self, method: str, path: str, body: str | None = None) -> Any:
        url = f"{self.emulator.plain_url}/_emulator/{path}"
        # The default resolver, c-ares, makes a thread for each session, for names we do not have.
        connector = aiohttp.TCPConnector(resolver=aiohttp.ThreadedResolver())
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.request(method, url, data=body) as answer,
        ):
            content = await answer.json()
            assert answer.status < 300, content
            return content

    async def close(self) -> None:
        for provider in self.providers:
            await provider.close()
        self.emulator.close()
        assert not self.violations, "\n".join(sorted(set(self.violations)))


def wish(placement: Placement = HERE, **changes: Any) -> MachineRequest:
    number = uuid.uuid4()
    return MachineRequest(
        **{
            "intent": str(number),
            "claim": f"gs-0badcafe-{number.hex[:26]}",
            "owner_id": "7",
            "generation": 1,
            "placement": placement,
            "image": "",
            "disk_gib": 60,
            "user_data": b"#cloud-config\n{}\n",
            **changes,
        }
    )
