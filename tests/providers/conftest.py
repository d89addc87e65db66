"""Fixtures for the providers' tests."""

from __future__ import annotations

import pytest


@pytest.fixture
async def cloud():
    # moto takes two seconds to import, which the tests of pure functions need not wait for.
    from tests.providers.aws_cloud import Cloud  # noqa: PLC0415

    cloud = Cloud()
    cloud.emulator.start()
    yield cloud
    await cloud.close()


@pytest.fixture
async def azure():
    # The SDK takes half a second to import, which the tests of pure functions need not wait for.
    from tests.providers.azure_cloud import Cloud  # noqa: PLC0415

    cloud = Cloud()
    cloud.emulator.start()
    yield cloud
    await cloud.close()
