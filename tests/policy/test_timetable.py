"""When there is class: from words to hours, and by the clock of the class."""

from __future__ import annotations

from datetime import date, datetime, time, timezone
from zoneinfo import ZoneInfo

import pytest

from gpuspawner.policy.timetable import ClassHours, class_until, parse

SEOUL, BERLIN = ZoneInfo("Asia/Seoul"), ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    "text", ["Tuesday 14:00-15:50", "tue 14:00 - 15:50", " TUESD 14:00-15:50 "]
)
def test_a_day_and_two_times_are_class_hours(text):
    assert parse(text) == ClassHours(1, time(14), time(15, 50))


@pytest.mark.parametrize(
    "text", ["", "Tu 14:00-15:50", "Someday 14:00-15:50", "Tuesday 14-15", "Tuesday 25:00-26:00", "Tuesday 15:00-15:00", "14:00-15:50"]
)  # fmt: skip
def test_what_is_no_class_is_refused(text):
    with pytest.raises(ValueError, match="not class hours"):
        parse(text)


@pytest.mark.parametrize(
    ("now", "until"),
    [("13:59", None), ("14:00", "15:50"), ("15:10", "17:00"), ("16:59", "17:00"), ("17:00", None)],
)
def test_there_is_class_from_its_beginning_until_before_its_end_and_the_later_of_two_counts(
    now, until
):
    classes = [parse("Tuesday 14:00-15:50"), parse("Tuesday 15:00-17:00"), parse("Wed 08:00-20:00")]
    moment = datetime.combine(date(2026, 3, 3), time.fromisoformat(now), SEOUL)
    found = class_until(classes, SEOUL, moment.astimezone(timezone.utc))
    assert (found and found.astimezone(SEOUL).strftime("%H:%M")) == until


def test_a_class_is_at_its_hour_by_the_clock_in_winter_and_in_summer():
    classes = [parse("Monday 14:00-15:00")]
    ends = [
        class_until(classes, BERLIN, datetime(2026, month, day, hour, 30, tzinfo=timezone.utc))
        for month, day, hour in ((1, 5, 13), (7, 6, 12), (7, 6, 13))
    ]
    assert ends == [
        datetime(2026, 1, 5, 14, tzinfo=timezone.utc),
        datetime(2026, 7, 6, 13, tzinfo=timezone.utc),
        None,
    ]
