"""Whether the class has anything to spend."""

from __future__ import annotations

from gpuspawner.doctor.case import Case
from gpuspawner.doctor.class_checks import students_of
from gpuspawner.doctor.lines import Line, Mark
from gpuspawner.language import Sentence, _, say


def credit(case: Case) -> Line:
    """What the configuration gives the class. What is brought in by hand is not looked at."""
    given = case.credit
    if not given.enforce:
        finding = say(_("Credit is only shown and refuses nothing, so nothing limits the bill."))
        remedy = say(_("Set it to True before students are let in."))
        return _line(Mark.WARNING, "enforce", finding, remedy)
    if not given.course_credit > 0:
        finding = say(
            _(
                "The configuration gives the class no credit: without any, nobody can start a machine."
            )
        )
        remedy = say(
            _(
                "Set it to what the class may spend, and c.Credit.student_credit to a student's share."
            )
        )
        return _line(Mark.WARNING, "course_credit", finding, remedy)
    if not given.student_credit > 0:
        finding = say(
            _("Students are given nothing by themselves: a teacher has to give each their credit.")
        )
        return _line(Mark.OK, "student_credit", finding)
    students = students_of(case)
    if students and students * given.student_credit > given.course_credit:
        finding = say(
            _("{students} students with {each} each are more than the {all} of the class."),
            students=students,
            each=f"{given.student_credit:g}",
            all=f"{given.course_credit:g}",
        )
        remedy = say(_("Give the class more or each student less, or some of them get nothing."))
        return _line(Mark.WARNING, "student_credit", finding, remedy)
    finding = say(
        _("The class has {all}, and each student is given {each} of it."),
        all=f"{given.course_credit:g}",
        each=f"{given.student_credit:g}",
    )
    return _line(Mark.OK, "course_credit", finding)


def _line(mark: Mark, setting: str, finding: Sentence, remedy: Sentence | None = None) -> Line:
    return Line("credit", mark, f"c.Credit.{setting}", finding, remedy)
