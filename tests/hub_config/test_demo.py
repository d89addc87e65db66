"""The demo offers what its cloud and the price table have."""

from __future__ import annotations

from pathlib import Path

import pytest

from gpuspawner import profiles, settings
from gpuspawner.providers import catalog

CONFIG = Path(__file__).parents[2] / "hub_config" / "demo" / "jupyterhub_config.py"


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.setenv("DEMO_DIR", str(tmp_path))
    return settings.load(CONFIG)


def test_every_machine_and_every_choice_may_be_started_and_has_a_price(config):
    assert profiles.load(config.GPUSpawner.profile_list)
    asked = {size for one in config.GPUSpawner.profile_list for size in sizes(one)}
    assert asked == set(config.AWS.sizes)
    for size in asked:
        assert size in catalog.machines("aws", config.AWS.region)


def sizes(entry) -> set[str]:
    """The sizes of a profile or a choice, and of all choices below it."""
    found = set(entry.get("gpuspawner_override", {}).get("sizes", ()))
    for option in entry.get("profile_options", {}).values():
        for choice in option["choices"].values():
            found |= sizes(choice)
    return found
