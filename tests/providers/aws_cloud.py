"""The provider as production runs it, in front of the emulated EC2, whose time stands still."""

from __future__ import annotations

import json
import uuid
from datetime import datetime, timezone
from typing import Any

import aiohttp
import boto3

from gpuspawner.emulator.clock_ import Clock
from gpuspawner.emulator.ec2 import Emulator
from gpuspawner.emulator.faults import Times
from gpuspawner.model import Placement
from gpuspawner.providers.aws import AWSProvider, AWSRecord
from gpuspawner.providers.base import MachineRequest
from gpuspawner.testing import FakeClock

NOON = 1_800_000_000.0
IMAGE = (
    "ssm:/aws/service/deeplearning/ami/x86_64/base-oss-nvidia-driver-gpu-ubuntu-24.04/latest/ami-id"
)
HERE = Placement("us-east-1", "us-east-1a", "g4dn.xlarge")

# A session takes half a second to make; production makes one per process, and so do the tests.
SESSION = boto3.Session(
    region_name="us-east-1", aws_access_key_id="any", aws_secret_access_key="thing"
)


class TurningClock(FakeClock):
    """Nobody else turns it while boto3 works in its threads: a wait does so itself."""

    async def sleep(self, seconds: float) -> None:
        self.turn(seconds)


class Cloud:
    """One emulator, its clock and ours turned together, and the providers made on it."""

    def __init__(self) -> None:
        self.emulator = Emulator(
            clock=Clock(NOON, frozen=True),
            times=Times(pending=8, stopping=5, shutting_down=5, attaching=1),
        )
        self.clock = TurningClock(datetime.fromtimestamp(NOON, timezone.utc))
        self.seed = self.emulator.world.seed
        self.providers: list[AWSProvider] = []

    def record(self, **changes: Any) -> AWSRecord:
        return AWSRecord(
            **{
                "region": "us-east-1",
                "image": IMAGE,
                "sizes": ("g4dn.xlarge", "g6.xlarge", "g6f.large"),
                "subnets": (self.seed.subnets["us-east-1a"], self.seed.subnets["us-east-1b"]),
                "security_groups": ("gpuspawner-machines",),
                "endpoint_url": self.emulator.url,
                "tags": {"course": "ml-101"},
                **changes,
            }
        )

    def provider(self, hub_id: str = "0badcafe", **changes: Any) -> AWSProvider:
        provider = AWSProvider(self.record(**changes), hub_id, self.clock)
        provider._calls._session = SESSION
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

    async def post(self, path: str, body: object) -> Any:
        return await self._ask("POST", path, json.dumps(body))

    async def _ask(self, method: str, path: str, body: str | None = None) -> Any:
        url = f"{self.emulator.url}/_emulator/{path}"
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
