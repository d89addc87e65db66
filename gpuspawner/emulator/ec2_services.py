"""The other AWS services that are asked: Systems Manager for images, Service Quotas, the Price List."""

from __future__ import annotations

import json
from typing import Any

from gpuspawner.emulator import ec2_price_list
from gpuspawner.emulator.ec2_limits import QUOTAS
from gpuspawner.emulator.ec2_wire import JSON_SERVICES, Answer, Call, Refusal
from gpuspawner.emulator.ec2_world import World

_DEEP_LEARNING = "/aws/service/deeplearning/ami/x86_64/{}/latest/ami-id"
_UBUNTU = "/aws/service/canonical/ubuntu/server/{}/stable/current/amd64/hvm/ebs-gp3/ami-id"
IMAGE_PARAMETERS = frozenset(
    [
        _DEEP_LEARNING.format(name)
        for name in (
            "base-oss-nvidia-driver-gpu-ubuntu-24.04",
            "base-oss-nvidia-driver-gpu-ubuntu-22.04",
            "base-oss-nvidia-driver-gpu-amazon-linux-2023",
            "oss-nvidia-driver-gpu-pytorch-2.7-ubuntu-22.04",
            "oss-nvidia-driver-gpu-tensorflow-2.18-ubuntu-22.04",
        )
    ]
    + [_UBUNTU.format(name) for name in ("22.04", "24.04")]
)
"""AWS's public parameters that name an image; here each of them names the emulator's own."""

_JSON = "application/x-amz-json-1.1"


def answer(call: Call, world: World) -> Answer | None:
    """The answer to a call to one of these services; None to let moto answer.

    Raises:
        Refusal: a quota that does not exist.
    """
    asked = json.loads(call.body or b"{}") if call.service in JSON_SERVICES else {}
    if call.service == "ssm" and call.action == "GetParameter":
        return _parameter(asked, world)
    if call.service == "ssm" and call.action == "GetParameters":
        return _parameters(asked, world)
    if call.service == "servicequotas" and asked.get("ServiceCode") == "ec2":
        return _quota(call, asked, world)
    if call.service == "pricing" and call.action == "GetProducts":
        return _json(ec2_price_list.products(asked, world))
    return None


def _parameter(asked: dict[str, Any], world: World) -> Answer | None:
    name = asked.get("Name", "")
    return _json({"Parameter": _image(name, world)}) if name in IMAGE_PARAMETERS else None


def _parameters(asked: dict[str, Any], world: World) -> Answer | None:
    names = asked.get("Names", [])
    if not set(names) & IMAGE_PARAMETERS:
        return None
    known = [_image(name, world) for name in names if name in IMAGE_PARAMETERS]
    unknown = [name for name in names if name not in IMAGE_PARAMETERS]
    return _json({"Parameters": known, "InvalidParameters": unknown})


def _quota(call: Call, asked: dict[str, Any], world: World) -> Answer | None:
    limits = world.faults.settings.quotas
    if call.action == "ListServiceQuotas":
        return _json({"Quotas": [_limit(code, limits[code]) for code in QUOTAS]})
    if call.action not in ("GetServiceQuota", "GetAWSDefaultServiceQuota"):
        return None
    code = asked.get("QuotaCode", "")
    if code not in QUOTAS:
        raise Refusal(
            "NoSuchResourceException", "The request failed because the quota does not exist."
        )
    return _json({"Quota": _limit(code, limits[code])})


def _image(name: str, world: World) -> dict[str, Any]:
    arn = f"arn:aws:ssm:{world.region}::parameter{name}"
    return {
        "Name": name,
        "Type": "String",
        "Value": world.seed.image,
        "Version": 1,
        "ARN": arn,
        "DataType": "aws:ec2:image",
    }


def _limit(code: str, value: float) -> dict[str, Any]:
    return {
        "ServiceCode": "ec2",
        "ServiceName": "Amazon Elastic Compute Cloud (Amazon EC2)",
        "QuotaCode": code,
        "QuotaName": QUOTAS[code][0],
        "Value": float(value),
        "Unit": "None",
        "Adjustable": True,
        "GlobalQuota": False,
    }


def _json(content: dict[str, Any]) -> Answer:
    return Answer(200, json.dumps(content).encode(), _JSON)
