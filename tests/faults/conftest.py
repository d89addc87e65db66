"""For tests that may take longer than others do."""

from __future__ import annotations

import faulthandler
import sys

import pytest


@pytest.fixture(autouse=True)
def _patience(request: pytest.FixtureRequest) -> None:
    """The last resort, which ends everything, waits as long as the test's own time-out and more."""
    marker = request.node.get_closest_marker("timeout")
    if marker and sys.__stderr__:
        faulthandler.dump_traceback_later(marker.args[0] + 30, exit=True, file=sys.__stderr__)
