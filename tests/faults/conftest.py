"""On Azure (`CLOUD=azure`) `make faults` plays this whole folder, but for what cannot be played there.

`make test` has played it on EC2. What is skipped says why.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_IN_MEMORY = "its cloud is an EC2 in memory, whatever CLOUD says"
_USER_DATA = "it reads a machine's user data back from the cloud, which Azure does not give"

NOT_ON_AZURE = {
    "test_scenario_time.py": _IN_MEMORY,
    "test_random_faults.py": _IN_MEMORY,
    "test_random_plays.py": _IN_MEMORY,
    "test_no_secret_is_in_user_data_tags_command_lines_or_logs": _USER_DATA,
    "test_what_a_machine_says_of_itself_changes_no_bill": _USER_DATA,
}
"""A file or a test, and why."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark them, before it is looked at marks; all items of the run are told, so those of this folder."""
    if os.environ.get("CLOUD") != "azure":
        return
    for item in items:
        if item.path.parent != Path(__file__).parent:
            continue
        item.add_marker(pytest.mark.faults)
        names = (item.path.name, item.name.partition("[")[0])
        for reason in filter(None, map(NOT_ON_AZURE.get, names)):
            item.add_marker(pytest.mark.skip(reason=reason))
