"""`c.Credit`: what a class may spend, and what happens when it is spent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from traitlets import Bool, Enum, Float, List, Unicode
from traitlets.config import Configurable

from gpuspawner.language import Sentence, _, say
from gpuspawner.policy.credit_rules import CreditRules, Fuses
from gpuspawner.policy.money import MICROS
from gpuspawner.policy.payers import MeteringPolicy, Payer
from gpuspawner.settings.mistakes import Mistake, refuse


@dataclass(frozen=True, slots=True)
class CreditRecord:
    """`c.Credit` as the controller uses it. Amounts in micros, lengths of time as `timedelta`.

    `rules` is what the policy is handed. `shown_to` is who may see a student's credit: the
    `students` themselves, or `teachers` and admins only; admins see everything.
    """

    enforce: bool
    timezone: str
    course_credit: int
    student_credit: int
    storage_payer: Payer
    max_overdraft: int
    shown_to: str
    rules: CreditRules

    @property
    def metering(self) -> MeteringPolicy:
        """Who pays for what, and what is done about a balance that ends."""
        return MeteringPolicy(
            storage_payer=self.storage_payer,
            max_overdraft=self.max_overdraft,
            enforced=self.enforce,
        )


class Credit(Configurable):
    """What a class may spend, and what happens when it is spent."""

    enforce = Bool(
        True,
        help="Start nothing that its payer's credit does not cover, and stop what it no longer covers. Default: True. "
        "Where the credit or a price is not known, nothing is started either. False meters and shows only: use it "
        "to see what a class would cost, and know that nothing then limits the bill.",
    ).tag(config=True)

    timezone = Unicode(
        "UTC",
        help="The time zone in which a day begins, for the limits per day, for the grace and for "
        "`c.Session.nightly_stop`: a name such as Asia/Seoul. Default: UTC. A day that ends in the middle of a class renews its limits there.",
    ).tag(config=True)

    course_credit = Float(
        0.0,
        help="What the class has altogether, in the unit of credit. Default: 0, so nothing can be started until somebody "
        "brings credit in. It is paid into the pool of the class once; a larger number later adds the difference. "
        "A smaller one takes nothing back, and the controller says so in its log.",
    ).tag(config=True)

    student_credit = Float(
        0.0,
        help="What each student is given from the pool when they are first seen, in the unit of credit. Default: 0, so a "
        "teacher grants by hand. Larger lets a class begin by itself, smaller keeps more for those who need it later; "
        "a student who is seen when the pool is empty is given nothing.",
    ).tag(config=True)

    session_hold = Float(
        1800.0,
        help="Seconds of use that are set aside at a start, and again while a machine runs. Default: 1800. With less "
        "credit than that, the start's minimum and the reserve, nothing is started. Smaller lets students use up more "
        "of what they have; larger spares them a start that ends at once.",
    ).tag(config=True)

    tick = Float(
        60.0,
        help="Seconds between two looks at the credit of machines that run. Default: 60. It is also a part of the "
        "reserve that is kept for stopping: smaller wastes less of it, larger spares the database.",
    ).tag(config=True)

    stop_latency = Float(
        180.0,
        help="Seconds from the decision to stop until a machine is off: saving, and the cloud. Default: 180. So much "
        "credit is kept in reserve, so that a student ends at 0 or above. Smaller lets students use more; too small "
        "lets the class pay for what runs on.",
    ).tag(config=True)

    warnings = List(
        Float(),
        default_value=[900.0, 300.0, 60.0],
        help="Seconds before the end of the credit at which a student is warned. Default: [900, 300, 60]. Each is told "
        "once; more of them annoy, fewer may be overlooked.",
    ).tag(config=True)

    grace = Float(
        600.0,
        help="Seconds that a machine may run on when its student's credit ends, paid by the pool, once a day. Default: "
        "600. It lets people finish and save; 0 gives none. A pool that cannot pay it gives none either.",
    ).tag(config=True)

    storage_payer = Enum(
        [payer.value for payer in Payer],
        default_value=Payer.POOL.value,
        help="Who pays for disks, homes and addresses, also while a machine is off: pool or student. Default: pool. "
        "With student, credit shrinks while nothing runs, and a home of 64 GB costs more in a term than 30 GPU hours.",
    ).tag(config=True)

    max_overdraft = Float(
        0.0,
        help="How far below 0 a student's balance may fall, in the unit of credit. Default: 0. It is reached only when the "
        "cloud does not stop a machine in time; what is beyond it is written off, with an alarm.",
    ).tag(config=True)

    student_day_limit = Float(
        None,
        allow_none=True,
        help="The most that one student's credit may be charged in a day, in the unit of credit. Default: None, no limit. "
        "A forgotten machine then costs one day's limit, and a long training has to be asked for.",
    ).tag(config=True)

    course_day_limit = Float(
        None,
        allow_none=True,
        help="The most that the whole class may be charged in a day, in the unit of credit, the pool included. Default: "
        "None, no limit. When it is reached, it is reached for everybody: leave room for a day before a deadline.",
    ).tag(config=True)

    hub_day_limit = Float(
        None,
        allow_none=True,
        help="The most that the cloud may bill for this hub in a day, in the currency that the cloud bills in. Default: None, no limit. "
        "It is the last fuse against a mistake in prices or credit; set it well above a normal day.",
    ).tag(config=True)

    limits_stop = Bool(
        True,
        help="Whether reaching a limit per day also stops what runs, after the warnings. Default: True. False only "
        "refuses further starts, so a class may go over a limit by what is running.",
    ).tag(config=True)

    shown_to = Enum(
        ["students", "teachers"],
        default_value="students",
        help="Who sees a student's credit: `students` their own, or `teachers` only. Default: students. Teachers and "
        "admins see it in any case. A student who does not see it is still warned before it ends.",
    ).tag(config=True)

    def record(self) -> CreditRecord:
        """The settings, checked.

        Raises:
            ConfigurationError: a setting is impossible or contradicts another; it is named.
        """
        refuse(self.mistakes())
        return CreditRecord(
            enforce=self.enforce,
            timezone=self.timezone,
            course_credit=micros(self.course_credit),
            student_credit=micros(self.student_credit),
            storage_payer=Payer(self.storage_payer),
            max_overdraft=micros(self.max_overdraft),
            shown_to=self.shown_to,
            rules=self._rules(),
        )

    def _rules(self) -> CreditRules:
        return CreditRules(
            session=round(self.session_hold),
            tick=round(self.tick),
            latency=round(self.stop_latency),
            warnings=tuple(timedelta(seconds=one) for one in self.warnings),
            grace=timedelta(seconds=self.grace),
            fuses=Fuses(
                student=_micros_or_none(self.student_day_limit),
                course=_micros_or_none(self.course_day_limit),
                hub=_micros_or_none(self.hub_day_limit),
                stop=self.limits_stop,
            ),
        )

    def mistakes(self) -> list[Mistake]:
        """What is impossible or contradicts something else, each by name."""
        found = [
            _mistake(name, _("{setting} must be at least 1 second"))
            for name in ("session_hold", "tick", "stop_latency")
            if not 1 <= getattr(self, name) < float("inf")
        ]
        found += [
            _mistake(name, _("{setting} must not be negative"))
            for name in ("course_credit", "student_credit", "max_overdraft", "grace")
            if not 0 <= getattr(self, name) < float("inf")
        ]
        found += [
            _mistake(name, _("{setting} must be more than 0, or None for no limit"))
            for name in _LIMITS
            if getattr(self, name) is not None and not 0 < getattr(self, name) < float("inf")
        ]
        return found + list(self._names()) + list(self._contradictions())

    def _names(self) -> Iterator[Mistake]:
        try:
            ZoneInfo(self.timezone)
        except (KeyError, OSError, ValueError):
            yield _mistake("timezone", _("{setting} must be a time zone such as Asia/Seoul"))

    def _contradictions(self) -> Iterator[Mistake]:
        if self.student_credit > self.course_credit > 0:
            yield _contradiction("student_credit", "course_credit")
        student, course = self.student_day_limit, self.course_day_limit
        if student is not None and course is not None and student > course:
            yield _contradiction("student_day_limit", "course_day_limit")
        if list(self.warnings) != sorted(set(self.warnings), reverse=True) or not all(
            one > 0 for one in self.warnings
        ):
            yield _mistake(
                "warnings", _("{setting} must be times that grow shorter, such as 300, 60")
            )


_LIMITS = ("student_day_limit", "course_day_limit", "hub_day_limit")


def micros(amount: float) -> int:
    """A number as somebody writes it, in micros, exactly as it is written: 0.1 is 100,000."""
    return int((Decimal(repr(amount)) * MICROS).to_integral_value())


def too_short(latency: int, save: timedelta) -> Mistake:
    """A stop cannot take less than the saving that it begins with."""
    message = _(
        "c.Credit.stop_latency ({latency} s) must be longer than c.Controller.save_timeout ({save} s): "
        "a stop begins with saving"
    )
    sentence = say(message, latency=latency, save=f"{save.total_seconds():g}")
    return Mistake("c.Credit.stop_latency", sentence)


def _micros_or_none(amount: float | None) -> int | None:
    return None if amount is None else micros(amount)


def _mistake(name: str, message: str) -> Mistake:
    setting = f"c.Credit.{name}"
    return Mistake(setting, say(message, setting=setting))


def _contradiction(larger: str, smaller: str) -> Mistake:
    message = _("c.Credit.{larger} must not be more than c.Credit.{smaller}")
    sentence: Sentence = say(message, larger=larger, smaller=smaller)
    return Mistake(f"c.Credit.{larger}", sentence)
