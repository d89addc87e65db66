"""`c.Idle` and `c.Session`: what becomes of a value, and what is refused by name."""

from __future__ import annotations

from datetime import time, timedelta
from zoneinfo import ZoneInfo

import pytest
from traitlets.config import Config

from gpuspawner import settings
from gpuspawner.errors import ConfigurationError
from gpuspawner.language import LANGUAGES
from gpuspawner.policy.session import IdleLimits, SessionLimits
from gpuspawner.settings import whole

TIMES_OF_IDLE = {
    "with_tab": "with_tab_timeout", "without_tab": "without_tab_timeout", "tab_grace": "tab_grace",
    "in_class": "in_class_timeout", "no_show": "no_show_timeout", "attended": "attended_work",
    "work_done": "work_done_timeout", "gpu": "gpu_cap", "processor": "processor_cap",
    "kernel": "kernel_cap", "unknown": "unknown_timeout", "lease_window": "lease_window",
    "warning": "warning", "minimum": "minimum_uptime",
}  # fmt: skip


def idle(**values) -> settings.Idle:
    return settings.made(settings.Idle, Config(Idle=values))


def session(**values) -> settings.Session:
    return settings.made(settings.Session, Config(Session=values))


def test_the_defaults_of_the_settings_are_those_of_the_rule():
    assert idle().record() == IdleLimits()
    assert session().record(ZoneInfo("UTC")) == SessionLimits(zone=ZoneInfo("UTC"))


@pytest.mark.parametrize(("field", "name"), TIMES_OF_IDLE.items())
def test_each_setting_becomes_its_own_limit(field, name):
    value = getattr(settings.Idle(), name) + 1
    made = idle(**{name: value})
    limits = IdleLimits(**{field: timedelta(seconds=value)})
    if made.mistakes():  # one second more contradicts another one
        made = idle(**{name: value, "in_class_timeout": 2701.0})
    assert getattr(made.record(), field) == getattr(limits, field)
    assert sum(getattr(made.record(), f.name) != getattr(IdleLimits(), f.name)
               for f in IdleLimits.__dataclass_fields__.values()) == 1  # fmt: skip


def test_a_nightly_stop_is_a_time_in_a_zone():
    config = Config(Session={"nightly_stop": "03:30"}, Credit={"timezone": "Asia/Seoul"})
    policy = whole.policy(config, settings.made(settings.Credit, config).record())
    assert (policy.session.nightly, policy.session.zone) == (time(3, 30), ZoneInfo("Asia/Seoul"))


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"with_tab_timeout": 300.0}, ["c.Idle.with_tab_timeout", "c.Idle.without_tab_timeout"]),
        ({"no_show_timeout": 299.0}, ["c.Idle.no_show_timeout"]),
        ({"warning": 780.0}, ["c.Idle.work_done_timeout"]),
        ({"without_tab_timeout": 1801.0}, ["c.Idle.without_tab_timeout"]),
        ({"in_class_timeout": 1799.0}, ["c.Idle.in_class_timeout"]),
        ({"gpu_cap": -1.0}, ["c.Idle.gpu_cap"]),
        ({"gpu_floor": 0.0}, ["c.Idle.gpu_floor"]),
        ({"tab_grace": float("nan")}, ["c.Idle.tab_grace"]),
        ({"class_hours": ["Monday 9:00-11:00", "Mo 9:00-11:00"]}, ["c.Idle.class_hours"]),
        ({"class_hours": ["Friday 22:00-01:00"]}, ["c.Idle.class_hours"]),
        ({"class_hours": ["Friday"]}, ["c.Idle.class_hours"]),
    ],
)
def test_what_contradicts_itself_is_refused_by_name(values, named):
    made = idle(**values)
    assert [one.setting for one in made.mistakes()] == named
    with pytest.raises(ConfigurationError, match=named[0]):
        made.record()


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"longest": 1800.0}, "c.Session.longest"),
        ({"longest": 86401.0}, "c.Session.longest_with_work"),
        ({"nightly_stop": "3 am"}, "c.Session.nightly_stop"),
        ({"nightly_stop": "24:00"}, "c.Session.nightly_stop"),
        ({"extensions_per_day": -1}, "c.Session.extensions_per_day"),
    ],
)
def test_what_a_session_cannot_be_is_refused_by_name(values, named):
    [mistake] = session(**values).mistakes()
    assert mistake.setting == named
    for language in LANGUAGES:
        assert named in mistake.sentence.text(language)


def test_a_name_that_does_not_exist_is_not_silently_a_default():
    config = Config(Idle={"with_tab": 1.0}, Session={"nightly": "03:00"})
    assert settings.unknown(config) == ["c.Idle.with_tab", "c.Session.nightly"]
