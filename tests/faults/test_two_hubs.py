"""Two hubs in one cloud account, each with a secret of its own: they never touch each other."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from gpuspawner import identity
from tests.faults import bill_campus as bill
from tests.faults.campus import Campus, campus
from tests.faults.scenarios import scenario

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    with campus(tmp_path_factory.mktemp("ours")) as one:
        yield one


@pytest.fixture(scope="module")
def theirs(ours, tmp_path_factory):
    with campus(tmp_path_factory.mktemp("theirs"), cloud=ours) as one:
        yield one


def lose_all(one: Campus) -> None:
    """The controller is killed and its database is gone."""
    one.kill("controller")
    path = Path(one.database.removeprefix("sqlite:///"))
    for file in path.parent.glob(f"{path.name}*"):
        if not file.name.endswith(".lock"):
            file.unlink()


def beyond_the_grace(one: Campus) -> None:
    """Let so much time pass that a machine of nobody would have been dealt with."""
    end = time.monotonic() + 2 * one.grace
    one.until(lambda: time.monotonic() > end)


@scenario(28)
def test_the_same_user_at_two_hubs_has_two_machines_and_each_hub_its_own(ours, theirs):
    mine, other = ours.started("alice"), theirs.started("alice")
    assert mine["id"] != other["id"]
    assert not set(mine["volumes"]) & set(other["volumes"])
    bill.write(ours, "alice", "ours")
    bill.write(theirs, "alice", "theirs")
    theirs.stopped("alice")
    assert ours.machine("alice")["since"] == mine["since"]
    for one, machine in ((ours, mine), (theirs, other)):
        homes = {home["id"] for home in one.api("homes")[1]}
        assert set(machine["volumes"]) <= homes
    assert not {home["id"] for home in ours.api("homes")[1]} & set(other["volumes"])
    assert theirs.started("alice")["id"] == other["id"]
    assert (bill.read(ours, "alice"), bill.read(theirs, "alice")) == ("ours", "theirs")


@scenario(24, 28)
def test_a_hub_that_has_lost_its_database_finds_its_own_machines_and_no_others(ours, theirs):
    mine, other = ours.started("bob"), theirs.started("bob")
    before = {one["id"]: one["since"] for one in ours.machines()}
    lose_all(theirs)
    theirs.start_controller()
    theirs.until(lambda: theirs.view("bob") and theirs.view("bob")["desired"] == "running")
    theirs.until(lambda: theirs.ready("bob"))
    beyond_the_grace(theirs)
    assert theirs.machine("bob")["since"] == other["since"]
    known = {claim["name"] for claim in theirs.api("status")[1]["claims"]}
    assert ours.claim_of("bob") not in known
    assert {one["id"]: one["since"] for one in ours.machines()} == before
    assert ours.stopped("bob")["id"] == mine["id"]
    assert theirs.machine("bob")["state"] == "running"
    assert theirs.stopped("bob")["id"] == other["id"]


@scenario(24, 28)
def test_a_hub_with_a_new_secret_owns_nothing_and_touches_nothing(ours, theirs, tmp_path):
    ours.started("carol")
    theirs.started("carol")
    before = {one["id"]: one["since"] for each in (ours, theirs) for one in each.machines()}
    new = Campus(tmp_path, cloud=ours)
    try:
        new.write_config()
        new.start_controller()
        assert len({identity.load(one.secret).hub_id for one in (ours, theirs, new)}) == 3
        beyond_the_grace(new)
        status = new.api("status")[1]
        assert (status["claims"], status["homes"]) == ([], [])
    finally:
        new.close()
    after = {one["id"]: one["since"] for each in (ours, theirs) for one in each.machines()}
    assert after == before
