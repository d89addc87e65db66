"""Two controllers of one database, with real processes: one acts and the other waits for its turn."""

from __future__ import annotations

import time

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from gpuspawner import identity
from gpuspawner.store.lock import KEY
from tests.faults import bill_campus as bill
from tests.faults.campus import campus
from tests.faults.scenarios import scenario
from tests.store import postgresql

pytestmark = pytest.mark.timeout(240)

NOT_THE_LEADER = 3


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """On SQLite."""
    with campus(tmp_path_factory.mktemp("two")) as one:
        yield one


@pytest.fixture
def school(opened):
    yield opened
    opened.rest()
    assert opened.violations() == []


@pytest.fixture(scope="module")
def served(opened, tmp_path_factory):
    """On PostgreSQL, in the same cloud."""
    with postgresql.server() as server:
        url = postgresql.new_database(server)
        with campus(tmp_path_factory.mktemp("served"), cloud=opened, database=url) as one:
            yield one


def second(school, name="second") -> int:
    """Start another controller for the same database at a port of its own, and return that."""
    port = school.base + 5
    school.start_controller(name, port=port, wait=False)
    school.until(lambda: school.health(port) == "standby")
    return port


def leads(school, port=0) -> bool:
    return school.health(port) in ("ok", "degraded")


def at(school, port, path, method="GET", body=None):
    """What the controller at this port answers the hub: `(status, content)`."""
    url = f"http://127.0.0.1:{port}/services/gpuspawner/api/v1/{path}"
    token = identity.load(school.secret).claims_token
    return school._ask(method, url, body, f"Bearer {token}")


@scenario(28)
def test_one_acts_and_the_other_stands_by_and_takes_over_when_the_first_is_killed(school):
    school.started("alice")
    port = second(school)
    assert leads(school)
    refused, said = at(school, port, "status")
    assert (refused, said["error"]) == (503, "not-the-leader")

    school.kill("controller")
    school.until(lambda: leads(school, port))
    status, _ = at(
        school, port, f"claims/{school.claim_of('alice')}/stop", "POST", {"reason": "admin"}
    )
    assert status == 200
    school.until(lambda: school.in_state("alice", "stopped"))

    # The first one is started again, by whatever starts it, and now it is the one that waits.
    school.start_controller(wait=False)
    school.until(lambda: school.health() == "standby")
    school.kill("second")
    school.until(lambda: leads(school))
    assert school.started("bob")["state"] == "running"
    assert len(bill.all_machines(school, "bob")) == 1


@scenario(28)
def test_one_at_the_same_address_takes_it_over_and_the_hub_sees_no_difference(school):
    machine = school.started("carol")
    school.start_controller("shadow", wait=False)
    log = school.folder / "shadow.log"
    school.until(lambda: "stands by" in log.read_text())
    school.kill("controller")
    school.until(lambda: leads(school))
    school.until(lambda: school.alive("shadow"))
    assert school.stopped("carol")["id"] == machine["id"]
    assert school.started("carol")["id"] == machine["id"]
    school.processes["controller"] = school.processes.pop("shadow")


@scenario(28)
def test_one_that_hangs_keeps_its_turn_and_goes_on_when_it_hangs_no_longer(school):
    school.started("dave")
    port = second(school, "patient")
    school.freeze("controller")
    end = time.monotonic() + 5  # it tries every two seconds
    school.until(lambda: time.monotonic() > end)
    assert school.health(port) == "standby"
    school.thaw("controller")
    school.until(lambda: leads(school))
    school.stopped("dave")
    assert school.health(port) == "standby"
    school.kill("patient")


# -- PostgreSQL, where a turn can be lost: with the connection


def lose_turn(served) -> None:
    """The server ends the connection that holds the lock, as when the network has failed."""
    driver = served.database.replace("postgresql:", "postgresql+psycopg:")
    engine = create_engine(driver, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with engine.connect() as connection:
        ended = connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND "
                "granted AND (classid::bigint << 32) + objid::bigint = :key"
            ),
            {"key": KEY},
        ).all()
    engine.dispose()
    assert ended == [(True,)]


@scenario(28)
def test_one_that_hung_while_another_took_over_does_nothing_more_and_ends(served):
    served.started("carol")
    served.student("bob")
    port = second(served, "heir")
    # It hangs in the middle of a request for a machine, which the cloud has not looked at yet.
    bill.creating(served, "bob", delay=3, count=1)
    assert served.start("bob") == 202
    served.until(lambda: served.cloud("faults")["rules"][0]["hits"])
    served.freeze("controller")
    lose_turn(served)
    served.until(lambda: leads(served, port))
    claim = served.claim_of("bob")
    served.until(lambda: at(served, port, f"claims/{claim}")[1]["power"] == "running")
    assert len(bill.all_machines(served, "bob")) == 1
    # What the other does while it hangs must not be undone when it goes on.
    for user in ("bob", "carol"):
        stop = f"claims/{served.claim_of(user)}/stop"
        assert at(served, port, stop, "POST", {"reason": "admin"})[0] == 200
    for user in ("bob", "carol"):
        served.until(lambda user=user: served.in_state(user, "stopped"))
    served.thaw("controller")
    assert served.wait_death("controller") == NOT_THE_LEADER
    assert leads(served, port)
    for user in ("bob", "carol"):
        assert [one["state"] for one in bill.all_machines(served, user)] == ["stopped"]
    # And the other way round, by a death.
    served.start_controller(wait=False)
    served.until(lambda: served.health() == "standby")
    served.kill("heir")
    served.until(lambda: leads(served))
    served.until(lambda: served.gone("carol"))
    assert served.started("carol")["state"] == "running"


# -- a controller of the hub's own


@scenario(28)
def test_a_managed_controller_ends_with_its_killed_hub_and_the_next_hubs_goes_on(school):
    managed(school, True)
    machine = school.started("erin")
    bill.write(school, "erin", "my work")
    school.kill("hub")
    school.until(lambda: school.health() == "")
    assert school.machine("erin")["since"] == machine["since"]
    school.start_hub()
    school.until(lambda: leads(school))
    school.until(lambda: school.ready("erin"))
    assert bill.read(school, "erin") == "my work"
    assert school.machine("erin")["since"] == machine["since"]
    assert school.stopped("erin")["id"] == machine["id"]
    managed(school, False)


def managed(school, by_hub: bool) -> None:
    """Start the hub anew, with a controller of its own or without."""
    for name in ("hub", "controller"):
        if school.alive(name):
            school.kill(name)
    school.until(lambda: school.health() == "")
    school.managed = by_hub
    school.write_config()
    if not by_hub:
        school.start_controller()
    school.start_hub()
    school.until(lambda: leads(school))
