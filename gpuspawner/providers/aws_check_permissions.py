"""Each permission, tried without doing anything: with DryRun, or with the question itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gpuspawner.errors import MachineNotFound, NotAuthorized, Throttled
from gpuspawner.language import _, say
from gpuspawner.model import Finding, Offering, Severity
from gpuspawner.providers import aws_requests, aws_world
from gpuspawner.providers.aws_account import Account
from gpuspawner.providers.aws_check_parts import POLICY
from gpuspawner.providers.base import HomeRequest, MachineRequest
from gpuspawner.providers.check_parts import answered, refused

_NO_UUID = "00000000-0000-0000-0000-000000000000"
_NO_MACHINE, _NO_VOLUME = "i-00000000000000000", "vol-00000000000000000"

Request = Mapping[str, Any]


async def findings(account: Account, hub_id: str, offered: tuple[Offering, ...]) -> list[Finding]:
    """One for each call that the looking around so far has not made by itself."""
    found = [await _volumes(account, hub_id)]
    if offered:
        found.append(await _run(account, hub_id, offered))
        found.append(await _create_volume(account, hub_id, offered[0]))
    instances = await answered(_some_instances(account, hub_id))
    ids = [] if isinstance(instances, Exception) else instances
    size = account.record.sizes[0]
    for action, request in _on_a_machine(ids[0] if ids else _NO_MACHINE, size).items():
        refusal = await answered(account.calls.may(action, **request))
        found.append(_permission(action, refusal, real=bool(ids)))
    return found


async def _volumes(account: Account, hub_id: str) -> Finding:
    filters = aws_requests.of_hub(hub_id)
    answer = await answered(account.calls.ask("DescribeVolumes", **filters, MaxResults=5))
    refusal = answer if isinstance(answer, Exception) else None
    return _permission("DescribeVolumes", refusal, real=True)


async def _run(account: Account, hub_id: str, offered: tuple[Offering, ...]) -> Finding:
    """Every size on its own: the policy names them, and is easily forgotten when one is added."""
    action, sizes, last = "RunInstances", [], None
    first = {one.placement.size: one for one in reversed(offered)}
    for size in dict.fromkeys(one.placement.size for one in offered):
        request = await answered(_run_request(account, hub_id, first[size]))
        if isinstance(request, Exception):
            # The image or the subnet is amiss, which has been said.
            message = say(_("It could not be tried: {detail}"), detail=str(request))
            return Finding(action, Severity.SKIPPED, message, check="permissions")
        refusal = await answered(account.calls.may(action, **request))
        if refusal is not None:
            sizes.append(size)
            last = refusal
    if last is not None and len(sizes) < len(first) and isinstance(last, NotAuthorized):
        some = ", ".join(sizes)
        message = say(_("It is not allowed for {sizes}: {detail}"), sizes=some, detail=str(last))
        return Finding(action, Severity.ERROR, message, POLICY, "permissions")
    return _permission(action, last, real=True)


async def _run_request(account: Account, hub_id: str, offering: Offering) -> Request:
    place, image = offering.placement, await account.image()
    disk = max(image.disk_gib, 8)
    machine = MachineRequest(_NO_UUID, "gs-check", "0", 0, place, image.id, disk, b"")
    subnet, groups = await account.subnet_of(place.zone), await account.group_ids()
    return aws_requests.run_instances(machine, account.record, hub_id, image, subnet, groups)


async def _create_volume(account: Account, hub_id: str, offering: Offering) -> Finding:
    place = offering.placement
    home = HomeRequest(_NO_UUID, "gs-check", "0", place.region, place.zone, 1)
    request = aws_requests.create_volume(home, account.record, hub_id)
    refusal = await answered(account.calls.may("CreateVolume", **request))
    return _permission("CreateVolume", refusal, real=True)


async def _some_instances(account: Account, hub_id: str) -> list[str]:
    """Terminated ones are listed for an hour, and nothing can be tried on them."""
    filters = aws_requests.of_hub(hub_id)
    answer = await account.calls.ask("DescribeInstances", **filters, MaxResults=50)
    return [
        instance["InstanceId"]
        for one in answer["Reservations"]
        for instance in one["Instances"]
        if aws_world.state(instance) != aws_world.TERMINATED
    ]


def _on_a_machine(id_: str, size: str) -> Mapping[str, Request]:
    some = {"InstanceIds": [id_]}
    return {
        "StartInstances": some,
        "StopInstances": some,
        "TerminateInstances": some,
        "ModifyInstanceAttribute": {"InstanceId": id_, "InstanceType": {"Value": size}},
        "AttachVolume": {
            "InstanceId": id_,
            "VolumeId": _NO_VOLUME,
            "Device": aws_requests.HOME_DEVICE,
        },
        "DeleteVolume": {"VolumeId": _NO_VOLUME},
        "GetConsoleOutput": {"InstanceId": id_},
    }


def _permission(action: str, refusal: Exception | None, *, real: bool) -> Finding:
    """EC2 may look for the machine before the permission; that it finds none proves nothing.

    Nor does a refusal for what does not exist: the policy asks for a tag, which nothing has not.
    """
    if refusal is None:
        return Finding(action, Severity.OK, say(_("It is allowed.")), check="permissions")
    if isinstance(refusal, NotAuthorized):
        if real and action not in ("AttachVolume", "DeleteVolume"):
            return refused("permissions", action, refusal, POLICY)
        message = say(_("It was refused, but there is nothing yet to try it on."))
        remedy = say(
            _("Compare the controller's policy with the one in the documentation, for {action}."),
            action=action,
        )
        return Finding(action, Severity.WARNING, message, remedy, "permissions")
    if isinstance(refusal, MachineNotFound):
        message = say(_("It could not be tried, since there is no machine or disk yet."))
        return Finding(action, Severity.SKIPPED, message, check="permissions")
    remedy = say(_("Mend what is named above, then check again."))
    message = say(_("It could not be tried: {detail}"), detail=str(refusal))
    # The state of the one machine that there is says nothing about the permission.
    passing = action in _ON_STATES or isinstance(refusal, Throttled)
    severity = Severity.SKIPPED if passing else Severity.ERROR
    return Finding(action, severity, message, remedy, "permissions")


_ON_STATES = frozenset(
    {"StartInstances", "StopInstances", "ModifyInstanceAttribute", "AttachVolume", "DeleteVolume"}
)
