"""The result as a picture: what each rule bills, and which trainings and sittings it hits. SVG."""

from __future__ import annotations

import html
from collections.abc import Sequence

from gpuspawner.language import Sentence, _, say
from gpuspawner.simulation.report import SHIPPED, Line, Report
from gpuspawner.simulation.words import NAMES

_NAMES, _PANEL, _GAP, _ROW, _TOP = 210, 190, 30, 30, 64
_FONTS = "'Noto Sans KR', 'Noto Sans CJK KR', 'Malgun Gothic', 'Apple SD Gothic Neo', sans-serif"
_PANELS: Sequence[tuple[Sentence, str, str, float]] = (
    (say(_("bill (1 = who knows the future)")), "bill", ".2f", 3.0),
    (say(_("trainings killed, %")), "killed", ".1f", 100.0),
    (say(_("sittings interrupted, %")), "interrupted", ".1f", 100.0),
)
"""Head, figure, its form, and where the scale ends: what is longer is cut, its number is not."""


def draw(report: Report, language: str) -> str:
    """The picture, with words in `language`. The fonts are the reader's own."""
    width = _NAMES + len(_PANELS) * (_PANEL + _GAP)
    height = _TOP + _ROW * len(report.lines) + 20
    title = say(
        _("{students} students, {weeks} weeks, {terms} terms"),
        students=report.assumed.students,
        weeks=report.assumed.weeks,
        terms=len(report.seeds),
    )
    about = (
        f'viewBox="0 0 {width} {height}" lang="{language}" font-family="{_FONTS}" font-size="13"'
    )
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {about}>',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        _text(10, 22, title.text(language), weight="bold"),
    ]
    for number, (head, name, form, most) in enumerate(_PANELS):
        left = _NAMES + number * (_PANEL + _GAP)
        parts.append(_text(left, _TOP - 14, head.text(language), size=12))
        for row, line in enumerate(report.lines):
            parts += _bar(left, _TOP + row * _ROW, line, name, form, most)
    for row, line in enumerate(report.lines):
        weight = "bold" if line.rule == SHIPPED else "normal"
        shown = NAMES[line.rule].text(language)
        parts.append(_text(10, _TOP + row * _ROW + 17, shown, weight=weight))
    return "\n".join([*parts, "</svg>", ""])


def _bar(left: float, top: float, line: Line, name: str, form: str, most: float) -> list[str]:
    value: float = getattr(line, name)
    room = _PANEL - 46
    length = room * min(value, most) / most
    colour = "#0b6e4f" if line.rule == SHIPPED else "#9aa5b1"
    cut = " ⟩" if value > most else ""
    return [
        f'<rect x="{left}" y="{top + 4}" width="{max(length, 1):.1f}" height="18" fill="{colour}"/>',
        _text(left + max(length, 1) + 5, top + 17, f"{cut}{value:{form}}", size=12),
    ]


def _text(x: float, y: float, text: str, weight: str = "normal", size: int = 13) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" font-weight="{weight}">'
        f"{html.escape(text)}</text>"
    )
