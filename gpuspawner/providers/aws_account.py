"""What the account has for us: images, subnets, groups. Looked up once, since it does not change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gpuspawner.errors import InvalidSpec
from gpuspawner.providers.aws_calls import Calls
from gpuspawner.providers.aws_requests import Image
from gpuspawner.settings.aws_record import AWSRecord

_PARAMETER = "ssm:"


@dataclass(frozen=True, slots=True)
class Subnet:
    """A subnet: `free` is how many addresses were left when it was looked up."""

    id: str
    zone: str
    free: int


@dataclass
class Account:
    """Looks things up and remembers them for as long as the process lives."""

    calls: Calls
    record: AWSRecord
    _images: dict[str, Image] = field(default_factory=dict)
    _subnets: tuple[Subnet, ...] = ()
    _groups: tuple[Mapping[str, Any], ...] | None = None

    async def image(self, reference: str = "") -> Image:
        """The AMI that an id, a name or `ssm:PARAMETER` means; empty is the default image.

        A name or parameter keeps its first answer: otherwise students get different images in the
        middle of a term, and a replayed request is another one.

        Raises:
            InvalidSpec: there is none.
        """
        reference = reference or self.record.image
        if reference not in self._images:
            self._images[reference] = await self._find_image(reference)
        return self._images[reference]

    async def subnets(self) -> tuple[Subnet, ...]:
        """The subnets to use, best first, one for each zone.

        Raises:
            InvalidSpec: one of those configured does not exist, or there is none at all.
        """
        if not self._subnets:
            found = await self.find_subnets()
            first: dict[str, Subnet] = {}
            for subnet in found:
                first.setdefault(subnet.zone, subnet)
            self._subnets = tuple(first.values())
        return self._subnets

    async def subnet_of(self, zone: str) -> str:
        """The id of the subnet of a zone.

        Raises:
            InvalidSpec: no subnet of ours is in it.
        """
        for subnet in await self.subnets():
            if subnet.zone == zone:
                return subnet.id
        raise InvalidSpec(f"no configured subnet is in {zone}")

    async def group_ids(self) -> tuple[str, ...]:
        """The ids of the security groups; none means the VPC's default group."""
        return tuple(group["GroupId"] for group in await self.groups())

    async def groups(self) -> tuple[Mapping[str, Any], ...]:
        """The security groups, as EC2 describes them, in the order of the configuration.

        Raises:
            InvalidSpec: one of them does not exist.
        """
        if self._groups is None:
            self._groups = tuple(
                [await self.find_group(one) for one in self.record.security_groups]
            )
        return self._groups

    async def find_subnets(self) -> list[Subnet]:
        """Ask for the subnets now, all of them, in the order of the configuration."""
        if not self.record.subnets:
            found = await self._ask_subnets([{"Name": "default-for-az", "Values": ["true"]}])
        else:
            found = [
                subnet
                for reference in self.record.subnets
                for subnet in await self.find_subnet(reference)
            ]
        if not found:
            raise InvalidSpec(f"there is no default VPC in {self.record.region}: set AWS.subnets")
        return found

    async def find_subnet(self, reference: str) -> list[Subnet]:
        """Ask for the subnets that one entry of the configuration means, now."""
        return await self._ask_subnets([_subnet_filter(reference)], reference)

    async def _ask_subnets(
        self, filters: list[dict[str, Any]], reference: str = ""
    ) -> list[Subnet]:
        answer = await self.calls.all_of("DescribeSubnets", "Subnets", Filters=filters)
        if reference and not answer:
            raise InvalidSpec(f"there is no subnet {reference} in {self.record.region}")
        found = [
            Subnet(one["SubnetId"], one["AvailabilityZone"], one["AvailableIpAddressCount"])
            for one in answer
        ]
        return sorted(found, key=lambda subnet: (subnet.zone, subnet.id))

    async def find_group(self, reference: str) -> Mapping[str, Any]:
        """Ask for one security group now, by id or name."""
        name = "group-id" if reference.startswith("sg-") else "group-name"
        filters = [{"Name": name, "Values": [reference]}]
        answer: list[Mapping[str, Any]] = await self.calls.all_of(
            "DescribeSecurityGroups", "SecurityGroups", Filters=filters
        )
        if len(answer) != 1:
            many = "more than one" if answer else "no"
            raise InvalidSpec(f"there is {many} security group {reference} in {self.record.region}")
        return answer[0]

    async def _find_image(self, reference: str) -> Image:
        id_ = reference
        if reference.startswith(_PARAMETER):
            answer = await self.calls.ask("GetParameter", Name=reference[len(_PARAMETER) :])
            id_ = answer["Parameter"]["Value"]
        if id_.startswith("ami-"):
            answer = await self.calls.ask("DescribeImages", ImageIds=[id_])
        else:
            filters = [{"Name": "name", "Values": [id_]}]
            answer = await self.calls.ask("DescribeImages", Owners=["self"], Filters=filters)
        images = sorted(answer["Images"], key=lambda image: str(image.get("CreationDate", "")))
        if not images:
            raise InvalidSpec(f"there is no image {reference} in {self.record.region}")
        return _image(images[-1])


def _subnet_filter(reference: str) -> dict[str, Any]:
    kind, _, rest = reference.partition(":")
    if kind == "tag" and "=" in rest:
        key, _, value = rest.partition("=")
        return {"Name": f"tag:{key}", "Values": [value]}
    return {"Name": "subnet-id", "Values": [reference]}


def _image(image: Mapping[str, Any]) -> Image:
    root = image.get("RootDeviceName") or "/dev/sda1"
    for mapping in image.get("BlockDeviceMappings") or ():
        if mapping.get("DeviceName") == root:
            return Image(image["ImageId"], root, (mapping.get("Ebs") or {}).get("VolumeSize") or 0)
    return Image(image["ImageId"], root, 0)
