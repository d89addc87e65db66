"""Would a start work? Looks at everything that one needs, and changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gpuspawner.clock import Clock
from gpuspawner.errors import ProviderUnavailable
from gpuspawner.language import _, say
from gpuspawner.model import Finding, Offering, Severity
from gpuspawner.providers import azure_offers
from gpuspawner.providers.azure_account import Account
from gpuspawner.providers.azure_check_switch import switch
from gpuspawner.providers.base import Expected
from gpuspawner.providers.check_parts import answered, refused

ROLE = say(_("Assign the role in the documentation to the controller's identity."))


async def findings(
    account: Account, hub_id: str, expected: Expected, clock: Clock
) -> list[Finding]:
    """Everything, in the order in which an admin would mend it. Never raises for a finding.

    What cannot be looked at because of something that is named before is left out.
    """
    found = [await _credentials(account)]
    if found[0].severity is Severity.ERROR:
        return found
    found += [
        await _image(account, reference) for reference in dict.fromkeys(("", *expected.images))
    ]
    found += [await _subnet(account, region) for region in account.record.regions]
    found.append(await switch(account, hub_id, expected, clock))
    offered = await answered(azure_offers.find(account))
    if isinstance(offered, Exception):
        found.append(refused("sizes", "sizes", offered, ROLE))
        return found
    found += [_size(size, offered) for size in account.record.sizes]
    for region in account.record.regions:
        found += await _quotas(account, region, offered, expected)
    return found


async def _credentials(account: Account) -> Finding:
    answer = await answered(account.pinned())
    if isinstance(answer, ProviderUnavailable):
        remedy = say(_("Check this computer's connection to Azure."))
        return refused("account", "account", answer, remedy)
    if isinstance(answer, Exception):
        remedy = say(
            _(
                "Check c.Azure.subscription, c.Azure.resource_group and the controller's Azure "
                "credentials, and that the role in the documentation is assigned to it."
            )
        )
        return refused("account", "account", answer, remedy)
    group = account.record.resource_group
    message = say(_("Azure answers for the resource group {group}."), group=group)
    return Finding("account", Severity.OK, message, check="account")


async def _image(account: Account, reference: str) -> Finding:
    subject = f"image {reference}" if reference else "image"
    image = await answered(account.image(reference))
    if isinstance(image, Exception):
        remedy = say(
            _("Set it to an image that is in {region} and that this account may use."),
            region=account.record.regions[0],
        )
        return refused("image", subject, image, remedy)
    return Finding(subject, Severity.OK, say(_("{id}."), id=image), check="image")


async def _subnet(account: Account, region: str) -> Finding:
    answer = await answered(account.subnet(region))
    if isinstance(answer, Exception):
        remedy = say(_("Set c.Azure.subnets[{region}] to a subnet that is there."), region=region)
        return refused("subnets", f"subnet {region}", answer, remedy)
    message = say(_("The subnet of {region} is there."), region=region)
    return Finding(f"subnet {region}", Severity.OK, message, check="subnets")


def _size(size: str, offered: tuple[Offering, ...]) -> Finding:
    zones = [one.placement.zone for one in offered if one.placement.size == size]
    if zones:
        message = say(_("Offered in {zones}."), zones=", ".join(zones))
        return Finding(size, Severity.OK, message, check="sizes")
    message = say(_("No configured region has it for this subscription."))
    remedy = say(_("Take it out of c.Azure.sizes, add a region that has it, or ask Azure for it."))
    return Finding(size, Severity.ERROR, message, remedy, "sizes")


async def _quotas(
    account: Account, region: str, offered: tuple[Offering, ...], expected: Expected
) -> list[Finding]:
    usages = await answered(account.usages(region))
    if isinstance(usages, Exception):
        message = say(_("It could not be read: {detail}"), detail=str(usages))
        return [Finding(f"quota {region}", Severity.WARNING, message, ROLE, "quota")]
    skus = await account.sizes(region)
    families: dict[str, list[str]] = {}
    for size in dict.fromkeys(one.placement.size for one in offered):
        if size in skus:
            families.setdefault(str(skus[size].get("family", "")).lower(), []).append(size)
            families.setdefault(azure_offers.CORES, []).append(size)
    return [
        _quota(region, usages[family], {one: azure_offers.vcpus_of(skus[one]) for one in sizes},
               expected)
        for family, sizes in families.items()
        if family in usages
    ]  # fmt: skip


def _quota(
    region: str, usage: Mapping[str, Any], vcpus: Mapping[str, int], expected: Expected
) -> Finding:
    name = usage["name"].get("localizedValue") or usage["name"]["value"]
    limit, used = int(usage["limit"]), int(usage["currentValue"])
    subject = f"quota {region} {usage['name']['value']}"
    remedy = say(
        _(
            "Ask for more of “{name}” in {region} in the Azure portal, under Quotas; machines that "
            "are off count as well."
        ),
        name=name,
        region=region,
    )
    needs = {size: expected.machines.get(size, 0) * each for size, each in vcpus.items()}
    size = max(needs, key=lambda one: needs[one])
    shown = {"name": name, "region": region, "limit": str(limit), "used": str(used)}
    if limit < min(vcpus.values()):
        message = say(
            _("“{name}” in {region} is {limit} vCPU: no such machine may be made."), **shown
        )
        return Finding(subject, Severity.ERROR, message, remedy, "quota")
    if needs[size] > limit:
        message = say(
            _(
                "“{name}” in {region} is {limit} vCPU, {used} of them in use, but {count} machines "
                "of {size} need {needed}: only {machines} can exist."
            ),
            count=expected.machines[size],
            size=size,
            needed=needs[size],
            machines=limit // vcpus[size],
            **shown,
        )
        return Finding(subject, Severity.ERROR, message, remedy, "quota")
    message = say(_("“{name}” in {region} is {limit} vCPU, {used} of them in use."), **shown)
    return Finding(subject, Severity.OK, message, check="quota")
