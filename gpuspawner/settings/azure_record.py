"""What the Azure provider is told: one frozen record, made by `c.Azure` in the configuration."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gpuspawner.language import _, say
from gpuspawner.settings.mistakes import Mistake, refuse

OURS = "gpuspawner:"
"""How our own tags begin; the admin's may not."""

_RESERVED = (OURS, "microsoft", "azure", "windows")
"""Azure keeps the last three for itself ("Use tags to organize your Azure resources")."""

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_SUBNET = re.compile(
    r"/subscriptions/([^/]+)/resourceGroups/[^/]+/providers/Microsoft\.Network/virtualNetworks/"
    r"[^/]+/subnets/[^/]+",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class AzureRecord:
    """One resource group of one subscription, in one or more regions.

    Args:
        subscription: the id of the subscription, the only one that is ever spoken to.
        resource_group: the group that all machines, disks and interfaces are in.
        subnets: region to the id of the subnet for machines there, best region first.
        image: the default image: `publisher:offer:sku:version` of the marketplace, or the id of a
            version of a gallery's image.
        sizes: the sizes that may be offered, in order.
        ssh_public_key: who may log in as administrator; "" is nobody.
        endpoint_url: another address of Azure Resource Manager; None is Azure's own.
        price_list_url: another address of the public price list; None is Azure's own.
        ca_file: an authority to trust for it besides the system's; "" is none.
        tags: put on everything that is made, besides our own.
        disk_type: the type of machines' own disks and of homes.
        security_type: `Standard` or `TrustedLaunch`, then without Secure Boot.

    Raises:
        ConfigurationError: something is missing, malformed, or in another subscription.
    """

    subscription: str
    resource_group: str
    subnets: Mapping[str, str]
    image: str
    sizes: tuple[str, ...]
    ssh_public_key: str = ""
    endpoint_url: str | None = None
    price_list_url: str | None = None
    ca_file: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    disk_type: str = "StandardSSD_LRS"
    security_type: str = "Standard"

    def __post_init__(self) -> None:
        refuse(mistakes(self))

    @property
    def regions(self) -> tuple[str, ...]:
        """The regions, best first."""
        return tuple(self.subnets)


def mistakes(one: Any) -> list[Mistake]:
    """What is missing or impossible in a record, or in the settings that one is made of."""
    found = [
        _mistake(name, _("{setting} must be set"))
        for name in ("subscription", "resource_group", "subnets", "image", "sizes")
        if not getattr(one, name)
    ]
    if one.subscription and not _UUID.fullmatch(one.subscription):
        found.append(_mistake("subscription", _("{setting} must be the subscription's id, a UUID")))
    for region, subnet in one.subnets.items():
        matched = _SUBNET.fullmatch(subnet)
        if matched is None:
            text = _("{setting}: the subnet of {region} must be its full id (/subscriptions/…)")
            found.append(_mistake("subnets", text, region=region))
        elif matched[1].lower() != one.subscription.lower():
            text = _("{setting}: the subnet of {region} is in another subscription")
            found.append(_mistake("subnets", text, region=region))
    found += [
        _mistake("tags", _("{setting}: the tag {tag} is reserved"), tag=tag)
        for tag in one.tags
        if tag.lower().startswith(_RESERVED)
    ]
    return found


def _mistake(name: str, message: str, **values: str) -> Mistake:
    # Without the `c.`: it is read also where there is no configuration file.
    return Mistake(f"c.Azure.{name}", say(message, setting=f"Azure.{name}", **values))
