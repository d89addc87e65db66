"""The clouds that a campus can stand on: `CLOUD=ec2` (the default) or `CLOUD=azure`.

The tests speak EC2's words: its states, actions, codes and sizes. What is asked of another cloud, and
what it answers, is put into its own words here. Azure's `stopped`, which is off and billed, has no
word there: it is `halted`, and counts as billed.
"""

from __future__ import annotations

import json
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import boto3

from gpuspawner.emulator.arm_sizes import ZONES

Thing = dict[str, Any]

_EC2_CONFIG = """
c.AWS.region = "us-east-1"
c.AWS.endpoint_url = {url!r}
c.AWS.image = {image!r}
c.AWS.security_groups = ["gpuspawner-machines"]
c.AWS.sizes = ["g4dn.xlarge", "g6.xlarge", "g5.xlarge"]
"""
_AZURE_CONFIG = """
c.Controller.provider = "azure"
c.Azure.subscription, c.Azure.resource_group = {subscription!r}, {group!r}
c.Azure.endpoint_url, c.Azure.ca_file = {url!r}, {authority!r}
c.Azure.image = {image!r}
c.Azure.subnets = {{"eastus": {subnet!r}}}
c.Azure.sizes = ["Standard_NC4as_T4_v3", "Standard_NV6ads_A10_v5", "Standard_NC8as_T4_v3"]
c.Prices.cost = {prices!r}
c.Prices.refresh_interval = 0
"""


@dataclass(frozen=True)
class Cloud:
    """One kind of emulated cloud. `words` is EC2's word to its own, `states` its own to EC2's.

    `quiet` are beginnings of steps that are a look, repeated as often as everything is slow.
    """

    name: str
    emulator: str
    scheme: str = "http"
    words: Mapping[str, str] = field(default_factory=dict)
    states: Mapping[str, str] = field(default_factory=dict)
    steps: Mapping[str, str] = field(default_factory=dict)
    quiet: tuple[str, ...] = ("Describe",)

    def environment(self, port: int) -> dict[str, str]:
        """The credentials of a controller: any, since the emulator takes them."""
        if self.name == "azure":
            return {"AZURE_POD_IDENTITY_AUTHORITY_HOST": f"http://127.0.0.1:{port}"}
        keys = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
        return {**dict.fromkeys(keys, "campus"), "AWS_EC2_METADATA_DISABLED": "true"}

    def config(self, port: int, folder: Path, seed: Mapping[str, Any]) -> str:
        """The lines of the configuration that name the cloud."""
        url = f"{self.scheme}://127.0.0.1:{port}"
        if self.name == "ec2":
            return _EC2_CONFIG.format(url=url, image=seed["image"])
        prices = {one["type"]: one["price_per_hour"] for one in seed["sizes"]}
        return _AZURE_CONFIG.format(
            url=url,
            authority=str(folder / self.emulator / "ca.pem"),
            subnet=seed["subnets"]["eastus"],
            prices={**prices, "StandardSSD_LRS": 0.075},
            **{key: seed[key] for key in ("subscription", "group", "image")},
        )

    def zones(self, seed: Mapping[str, Any]) -> int:
        """In how many zones a student's machine may be."""
        return len(ZONES["eastus"]) if self.name == "azure" else len(seed["subnets"])

    def word(self, ec2: str) -> str:
        """Its own word for one of EC2's."""
        return self.words.get(ec2, ec2)

    def step(self, ec2: str) -> str:
        """What a step of the controller is called here that is called so on EC2."""
        return self.steps.get(ec2, ec2)

    def asked(self, body: Any) -> Any:
        """What is asked of the emulator, in its own words."""
        if isinstance(body, Mapping):
            return {key: self.asked(value) for key, value in body.items()}
        if isinstance(body, list):
            return [self.asked(one) for one in body]
        return self.word(body) if isinstance(body, str) else body

    def machine(self, one: Thing) -> Thing:
        """A machine as the emulator shows it, in EC2's words."""
        back = {its: word for word, its in self.words.items()}
        state = self.states.get(one["state"], one["state"])
        return {**one, "state": state, **{k: back.get(one[k], one[k]) for k in ("type", "zone")}}

    def calls(self, counted: Mapping[str, int]) -> dict[str, int]:
        """How often each action was asked, by EC2's names where there are any."""
        back = {its: word for word, its in self.words.items()}
        return {back.get(action, action): count for action, count in counted.items()}

    def of_nobody(self, port: int, folder: Path, seed: Mapping[str, Any], hub: str) -> str:
        """Make a machine with a hub's tag and nothing else that it could be known by; its id."""
        if self.name == "azure":
            return _azure_machine(port, folder / self.emulator / "ca.pem", seed, hub)
        keys = {"aws_access_key_id": "x", "aws_secret_access_key": "x", "region_name": "us-east-1"}
        ec2 = boto3.client("ec2", endpoint_url=f"http://127.0.0.1:{port}", **keys)
        tag = {"Key": "gpuspawner:hub", "Value": hub}
        made = ec2.run_instances(
            ImageId=seed["image"], InstanceType="g4dn.xlarge", MinCount=1, MaxCount=1,
            TagSpecifications=[{"ResourceType": "instance", "Tags": [tag]}],
        )  # fmt: skip
        ec2.close()
        return str(made["Instances"][0]["InstanceId"])


