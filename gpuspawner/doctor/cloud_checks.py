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
_CLOUD = tuple(name for name, check in CHECKS.items() if check.group == "cloud")


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
    )


async def cloud(case: Case, addresses: Sequence[tuple[str, int]]) -> list[Line]:
    """Every line of the account; what was not come to says so."""
    if case.aws_record is None or case.record is None:
        return _unchecked(say(_("It was not looked at: correct the configuration first.")), _CLOUD)
    try:
        findings = await asyncio.wait_for(_findings(case, addresses), SECONDS)
    except ConfigurationError as error:
        finding = say(_("It cannot be used: {detail}"), detail=error.detail)
        remedy = say(_("Install what is missing, or correct the configuration file."))
        rest = say(_("It was not looked at: the cloud has to answer first."))
        failed = Line("account", Mark.FAILURE, "account", finding, remedy)
        return [failed, *_unchecked(rest, _CLOUD[1:])]
    except asyncio.TimeoutError:
        finding = say(_("It did not answer within {seconds} s."), seconds=int(SECONDS))
        remedy = say(_("Check this computer's connection to AWS, and c.AWS.region."))
        rest = say(_("It was not looked at: the cloud has to answer first."))
        failed = Line("account", Mark.FAILURE, "account", finding, remedy)
        return [failed, *_unchecked(rest, _CLOUD[1:])]
    lines = [_line(one) for one in findings if one.check != "prices"]  # those were looked at here
    seen = {line.check for line in lines}
    missing = [check for check in _CLOUD if check not in seen]
    rest = say(_("It was not looked at: mend what is named above, then check again."))
    return [*lines, *_unchecked(rest, missing)]


async def _findings(case: Case, addresses: Sequence[tuple[str, int]]) -> list[Finding]:
    from gpuspawner.clock import SystemClock  # noqa: PLC0415 - the provider's waits are real ones

    assert case.record
    # Without a secret there is no hub id yet, and nothing in the cloud that carries it.
    who = case.identity or Identity(bytes(32))
    assert case.aws_record
    provider = app.make_provider(case.aws_record, who.hub_id, SystemClock())
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
