"""Whether the class has anything to spend, as the doctor sees it."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import pytest
from traitlets.config import Config

from gpuspawner.doctor.case import Case
from gpuspawner.doctor.credit_checks import credit
from gpuspawner.doctor.lines import Mark

NOW = datetime(2026, 11, 2, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("settings", "students", "seen"),
    [
        ({}, None, (Mark.WARNING, "c.Credit.course_credit")),
        ({"enforce": False}, None, (Mark.WARNING, "c.Credit.enforce")),
        ({"course_credit": 10.0}, None, (Mark.OK, "c.Credit.student_credit")),
        (
            {"course_credit": 10.0, "student_credit": 1.0},
            10,
            (Mark.OK, "c.Credit.course_credit"),
        ),
        (
            {"course_credit": 10.0, "student_credit": 1.0},
            11,
            (Mark.WARNING, "c.Credit.student_credit"),
        ),
    ],
)
def test_what_a_class_has_is_said_before_class(settings, students, seen):
    line = credit(Case(Path("c.py"), Config({"Credit": settings}), NOW, students))
    assert (line.mark, line.subject) == seen
    assert (line.remedy is None) == (line.mark is Mark.OK)
