"""Would a start work? Looks at everything that one needs, and changes nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Mapping
from typing import Any, TypeVar

from gpuspawner.errors import ConfigurationError, MachineNotFound, NotAuthorized, ProviderError
from gpuspawner.model import Finding, Offering, Severity
from gpuspawner.providers import aws_offers, aws_requests
from gpuspawner.providers.aws_account import Account
from gpuspawner.providers.base import HomeRequest, MachineRequest

T = TypeVar("T")

_FEW_ADDRESSES = 50
_WORLD = frozenset({"0.0.0.0/0", "::/0"})
_POLICY = "Attach the policy in the documentation to the controller's role."
_NO_UUID = "00000000-0000-0000-0000-000000000000"


async def findings(account: Account, hub_id: str) -> list[Finding]:
    """Everything, in the order in which an admin would mend it. Never raises for a finding."""
    found = [await _credentials(account, hub_id)]
    if found[0].severity is Severity.ERROR:
        return found
    found += [await _image(account)]
    found += [finding async for finding in _network(account)]
    offered = await _value(aws_offers.find(account))
    if isinstance(offered, Exception):
        return [*found, _error("sizes", offered, "Mend what is named above, then check again.")]
    found += _sizes(account, offered)
    found += [await quota(account, code) for code in _codes(offered)]
    found += [finding async for finding in _permissions(account, hub_id, offered)]
    return found


async def quota(account: Account, code: str) -> Finding:
    """Whether the account may have such machines at all; a new one often may not."""
    remedy = f"Ask AWS for more in Service Quotas (EC2, {code}); it takes a day or two."
    limit = await _value(limit_of(account, code))
    if isinstance(limit, Exception):
        return Finding(f"quota {code}", Severity.WARNING, f"it could not be read: {limit}", remedy)
    if limit <= 0:
        return Finding(f"quota {code}", Severity.ERROR, "it is 0 vCPU", remedy)
    return Finding(f"quota {code}", Severity.OK, f"{limit:g} vCPU")


async def limit_of(account: Account, code: str) -> float:
    """The account's limit, in vCPUs."""
    answer = await account.calls.ask("GetServiceQuota", ServiceCode="ec2", QuotaCode=code)
    return float(answer["Quota"]["Value"])


async def _credentials(account: Account, hub_id: str) -> Finding:
    answer = await _value(
        account.calls.ask("DescribeInstances", **aws_requests.of_hub(hub_id), MaxResults=5)
    )
    if isinstance(answer, Exception):
        return _error("account", answer, f"Check the controller's AWS credentials. {_POLICY}")
    return Finding("account", Severity.OK, f"{account.record.region} answers")


async def _image(account: Account) -> Finding:
    image = await _value(account.image())
    if isinstance(image, Exception):
        return _error("image", image, "Set AWS.image to an AMI of this region.")
    return Finding("image", Severity.OK, f"{image.id}, at least {image.disk_gib} GiB")


async def _network(account: Account) -> AsyncIterator[Finding]:
    subnets = await _value(account.find_subnets())
    if isinstance(subnets, Exception):
        yield _error("subnets", subnets, "Set AWS.subnets to subnets of this region.")
    else:
        for subnet in subnets:
            few = subnet.free < _FEW_ADDRESSES
            severity = Severity.WARNING if few else Severity.OK
            message = f"{subnet.free} free addresses in {subnet.zone}"
            yield Finding(subnet.id, severity, message, "Use a larger subnet." if few else "")
    groups = await _value(account.groups())
    if isinstance(groups, Exception):
        yield _error("security groups", groups, "Set AWS.security_groups to groups of this region.")
    else:
        for group in groups:
            yield _group(group)


def _group(group: Mapping[str, Any]) -> Finding:
    ranges = {
        one.get("CidrIp") or one.get("CidrIpv6")
        for rule in group.get("IpPermissions") or ()
        for one in [*(rule.get("IpRanges") or ()), *(rule.get("Ipv6Ranges") or ())]
    }
    if ranges & _WORLD:
        message = "it lets the whole internet in"
        remedy = "Let in the hub's own security group only."
        return Finding(group["GroupId"], Severity.WARNING, message, remedy)
    return Finding(group["GroupId"], Severity.OK, "it is not open to the internet")


def _sizes(account: Account, offered: tuple[Offering, ...]) -> list[Finding]:
    return [_size(account, size, offered) for size in account.record.sizes]


def _size(account: Account, size: str, offered: tuple[Offering, ...]) -> Finding:
    zones = [one.placement.zone for one in offered if one.placement.size == size]
    if zones:
        return Finding(size, Severity.OK, f"offered in {', '.join(zones)}")
    if aws_offers.price_of(account.record, size) is None:
        message = f"its price in {account.record.region} is not known, so it is not offered"
        return Finding(size, Severity.ERROR, message, f"Set AWS.prices['{size}'].")
    message = "no zone of the configured subnets has it"
    return Finding(size, Severity.ERROR, message, "Take it out of AWS.sizes, or add a subnet.")


def _codes(offered: tuple[Offering, ...]) -> list[str]:
    sizes = dict.fromkeys(one.placement.size for one in offered)
    known = [size for size in sizes if aws_offers.knows_quota(size)]
    return list(dict.fromkeys(aws_offers.quota_of(size)[0] for size in known))


async def _permissions(
    account: Account, hub_id: str, offered: tuple[Offering, ...]
) -> AsyncIterator[Finding]:
    if not offered:
        return
    asked = await _value(_requests(account, hub_id, offered[0]))
    if isinstance(asked, Exception):
        yield _error("permissions", asked, "Mend what is named above, then check again.")
        return
    for action, request in asked.items():
        refusal = await _value(account.calls.may(action, **request))
        yield _permission(action, refusal)


def _permission(action: str, refusal: Exception | None) -> Finding:
    """EC2 may look for the machine before the permission; that it finds none proves nothing."""
    if isinstance(refusal, MachineNotFound):
        message = "it could not be tried, since there is no machine yet"
        return Finding(action, Severity.OK, message)
    if refusal is not None:
        remedy = _POLICY if isinstance(refusal, NotAuthorized) else "Mend the configuration."
        return _error(action, refusal, remedy)
    return Finding(action, Severity.OK, "it is allowed")


async def _requests(
    account: Account, hub_id: str, offering: Offering
) -> Mapping[str, Mapping[str, Any]]:
    place, image = offering.placement, await account.image()
    disk = max(image.disk_gib, 8)
    machine = MachineRequest(_NO_UUID, "gs-check", "0", 0, place, image.id, disk, b"")
    home = HomeRequest(_NO_UUID, "gs-check", "0", place.region, place.zone, 1)
    subnet, groups = await account.subnet_of(place.zone), await account.group_ids()
    existing = await account.calls.ask(
        "DescribeInstances", **aws_requests.of_hub(hub_id), MaxResults=5
    )
    ids = [one["InstanceId"] for r in existing["Reservations"] for one in r["Instances"]]
    some = {"InstanceIds": ids[:1] or ["i-00000000000000000"]}
    return {
        "RunInstances": aws_requests.run_instances(
            machine, account.record, hub_id, image, subnet, groups
        ),
        "CreateVolume": aws_requests.create_volume(home, account.record, hub_id),
        "StartInstances": some,
        "StopInstances": some,
        "TerminateInstances": some,
    }


def _error(subject: str, error: Exception, remedy: str) -> Finding:
    return Finding(subject, Severity.ERROR, str(error), remedy)


async def _value(doing: Awaitable[T]) -> T | Exception:
    try:
        return await doing
    except (ProviderError, ConfigurationError) as error:
        return error
