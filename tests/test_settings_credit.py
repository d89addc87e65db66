"""`c.Credit`: what may be written there, and what the controller makes of it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from traitlets.config import Config

from gpuspawner import identity
from gpuspawner.errors import ConfigurationError
from gpuspawner.policy.credit_rules import CreditRules, Fuses
from gpuspawner.policy.payers import Payer
from gpuspawner.settings import Credit, CreditRecord
from gpuspawner.settings.whole import Settings


def credit(**settings) -> Credit:
    return Credit(config=Config({"Credit": settings}))


def test_the_defaults_give_nothing_away():
    assert credit().record() == CreditRecord(
        enforce=True,
        timezone="UTC",
        course_credit=0,
        student_credit=0,
        storage_payer=Payer.POOL,
        max_overdraft=0,
        shown_to="students",
        rules=CreditRules(),
    )


def test_amounts_are_taken_as_they_are_written():
    record = credit(course_credit=0.1, student_credit=0.1, student_day_limit=2.3).record()
    assert (record.course_credit, record.student_credit) == (100_000, 100_000)
    assert record.rules.fuses == Fuses(student=2_300_000)


def test_lengths_of_time_are_seconds():
    rules = credit(session_hold=60, tick=5, stop_latency=90, warnings=[120.0], grace=30).record()
    assert rules.rules == CreditRules(
        session=60,
        tick=5,
        latency=90,
        warnings=(timedelta(seconds=120),),
        grace=timedelta(seconds=30),
    )


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"course_credit": -1.0}, "c.Credit.course_credit must not be negative"),
        ({"max_overdraft": float("nan")}, "c.Credit.max_overdraft must not be negative"),
        ({"grace": -1.0}, "c.Credit.grace must not be negative"),
        ({"tick": 0.0}, "c.Credit.tick must be at least 1 second"),
        ({"student_day_limit": 0.0}, "c.Credit.student_day_limit must be more than 0"),
        ({"timezone": "Seoul"}, "c.Credit.timezone must be a time zone"),
        ({"timezone": "../../etc/passwd"}, "c.Credit.timezone must be a time zone"),
        ({"warnings": [60.0, 300.0]}, "c.Credit.warnings must be times that grow shorter"),
        ({"warnings": [60.0, 0.0]}, "c.Credit.warnings must be times that grow shorter"),
        (
            {"course_credit": 10.0, "student_credit": 11.0},
            "c.Credit.student_credit must not be more than c.Credit.course_credit",
        ),
        (
            {"student_day_limit": 9.0, "course_day_limit": 8.0},
            "c.Credit.student_day_limit must not be more than c.Credit.course_day_limit",
        ),
    ],
)
def test_what_is_impossible_is_refused_by_its_name(settings, named):
    with pytest.raises(ConfigurationError, match=named):
        credit(**settings).record()


@pytest.fixture
def hub_file(tmp_path):
    """A configuration with a secret, to which more can be added."""
    identity.load(tmp_path / "gpuspawner_secret")

    def write(*lines: str):
        path = tmp_path / "jupyterhub_config.py"
        path.write_text(
            "\n".join(
                [
                    "c = get_config()",
                    "c.Controller.public_url = 'https://hub.example.org/'",
                    "c.AWS.image = 'ami-0123456789abcdef0'",
                    "c.AWS.security_groups = ['sg-0123456789abcdef0']",
                    *lines,
                ]
            )
        )
        return path

    return write


def test_a_reserve_shorter_than_the_saving_is_refused_by_its_name(hub_file):
    path = hub_file("c.Credit.stop_latency = 60", "c.Controller.save_timeout = 60")
    with pytest.raises(
        ConfigurationError, match=r"c\.Credit\.stop_latency \(60 s\) must be longer"
    ):
        Settings.load(path)


def test_a_reserve_longer_than_the_saving_is_taken(hub_file):
    path = hub_file("c.Credit.stop_latency = 61", "c.Controller.save_timeout = 60")
    assert Settings.load(path).credit.rules.latency == 61


def test_a_setting_of_credit_that_does_not_exist_is_refused(hub_file):
    with pytest.raises(ConfigurationError, match=r"c\.Credit\.studnet_credit"):
        Settings.load(hub_file("c.Credit.studnet_credit = 5"))
