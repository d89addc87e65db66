"""What is sent to Azure, as a whole."""

from __future__ import annotations

import base64

import pytest

from gpuspawner.errors import ConfigurationError, InvalidSpec
from gpuspawner.model import Placement
from gpuspawner.providers import azure_requests as requests
from gpuspawner.providers.base import HomeRequest, MachineRequest
from gpuspawner.settings.azure_record import AzureRecord
from tests.emulator import azure_types

SUBSCRIPTION = "00000000-1111-2222-3333-444444444444"
SUBNET = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/v"
    "/subnets/s"
)
IMAGE = "microsoft-dsvm:ubuntu-hpc:2404:24.4.1"


def record(**changes):
    return AzureRecord(
        **{
            "subscription": SUBSCRIPTION,
            "resource_group": "g",
            "subnets": {"koreacentral": SUBNET},
            "image": IMAGE,
            "sizes": ("Standard_NC4as_T4_v3",),
            "tags": {"course": "ml"},
            **changes,
        }
    )


def wish(**changes):
    return MachineRequest(
        **{
            "intent": "b66587fd-f757-4fae-9b17-7759576ba376",
            "claim": "gs-0badcafe-abcdefghijklmnopqrstuvwxyz",
            "owner_id": "7",
            "generation": 1,
            "placement": Placement("koreacentral", "koreacentral-2", "Standard_NC4as_T4_v3"),
            "image": IMAGE,
            "disk_gib": 60,
            "user_data": b"#cloud-config\n{}\n",
            **changes,
        }
    )


def test_one_write_makes_the_machine_with_its_disk_and_its_interface():
    body = requests.machine(wish(), record(), "0badcafe")
    properties = body["properties"]
    (interface,) = properties["networkProfile"]["networkInterfaceConfigurations"]
    (address,) = interface["properties"]["ipConfigurations"]
    assert (body["location"], body["zones"]) == ("koreacentral", ["2"])
    assert address["properties"] == {"primary": True, "subnet": {"id": SUBNET}}
    assert interface["properties"]["deleteOption"] == "Delete"
    assert properties["storageProfile"]["osDisk"]["deleteOption"] == "Delete"
    assert base64.b64decode(properties["osProfile"]["customData"]) == wish().user_data
    assert "identity" not in body


def test_microsofts_own_types_have_nothing_against_it():
    kind = azure_types._VM
    if azure_types.HERE:
        for settings in (record(), record(security_type="TrustedLaunch")):
            body = requests.machine(wish(), settings, "0badcafe")
            assert azure_types.checked(body, kind, request=True) == []
            body["properties"]["vmid"] = body["properties"].pop("hardwareProfile")
            assert azure_types.checked(body, kind, request=True) == [
                "virtualMachines.properties.vmid is unknown"
            ]


def test_a_replay_is_the_same_to_the_byte_and_another_request_has_another_print():
    first = requests.machine(wish(), record(), "0badcafe")
    assert requests.machine(wish(), record(), "0badcafe") == first
    other = requests.machine(wish(user_data=b"other"), record(), "0badcafe")
    assert other["tags"][requests.REQUEST] != first["tags"][requests.REQUEST]


def test_no_secret_is_in_the_tags():
    body = requests.machine(wish(user_data=b"the-ticket"), record(), "0badcafe")
    assert "the-ticket" not in str(body["tags"])


def test_names_are_the_intents_and_short_enough_for_azure():
    name = requests.machine_name(wish())
    assert name == "gs-0badcafe-abcdefghijklmnopqrstuvwxyz-b66587fdf757"
    assert len(name) <= 64
    assert requests.owner_of_os_disk(requests.os_disk_name(name)) == name


def test_nobody_can_log_in_unless_a_key_is_given():
    def key(settings):
        profile = requests.machine(wish(), settings, "0badcafe")["properties"]["osProfile"]
        return profile["linuxConfiguration"]["ssh"]["publicKeys"][0]["keyData"]

    assert key(record()).startswith("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5")
    assert key(record(ssh_public_key="ssh-ed25519 AAAA admin")) == "ssh-ed25519 AAAA admin"


def test_a_region_without_zones_is_its_own_zone():
    place = Placement("koreasouth", "koreasouth", "Standard_NC4as_T4_v3")
    settings = record(subnets={"koreasouth": SUBNET})
    assert "zones" not in requests.machine(wish(placement=place), settings, "0badcafe")
    assert requests.zone_name("koreasouth", None) == "koreasouth"


def test_a_region_without_a_subnet_is_refused():
    with pytest.raises(InvalidSpec, match="no subnet for koreacentral"):
        requests.machine(wish(), record(subnets={"eastus": SUBNET}), "0badcafe")


def test_a_home_is_an_empty_disk_in_its_zone_that_nobody_can_download():
    asked = HomeRequest("token", "gs-x", "7", "koreacentral", "koreacentral-1", 32)
    body = requests.home(asked, record(), "0badcafe")
    assert (body["zones"], body["properties"]["diskSizeGB"]) == (["1"], 32)
    assert body["properties"]["networkAccessPolicy"] == "DenyAll"
    assert body["tags"]["gpuspawner:role"] == "home"


@pytest.mark.parametrize("image", ["ubuntu", "a:b:c", "a::c:d"])
def test_an_image_is_a_urn_or_a_gallerys_id(image):
    with pytest.raises(InvalidSpec):
        requests.image_reference(image)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"subscription": ""}, "Azure.subscription must be set"),
        ({"subscription": "mine"}, "a UUID"),
        ({"subnets": {"eastus": SUBNET.replace("0000-", "9999-")}}, "another subscription"),
        ({"subnets": {"eastus": "machines"}}, "its full id"),
        ({"tags": {"azure-x": "y"}}, "azure-x is reserved"),
    ],
)
def test_settings_that_cannot_be_are_refused_by_name(changes, said):
    with pytest.raises(ConfigurationError, match=said):
        record(**changes)
