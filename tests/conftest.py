"""What holds for every test: Hypothesis' profile, the kinds of tests, and their order.

A kind is where a test lives, or its marker. The quick kinds run first, so that a mistake shows
soon; within a kind the order is random. The number of tests of each kind is printed at the end.
"""

from __future__ import annotations

import faulthandler
import inspect
import os
from collections import Counter
from collections.abc import Iterator

import pytest
from _pytest.faulthandler import fault_handler_stderr_fd_key
from hypothesis import HealthCheck, Phase, settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from tests.labs_extension import backends
from tests.store.ledger import counting
from tests.store.ledger.counting import pytest_runtest_call  # noqa: F401 - a hook
from tests.web.credit import schema_summary

KINDS = ("house", "unit", "emulator", "hub", "faults", "end_to_end", "docs")
"""In the order in which they run."""

SLOW_PHASES = (Phase.shrink, Phase.explain)

_RAN: Counter[str] = Counter()

settings.register_profile(
    "house",
    deadline=None,  # the machine may be busy with something else
    derandomize="CI" in os.environ,  # the gate judges the change, not the day's luck
    # Nor does it have the time to make a failing example smaller: a test's time-out would hide it.
    phases=[phase for phase in Phase if "CI" not in os.environ or phase not in SLOW_PHASES],
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("house")


def kind_of(item: pytest.Item) -> str:
    """The slowest kind that its folder or one of its markers names, else `unit`."""
    names = {*item.path.relative_to(item.config.rootpath / "tests").parts}
    names |= {marker.name for marker in item.iter_markers()}
    return next((kind for kind in reversed(KINDS) if kind in names), "unit")


class Rooms(LoadScopeScheduling):
    """With `-n`, the tests of a file run in one process, since they share what they set up.

    So do all that use the hub's fixed ports, and the sweeps of kills, each of which plays several
    lives at once already. Random plays share nothing, and are the longest part of `make faults`:
    each is a room. (The groups of `--dist loadgroup` have no effect with pytest 9.2.)
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        if file.endswith("test_random_faults.py"):
            return nodeid
        return next(
            (room for room in ("tests/hub/", "tests/faults/test_kill_") if room in file), file
        )


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """Which process runs what."""
    return Rooms(config, log)


def _needs_a_loop(item: pytest.Item) -> bool:
    """Whether pytest-asyncio runs it; asked of the kind in which it matters."""
    return kind_of(item) == "end_to_end" and inspect.iscoroutinefunction(
        getattr(item, "function", None)
    )


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """The last resort, which ends everything, waits as long as the test's own time-out and more."""
    marker = item.get_closest_marker("timeout")
    if marker:
        said_on = item.config.stash[fault_handler_stderr_fd_key]
        faulthandler.dump_traceback_later(marker.args[0] + 30, exit=True, file=said_on)


def pytest_report_header() -> str:
    """What the tests do not run is said. pytest asks only the conftest at the top for it."""
    return backends.header()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    """Quick kinds first. The sort keeps the random order within each."""
    for item in items:
        kind = kind_of(item)
        if kind not in ("house", "unit"):
            item.add_marker(kind)
    yield
    # Playwright's own loop runs from the first test that uses it without asyncio to the end, and
    # with one that runs asyncio begins no other: so those that need one come first.
    items.sort(key=lambda item: (KINDS.index(kind_of(item)), not _needs_a_loop(item)))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Count what ran, passed or not; a skipped test did not run."""
    if report.when == "call" and not report.skipped:
        _RAN[dict(report.user_properties).get("kind", "unit")] += 1
    counting.add(report)
    schema_summary.add(report)


@pytest.fixture(autouse=True)
def _kind(request: pytest.FixtureRequest, record_property: object) -> None:
    assert callable(record_property)
    record_property("kind", kind_of(request.node))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How many of each kind ran."""
    if _RAN:
        counts = ", ".join(f"{_RAN[kind]} {kind}" for kind in KINDS if _RAN[kind])
        terminalreporter.write_line(f"tests by kind: {counts} ({sum(_RAN.values())} in all)")
    counting.tell(terminalreporter)
    schema_summary.tell(terminalreporter)
