"""RunInstances: once for each token, as many as there is room for, and nothing that EC2 refuses."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ParamValidationError

from tests.emulator.ec2_worlds import Cloud, refused

pytestmark = pytest.mark.emulator

TOKEN = "7f6c1a52-0000-4000-8000-000000000001"


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with Cloud() as cloud:
        yield cloud


def test_the_same_request_with_the_same_token_makes_one_machine(cloud: Cloud) -> None:
    first = cloud.run(ClientToken=TOKEN)
    again = cloud.run(ClientToken=TOKEN)

    assert again == first
    assert [machine["InstanceId"] for machine in cloud.describe()] == [first]


def test_another_token_makes_another_machine(cloud: Cloud) -> None:
    assert cloud.run(ClientToken=TOKEN) != cloud.run(ClientToken=TOKEN[::-1])


def test_a_replay_shows_the_present_state(cloud: Cloud) -> None:
    cloud.running(ClientToken=TOKEN)

    answer = cloud.ec2.run_instances(**cloud.wish(ClientToken=TOKEN))

    assert answer["Instances"][0]["State"] == {"Code": 16, "Name": "running"}


def test_the_token_outlives_the_machine(cloud: Cloud) -> None:
    machine = cloud.run(ClientToken=TOKEN)
    cloud.ec2.terminate_instances(InstanceIds=[machine])
    cloud.advance(2 * 3600)

    answer = cloud.ec2.run_instances(**cloud.wish(ClientToken=TOKEN))["Instances"][0]

    assert (answer["InstanceId"], answer["State"]["Name"]) == (machine, "terminated")
    assert cloud.describe() == []


@pytest.mark.parametrize(
    "other", [{"InstanceType": "g5.xlarge"}, {"UserData": "other"}, {"zone": "us-east-1b"}]
)
def test_the_same_token_with_another_request_is_a_mismatch(
    cloud: Cloud, other: dict[str, Any]
) -> None:
    cloud.run(ClientToken=TOKEN)

    with refused("IdempotentParameterMismatch"):
        cloud.run(ClientToken=TOKEN, **other)


def test_a_token_that_was_refused_is_not_used_up(cloud: Cloud) -> None:
    cloud.fault(kind="capacity", limit=0)
    with refused("InsufficientInstanceCapacity", 500):
        cloud.run(ClientToken=TOKEN)
    cloud.delete("faults")

    assert cloud.state(cloud.run(ClientToken=TOKEN)) == "pending"


def test_a_machine_can_be_found_by_its_token(cloud: Cloud) -> None:
    machine = cloud.run(ClientToken=TOKEN)
    cloud.run()

    found = cloud.describe(Filters=[{"Name": "client-token", "Values": [TOKEN]}])

    assert [one["InstanceId"] for one in found] == [machine]


def test_a_filter_that_does_not_exist_is_refused(cloud: Cloud) -> None:
    with refused("InvalidParameterValue"):
        cloud.describe(Filters=[{"Name": "colour", "Values": ["blue"]}])


def test_as_many_machines_begin_as_were_asked_for(cloud: Cloud) -> None:
    cloud.ec2.run_instances(**cloud.wish(MaxCount=5))

    assert [one["PrivateIpAddress"] for one in cloud.describe()] == [
        f"127.20.0.{number}" for number in range(1, 6)
    ]


def test_fewer_begin_where_there_is_room_for_fewer(cloud: Cloud) -> None:
    cloud.fault(kind="capacity", type="g4dn.*", zone="us-east-1a", limit=3)
    cloud.ec2.run_instances(**cloud.wish(MaxCount=5))

    assert len(cloud.describe()) == 3


def test_none_begins_where_there_is_room_for_fewer_than_the_least(cloud: Cloud) -> None:
    cloud.fault(kind="capacity", type="g4dn.*", zone="us-east-1a", limit=3)

    with refused("InsufficientInstanceCapacity", 500):
        cloud.ec2.run_instances(**cloud.wish(MinCount=4, MaxCount=5))
    assert cloud.describe() == []


def test_capacity_is_of_one_type_in_one_zone(cloud: Cloud) -> None:
    cloud.fault(kind="capacity", type="g5.xlarge", zone="us-east-1a", limit=0)

    with refused("InsufficientInstanceCapacity", 500):
        cloud.run(InstanceType="g5.xlarge")
    cloud.run(InstanceType="g5.xlarge", zone="us-east-1b")
    cloud.run(InstanceType="g4dn.xlarge")
    assert len(cloud.describe()) == 2


def test_a_stopped_machine_gives_its_capacity_back_and_may_not_get_it_again(cloud: Cloud) -> None:
    cloud.fault(kind="capacity", type="g4dn.xlarge", limit=1)
    first = cloud.stopped()
    second = cloud.running()

    with refused("InsufficientInstanceCapacity", 500):
        cloud.ec2.start_instances(InstanceIds=[first])
    assert (cloud.state(first), cloud.state(second)) == ("stopped", "running")


def test_the_quota_counts_the_vcpus_of_a_family(cloud: Cloud) -> None:
    cloud.fault(kind="quota", code="L-DB2E81BA", limit=10)
    cloud.run()
    cloud.run(InstanceType="g6.xlarge")

    with refused("VcpuLimitExceeded"):
        cloud.run(InstanceType="g5.xlarge")


def test_the_quota_of_one_family_does_not_hold_another(cloud: Cloud) -> None:
    cloud.fault(kind="quota", code="L-DB2E81BA", limit=0)

    assert cloud.state(cloud.run(InstanceType="t3.micro")) == "pending"


def test_a_dry_run_makes_nothing_and_says_that_it_would(cloud: Cloud) -> None:
    with refused("DryRunOperation", 412):
        cloud.run(DryRun=True, ClientToken=TOKEN)
    assert cloud.describe() == []


@pytest.mark.parametrize(
    ("other", "code"),
    [
        ({"InstanceType": "p2.xlarge7"}, "InvalidParameterValue"),
        ({"InstanceType": "g6e.xlarge", "zone": "us-east-1f"}, "Unsupported"),
        ({"ImageId": "ami-0123456789abcdef0"}, "InvalidAMIID.NotFound"),
        ({"ImageId": "lab"}, "InvalidAMIID.Malformed"),
        ({"SubnetId": "subnet-0123456789abcdef0"}, "InvalidSubnetID.NotFound"),
        ({"SecurityGroupIds": ["sg-0123456789abcdef0"]}, "InvalidGroup.NotFound"),
        ({"UserData": "x" * 16385}, "InvalidParameterValue"),
        ({"MinCount": 3, "MaxCount": 2}, "InvalidParameterValue"),
        ({"ClientToken": "x" * 65}, "InvalidParameterValue"),
        ({"InstanceMarketOptions": {"MarketType": "spot"}}, "UnsupportedOperation"),
        ({"LaunchTemplate": {"LaunchTemplateName": "lab"}}, "UnsupportedOperation"),
        ({"DryRun": True, "ImageId": "ami-0123456789abcdef0"}, "InvalidAMIID.NotFound"),
    ],
)
def test_a_request_that_cannot_be_right_is_refused(
    cloud: Cloud, other: dict[str, Any], code: str
) -> None:
    with refused(code):
        cloud.run(**other)
    assert cloud.describe() == []


def test_user_data_of_sixteen_kib_is_not_too_long(cloud: Cloud) -> None:
    assert cloud.state(cloud.run(UserData="x" * 16384)) == "pending"


def test_the_image_may_be_named_by_a_public_parameter(cloud: Cloud) -> None:
    name = (
        "/aws/service/deeplearning/ami/x86_64/base-oss-nvidia-driver-gpu-ubuntu-24.04/latest/ami-id"
    )
    found = cloud.client("ssm").get_parameter(Name=name)["Parameter"]["Value"]
    machine = cloud.run(ImageId=f"resolve:ssm:{name}")

    assert found == cloud.describe(machine)[0]["ImageId"] == cloud.seed.image


def test_the_tags_are_there_from_the_first_moment(cloud: Cloud) -> None:
    tags = [{"Key": "gpuspawner:hub", "Value": "lab"}]
    machine = cloud.run(
        TagSpecifications=[
            {"ResourceType": "instance", "Tags": tags},
            {"ResourceType": "volume", "Tags": tags},
        ]
    )
    ours = [{"Name": "tag:gpuspawner:hub", "Values": ["lab"]}]

    assert [one["InstanceId"] for one in cloud.describe(Filters=ours)] == [machine]
    assert len(cloud.ec2.describe_volumes(Filters=ours)["Volumes"]) == 1


def test_the_seeded_image_and_group_are_found_by_name(cloud: Cloud) -> None:
    images = cloud.ec2.describe_images(
        Owners=["self"], Filters=[{"Name": "name", "Values": ["gpuspawner-lab"]}]
    )["Images"]
    groups = cloud.ec2.describe_security_groups(
        Filters=[{"Name": "group-name", "Values": ["gpuspawner-machines"]}]
    )["SecurityGroups"]
    seed = cloud.get("seed")

    assert [(image["ImageId"], image["Architecture"]) for image in images] == [
        (seed["image"], "x86_64")
    ]
    assert [group["GroupId"] for group in groups] == [seed["security_group"]]
    assert list(seed["subnets"]) == [f"us-east-1{letter}" for letter in "abcdef"]


def test_the_quota_service_tells_the_limit_that_holds(cloud: Cloud) -> None:
    cloud.fault(kind="quota", code="L-DB2E81BA", limit=8)
    quotas = cloud.client("service-quotas")

    quota = quotas.get_service_quota(ServiceCode="ec2", QuotaCode="L-DB2E81BA")["Quota"]

    assert (quota["QuotaName"], quota["Value"]) == ("Running On-Demand G and VT instances", 8.0)


def test_the_quota_service_does_not_make_quotas_up(cloud: Cloud) -> None:
    with refused("NoSuchResourceException"):
        cloud.client("service-quotas").get_service_quota(ServiceCode="ec2", QuotaCode="L-00000000")


def test_a_page_holds_a_thousand_at_most_and_not_together_with_ids(cloud: Cloud) -> None:
    machine = cloud.run()

    with refused("InvalidParameterValue"):
        cloud.describe(MaxResults=1001)
    with refused("InvalidParameterCombination"):
        cloud.describe(machine, MaxResults=1000)
    assert len(cloud.describe(MaxResults=1000)) == 1


def test_pages_can_be_followed_to_the_end(cloud: Cloud) -> None:
    made = {cloud.run() for _ in range(7)}
    pages = cloud.ec2.get_paginator("describe_instances").paginate(PaginationConfig={"PageSize": 5})

    seen = [[one["Instances"][0]["InstanceId"] for one in page["Reservations"]] for page in pages]

    assert [len(page) for page in seen] == [5, 2]
    assert {machine for page in seen for machine in page} == made


def test_a_whole_class_that_starts_at_once_gets_an_address_each(cloud: Cloud) -> None:
    with ThreadPoolExecutor(8) as class_room:
        made = list(class_room.map(lambda _: cloud.run(), range(30)))

    addresses = {one["PrivateIpAddress"] for one in cloud.describe(MaxResults=1000)}
    assert (len(set(made)), len(addresses)) == (30, 30)


def test_one_token_sent_twice_at_once_makes_one_machine(cloud: Cloud) -> None:
    with ThreadPoolExecutor(8) as senders:
        made = set(senders.map(lambda _: cloud.run(ClientToken=TOKEN), range(16)))

    assert made == {one["InstanceId"] for one in cloud.describe()}
    assert len(made) == 1


def test_another_region_is_not_there(cloud: Cloud) -> None:
    with refused("OptInRequired", 403):
        cloud.client("ec2", "eu-west-1").describe_instances()


def test_boto_itself_still_checks_what_it_is_given(cloud: Cloud) -> None:
    with pytest.raises(ParamValidationError):
        cloud.ec2.run_instances(ImageId=cloud.seed.image)
