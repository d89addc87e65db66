"""What the demo makes of its environment; that it runs is tried end to end."""

from __future__ import annotations

from pathlib import Path

import pytest

from gpuspawner.demo import Ports, state_folder
from gpuspawner.errors import ConfigurationError


def test_the_ports_are_those_that_are_documented():
    ports = Ports.from_environment({})
    assert (ports.hub_url, ports.emulator_url) == ("http://127.0.0.1:8000", "http://127.0.0.1:8020")


def test_a_port_base_moves_them_all_and_the_machines_addresses():
    ports = Ports.from_environment({"DEMO_PORT_BASE": "9000"})
    assert (ports.hub_url, ports.emulator_url) == ("http://127.0.0.1:9000", "http://127.0.0.1:9020")
    assert ports.network != Ports.from_environment({}).network


@pytest.mark.parametrize("text", ["x", "80", "70000", "-1"])
def test_a_port_base_that_is_none_is_refused_by_name(text):
    with pytest.raises(ConfigurationError, match="DEMO_PORT_BASE"):
        Ports.from_environment({"DEMO_PORT_BASE": text})


def test_what_make_exports_empty_is_not_set():
    empty = {"DEMO_PORT_BASE": "", "DEMO_DIR": ""}
    assert Ports.from_environment(empty) == Ports.from_environment({})
    assert state_folder(empty) == Path(".demo").absolute()


def test_a_folder_that_is_set_is_used():
    assert state_folder({"DEMO_DIR": "/somewhere/else"}) == Path("/somewhere/else")
