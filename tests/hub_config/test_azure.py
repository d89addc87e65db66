"""What an admin copies for a class on Azure fits together, and fits the code."""

from __future__ import annotations

import json
import os
from datetime import timedelta

import pytest

from gpuspawner import bootstrap
from gpuspawner.errors import ConfigurationError
from gpuspawner.providers import azure_roles, azure_switch
from gpuspawner.providers.azure_uses import USED_CALLS
from gpuspawner.settings.whole import Settings
from tests.house import sources

FOLDER = sources.ROOT / "hub_config" / "azure"
ROLES = ("role.json", "role-subscription.json", "role-switch.json")


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
    assert set(actions("role.json")) == called | set(azure_roles.WITH_A_MACHINE)


@pytest.mark.parametrize("name", ROLES)
def test_nothing_is_allowed_by_a_pattern(name):
    assert not [one for one in actions(name) if "*" in one]


def test_the_files_to_copy_are_what_bootstrap_writes():
    subscription, group = "SUBSCRIPTION_ID", "RESOURCE_GROUP"
    url = "https://HUB.EXAMPLE.ORG/"
    given = azure_switch.parameters(subscription, group, "HUB_ID", url)
    made = {
        "role.json": azure_roles.controller(subscription, group),
        "role-subscription.json": azure_roles.reader(subscription),
        "role-switch.json": azure_switch.role(subscription, group),
        "switch.json": azure_switch.template(given, timedelta(minutes=30)),
    }
    assert {name: json.loads((FOLDER / name).read_text()) for name in made} == made


class TestBootstrap:
    def test_fills_them_in_and_prints_how_they_are_used(self, loaded, tmp_path, capsys):
        assert bootstrap.azure(FOLDER / "jupyterhub_config.py", tmp_path / "out") == 0
        printed = capsys.readouterr().out.splitlines()
        record, hub = loaded.azure, loaded.identity.hub_id
        group = f"/subscriptions/{record.subscription}/resourceGroups/{record.resource_group}"
        scopes = {
            name: json.loads((tmp_path / "out" / name).read_text())["AssignableScopes"]
            for name in ROLES
        }
        assert scopes == {
            "role.json": [group],
            "role-subscription.json": [f"/subscriptions/{record.subscription}"],
            "role-switch.json": [group],
        }
        (switch,) = json.loads((tmp_path / "out" / "switch.json").read_text())["resources"]
        assert switch["name"] == f"gpuspawner-switch-{hub}"
        assert [line.split()[:4] for line in printed if line.startswith("az ")] == [
            *[["az", "role", "definition", "create"]] * 3,
            *[["az", "role", "assignment", "create"]] * 3,
        ]
        assert printed[-1].endswith(f"--role 'gpuspawner switch' --scope {group}")

    def test_has_nothing_for_a_hub_on_another_cloud(self, tmp_path, monkeypatch):
        monkeypatch.setenv("GPUSPAWNER_SECRET_FILE", str(tmp_path / "secret"))
        aws = sources.ROOT / "hub_config" / "aws" / "jupyterhub_config.py"
        with pytest.raises(ConfigurationError, match="is not for Azure"):
            bootstrap.azure(aws, tmp_path)


def test_for_the_whole_subscription_nothing_but_reading_is_allowed():
    whole = set(actions("role-subscription.json"))
    assert whole <= set(actions("role.json"))
    assert {one.rpartition("/")[2] for one in whole} == {"read"}
