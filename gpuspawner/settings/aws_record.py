"""What the AWS provider is told: one frozen record, made by `c.AWS` in the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gpuspawner.errors import ConfigurationError

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
        endpoint_url: another address of the EC2, SSM and Service Quotas APIs, as for a VPC
            endpoint; None is AWS's own.
        tags: put on everything that is made, besides our own.
        prices: per hour, in US dollars, by size; they come before the table that is shipped, and
            outside `us-east-1` are the only ones known.
        disk_type: the EBS type of machines' own disks and of homes.

    Raises:
        ConfigurationError: a tag is reserved, a price is not above zero, or something is missing.
    """

    region: str
    image: str
    sizes: tuple[str, ...]
    subnets: tuple[str, ...] = ()
    security_groups: tuple[str, ...] = ()
    endpoint_url: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    prices: Mapping[str, float] = field(default_factory=dict)
    disk_type: str = "gp3"

    def __post_init__(self) -> None:
        for name in ("region", "image", "sizes"):
            if not getattr(self, name):
                raise ConfigurationError(f"AWS.{name} must be set")
        for tag in self.tags:
            if tag == "Name" or tag.startswith(_RESERVED):
                raise ConfigurationError(f"AWS.tags: the tag {tag!r} is reserved")
        for size, price in self.prices.items():
            if not price > 0:
                raise ConfigurationError(f"AWS.prices: {size} must cost more than {price}")
