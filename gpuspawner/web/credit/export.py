"""Tables for spreadsheets: with the mark that Excel needs, and without formulas of somebody else's."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from gpuspawner.language import Sentence, _, say
from gpuspawner.spreadsheets import MARK
from gpuspawner.web.credit import replies, words

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""A cell that begins so may be run as a formula (OWASP, "CSV Injection")."""

_STATEMENT = (
    say(_("Written")), say(_("What")), say(_("Amount")), say(_("Unit")), say(_("Start")),
    say(_("Stop")), say(_("Seconds")), say(_("Price an hour")), say(_("Component")),
    say(_("Machine")), say(_("Entry")), say(_("Reason")),
)  # fmt: skip
_STUDENTS = (
    say(_("Student")), say(_("Balance")), say(_("Balance now")), say(_("Set aside")),
    say(_("Available")), say(_("An hour now")), say(_("Unit")),
)  # fmt: skip


def statement_csv(found: replies.Statement, language: str, zone: str) -> str:
    """The lines of a statement, with the balances before and after; moments in the course's zone."""
    lines: list[Sequence[str]] = [
        (local(found.since, zone), say(_("Balance before")).text(language), exact(found.opening), found.unit)
    ]  # fmt: skip
    lines += [
        (
            local(line.at, zone),
            words.KINDS[line.kind].text(language),
            exact(line.amount),
            found.unit,
            local(line.start, zone),
            local(line.stop, zone),
            str(line.seconds) if line.component else "",
            exact(line.per_hour) if line.per_hour is not None else "",
            words.COMPONENTS[line.component].text(language) if line.component else "",
            safe(line.claim or ""),
            str(line.transaction or ""),
            safe(line.note),
        )
        for line in found.lines
    ]
    lines.append(
        (local(found.until, zone), say(_("Balance after")).text(language), exact(found.closing), found.unit)
    )  # fmt: skip
    return _csv(_STATEMENT, lines, language)


def students_csv(found: replies.Students, language: str) -> str:
    """Where everybody stands."""
    return _csv(
        _STUDENTS,
        [
            (
                safe(one.name or one.person or ""),
                exact(one.balance),
                exact(one.live),
                exact(one.held),
                exact(one.available),
                exact(one.per_hour),
                found.unit,
            )
            for one in found.students
        ],
        language,
    )


def safe(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def exact(micros: int) -> str:
    """An amount with all its six decimals, and nothing but them: a number for any spreadsheet."""
    sign = "-" if micros < 0 else ""
    return f"{sign}{abs(micros) // 1_000_000}.{abs(micros) % 1_000_000:06d}"


def local(moment: str, zone: str) -> str:
    """A moment as the course's clock shows it."""
    return datetime.fromisoformat(moment).astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M:%S")


def _csv(head: Sequence[Sentence], lines: Iterable[Sequence[str]], language: str) -> str:
    file = io.StringIO()
    file.write(MARK)
    writer = csv.writer(file, lineterminator="\r\n")
    writer.writerow([cell.text(language) for cell in head])
    for line in lines:
        writer.writerow([*line, *[""] * (len(head) - len(line))])
    return file.getvalue()
