"""What is wrong with the account is told before anybody starts, and once."""

from __future__ import annotations

import pytest

from gpuspawner.controllers.inspector import Inspector
from gpuspawner.errors import NotAuthorized, ProviderUnavailable
from gpuspawner.model import Finding, Severity
from tests.controllers.stage import Stage, staged


@pytest.fixture
async def stage(tmp_path):
    async with staged(tmp_path) as one:
        yield one


async def test_a_sound_account_leaves_nothing_to_say(stage: Stage):
    inspector = Inspector(stage.provider, stage.seen, stage.clock)
    assert await inspector.look()
    assert stage.seen.findings == ()


async def test_wrong_credentials_are_a_finding_and_logged_once(stage: Stage, caplog):
    stage.provider.fail_next("bootstrap", NotAuthorized("AuthFailure"), times=2)
    inspector = Inspector(stage.provider, stage.seen, stage.clock)
    assert not await inspector.look()
    assert not await inspector.look()
    assert stage.seen.findings == (
        Finding("account", Severity.ERROR, "not-authorized: AuthFailure"),
    )
    assert caplog.text.count("AuthFailure") == 1


async def test_a_finding_goes_when_it_is_mended(stage: Stage):
    stage.provider.fail_next("check", ProviderUnavailable("an outage"))
    inspector = Inspector(stage.provider, stage.seen, stage.clock)
    await inspector.look()
    assert [one.severity for one in stage.seen.findings] == [Severity.ERROR]
    await inspector.look()
    assert stage.seen.findings == ()
