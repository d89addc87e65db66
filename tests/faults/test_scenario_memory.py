"""What the controller or the proxy may forget, with real processes and a real proxy."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest

from gpuspawner import proxy
from tests.faults import bill_campus as bill
from tests.faults.campus import campus
from tests.faults.scenarios import scenario

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    # How often the hub looks at the proxy's routes; five minutes unless it is told otherwise.
    more = "c.JupyterHub.last_activity_interval = 2\nc.Controller.roll_call_interval = 1"
    with campus(tmp_path_factory.mktemp("memory"), proxy=proxy.install(), more=more) as one:
        yield one


@pytest.fixture
def school(opened):
    yield opened
    opened.rest()
    assert opened.violations() == []


def database(school) -> Path:
    return Path(school.database.removeprefix("sqlite:///"))


def backup(school) -> Path:
    """A copy of the database as an administrator makes one while it is in use; of yesterday."""
    copy = school.folder / "backup.sqlite"
    with (
        contextlib.closing(sqlite3.connect(database(school))) as live,
        contextlib.closing(sqlite3.connect(copy)) as saved,
    ):
        live.backup(saved)
        saved.execute(
            "UPDATE claims SET desired_at = strftime('%Y-%m-%d %H:%M:%f', desired_at, '-1 day')"
        )
        saved.commit()
    return copy


def lose(school) -> None:
    """The controller is killed and its database is gone."""
    school.kill("controller")
    for file in database(school).parent.glob(f"{database(school).name}*"):
        if not file.name.endswith(".lock"):
            file.unlink()


def since(school) -> dict[str, str]:
    """Every machine, with the time of its last change."""
    return {one["id"]: one["since"] for one in school.machines()}


def through_the_proxy(school, user) -> str | None:
    """The machine that a browser reaches at the student's address; None when it is not there."""
    url = f"{school.public_url.rstrip('/')}/user/{user}/stub"
    about = school._ask("GET", url, None)[1]
    return about["machine"] if isinstance(about, dict) else None


@scenario(23)
def test_a_database_from_yesterday_stops_nobody_who_works_and_forgets_no_machine(school):
    for user in ("old-running", "stopped-then", "deleted-since"):
        school.started(user, "lab" if user == "deleted-since" else "")
    school.stopped("stopped-then")
    copy = backup(school)
    # Since then: one has come, one has come back, one has left, one has been deleted.
    school.started("came-since")
    school.started("stopped-then")
    school.stopped("old-running")
    for user in ("came-since", "stopped-then"):
        bill.write(school, user, f"work of {user}")
    assert school.delete("deleted-since", "lab") in (202, 204)
    school.until(lambda: school.view("deleted-since", "lab") is None, 200)
    there = since(school)

    lose(school)
    copy.rename(database(school))
    school.start_controller()
    school.until(lambda: school.view("came-since"))
    for user in ("came-since", "stopped-then"):
        school.until(lambda user=user: school.view(user)["desired"] == "running")
        school.until(lambda user=user: school.view(user)["url"])
        assert bill.read(school, user) == f"work of {user}"
    school.until(lambda: school.view("old-running")["desired"] == "stopped")
    school.rest()
    assert since(school) == there
    assert school.gone("old-running")
    assert school.gone("deleted-since", "lab")
    # It is all in hand again: stops stop and starts start, with the same machines and homes.
    for user in ("came-since", "stopped-then"):
        machine = school.stopped(user)
        assert school.started(user)["id"] == machine["id"]
        assert bill.read(school, user) == f"work of {user}"


@scenario(24)
def test_a_lost_database_stops_nobody_and_deletes_nothing(school):
    users = [f"pupil{number}" for number in range(5)]
    for user in users:
        school.student(user)
        assert school.start(user) == 202
    for user in users:
        school.until(lambda user=user: school.ready(user))
        bill.write(school, user, f"work of {user}")
    off = school.stopped(users[0])
    there = since(school)
    lose(school)
    school.start_controller()
    for user in users[1:]:
        school.until(lambda user=user: school.view(user) and school.view(user)["url"])
        assert bill.read(school, user) == f"work of {user}"
    school.rest()
    assert since(school) == there
    assert school.started(users[0])["id"] == off["id"]
    assert bill.read(school, users[0]) == f"work of {users[0]}"
    for user in users:
        school.stopped(user)


@scenario(36)
def test_a_proxy_that_has_lost_its_routes_gets_them_again_and_nobody_is_stopped(school):
    machine = school.started("surfer")
    school.until(lambda: through_the_proxy(school, "surfer") == machine["id"])
    there = since(school)
    school.kill("proxy")
    assert through_the_proxy(school, "surfer") is None
    school.start_proxy()
    school.until(lambda: through_the_proxy(school, "surfer") == machine["id"])
    assert since(school) == there
    assert school.view("surfer")["generation"] == 1
