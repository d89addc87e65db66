"""What the AWS provider finds out before it starts anything: offers, names, and what is amiss."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gpuspawner.errors import InvalidSpec
from gpuspawner.model import Offering, Placement, Power, Severity
from gpuspawner.testing import refused
from tests.providers.aws_cloud import HERE, wish

pytestmark = pytest.mark.emulator


class TestOffers:
    async def test_sizes_in_the_order_of_the_configuration_and_zones_in_that_of_the_subnets(
        self, cloud
    ):
        found = [offering.placement for offering in await cloud.provider().offerings()]
        assert [p for p in found if p.size == "g4dn.xlarge"] == [
            HERE,
            replace(HERE, zone="us-east-1b"),
        ]
        assert list(dict.fromkeys(p.size for p in found)) == [
            "g4dn.xlarge",
            "g6.xlarge",
            "g6f.large",
        ]

    async def test_an_offering_is_what_ec2_says_it_is_at_our_price(self, cloud):
        assert (await cloud.provider().offerings())[0] == Offering(
            HERE, 4, 16384, "T4", 1, 16384, 526_000, "USD", available=True
        )

    async def test_a_part_of_a_gpu_is_offered_as_one(self, cloud):
        (offering, *_) = await cloud.provider(sizes=("g6f.large",)).offerings()
        assert (offering.gpu, offering.gpus, offering.gpu_memory_mib) == ("L4", 1, 2861)

    async def test_what_no_zone_has_is_not_offered(self, cloud):
        provider = cloud.provider(sizes=("x9.huge", "g4dn.xlarge"))
        assert {o.placement.size for o in await provider.offerings()} == {"g4dn.xlarge"}

    async def test_what_has_no_price_is_listed_since_the_price_book_has_the_last_word(self, cloud):
        provider = cloud.provider(sizes=("g4dn.16xlarge",))
        assert {o.placement.size for o in await provider.offerings()} == {"g4dn.16xlarge"}

    async def test_they_are_asked_for_once(self, cloud):
        provider = cloud.provider()
        await provider.bootstrap()
        await cloud.calls()
        await provider.offerings()
        assert await cloud.calls() == {}


class TestLookingUp:
    async def test_an_image_is_known_by_id_name_and_parameter(self, cloud):
        provider = cloud.provider()
        image = cloud.seed.image
        assert await provider.resolve_image("") == image
        assert await provider.resolve_image(image) == image
        assert await provider.resolve_image("gpuspawner-lab") == image

    async def test_an_image_that_does_not_exist_is_refused(self, cloud):
        provider = cloud.provider()
        await refused(InvalidSpec, provider.resolve_image("no-such-name"))
        await refused(InvalidSpec, provider.resolve_image("ami-00000000000000000"))
        await refused(InvalidSpec, provider.resolve_image("ssm:/no/such"))

    async def test_a_name_is_looked_up_once(self, cloud):
        provider = cloud.provider()
        await provider.resolve_image("")
        await cloud.calls()
        await provider.resolve_image("")
        assert await cloud.calls() == {}

    async def test_without_subnets_those_of_the_default_vpc_are_used(self, cloud):
        zones = [o.placement.zone for o in await cloud.provider(subnets=()).offerings()]
        assert zones[:2] == ["us-east-1a", "us-east-1b"]

    @pytest.mark.parametrize(
        "changes",
        [
            {"subnets": ("subnet-00000000",)},
            {"subnets": ("tag:gpu=yes",)},
            {"security_groups": ("nobody",)},
            {"image": "nothing"},
        ],
        ids=["subnet", "tag", "group", "image"],
    )
    async def test_bootstrap_refuses_what_does_not_exist(self, cloud, changes):
        await refused(InvalidSpec, cloud.provider(**changes).bootstrap())

    async def test_a_zone_without_a_subnet_of_ours_is_refused(self, cloud):
        place = Placement("us-east-1", "us-east-1f", "g4dn.xlarge")
        await refused(InvalidSpec, cloud.provider().create(wish(place)))


class TestCheck:
    async def test_a_sound_account(self, cloud):
        findings = {f.subject: f.severity for f in await cloud.provider().check()}
        assert Severity.ERROR not in findings.values()
        assert {"account", "image", "RunInstances", "quota L-DB2E81BA"} <= set(findings)

    async def test_it_changes_nothing(self, cloud):
        provider = cloud.provider()
        await provider.create(wish())
        await cloud.settle()
        await provider.check()
        await cloud.settle()
        assert [m.power for m in (await provider.list()).machines] == [Power.RUNNING]

    @pytest.mark.parametrize(
        ("fault", "changes", "subject"),
        [
            ({"action": "DescribeInstances", "code": "AuthFailure"}, {}, "account"),
            ({"action": "RunInstances", "code": "UnauthorizedOperation"}, {}, "RunInstances"),
            ({"action": "CreateVolume", "code": "UnauthorizedOperation"}, {}, "CreateVolume"),
            ({"kind": "quota", "code": "L-DB2E81BA", "limit": 0}, {}, "quota L-DB2E81BA"),
            ({}, {"image": "nothing"}, "image"),
            ({}, {"subnets": ("subnet-0",)}, "subnets"),
            ({}, {"security_groups": ("nobody",)}, "security groups"),
            ({}, {"sizes": ("x9.huge", "g4dn.xlarge")}, "x9.huge"),
        ],
    )
    async def test_each_trouble_is_found_by_name_with_a_remedy(
        self, cloud, fault, changes, subject
    ):
        if fault:
            await cloud.fault(**fault)
        errors = [
            f for f in await cloud.provider(**changes).check() if f.severity is Severity.ERROR
        ]
        assert subject in [finding.subject for finding in errors]
        assert all(finding.message and finding.remedy for finding in errors)
