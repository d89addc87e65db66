"""What an admin copies for a class on Azure fits together, and fits the code."""

from __future__ import annotations

import json
import os

import pytest

from gpuspawner.providers.azure_uses import USED_CALLS
from gpuspawner.settings.whole import Settings
from tests.house import sources

FOLDER = sources.ROOT / "hub_config" / "azure"
WITH_A_MACHINE = {
    "Microsoft.Network/networkInterfaces/write",
    "Microsoft.Network/networkInterfaces/join/action",
    "Microsoft.Network/virtualNetworks/subnets/join/action",
}
"""What Azure wants besides, from whoever makes a machine with its interface."""


def actions(name):
    return json.loads((FOLDER / name).read_text())["Actions"]


@pytest.fixture
def loaded(tmp_path, monkeypatch):
    for name in list(os.environ):
        if name.startswith(("AZURE_", "JUPYTERHUB_", "GPUSPAWNER_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("GPUSPAWNER_SECRET_FILE", str(tmp_path / "secret"))
    return Settings.load(FOLDER / "jupyterhub_config.py")


def test_the_configuration_is_one_for_azure_and_has_no_mistake(loaded):
    assert (loaded.controller.provider, loaded.aws) == ("azure", None)
    assert loaded.azure.regions == ("koreacentral",)


def test_every_size_of_the_configuration_has_a_price(loaded):
    assert {*loaded.azure.sizes, loaded.azure.disk_type} == set(loaded.prices.cost)


def test_the_role_allows_what_is_called_and_nothing_else():
    called = {use.permission for use in USED_CALLS.values()}
    assert set(actions("role.json")) == called | WITH_A_MACHINE


def test_nothing_is_allowed_by_a_pattern():
    assert not [one for one in actions("role.json") if "*" in one]


def test_for_the_whole_subscription_nothing_but_reading_is_allowed():
    whole = set(actions("role-subscription.json"))
    assert whole <= set(actions("role.json"))
    assert {one.rpartition("/")[2] for one in whole} == {"read"}
