"""The network of the machines: room in the subnets, and who may reach whom."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gpuspawner.language import _, say
from gpuspawner.model import Finding, Severity
from gpuspawner.providers.aws_account import Account, Subnet
from gpuspawner.providers.base import Expected
from gpuspawner.providers.check_parts import answered, refused

_FEW_ADDRESSES = 50
_WIDEST = 1
"""A range with a shorter mask than this is the whole internet, or half of it."""

Group = Mapping[str, Any]


async def findings(account: Account, expected: Expected) -> list[Finding]:
    """Subnets, then security groups, then what these let through."""
    found, subnets = await _subnets(account, expected)
    more, groups = await _groups(account)
    found += [*more, *(_group(group) for group in groups)]
    if subnets and groups and len(groups) == len(account.record.security_groups):
        found += _through(groups, expected)
    return found


async def _subnets(account: Account, expected: Expected) -> tuple[list[Finding], list[Subnet]]:
    found: list[Finding] = []
    subnets: list[Subnet] = []
    remedy = say(
        _("Set c.AWS.subnets to subnets that are in {region}."), region=account.record.region
    )
    for reference in account.record.subnets or ("",):
        asking = account.find_subnet(reference) if reference else account.find_subnets()
        some = await answered(asking)
        if isinstance(some, Exception):
            found.append(refused("subnets", "subnets", some, remedy))
        else:
            subnets += some
    # Of two subnets in one zone the first is used, so the room of the second is none.
    used = {subnet.zone: subnet for subnet in reversed(subnets)}
    room = sum(subnet.free for subnet in used.values())
    # One that does not exist has been named, and the room of the others says nothing then.
    short = not found and room < expected.students
    found += [_subnet(subnet, short=short and subnet in used.values()) for subnet in subnets]
    if short and all(subnet.free for subnet in used.values()):
        message = say(
            _("They have {room} free addresses, for {students} students."),
            room=room,
            students=expected.students,
        )
        more = say(_("Use larger subnets, or add some in other zones."))
        found.append(Finding("subnets", Severity.ERROR, message, more, "subnets"))
    return found, subnets


def _subnet(subnet: Subnet, *, short: bool) -> Finding:
    remedy = say(_("Use a larger subnet, or add one in another zone."))
    if not subnet.free:
        message = say(_("It has no free address left in {zone}."), zone=subnet.zone)
        # The other zones go on, as long as they have room for everybody.
        severity = Severity.ERROR if short else Severity.WARNING
        return Finding(subnet.id, severity, message, remedy, "subnets")
    message = say(_("{free} free addresses in {zone}."), free=subnet.free, zone=subnet.zone)
    few = subnet.free < _FEW_ADDRESSES
    severity = Severity.WARNING if few else Severity.OK
    return Finding(subnet.id, severity, message, remedy if few else "", "subnets")


async def _groups(account: Account) -> tuple[list[Finding], list[Group]]:
    found: list[Finding] = []
    groups: list[Group] = []
    remedy = say(
        _("Set c.AWS.security_groups to groups that are in {region}."),
        region=account.record.region,
    )
    for reference in account.record.security_groups:
        group = await answered(account.find_group(reference))
        if isinstance(group, Exception):
            found.append(refused("security-groups", "security groups", group, remedy))
        else:
            groups.append(group)
    if not account.record.security_groups:
        message = say(
            _("None is set, so the VPC's default group is taken: machines can reach each other.")
        )
        more = say(_("Make a group that admits the hub alone, and set c.AWS.security_groups."))
        found.append(Finding("security groups", Severity.WARNING, message, more, "security-groups"))
    return found, groups


def _group(group: Group) -> Finding:
    if any(_is_world(one) for rule in group.get("IpPermissions") or () for one in _ranges(rule)):
        message = say(_("It lets the whole internet in."))
        remedy = say(_("Let in the hub's own address or security group only."))
        return Finding(group["GroupId"], Severity.ERROR, message, remedy, "security-groups")
    message = say(_("It is not open to the internet."))
    return Finding(group["GroupId"], Severity.OK, message, check="security-groups")


def _through(groups: Sequence[Group], expected: Expected) -> Iterator[Finding]:
    """Whether the hub gets in and the machine gets out, as far as the groups say."""
    subject = ", ".join(group["GroupId"] for group in groups)
    inward = [rule for group in groups for rule in group.get("IpPermissions") or ()]
    outward = [rule for group in groups for rule in group.get("IpPermissionsEgress") or ()]
    if expected.port and not any(_has_port(rule, expected.port) for rule in inward):
        port = expected.port
        message = say(_("Nobody is let in on port {port}, where the servers listen."), port=port)
        remedy = say(_("Admit the hub's host on port {port}."), port=port)
        yield Finding(subject, Severity.ERROR, message, remedy, "security-groups")
    if expected.hub and not any(_leads_to(rule, *one) for rule in outward for one in expected.hub):
        address, port = expected.hub[0]
        message = say(
            _("The machines are not let out to the hub, {address} on port {port}."),
            address=address,
            port=port,
        )
        remedy = say(_("Add an outbound rule for it to the security group."))
        yield Finding(subject, Severity.ERROR, message, remedy, "security-groups")


def _has_port(rule: Mapping[str, Any], port: int) -> bool:
    if rule.get("IpProtocol") == "-1":
        return True
    low, high = rule.get("FromPort", 0), rule.get("ToPort", 65535)
    return rule.get("IpProtocol") in ("tcp", "6") and low <= port <= high


def _leads_to(rule: Mapping[str, Any], address: str, port: int) -> bool:
    """A rule for another group or a prefix list may well lead there: it cannot be seen from here."""
    if not _has_port(rule, port):
        return False
    if rule.get("UserIdGroupPairs") or rule.get("PrefixListIds"):
        return True
    there = ipaddress.ip_address(address)
    return any(there in ipaddress.ip_network(one, strict=False) for one in _ranges(rule))


def _ranges(rule: Mapping[str, Any]) -> list[str]:
    both = [*(rule.get("IpRanges") or ()), *(rule.get("Ipv6Ranges") or ())]
    return [one.get("CidrIp") or one["CidrIpv6"] for one in both]


def _is_world(cidr: str) -> bool:
    return ipaddress.ip_network(cidr, strict=False).prefixlen <= _WIDEST
