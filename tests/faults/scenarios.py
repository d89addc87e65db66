"""The faults that this program must bear, what becomes of each, and the tests that prove it.

`@scenario(8, 9)` beside a test names the rows that it proves; `PROVEN_ELSEWHERE` names tests of
other folders which do. The page of faults is made from both (`docs/_ext/fault_page.py`), which
reads this file and does not run it: everything in it is a plain literal. The numbers are keys and
nothing more; those that are missing belong to what does not exist yet.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

Test = TypeVar("Test", bound=Callable[..., Any])

SCENARIOS = {
    1: (
        "The controller is killed before it has written down what it is about to do",
        "Nothing is in the cloud, and the next pass begins with the wish.",
    ),
    2: (
        "It is killed when the request for a machine is written down and not sent",
        "The same request is sent after the restart; at most one machine.",
    ),
    3: (
        "It is killed when the cloud has made the machine and the answer has not come",
        "The same request finds the same machine; one line on the bill.",
    ),
    4: (
        "It is killed when the answer has come and is not written down",
        "The machine is found by its tag and named.",
    ),
    5: (
        "The controller, or the hub, is killed while a machine boots",
        "The start goes on to ready; no second machine.",
    ),
    6: (
        "The controller is killed between the request to stop and the end of the machine",
        "The stop goes on; the session is over when the cloud says so.",
    ),
    7: (
        "It is killed while it cleans up, or in the middle of a transaction",
        "Every step may be taken twice; half a transaction leaves nothing.",
    ),
    8: (
        "The cloud makes the machine, and answers with an error or not at all",
        "The same request again finds the same machine.",
    ),
    9: (
        "The cloud's answer takes longer than anybody waits",
        "The same request again; no second attempt before the first is known to have ended.",
    ),
    10: (
        "The cloud refuses calls because there are too many",
        "Fewer are sent, and the start goes on; it does not fail.",
    ),
    11: (
        "The cloud has no machine of the size in the zone",
        (
            "The next zone, then the next size. When nothing is left the student reads so, and nothing "
            "is left behind. A stopped machine and its home are kept."
        ),
    ),
    12: (
        "The account's quota is used up",
        "Not tried again and again. The student is told, and the administrator sees the cloud's own code.",
    ),
    13: (
        "The credentials are refused, for a while",
        (
            "`health` says `degraded`, nothing storms, who works goes on working. When they are mended, "
            "all goes on without a restart."
        ),
    ),
    14: (
        "The cloud does not list a new machine yet, or lists one that is gone as running",
        "No second machine, and none is forgotten too early.",
    ),
    15: (
        "One bad machine makes a call for many fail",
        "The others are stopped or started all the same.",
    ),
    16: (
        "A machine never says anything",
        "The start fails in time with a sentence, and the machine is stopped.",
    ),
    17: (
        "The single-user server does not start",
        (
            "It is tried again twice on the machine; then the start fails, the end of the log is kept "
            "for the administrator, and the machine is stopped."
        ),
    ),
    18: (
        "The single-user server dies in mid-session",
        "It is started again on the same machine; the session goes on.",
    ),
    19: (
        "A machine and the controller cannot reach each other",
        (
            "Shortly: nothing happens. For long: the machine switches itself off, the session ends and "
            "says why; there never is a second machine."
        ),
    ),
    20: (
        "The cloud cannot be reached",
        (
            "Who works goes on working. A stop is carried out as soon as it can be; a start waits, and "
            "fails in time with a sentence, and then nothing of it is born later."
        ),
    ),
    21: (
        "Somebody stops or terminates a machine in the cloud's console",
        "The session ends and says so. The next start wakes it, or makes another with the same home.",
    ),
    22: (
        "Somebody starts a machine in the cloud's console",
        "It is stopped again: nobody wants it.",
    ),
    23: (
        "The controller's database is restored from an old backup",
        "Who works goes on working; machines it does not know are adopted by their tags; none is deleted.",
    ),
    24: (
        "The controller's database is lost",
        "With the same secret, as above. With another secret the machines are another hub's, and never touched.",
    ),
    25: (
        "The clock jumps by hours, or the computer sleeps",
        "Nobody who works is stopped, and starts still end in time.",
    ),
    28: (
        "Two controllers run, with the same database or with another secret",
        (
            "The same database: one acts, the other stands by, and one that has lost its turn does "
            "nothing more. Another secret: they never touch each other's machines."
        ),
    ),
    29: (
        "A user starts ten times at once",
        "One request, one machine.",
    ),
    30: (
        "A stop during a start, a start during a stop, a deletion during a start",
        "What was asked for last is what comes of it.",
    ),
    36: (
        "The proxy is restarted and has lost its routes",
        "The hub makes them again; nobody is stopped for it.",
    ),
    41: (
        "A machine is gone, and its disk is left over",
        "It is found and deleted; a home never is.",
    ),
}

PROVEN_ELSEWHERE = {
    1: (
        "tests/faults/test_kill_at_every_step.py::test_a_process_killed_at_a_step_leaks_doubles_and_loses_nothing",
        "tests/controllers/test_reconciler.py::test_the_intent_is_committed_before_the_cloud_is_asked",
    ),
    2: (
        "tests/faults/test_kill_at_every_step.py::test_a_process_killed_at_a_step_leaks_doubles_and_loses_nothing",
    ),
    3: (
        "tests/faults/test_kill_at_every_step.py::test_a_process_killed_at_a_step_leaks_doubles_and_loses_nothing",
    ),
    4: (
        "tests/faults/test_kill_at_every_step.py::test_a_process_killed_at_a_step_leaks_doubles_and_loses_nothing",
    ),
    5: (
        "tests/faults/test_kill_at_every_step.py::test_a_process_killed_at_a_step_leaks_doubles_and_loses_nothing",
        "tests/faults/test_kill_at_every_step.py::test_a_controller_that_is_killed_and_returns_fails_nobody",
    ),
    6: (
        "tests/faults/test_kill_at_every_step.py::test_a_process_killed_at_a_step_leaks_doubles_and_loses_nothing",
    ),
    7: (
        "tests/faults/test_kill_at_every_step.py::test_a_process_killed_at_a_step_leaks_doubles_and_loses_nothing",
        "tests/store/test_processes.py::test_a_process_killed_in_a_transaction_leaves_nothing_of_it",
        "tests/faults/test_random_faults.py::test_whatever_goes_wrong_nothing_leaks_doubles_is_lost_or_is_stopped",
    ),
    8: ("tests/faults/test_bill_starts.py::test_a_lost_answer_does_not_make_a_second_machine",),
    10: (
        "tests/providers/test_aws_limits.py::test_a_refusal_halves_the_rate_and_success_brings_it_back",
    ),
    11: (
        "tests/faults/test_bill_starts.py::test_no_capacity_for_more_students_than_the_failure_limit_does_not_end_the_hub",
    ),
    15: ("tests/providers/test_aws_batches.py::test_the_bad_member_alone_is_left_out",),
    16: (
        "tests/faults/test_bill_starts.py::test_a_machine_that_never_speaks_is_stopped_when_the_start_is_over",
    ),
    17: (
        "tests/faults/test_bill_starts.py::test_a_server_that_fails_on_the_machine_ends_the_bill_at_once",
        "tests/agent/test_machine_ends.py::test_a_server_that_dies_is_started_again_twice_and_then_reported_without_secrets",
    ),
    25: (
        "tests/controllers/test_jumps.py::test_three_listings_and_a_jump_of_hours_are_not_three_listings_in_two_minutes",
        "tests/controllers/test_jumps.py::test_a_machine_still_gets_its_minute_to_save_when_the_clock_went_back",
    ),
    29: ("tests/faults/test_bill_starts.py::test_ten_starts_at_once_make_one_machine",),
    30: ("tests/faults/test_bill_starts.py::test_a_stop_in_mid_create_leaves_nothing_running",),
    41: (
        "tests/policy/test_plan.py::test_leftovers_of_nobody_are_deleted_and_homes_of_nobody_are_not",
    ),
}


def scenario(*numbers: int) -> Callable[[Test], Test]:
    """Mark a test as the proof of these rows of `SCENARIOS`."""
    assert numbers
    assert not set(numbers) - SCENARIOS.keys(), numbers

    def mark(test: Test) -> Test:
        return test

    return mark
