"""What happens to your bill while a machine runs, and when it is stopped. Real processes throughout."""

from __future__ import annotations

import pytest

from tests.faults import bill_campus as look
from tests.faults.bill_table import bill
from tests.faults.campus import campus

RUNNING = "While it runs"
STOPPING = "Stopping"


@pytest.fixture(scope="module")
def university(tmp_path_factory):
    """Two machines go off before anything else: that they are silent shows after half a minute."""
    with campus(tmp_path_factory.mktemp("sessions"), quick=True) as one:
        one.first = {user: one.started(user)["id"] for user in ("worker", "surprised")}
        look.write(one, "worker", "thesis")
        look.power(one, "worker", "off")
        look.power(one, "surprised", "stop")
        yield one


# -- somebody else does something to the machine --------------------------------------------


def _ended(one, user, reason="machine_ended"):
    """The session is over everywhere, nothing is started again, and the next click works."""
    one.until(lambda: look.over(one, user))
    assert one.view(user)["reason"] == reason
    assert len(look.lines(one, user)) == 1
    machine = one.started(user)
    assert len(look.lines(one, user)) == 2
    return machine


@bill(
    RUNNING,
    when="the student switches the machine off from inside",
    happens="The session is over, as soon as the machine has been silent for half a minute. Nothing is "
    "restarted behind anyone's back.",
    billed="The machine until it went off.",
    student="That the machine was switched off from inside. The next start takes the same machine.",
)
def test_a_machine_switched_off_from_inside_is_not_started_again(university):
    one = university
    assert _ended(one, "worker")["id"] == one.first["worker"]
    assert look.read(one, "worker") == "thesis"


@bill(
    RUNNING,
    when="somebody stops the machine in the cloud's console",
    happens="The session is over, and is not started again.",
    billed="The machine until it was stopped.",
    student="That the machine was switched off outside this hub, and that the files are kept.",
)
def test_a_machine_stopped_in_the_console_is_not_started_again(university):
    one = university
    assert _ended(one, "surprised")["id"] == one.first["surprised"]


@bill(
    RUNNING,
    when="the machine dies, or somebody terminates it in the cloud's console",
    happens="The session is over. The home is a disk of its own, which stays.",
    billed="The machine until it was gone; then the home's disk alone.",
    student="That the machine was switched off outside this hub. The next start makes a new machine, "
    "with the files as they were.",
)
def test_a_machine_terminated_in_the_console_leaves_its_home(university):
    one = university
    machine = one.started("bereft")
    look.write(one, "bereft", "thesis")
    look.power(one, "bereft", "terminate")
    assert _ended(one, "bereft")["id"] != machine["id"]
    assert look.read(one, "bereft") == "thesis"


@bill(
    RUNNING,
    when="somebody restarts the machine in the cloud's console",
    happens="The machine comes up again and goes on with the same session.",
    billed="The machine, as before.",
    student="A short interruption, and the same server.",
)
def test_a_machine_rebooted_in_the_console_goes_on_with_its_session(university):
    one = university
    machine = one.started("shaken")
    generation = one.view("shaken")["generation"]
    look.power(one, "shaken", "reboot")
    one.until(lambda: one.page("shaken", "/stub")[0] == 200)
    assert (one.machine("shaken")["id"], one.view("shaken")["generation"]) == (
        machine["id"],
        generation,
    )
    assert len(look.running_up(one, "shaken")) == 1


@bill(
    RUNNING,
    when="somebody starts a stopped machine in the cloud's console",
    happens="Nobody has asked for it here, so it is stopped again.",
    billed="The machine for the time between two looks at the cloud (`c.Controller.slow_interval`), "
    "one minute at least.",
    student="Nothing of it.",
)
def test_a_machine_started_in_the_console_is_stopped_again(university):
    one = university
    one.started("asleep")
    one.stopped("asleep")
    look.power(one, "asleep", "start")
    one.until(lambda: len(look.lines(one, "asleep")) == 2)
    one.until(lambda: look.over(one, "asleep"))
    assert one.view("asleep")["desired"] == "stopped"


