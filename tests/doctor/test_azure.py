"""The doctor before an emulated Azure: sound once, then broken in one place at a time."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from gpuspawner import identity
from gpuspawner.doctor import examination
from gpuspawner.doctor.cloud_checks import checks
from gpuspawner.doctor.lines import Mark
from gpuspawner.emulator.arm import Emulator
from gpuspawner.store.database import Database
from tests.doctor.clinic import dump, failures, hub, told

pytestmark = pytest.mark.emulator

CONFIG = """
import gpuspawner

c = get_config()
gpuspawner.configure(c, public_url={url!r})
c.Authenticator.allowed_users = {{f"student-{{n}}" for n in range(20)}}
c.GPUSpawner.profile_list = [
    {{
        "display_name": "One T4",
        "slug": "t4",
        "gpuspawner_override": {{"sizes": ["Standard_NC4as_T4_v3"], "home_gib": 20, "disk_gib": 60}},
    }},
]
c.Controller.provider = "azure"
c.Azure.subscription, c.Azure.resource_group = {seed.subscription!r}, {seed.group!r}
c.Azure.subnets = {{"eastus": {subnet!r}}}
c.Azure.image = {seed.image!r}
c.Azure.endpoint_url, c.Azure.ca_file = {arm!r}, {authority!r}
c.Prices.cost = {{"Standard_NC4as_T4_v3": 0.53, "StandardSSD_LRS": 0.08}}
c.Credit.course_credit, c.Credit.student_credit = 600.0, 20.0
"""


class Clinic:
    """One hub's folder on an emulated Azure."""

    def __init__(self, folder, azure, url):
        self.folder, self.azure, self.url = folder, azure, url
        self.config = folder / "jupyterhub_config.py"

    def write(self, more="", **values):
        seed = self.azure.seed
        given = {
            "url": self.url,
            "seed": seed,
            "subnet": seed.subnet_id("eastus"),
            "arm": self.azure.url,
            "authority": str(self.azure.authority),
            **values,
        }
        self.config.write_text(CONFIG.format(**given) + more + "\n")

    def examine(self, students=None):
        return examination.examine(self.config, datetime.now(timezone.utc), students)


@pytest.fixture(scope="module")
def arm():
    with Emulator() as emulator:
        yield emulator


@pytest.fixture
def clinic(arm, tmp_path, monkeypatch):
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", arm.plain_url)
    arm.world.faults.reset()
    with hub() as url:
        one = Clinic(tmp_path, arm, url)
        one.write()
        key = identity.load(tmp_path / "gpuspawner_secret").encryption_key
        database = Database(f"sqlite:///{tmp_path}/gpuspawner.sqlite", key)
        database.migrate()
        database.close()
        yield one


def test_a_sound_configuration_is_fit_for_class_and_warned_that_there_is_no_second_switch(clinic):
    report = clinic.examine()
    name = f"gpuspawner-switch-{report.hub_id}"
    assert (report.exit_code, failures(report)) == (0, {}), dump(report)
    assert told(report, Mark.WARNING)["switch"] == [name], dump(report)
    cloud = {line.check for line in report.lines} & {"permissions", "security-groups", "switch"}
    assert cloud == {"switch"}


def test_every_check_of_the_account_has_a_line(clinic):
    seen = {line.check for line in clinic.examine().lines}
    case = examination.Case(clinic.config, {}, datetime.now(timezone.utc))
    assert {"account", "image", "subnets", "sizes", "quota", "switch"} <= seen
    assert "switch" not in checks(case)  # of a configuration that names no cloud


def test_another_subscription_is_found_out(clinic):
    other = "00000000-0000-4000-8000-00000000000f"
    subnet = clinic.azure.seed.subnet_id("eastus").replace(clinic.azure.seed.subscription, other)
    clinic.write(f"c.Azure.subscription = {other!r}", subnet=subnet)
    assert failures(clinic.examine()) == {"account": ["account"]}


def test_a_size_that_may_not_be_used_and_one_without_a_price_are_named(clinic):
    clinic.write('c.Azure.sizes = ["Standard_NV6ads_A10_v5"]')
    report = clinic.examine()
    assert "c.Azure.sizes" in dump(report) or "profile t4" in dump(report)
    assert failures(report)["profiles"] == ["profile t4"], dump(report)


def test_a_quota_that_is_too_small_for_everybody_is_named(clinic):
    failed = failures(clinic.examine(students=200))
    assert set(failed) == {"quota"}
    assert "quota eastus cores" in failed["quota"]
