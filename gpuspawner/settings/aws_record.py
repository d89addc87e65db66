"""What the AWS provider is told: one frozen record, made by `c.AWS` in the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gpuspawner.language import _, say
from gpuspawner.settings.mistakes import Mistake, refuse

OURS = "gpuspawner:"
"""How our own tags begin; the admin's may not."""

_RESERVED = (OURS, "aws:")


@dataclass(frozen=True, slots=True)
class AWSRecord:
    """One account in one region.

    Args:
        region: such as `us-east-1`.
        image: the default image: an AMI's id (`ami-…`), a public parameter (`ssm:/aws/service/…`),
            or the name of an AMI of this account (the newest of that name).
        sizes: the instance types that may be offered, in order.
        subnets: `subnet-…` ids or `tag:KEY=VALUE`, best first; empty means the default VPC's. The
            first subnet of a zone is the one used there.
        security_groups: ids (`sg-…`) or names; empty means the VPC's default group.
        endpoint_url: another address of the EC2, SSM, Service Quotas and Price List APIs, as for a VPC
            endpoint; None is AWS's own.
        tags: put on everything that is made, besides our own.
        disk_type: the EBS type of machines' own disks and of homes.

    Raises:
        ConfigurationError: a tag is reserved, or something is missing.
    """

    region: str
    image: str
    sizes: tuple[str, ...]
    subnets: tuple[str, ...] = ()
    security_groups: tuple[str, ...] = ()
    endpoint_url: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    disk_type: str = "gp3"

    def __post_init__(self) -> None:
        refuse(mistakes(self))


def mistakes(one: Any) -> list[Mistake]:
    """What is missing or impossible in a record, or in the settings that one is made of."""
    found = [
        _mistake(name, _("{setting} must be set"))
        for name in ("region", "image", "sizes")
        if not getattr(one, name)
    ]
    found += [
        _mistake("tags", _("{setting}: the tag {tag} is reserved"), tag=tag)
        for tag in one.tags
        if tag == "Name" or tag.startswith(_RESERVED)
    ]
    return found


def _mistake(name: str, message: str, **values: str) -> Mistake:
    # Without the `c.`: it is read also where there is no configuration file.
    return Mistake(f"c.AWS.{name}", say(message, setting=f"AWS.{name}", **values))
