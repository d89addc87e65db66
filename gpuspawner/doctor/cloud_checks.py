"""The cloud account, as the provider's own check finds it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from gpuspawner import app
from gpuspawner.doctor.case import Case
from gpuspawner.doctor.checks import CHECKS
from gpuspawner.doctor.choices import machines
from gpuspawner.doctor.class_checks import students_of
from gpuspawner.doctor.lines import Line, Mark
from gpuspawner.errors import ConfigurationError
from gpuspawner.identity import Identity
from gpuspawner.language import Sentence, _, say
from gpuspawner.model import Finding, Severity
from gpuspawner.providers.base import Expected

SECONDS = 180.0
"""So long the account is looked at in all; a cloud that does not answer is asked several times."""

_MARKS = {
    Severity.OK: Mark.OK,
    Severity.WARNING: Mark.WARNING,
    Severity.ERROR: Mark.FAILURE,
    Severity.SKIPPED: Mark.NOT_CHECKED,
}


def checks(case: Case) -> tuple[str, ...]:
    """What is looked at in the account of this configuration's cloud."""
    name = "azure" if case.on_azure else "aws"
    return tuple(
        check for check, one in CHECKS.items() if one.group == "cloud" and name in one.clouds
    )


def expected(case: Case, addresses: Sequence[tuple[str, int]]) -> Expected:
    """What the class is going to ask of the account."""
    students = students_of(case) or 0
    members = case.value("JupyterHub", "load_groups", {})
    images = {one.image: None for _profile, one in case.specifications if one.image}
    return Expected(
        students=students,
        machines=machines(case.specifications, students, members) if students else {},
        images=tuple(images),
        port=case.spawner.port,
        hub=tuple(addresses),
        public_url=case.controller.public_url,
        unreachable_seconds=case.agent.unreachable_timeout,
    )


async def cloud(case: Case, addresses: Sequence[tuple[str, int]]) -> list[Line]:
    """Every line of the account; what was not come to says so."""
    looked = checks(case)
    if case.cloud_record is None or case.record is None:
        return _unchecked(say(_("It was not looked at: correct the configuration first.")), looked)
    try:
        findings = await asyncio.wait_for(_findings(case, addresses), SECONDS)
    except ConfigurationError as error:
        finding = say(_("It cannot be used: {detail}"), detail=error.detail)
        remedy = say(_("Install what is missing, or correct the configuration file."))
        rest = say(_("It was not looked at: the cloud has to answer first."))
        failed = Line("account", Mark.FAILURE, "account", finding, remedy)
        return [failed, *_unchecked(rest, looked[1:])]
    except asyncio.TimeoutError:
        finding = say(_("It did not answer within {seconds} s."), seconds=int(SECONDS))
        remedy = say(_("Check this computer's connection to the cloud, and the region."))
        rest = say(_("It was not looked at: the cloud has to answer first."))
        failed = Line("account", Mark.FAILURE, "account", finding, remedy)
        return [failed, *_unchecked(rest, looked[1:])]
    lines = [_line(one) for one in findings if one.check != "prices"]  # those were looked at here
    seen = {line.check for line in lines}
    missing = [check for check in looked if check not in seen]
    rest = say(_("It was not looked at: mend what is named above, then check again."))
    return [*lines, *_unchecked(rest, missing)]


async def _findings(case: Case, addresses: Sequence[tuple[str, int]]) -> list[Finding]:
    from gpuspawner.clock import SystemClock  # noqa: PLC0415 - the provider's waits are real ones

    assert case.record
    # Without a secret there is no hub id yet, and nothing in the cloud that carries it.
    who = case.identity or Identity(bytes(32))
    assert case.cloud_record
    provider = app.make_provider(case.cloud_record, who.hub_id, SystemClock())
    try:
        return await provider.check(expected(case, addresses))
    finally:
        await provider.close()


def _line(one: Finding) -> Line:
    check = one.check if one.check in CHECKS else "account"
    remedy = _sentence(one.remedy) if one.remedy else None
    return Line(check, _MARKS[one.severity], one.subject, _sentence(one.message), remedy)


def _sentence(text: Sentence | str) -> Sentence:
    return text if isinstance(text, Sentence) else say("{text}", text=text)


def _unchecked(finding: Sentence, checks: Sequence[str]) -> list[Line]:
    return [Line(check, Mark.NOT_CHECKED, check, finding) for check in checks]
