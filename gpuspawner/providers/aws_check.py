"""Would a start work? Looks at everything that one needs, and changes nothing."""

from __future__ import annotations

from dataclasses import replace

from gpuspawner.errors import ProviderUnavailable
from gpuspawner.language import _, say
from gpuspawner.model import Finding, Offering, Severity
from gpuspawner.providers import (
    aws_check_network,
    aws_check_permissions,
    aws_check_quota,
    aws_offers,
    aws_requests,
)
from gpuspawner.providers.aws_account import Account
from gpuspawner.providers.aws_check_parts import POLICY
from gpuspawner.providers.base import Expected
from gpuspawner.providers.check_parts import answered, refused


async def findings(account: Account, hub_id: str, expected: Expected) -> list[Finding]:
    """Everything, in the order in which an admin would mend it. Never raises for a finding.

    What cannot be looked at because of something that is named before is left out.
    """
    found = [await _credentials(account, hub_id)]
    if found[0].severity is Severity.ERROR:
        return found
    found += await _prices(account)
    found += [
        await _image(account, reference) for reference in dict.fromkeys(("", *expected.images))
    ]
    found += await aws_check_network.findings(account, expected)
    offered = await answered(aws_offers.find(account))
    if isinstance(offered, Exception):
        if not any(one.check == "subnets" and one.severity is Severity.ERROR for one in found):
            found.append(refused("sizes", "sizes", offered, POLICY))
        return found
    found += [_size(size, offered) for size in account.record.sizes]
    found += await aws_check_quota.findings(account, offered, expected)
    found += await aws_check_permissions.findings(account, hub_id, offered)
    return found


async def _credentials(account: Account, hub_id: str) -> Finding:
    filters = aws_requests.of_hub(hub_id)
    answer = await answered(account.calls.ask("DescribeInstances", **filters, MaxResults=5))
    if isinstance(answer, ProviderUnavailable):
        remedy = say(_("Check this computer's connection to AWS, and c.AWS.region."))
        return refused("account", "account", answer, remedy)
    if isinstance(answer, Exception):
        remedy = say(
            _(
                "Check the controller's AWS credentials, and that the policy in the documentation "
                "is attached to its role."
            )
        )
        return refused("account", "account", answer, remedy)
    message = say(_("AWS answers in {region}."), region=account.record.region)
    return Finding("account", Severity.OK, message, check="account")


async def _prices(account: Account) -> list[Finding]:
    """A warning when the price list may not be read: then the last good prices stay."""
    answer = await answered(account.calls.ask("GetProducts", ServiceCode="AmazonEC2", MaxResults=1))
    if not isinstance(answer, Exception):
        return []
    return [replace(refused("prices", "prices", answer, POLICY), severity=Severity.WARNING)]


async def _image(account: Account, reference: str) -> Finding:
    subject = f"image {reference}" if reference else "image"
    image = await answered(account.image(reference))
    if isinstance(image, Exception):
        remedy = say(
            _("Set it to an image that is in {region} and that this account may use."),
            region=account.record.region,
        )
        return refused("image", subject, image, remedy)
    message = say(_("{id}, at least {gib} GiB."), id=image.id, gib=image.disk_gib)
    return Finding(subject, Severity.OK, message, check="image")


def _size(size: str, offered: tuple[Offering, ...]) -> Finding:
    zones = [one.placement.zone for one in offered if one.placement.size == size]
    if zones:
        message = say(_("Offered in {zones}."), zones=", ".join(zones))
        return Finding(size, Severity.OK, message, check="sizes")
    message = say(_("No zone of the configured subnets has it."))
    remedy = say(_("Take it out of c.AWS.sizes, or add a subnet in a zone that has it."))
    return Finding(size, Severity.ERROR, message, remedy, "sizes")
