"""What happens to your bill when the hub dies that runs the controller, too. Real processes."""

from __future__ import annotations

import pytest

from tests.faults import bill_campus as look
from tests.faults.bill_table import bill
from tests.faults.campus import campus

BOTH = "The hub is killed, and its controller ends with it"


@pytest.fixture(scope="module")
def university(tmp_path_factory):
    """The hub is killed while one machine runs, one is being made, and one is up and answers nothing."""
    more = "c.GPUSpawner.http_timeout = 15"
    with campus(tmp_path_factory.mktemp("managed"), quick=True, managed=True, more=more) as one:
        one.until(lambda: one.health() == "ok")
        one.started("steady")
        for user in ("starting", "silent"):
            one.student(user)
        look.creating(one, "starting", delay=5, count=1)
        look.behaves(one, "silent", "unready")
        assert one.start("starting") == one.start("silent") == 202
        one.until(lambda: look.asked(one, "starting"))
        one.until(lambda: (one.view("silent") or {}).get("url"))
        one.kill("hub")
        one.until(lambda: one.health() == "")
        one.start_hub()
        yield one


@bill(
    BOTH,
    when="the hub is killed together with its controller while machines run",
    happens="The machines run on. A new controller starts with the hub, and goes on where the old one was.",
    billed="The machines, as before.",
    student="A hub that does not answer for a while; then the same server.",
)
def test_the_next_hubs_controller_goes_on_with_what_runs(university):
    one = university
    one.until(lambda: one.ready("steady"))
    assert [line["to"] for line in look.lines(one, "steady")] == [None]
    assert one.stopped("steady")["state"] == "stopped"


@bill(
    BOTH,
    when="hub and controller are killed while the cloud is making a machine",
    happens="What was about to be asked is written down before it is asked. The new controller asks again "
    "with the same token, and gets the same machine.",
    billed="One machine.",
    student="The page of the starting server again, and then the server.",
)
def test_a_machine_that_was_being_made_is_made_once(university):
    one = university
    one.until(lambda: one.ready("starting"))
    assert len(look.lines(one, "starting")) == len(look.all_machines(one, "starting")) == 1


@bill(
    BOTH,
    when="the hub comes back to a machine that is up, but whose server never answers",
    happens="The hub waits for `c.GPUSpawner.http_timeout`, and then stops the machine.",
    billed="The machine, until it is stopped.",
    student="A stopped server. The next start takes the same machine.",
)
def test_an_adopted_server_that_never_answers_is_stopped(university):
    one = university
    one.until(lambda: look.over(one, "silent"))
    assert [line["to"] is None for line in look.lines(one, "silent")] == [False]
    first = one.machine("silent")["id"]
    assert one.started("silent")["id"] == first
