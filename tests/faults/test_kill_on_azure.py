"""One day on Azure in which the controller dies once at each request that changes something there.

The whole sweep on Azure is `make faults CLOUD=azure`. Here each request has been carried out by
Azure, and its answer has not been read: the most dangerous point.
"""

from __future__ import annotations

import pytest

from tests.faults.campus import Campus
from tests.faults.clouds import AZURE, chosen
from tests.faults.steps import CLOUD
from tests.faults.sweep import DELETE, FIRST, MORE, SECOND, STOP, Kill, Step, Sweep
from tests.faults.sweep_table import figures

pytestmark = [
    pytest.mark.faults,
    pytest.mark.timeout(240),
    pytest.mark.skipif(chosen() is AZURE, reason="the sweep of every step has it"),
]

DEATHS = {
    FIRST: "CreateMachine",
    STOP: "DeallocateMachine",
    SECOND: "StartMachine",
    DELETE: "DeleteMachine",
}


def test_a_controller_killed_at_each_change_of_azure_leaks_doubles_and_loses_nothing(tmp_path):
    sweep = Sweep(Campus(tmp_path, more=MORE, kind=AZURE), "controller", "azure")
    try:
        sweep.open()
        sweep.run(Kill(where, Step(CLOUD, what, 1), "acted") for where, what in DEATHS.items())
    finally:
        sweep.campus.close()
    assert [row.trouble for row in sweep.rows if row.trouble] == []
    assert {(row.scenario, row.reached, row.outcome) for row in sweep.rows} == {
        (FIRST, True, "ready"),
        (STOP, True, "off"),
        (SECOND, True, "ready"),
        (DELETE, True, "deleted"),
    }
    found = figures(sweep.rows)
    zeros = ("leak_minutes", "two_machines_at_once", "false_stops", "broken")
    assert {key: found[key] for key in zeros} == dict.fromkeys(zeros, 0)
