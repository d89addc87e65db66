"""Azure keeps the contract: production code and the real SDK against the emulated cloud."""

from __future__ import annotations

import pytest

from gpuspawner.testing import ProviderContract

pytestmark = pytest.mark.emulator


class TestTheContract(ProviderContract):
    @pytest.fixture
    async def provider(self, azure):
        self.cloud = azure
        self.image = azure.seed.image
        provider = azure.provider()
        await provider.bootstrap()
        return provider

    @pytest.fixture
    async def stranger(self, azure, provider):
        return azure.provider("deadbeef")

    async def settle(self):
        await self.cloud.settle()
