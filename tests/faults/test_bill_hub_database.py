"""What happens to your bill when the hub's database is lost, or is an old one. Real processes."""

from __future__ import annotations

import contextlib
import sqlite3

import pytest

from tests.faults import bill_campus as look
from tests.faults.bill_table import bill
from tests.faults.campus import campus

DATABASE = "The hub's database is lost, or comes from a backup"
MORE = """
c.GPUSpawner.http_timeout = 600
c.Controller.roll_call_interval = 1
c.Controller.roll_call_grace = 5
"""


@pytest.fixture(scope="module")
def restored(tmp_path_factory):
    """A hub that got yesterday's database back in the middle of the next day."""
    with campus(tmp_path_factory.mktemp("restored"), quick=True, more=MORE) as one:
        for user in ("steady", "stopper", "again"):
            one.student(user)
            assert one.start(user) in (201, 202)
        for user in ("steady", "stopper", "again"):
            one.until(lambda user=user: one.ready(user))
            look.write(one, user, f"thesis of {user}")
        yesterday = one.folder / "yesterday.sqlite"
        _copy(_database(one), yesterday)

        one.stopped("stopper")
        one.stopped("again")
        one.started("again")
        one.started("newcomer")
        one.kill("hub")
        _replace(one, yesterday)
        one.start_hub()
        yield one


@pytest.fixture(scope="module")
def emptied(tmp_path_factory):
    """A hub that began anew with an empty database while machines run."""
    with campus(tmp_path_factory.mktemp("emptied"), quick=True, more=MORE) as one:
        for user in ("first", "second"):
            one.started(user)
            look.write(one, user, f"thesis of {user}")
        one.kill("hub")
        _replace(one, None)
        one.start_hub()
        yield one


def _database(one):
    return one.folder / "jupyterhub.sqlite"


def _copy(source, target):
    with (
        contextlib.closing(sqlite3.connect(source)) as old,
        contextlib.closing(sqlite3.connect(target)) as new,
    ):
        old.backup(new)


def _replace(one, backup):
    for path in one.folder.glob("jupyterhub.sqlite*"):
        path.unlink()
    if backup:
        _copy(backup, _database(one))


@bill(
    DATABASE,
    when="yesterday's database of the hub knows a server that runs still",
    happens="The hub takes it over.",
    billed="The machine, as before.",
    student="The server goes on.",
)
def test_a_server_that_the_backup_knows_goes_on(restored):
    one = restored
    one.until(lambda: one.ready("steady"))
    assert [line["to"] for line in look.lines(one, "steady")] == [None]


@bill(
    DATABASE,
    when="yesterday's database of the hub calls a server running that has been stopped since",
    happens="The controller knows better; the hub drops the server at once.",
    billed="Nothing but the disks.",
    student="A stopped server. The next start takes the same machine.",
)
def test_a_server_that_only_the_backup_calls_running_is_dropped(restored):
    one = restored
    one.until(lambda: look.over(one, "stopper"))
    assert [line["to"] is None for line in look.lines(one, "stopper")] == [False]
    one.started("stopper")
    assert look.read(one, "stopper") == "thesis of stopper"


@bill(
    DATABASE,
    when="a server has been stopped and started again since the backup of the hub's database was made",
    happens="The server runs with a token that the hub does not know any more, so nobody could log in "
    "to it. It is saved and stopped.",
    billed="The machine until it is stopped.",
    student="A stopped server. The next start takes the same machine, with the files as they were.",
)
def test_a_later_session_than_the_backups_is_ended(restored):
    one = restored
    one.until(lambda: look.over(one, "again"))
    assert one.view("again")["reason"] == "hub_forgot"
    one.started("again")
    assert look.read(one, "again") == "thesis of again"


@bill(
    DATABASE,
    when="a server was started after the backup of the hub's database was made",
    happens="The hub knows nothing of it, so nobody can reach it. When the hub has said so several times, "
    "for `c.Controller.roll_call_grace`, the machine is saved and stopped.",
    billed="The machine until it is stopped.",
    student="No server. The next start takes the same machine, unless the hub gives the name to "
    "somebody else.",
)
def test_a_server_that_the_backup_does_not_know_is_stopped(restored):
    one = restored
    one.until(lambda: look.over(one, "newcomer"))
    assert one.view("newcomer")["reason"] == "hub_forgot"
    assert len(look.lines(one, "newcomer")) == 1


@bill(
    DATABASE,
    when="the hub's database is gone",
    happens="No running machine has a server in the hub any more. Each is saved and stopped after "
    "`c.Controller.roll_call_grace`; no home is touched.",
    billed="The machines until they are stopped, then their disks.",
    student="No server, after logging in anew.",
)
def test_machines_are_stopped_when_the_hub_has_forgotten_everything(emptied):
    one = emptied
    for user in ("first", "second"):
        one.until(lambda user=user: look.over(one, user))
        assert one.view(user)["reason"] == "hub_forgot"
        assert [line["to"] is None for line in look.lines(one, user)] == [False]
    homes = {home["claim"] for home in one.api("homes")[1]}
    assert homes == {one.claim_of("first"), one.claim_of("second")}


@bill(
    DATABASE,
    when="the hub's database is gone, and a student logs in again under the old name",
    happens="The new hub numbers its users anew, so it cannot be known that it is the same person: the "
    "home is kept from them until an administrator hands it over with `gpuspawner homes give`.",
    billed="Nothing is started.",
    student="That the files kept under this name belong to somebody else, and that an administrator can "
    "hand them over.",
)
def test_a_home_is_not_given_to_a_new_user_of_the_same_name(emptied):
    one = emptied
    one.until(lambda: look.over(one, "second"))
    for user in ("a-new-one", "another", "second"):  # so that nobody has the number of before
        one.student(user)
    before = len(look.lines(one, "second"))
    assert one.start("second") in (202, 403)
    one.until(lambda: one.gone("second"))
    assert "belong to somebody else" in look.told(one, "second")
    assert len(look.lines(one, "second")) == before