@bill(
    RUNNING,
    when="JupyterLab dies on a machine that runs",
    happens="The machine starts it again by itself; the hub does not take the machine for stopped.",
    billed="The machine, as before.",
    student="A short interruption, and the same server.",
)
def test_a_server_that_dies_is_started_again_on_its_machine(university):
    one = university
    machine = one.started("unlucky")
    rule = {"kind": "machines", "behaviour": "dies", "id": machine["id"], "count": 1}
    one.cloud("faults", rule)
    one.until(lambda: one.page("unlucky", "/stub")[0] == 0)
    assert one.ready("unlucky")
    one.until(lambda: one.page("unlucky", "/stub")[0] == 200)
    assert one.ready("unlucky")
    assert [line["to"] for line in look.lines(one, "unlucky")] == [None]


@bill(
    RUNNING,
    when="the cloud does not answer for a while, or refuses everything",
    happens="What is not known to be off counts as on. Nothing is dropped, and no rule stops anything.",
    billed="The machine, as before.",
    student="The server goes on.",
)
def test_an_outage_of_the_cloud_ends_no_session(university):
    one = university
    one.started("calm")
    with look.trouble(one, {"action": "*", "code": "AuthFailure"}):
        one.until(lambda: one.health() != "ok")
        assert one.ready("calm")
        assert one.page("calm", "/stub")[0] == 200
    one.until(lambda: one.health() == "ok")
    assert one.ready("calm")
    assert [line["to"] for line in look.lines(one, "calm")] == [None]


# -- stopping -------------------------------------------------------------------------------


@bill(
    STOPPING,
    when="a student presses Stop",
    happens="The work is saved, the machine is stopped, and only then the hub calls the server stopped.",
    billed="The machine until the cloud has taken it down, and never longer than the hub says that it "
    "runs.",
    student="The server as stopping, and then as stopped.",
)
def test_the_hub_calls_a_server_stopped_only_when_nothing_is_billed(university):
    one = university
    one.started("tidy")
    one.cloud("faults", {"action": "StopInstances", "delay": 2, "count": 1})
    assert one.stop("tidy") == 202

    def gone():
        """Looks at the hub first and at the bill second: what is gone may not be billed after that."""
        if one.gone("tidy"):
            assert look.running_up(one, "tidy") == []
            return True
        return False

    one.until(gone)
    one.until(lambda: look.over(one, "tidy"))


@bill(
    STOPPING,
    when="a student comes back",
    happens="The same machine is started again, with the same home.",
    billed="One machine, for both sessions. In between, its disks.",
    student="The files as they were.",
)
def test_a_second_start_takes_the_same_machine_and_home(university):
    one = university
    first = one.started("loyal")
    look.write(one, "loyal", "thesis")
    home = one.page("loyal", "/stub")[1]["home"]
    one.stopped("loyal")
    second = one.started("loyal")
    assert (second["id"], one.page("loyal", "/stub")[1]["home"]) == (first["id"], home)
    assert look.read(one, "loyal") == "thesis"
    assert len(look.all_machines(one, "loyal")) == 1
    assert [line["to"] is None for line in look.lines(one, "loyal")] == [False, True]


@bill(
    STOPPING,
    when="a server is deleted for good",
    happens="Its machine is deleted; the home stays until an administrator deletes it.",
    billed="The home's disk.",
    student="The server is gone. A new one with the same name has the files.",
)
def test_a_deleted_server_leaves_its_home_and_no_machine(university):
    one = university
    one.started("leaver", "second")
    one.stopped("leaver", "second")
    assert one.delete("leaver", "second") in (202, 204)
    one.until(lambda: one.machines("leaver", "second") == [])
    one.until(lambda: one.view("leaver", "second") is None)
    claim = one.claim_of("leaver", "second")
    assert [home["claim"] for home in one.api("homes")[1]].count(claim) == 1
    open_disks = [
        line for line in one.cloud("bill")["lines"] if line["kind"] == "disk" and not line["to"]
    ]
    [home] = [home["id"] for home in one.api("homes")[1] if home["claim"] == claim]
    assert home in {line["id"].rpartition("/")[2] for line in open_disks}
