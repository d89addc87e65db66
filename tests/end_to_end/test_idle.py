"""Forgotten machines stop and work does not: in a real browser, on limits of seconds."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests import driver
from tests.end_to_end import idle_class as school
from tests.end_to_end.classroom import opened
from tests.end_to_end.idle_class import Afternoon, Play

pytestmark = pytest.mark.timeout(540)

LATE = 30.0
"""Seconds that a look, a heartbeat and a computer with much to do may add."""


@pytest.fixture(scope="module")
def afternoon(tmp_path_factory, chromium, shots) -> Afternoon:
    """All the stories of this page, played at once, since each of them is mostly waiting."""
    folder = tmp_path_factory.mktemp("idle")
    card = driver.build(tmp_path_factory.mktemp("driver"))
    settings = folder / "settings.py"
    settings.write_text(school.SETTINGS)
    given = {"DEMO_CONFIG": str(settings), "DEMO_LIBRARIES": str(card.folder)}
    with opened(folder, **given) as room:
        yield Play(room, chromium, card, shots).run()


def between(least: float, most: float, lasted: timedelta) -> bool:
    """Whether it lasted so many seconds; a late look makes it longer, and nothing makes it shorter."""
    return least <= lasted.total_seconds() <= most + LATE


def test_a_page_that_is_left_open_is_warned_saved_and_stopped_and_the_hub_says_why(
    afternoon: Afternoon,
):
    claim = afternoon.story(school.FORGETS)
    seen = afternoon.seen
    assert (claim["reason"], school.UNSAVED in seen["before"], seen["after"]) == (
        "idle", False, ["6 * 7", school.UNSAVED],
    )  # fmt: skip
    assert "Nobody is using it" in seen["warning"]
    assert "so it was saved and stopped" in seen["home"]
    assert between(school.WITH_TAB, 70, afternoon.lasted(school.FORGETS))


def test_a_silent_cell_that_computes_with_no_browser_is_stopped_at_its_cap_and_not_before(
    afternoon: Afternoon,
):
    assert afternoon.story(school.COMPUTES)["reason"] == "unattended"
    cap = school.PROCESSOR_CAP + school.KERNEL_CAP + school.WORK_DONE
    assert between(cap, cap, afternoon.lasted(school.COMPUTES))


def test_a_job_in_a_terminal_whose_page_is_closed_is_stopped_at_its_cap_and_not_before(
    afternoon: Afternoon,
):
    assert afternoon.story(school.TERMINAL)["reason"] == "unattended"
    cap = school.PROCESSOR_CAP + school.WORK_DONE
    assert between(cap, cap, afternoon.lasted(school.TERMINAL))


def test_work_of_a_gpu_keeps_a_machine_up_to_its_cap(afternoon: Afternoon):
    assert afternoon.story(school.TRAINS)["reason"] == "unattended"
    [gpu] = afternoon.seen["gpu"]["devices"]
    assert (gpu["name"], gpu["utilization"]) == ("Tesla T4", 0.42)
    cap = school.GPU_CAP + school.WORK_DONE
    assert between(cap, cap, afternoon.lasted(school.TRAINS))


def test_a_cell_that_waits_for_input_for_ever_is_stopped(afternoon: Afternoon):
    assert afternoon.story(school.ASKS)["reason"] in ("unattended", "idle")
    lasted = afternoon.lasted(school.ASKS)
    cap = school.PROCESSOR_CAP + school.KERNEL_CAP + school.WORK_DONE
    assert between(school.WITHOUT_TAB, cap, lasted)


def test_keep_running_gives_time_as_often_as_is_allowed_and_then_it_is_stopped(
    afternoon: Afternoon,
):
    assert afternoon.story(school.KEEPS)["reason"] == "idle"
    assert between(school.EXTENSION, 2 * school.EXTENSION, afternoon.lasted(school.KEEPS))


def test_a_machine_that_nobody_ever_visits_is_stopped(afternoon: Afternoon):
    claim = afternoon.story(school.AWAY)
    assert claim["reason"] == "no_show"
