"""EC2 keeps the contract: production code and the real boto3 against the emulated cloud."""

from __future__ import annotations

import pytest

from gpuspawner.testing import ProviderContract

pytestmark = pytest.mark.emulator


class TestTheContract(ProviderContract):
    @pytest.fixture
    async def provider(self, cloud):
        self.cloud = cloud
        self.image = cloud.seed.image
        provider = cloud.provider()
        await provider.bootstrap()
        return provider

    @pytest.fixture
    async def stranger(self, cloud, provider):
        return cloud.provider("deadbeef")

    async def settle(self):
        await self.cloud.settle()
