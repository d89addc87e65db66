"""Does the account's quota allow what the class is going to ask for?"""

from __future__ import annotations

from gpuspawner.language import _, say
from gpuspawner.model import Finding, Offering, Severity
from gpuspawner.providers import aws_offers
from gpuspawner.providers.aws_account import Account
from gpuspawner.providers.base import Expected
from gpuspawner.providers.check_parts import answered


async def findings(
    account: Account, offered: tuple[Offering, ...], expected: Expected
) -> list[Finding]:
    """One for each quota that the offered sizes count against."""
    vcpus = {one.placement.size: one.vcpus for one in offered}
    sizes: dict[tuple[str, str], list[str]] = {}
    for size in vcpus:
        if aws_offers.knows_quota(size):
            sizes.setdefault(aws_offers.quota_of(size), []).append(size)
    return [
        await _quota(account, code, name, {size: vcpus[size] for size in some}, expected)
        for (code, name), some in sizes.items()
    ]


async def limit_of(account: Account, code: str) -> float:
    """The account's limit, in vCPUs."""
    answer = await account.calls.ask("GetServiceQuota", ServiceCode="ec2", QuotaCode=code)
    return float(answer["Quota"]["Value"])


async def _quota(
    account: Account, code: str, name: str, vcpus: dict[str, int], expected: Expected
) -> Finding:
    subject = f"quota {code}"
    remedy = say(
        _(
            "Ask for more of “{name}” ({code}) in AWS's Service Quotas, under Amazon EC2; "
            "it takes a day or two."
        ),
        name=name,
        code=code,
    )
    limit = await answered(limit_of(account, code))
    if isinstance(limit, Exception):
        message = say(_("It could not be read: {detail}"), detail=str(limit))
        return Finding(subject, Severity.WARNING, message, remedy, "quota")
    needs = {size: expected.machines.get(size, 0) * vcpus[size] for size in vcpus}
    size = max(needs, key=lambda one: needs[one])
    shown = {"name": name, "limit": f"{limit:g}"}
    if limit <= 0:
        message = say(_("“{name}” is {limit} vCPU: no such machine may be started."), **shown)
        return Finding(subject, Severity.ERROR, message, remedy, "quota")
    if not needs[size]:
        each = min(vcpus.values())
        message = say(
            _("“{name}” is {limit} vCPU, which is {machines} machines of the smallest size."),
            machines=int(limit // each),
            **shown,
        )
        return Finding(subject, Severity.OK, message, check="quota")
    shown |= {"needed": str(needs[size]), "count": str(expected.machines[size]), "size": size}
    if needs[size] > limit:
        message = say(
            _(
                "“{name}” is {limit} vCPU, but {count} machines of {size} need {needed}: "
                "only {machines} can run."
            ),
            machines=int(limit // vcpus[size]),
            **shown,
        )
        return Finding(subject, Severity.ERROR, message, remedy, "quota")
    message = say(_("“{name}” is {limit} vCPU; {count} machines of {size} need {needed}."), **shown)
    return Finding(subject, Severity.OK, message, check="quota")
