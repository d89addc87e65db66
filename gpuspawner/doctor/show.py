"""The report as people read it, in 80 columns: Korean letters are two columns wide."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from itertools import groupby

from gpuspawner.doctor.checks import CHECKS, GROUPS
from gpuspawner.doctor.hiding import hide
from gpuspawner.doctor.lines import Line, Mark, Report
from gpuspawner.language import Sentence, _, say

WIDTH = 80

MARKS = {
    Mark.OK: say(_("ok")),
    Mark.WARNING: say(_("warning")),
    Mark.FAILURE: say(_("FAILURE")),
    Mark.NOT_CHECKED: say(_("not checked")),
}
_SIGNS = {Mark.OK: "+", Mark.WARNING: "!", Mark.FAILURE: "X", Mark.NOT_CHECKED: "-"}
"""Beside the words, so that the eye finds them, in signs that every terminal has."""


def text(report: Report, language: str) -> str:
    """The whole report."""
    return "\n".join(_report(report, language)) + "\n"


def _report(report: Report, language: str) -> Iterator[str]:
    head = [str(report.config)]
    if report.hub_id:
        head.append(say(_("hub {hub_id}"), hub_id=report.hub_id).text(language))
    if report.students:
        head.append(say(_("students: {count}"), count=report.students).text(language))
    yield from _wrapped(" · ".join(head), 0)
    for group, lines in groupby(report.lines, lambda line: CHECKS[line.check].group):
        yield ""
        yield GROUPS[group].text(language)
        for line in lines:
            yield from _line(line, language)
    yield ""
    yield from _wrapped(_summary(report).text(language), 0)


def _line(line: Line, language: str) -> Iterator[str]:
    """The mark, and beside it what was looked at, the finding and the remedy."""
    marks = {one: f"  {_SIGNS[one]} {MARKS[one].text(language)}" for one in Mark}
    column = max(map(width, marks.values())) + 2
    mark = marks[line.mark] + " " * (column - width(marks[line.mark]))
    finding, subject = hide(line.finding.text(language)), hide(line.subject)
    if column + width(subject) + 2 + width(finding) <= WIDTH:
        yield f"{mark}{subject}: {finding}"
    else:
        yield mark + subject
        yield from _wrapped(finding, column)
    if line.remedy is not None:
        yield from _wrapped("=> " + hide(line.remedy.text(language)), column, hanging=3)


def _summary(report: Report) -> Sentence:
    count = report.count()
    figures = {
        "ok": count["ok"],
        "warnings": count["warning"],
        "failures": count["failure"],
        "unchecked": count["not_checked"],
    }
    if report.exit_code:
        return say(
            _(
                "Not ready. Failures: {failures}, warnings: {warnings}, ok: {ok}, "
                "not checked: {unchecked}."
            ),
            **figures,
        )
    return say(
        _(
            "Ready, as far as can be seen. Warnings: {warnings}, ok: {ok}, not checked: {unchecked}."
        ),
        **figures,
    )


def _wrapped(whole: str, indent: int, *, hanging: int = 0) -> Iterator[str]:
    """Broken between words; a word that is longer than the line stays whole, to be copied."""
    line = ""
    for word in whole.split():
        room = WIDTH - indent - hanging
        if line and width(line) + 1 + width(word) > room:
            yield " " * indent + line
            line = " " * hanging + word
        else:
            line = f"{line} {word}" if line else word
    yield " " * indent + line


def width(shown: str) -> int:
    """How many columns of a terminal a text takes."""
    return sum(
        0 if unicodedata.combining(one) else 2 if unicodedata.east_asian_width(one) in "WF" else 1
        for one in shown
    )
