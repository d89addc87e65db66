"""What is sent to EC2, as whole values."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gpuspawner.errors import InvalidSpec
from gpuspawner.model import Placement
from gpuspawner.providers import aws_requests
from gpuspawner.providers.base import HomeRequest, MachineRequest
from gpuspawner.settings.aws_record import AWSRecord

RECORD = AWSRecord("us-east-1", "ami-1", ("g4dn.xlarge",), tags={"course": "ml"})
IMAGE = aws_requests.Image("ami-1", "/dev/sda1", 30)
PLACE = Placement("us-east-1", "us-east-1a", "g4dn.xlarge")
REQUEST = MachineRequest("intent-1", "gs-x", "7", 3, PLACE, "", 60, b"#cloud-config\n{}\n")


def run(request=REQUEST, groups=("sg-1",)):
    return aws_requests.run_instances(request, RECORD, "0badcafe", IMAGE, "subnet-1", groups)


def tags(role, **more):
    marks = {
        "Name": "gs-x",
        "course": "ml",
        "gpuspawner:claim": "gs-x",
        "gpuspawner:hub": "0badcafe",
        **more,
        "gpuspawner:owner": "7",
        "gpuspawner:role": role,
    }
    return [{"Key": key, "Value": value} for key, value in marks.items()]


def test_the_whole_of_a_launch():
    mine = {"gpuspawner:intent": "intent-1"}
    assert run() == {
        "ClientToken": "intent-1",
        "MinCount": 1,
        "MaxCount": 1,
        "ImageId": "ami-1",
        "InstanceType": "g4dn.xlarge",
        "UserData": "#cloud-config\n{}\n",
        "InstanceInitiatedShutdownBehavior": "stop",
        "NetworkInterfaces": [
            {
                "DeviceIndex": 0,
                "SubnetId": "subnet-1",
                "AssociatePublicIpAddress": False,
                "DeleteOnTermination": True,
                "Groups": ["sg-1"],
            }
        ],
        "BlockDeviceMappings": [
            {
                "DeviceName": "/dev/sda1",
                "Ebs": {
                    "VolumeSize": 60,
                    "VolumeType": "gp3",
                    "Encrypted": True,
                    "DeleteOnTermination": True,
                },
            }
        ],
        "MetadataOptions": {
            "HttpEndpoint": "enabled",
            "HttpTokens": "required",
            "HttpPutResponseHopLimit": 1,
            "InstanceMetadataTags": "disabled",
        },
        "TagSpecifications": [
            {"ResourceType": "instance", "Tags": tags("machine", **mine)},
            {"ResourceType": "volume", "Tags": tags("os-disk", **mine)},
            {"ResourceType": "network-interface", "Tags": tags("machine", **mine)},
        ],
    }


def test_the_whole_of_a_home():
    request = HomeRequest("token-1", "gs-x", "7", "us-east-1", "us-east-1a", 20)
    assert aws_requests.create_volume(request, RECORD, "0badcafe") == {
        "ClientToken": "token-1",
        "AvailabilityZone": "us-east-1a",
        "Size": 20,
        "VolumeType": "gp3",
        "Encrypted": True,
        "TagSpecifications": [{"ResourceType": "volume", "Tags": tags("home")}],
    }


def test_without_groups_the_vpcs_default_group_is_used():
    assert "Groups" not in run(groups=())["NetworkInterfaces"][0]


def test_a_replay_is_the_same_request():
    assert run() == run(replace(REQUEST))


def test_user_data_of_sixteen_kibibytes_is_sent_and_a_byte_more_is_not():
    assert len(run(replace(REQUEST, user_data=b"x" * 16384))["UserData"]) == 16384
    with pytest.raises(InvalidSpec):
        run(replace(REQUEST, user_data=b"x" * 16385))


def test_filters_name_the_hub_first():
    assert aws_requests.of_hub("0badcafe", instance_id=["i-1", "i-2"]) == {
        "Filters": [
            {"Name": "tag:gpuspawner:hub", "Values": ["0badcafe"]},
            {"Name": "instance-id", "Values": ["i-1", "i-2"]},
        ]
    }
