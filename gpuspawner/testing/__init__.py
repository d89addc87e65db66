"""What tests need, for guests too: a clock to turn, a cloud in memory, the providers' contract.

A new provider is held to the contract by a few lines of pytest:

    class TestMyCloud(ProviderContract):
        @pytest.fixture
        async def provider(self): ...

See `gpuspawner.testing.contract.ProviderContract`.
"""

from __future__ import annotations

import sys

if "pytest" in sys.modules:  # a failing comparison in the contract shows both sides
    import pytest

    for room in ("contract", "contract_homes", "steps"):
        pytest.register_assert_rewrite(f"gpuspawner.testing.{room}")

from gpuspawner.testing.clock import FakeClock
from gpuspawner.testing.cloud import Delays, FakeCloud
from gpuspawner.testing.contract import ProviderContract
from gpuspawner.testing.provider import OFFERED, Call, FakeProvider
from gpuspawner.testing.steps import refused

__all__ = [
    "OFFERED",
    "Call",
    "Delays",
    "FakeClock",
    "FakeCloud",
    "FakeProvider",
    "ProviderContract",
    "refused",
]
