"""What the demo makes of its environment; that it runs is tried end to end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gpuspawner.demo import CONFIG, Ports, state_folder
from gpuspawner.emulator.arm_world import Seed
from gpuspawner.errors import ConfigurationError
from gpuspawner.settings.whole import Settings

SIZE = "Standard_NC4as_T4_v3"


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


def test_each_cloud_has_a_port_of_its_own_and_both_move():
    moved = {"DEMO_PORT_BASE": "9000"}
    ports = [Ports.from_environment(moved, cloud).emulator for cloud in ("ec2", "azure")]
    assert ports == [9020, 9030]


def test_the_demos_configuration_is_one_for_the_cloud_that_it_runs_on(tmp_path, monkeypatch):
    seed = Seed()
    shown = {**seed.to_json(), "sizes": [{"type": SIZE, "price_per_hour": 0.5}]}
    monkeypatch.setenv("DEMO_DIR", str(tmp_path))
    monkeypatch.setenv("DEMO_CLOUD", "azure")
    monkeypatch.setenv("DEMO_SEED", json.dumps(shown))
    loaded = Settings.load(CONFIG)
    assert (loaded.controller.provider, loaded.aws) == ("azure", None)
    assert (loaded.azure.subscription, loaded.azure.image) == (seed.subscription, seed.image)
    assert loaded.azure.endpoint_url == "https://127.0.0.1:8030"
    assert loaded.prices.cost[SIZE] == 0.5


def test_without_a_cloud_it_is_the_emulated_ec2(tmp_path, monkeypatch):
    monkeypatch.setenv("DEMO_DIR", str(tmp_path))
    monkeypatch.delenv("DEMO_CLOUD", raising=False)
    loaded = Settings.load(CONFIG)
    assert (loaded.controller.provider, loaded.azure) == ("aws", None)
