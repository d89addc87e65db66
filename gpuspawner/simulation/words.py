"""The report as people read it, in each language."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from gpuspawner.language import Sentence, _, say
from gpuspawner.simulation.assumptions import Assumptions
from gpuspawner.simulation.report import ORACLE, SHIPPED, Budget, Line, Report

NAMES: Mapping[str, Sentence] = {
    "none": say(_("nobody but students")),
    "nightly": say(_("every night at 03:00")),
    "stock-60": say(_("stock culler, 60 min")),
    "stock-90": say(_("stock culler, 90 min")),
    "busy-60": say(_("busy kernels count, 60 min")),
    "colab": say(_("Colab's: 90 min and 12 h")),
    "gpu-30": say(_("GPU at zero, 30 min")),
    SHIPPED: Sentence("gpuspawner"),
    ORACLE: say(_("who knows the future")),
}

COLUMNS: Sequence[tuple[Sentence, str, str]] = (
    (say(_("stopped by")), "rule", ""),
    (say(_("bill")), "bill", ".3f"),
    (Sentence("±"), "deviation", ".2f"),
    (say(_("with redone work")), "redo", ".2f"),
    (say(_("hours a student")), "hours", ".1f"),
    (say(_("class, $")), "money", ",.0f"),
    (say(_("trainings killed, %")), "killed", ".2f"),
    (say(_("sittings interrupted, %")), "interrupted", ".2f"),
    (say(_("cold returns, %")), "cold", ".2f"),
    (say(_("idle hours a student")), "idle_hours", ".1f"),
    (say(_("longest idle, h")), "longest_idle", ".1f"),
)


def text(report: Report, language: str, budget: Budget | None = None) -> str:
    """The table, whether the money lasts, and every assumption."""
    assumed = report.assumed
    head = say(
        _(
            "{students} students, {weeks} weeks, {terms} terms: {sittings} sittings and {trainings} "
            "trainings with nobody there, each student. “bill” is 1 for who knows the future."
        ),
        students=assumed.students,
        weeks=assumed.weeks,
        terms=len(report.seeds),
        sittings=f"{report.sittings:.1f}",
        trainings=f"{report.trainings:.2f}",
    )
    parts = [head.text(language), "", table(report.lines, language)]
    if budget is not None:
        parts += ["", *(one.text(language) for one in about(budget))]
    parts += ["", say(_("Assumed (--assume NAME=VALUE changes one):")).text(language)]
    parts += _assumptions(report)
    return "\n".join(parts) + "\n"


def everything(report: Report, budget: Budget | None) -> dict[str, Any]:
    """The report as JSON, with whether the money lasts, if that was asked."""
    return {**report.to_json(), "budget": asdict(budget) if budget else None}


def swept(assumed: Assumptions, seeds: Sequence[int], lines: Sequence[Line]) -> dict[str, Any]:
    """The lines of a sweep as JSON; `rule` is what was changed, the first line nothing."""
    return {
        "assumptions": asdict(assumed),
        "seeds": list(seeds),
        "changes": [asdict(line) for line in lines],
    }


def table(lines: Sequence[Line], language: str) -> str:
    """The lines under their heads."""
    rows = [[head.text(language) for head, _name, _form in COLUMNS]]
    for one in lines:
        cells = [NAMES[one.rule].text(language) if one.rule in NAMES else one.rule]
        cells += [format(getattr(one, name), form) for _head, name, form in COLUMNS[1:]]
        rows.append(cells)
    return aligned(rows)


def about(budget: Budget) -> list[Sentence]:
    """Whether the money lasts."""
    money = f"{budget.budget:,.0f}"
    if budget.lasts == budget.terms:
        lasts = say(
            _("${budget} lasts in each of the {terms} terms; ${left} are left on average."),
            budget=money,
            terms=budget.terms,
            left=f"{budget.left:,.0f}",
        )
        return [lasts]
    short = say(
        _("${budget} lasts in {lasts} of {terms} terms; elsewhere it is used up in week {weeks}."),
        budget=money,
        lasts=budget.lasts,
        terms=budget.terms,
        weeks=", ".join(str(week) for week in sorted(set(budget.ends))),
    )
    if budget.left >= 0:
        return [short]
    lacks = f"{-budget.left:,.0f}"
    return [short, say(_("On average ${lacks} are lacking by the end of the term."), lacks=lacks)]


def _assumptions(report: Report) -> list[str]:
    pairs = [f"{name}={value:g}" for name, value in asdict(report.assumed).items()]
    lines, line = [], " "
    for pair in pairs:
        if len(line) + len(pair) > 98:
            lines.append(line)
            line = " "
        line += f" {pair}"
    return [*lines, line]


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Columns side by side, numbers to the right; a Korean letter is two columns wide."""
    widths = [max(_width(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        first = row[0] + " " * (widths[0] - _width(row[0]))
        rest = (
            " " * (w - _width(cell)) + cell for cell, w in zip(row[1:], widths[1:], strict=True)
        )
        lines.append("  ".join([first, *rest]))
    return "\n".join(lines)


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)