EC2 = Cloud("ec2", "ec2")

AZURE = Cloud(
    "azure",
    "arm",
    "https",
    words={
        "g4dn.xlarge": "Standard_NC4as_T4_v3",
        "g6.xlarge": "Standard_NV6ads_A10_v5",
        "g5.xlarge": "Standard_NC8as_T4_v3",
        "us-east-1a": "eastus-1",
        "us-east-1b": "eastus-2",
        "RunInstances": "VirtualMachines_CreateOrUpdate",
        "StartInstances": "VirtualMachines_Start",
        "StopInstances": "VirtualMachines_Deallocate",
        "TerminateInstances": "VirtualMachines_Delete",
        "DescribeInstances": "VirtualMachines_ListAll",
        "Describe*": "*_List*",
        "CreateVolume": "Disks_CreateOrUpdate",
        "AttachVolume": "VirtualMachines_AttachDetachDataDisks",
        "InternalError": "InternalServerError",
        "RequestLimitExceeded": "TooManyRequests",
        "AuthFailure": "AuthorizationFailed",
        "UnauthorizedOperation": "AuthorizationFailed",
        "InsufficientInstanceCapacity": "ZonalAllocationFailed",
        "VcpuLimitExceeded": "OperationNotAllowed",
        "L-DB2E81BA": "cores",
    },
    states={
        "creating": "pending",
        "starting": "pending",
        "stopping": "halted",
        "stopped": "halted",
        "deallocating": "stopping",
        "deallocated": "stopped",
        "failed": "stopped",
        "deleting": "shutting-down",
        "deleted": "terminated",
    },
    steps={
        "RunInstances": "CreateMachine",
        "StartInstances": "StartMachine",
        "StopInstances": "DeallocateMachine",
        "TerminateInstances": "DeleteMachine",
        "DescribeInstances": "ListStatus",
        "DescribeVolumes": "ListDisks",
        "CreateVolume": "CreateDisk",
        "AttachVolume": "AttachDisk",
    },
    quiet=("List", "Get"),
)

CLOUDS = {"ec2": EC2, "azure": AZURE}


def chosen() -> Cloud:
    """The cloud of this run of the tests."""
    return CLOUDS[os.environ.get("CLOUD") or "ec2"]


def _azure_machine(port: int, authority: Path, seed: Mapping[str, Any], hub: str) -> str:
    image = dict(
        zip(("publisher", "offer", "sku", "version"), seed["image"].split(":"), strict=True)
    )
    address = {"name": "a", "properties": {"subnet": {"id": seed["subnets"]["eastus"]}}}
    interface = {"ipConfigurations": [address], "deleteOption": "Delete"}
    key = {"path": "/home/student/.ssh/authorized_keys", "keyData": "ssh-ed25519 AAAA"}
    properties = {
        "hardwareProfile": {"vmSize": "Standard_NC4as_T4_v3"},
        "storageProfile": {
            "imageReference": image,
            "osDisk": {"createOption": "FromImage", "deleteOption": "Delete"},
        },
        "osProfile": {
            "computerName": "nobody",
            "adminUsername": "student",
            "linuxConfiguration": {"ssh": {"publicKeys": [key]}},
        },
        "networkProfile": {
            "networkApiVersion": "2022-11-01",
            "networkInterfaceConfigurations": [{"name": "nobody", "properties": interface}],
        },
    }
    body = {
        "location": "eastus",
        "zones": ["1"],
        "tags": {"gpuspawner:hub": hub},
        "properties": properties,
    }
    group = f"/subscriptions/{seed['subscription']}/resourceGroups/{seed['group']}"
    path = f"{group}/providers/Microsoft.Compute/virtualMachines/nobody?api-version=2026-04-01"
    request = Request(
        f"https://127.0.0.1:{port}{path}", method="PUT", data=json.dumps(body).encode()
    )
    request.add_header("Authorization", "Bearer any")
    trust = ssl.create_default_context(cafile=str(authority))
    with urlopen(request, context=trust, timeout=30) as answer:
        return str(json.load(answer)["name"])
