"""What Prometheus is told of the money, and that no name is in it."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gpuspawner.errors import ControllerUnavailable
from tests.controllers.stage import IDENTITY
from tests.web.credit.school import HOUR, UNIT, School


async def told(there: School) -> dict[tuple[str, ...], float]:
    """Each value by the name of its metric and its labels' values."""
    status, _headers, text = await there.text("metrics", IDENTITY.claims_token)
    assert status == 200
    for name in ("alice", "bob", "carol"):
        assert name not in text
    return {
        (one.name, *(one.labels[label] for label in sorted(one.labels))): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


async def test_the_pool_the_burn_and_the_balances_are_told(there: School):
    await there.uses("alice", HOUR, ends=False)
    await there.post(
        "grants", "teacher", {"student": "alice", "micros": 5000 * UNIT, "reason": "too much"}
    )
    found = await told(there)
    assert {
        key: value for key, value in found.items() if key[0].startswith("gpuspawner_credit")
    } == {
        ("gpuspawner_credit", "USD", "funded"): 1000,
        ("gpuspawner_credit", "USD", "pool"): 970,
        ("gpuspawner_credit", "USD", "held"): 0,
        ("gpuspawner_credit", "USD", "students"): 30,
        ("gpuspawner_credit", "USD", "spent"): 0,
        ("gpuspawner_credit", "USD", "expired"): 0,
        ("gpuspawner_credit", "USD", "written_off"): 0,
        ("gpuspawner_credit_per_hour", "charge", "USD"): 0.526,
        ("gpuspawner_credit_per_hour", "cost", "USD"): 0.526,
    }
    assert found["gpuspawner_students", "5"] == 0
    assert found["gpuspawner_students", "10"] == found["gpuspawner_students", "+Inf"] == 3
    assert found["gpuspawner_refusals_total", "insufficient-credit"] == 1


async def test_without_the_ledger_nothing_is_said_of_money_rather_than_nought(there: School, monkeypatch):  # fmt: skip
    async def gone(*_args):
        raise ControllerUnavailable("the database is gone")

    monkeypatch.setattr(there.house.stage.database, "read", gone)
    found = await told(there)
    assert [key for key in found if "credit" in key[0]] == []
    assert any(key[0] == "gpuspawner_machines" for key in found)


@pytest.mark.parametrize("who", ["alice", "admin", "robot"])
async def test_the_metrics_are_no_persons(there: School, who):
    assert (await there.text("metrics", who))[0] == 403
