"""What Azure's lists mean, and what their silence does not."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from gpuspawner.model import Power
from gpuspawner.providers import azure_world as words
from gpuspawner.providers.azure_world import Status


def listed(*codes, provisioning="Succeeded"):
    statuses = [{"code": code} for code in codes]
    view = {"statuses": statuses}
    return {"properties": {"provisioningState": provisioning, "instanceView": view}}


@pytest.mark.parametrize(
    ("code", "power"),
    [
        ("starting", Power.PENDING),
        ("running", Power.RUNNING),
        ("stopping", Power.HALTED),
        ("stopped", Power.HALTED),
        ("deallocating", Power.STOPPING),
        ("deallocated", Power.STOPPED),
    ],
)
def test_only_what_is_deallocated_is_off_for_the_bill(code, power):
    entry = listed("ProvisioningState/succeeded", f"PowerState/{code}")
    assert words.power(words.status(entry), None) is power


def test_what_is_shown_to_run_while_it_is_being_made_is_on_its_way_and_has_not_failed():
    # As Azure answered in 2020, half a minute after the request.
    codes = ("ProvisioningState/creating/osProvisioningInProgress", "PowerState/running")
    seen = words.status(listed(*codes, provisioning="Creating"))
    assert words.power(seen, None) is Power.PENDING
    assert not seen.failed


@pytest.mark.parametrize("before", [None, *Power])
def test_silence_about_power_is_never_off(before):
    silent = words.status(listed("ProvisioningState/succeeded"))
    expected = Power.RUNNING if before is Power.RUNNING else Power.PENDING
    assert words.power(silent, before) is expected
    assert words.power(words.UNKNOWN, before) is expected


def test_what_never_got_hardware_is_off_and_what_failed_otherwise_may_be_billed():
    entry = listed("ProvisioningState/failed/ZonalAllocationFailed", provisioning="Failed")
    other = listed("ProvisioningState/failed/OSProvisioningTimedOut", provisioning="Failed")
    assert words.status(entry).code == "ZonalAllocationFailed"
    assert words.power(words.status(entry), None) is Power.STOPPED
    assert words.power(words.status(other), None) is Power.HALTED


def test_what_is_being_deleted_is_that_whatever_its_power():
    assert words.power(Status("deleting", Power.RUNNING), None) is Power.DELETING


@pytest.mark.parametrize(
    "text",
    ["2020-06-05T04:59:58.1852966+00:00", "2020-06-05T04:59:58.185296Z"],
)
def test_a_time_has_up_to_seven_digits(text):
    moment = datetime(2020, 6, 5, 4, 59, 58, 185296, timezone.utc)
    assert words.time(text) == moment


def test_a_disk_is_a_home_unless_it_is_positively_a_machines_own():
    own = {"name": "gs-0badcafe-x-os", "properties": {"osType": "Linux"}}
    assert not words.is_home(own)
    assert words.is_home({**own, "properties": {}})
    assert words.is_home({**own, "name": "gs-0badcafe-x"})
    assert words.is_home({**own, "tags": {"gpuspawner:role": "home"}})


def test_a_machines_own_disk_without_tags_is_known_by_the_hub_in_its_name():
    own = {"name": "gs-0badcafe-x-os", "properties": {"osType": "Linux"}}
    assert words.is_ours(own, "0badcafe")
    assert not words.is_ours(own, "deadbeef")
    assert not words.is_ours({**own, "tags": {"gpuspawner:hub": "deadbeef"}}, "0badcafe")
