"""What time costs. Whole numbers only: micros (millionths of the course's unit) and UTC seconds.

A price is a fraction, so many micros for so many seconds, and an amount is rounded down once, at
the end of everything that one segment has cost so far (a cumulative floor). So it makes no
difference how often, in which order or how many times somebody looked in between.

A **segment** is a stretch of time under one price and one payer. A change of price, payer or
quantity closes it and opens a continuation. The minimum that a cloud charges for each start is due
as soon as the first segment begins, and counts once per start: a continuation has none of its own,
and begins to charge only where the minimum of the first has ended (`covered_until`). It is never
given back to be charged again under the new price, because then what a look in between has
charged already would have to be taken back.

A price per **month** is spread evenly over the seconds of each calendar month in UTC, as AWS bills
its volumes. A segment that crosses the end of a month is one sum of exact fractions, one for each
month it touches, and is rounded down once; it needs not be cut there.
"""

from __future__ import annotations

import calendar
import enum
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from fractions import Fraction

MICROS = 1_000_000
"""Micros in one unit."""

DAY = 86_400
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_ALL_MONTHS = DAY * math.lcm(28, 29, 30, 31)
"""A number of seconds that every length of a month divides."""

_SHORTEST_MONTH = 28 * DAY


class Book(str, enum.Enum):
    """`CHARGE` is what a student or the course pays, `COST` what the cloud bills."""

    CHARGE = "charge"
    COST = "cost"


class Component(str, enum.Enum):
    """What is metered by itself: computing, the machine's own disk, the home, a public address."""

    COMPUTE = "compute"
    DISK = "disk"
    HOME = "home"
    ADDRESS = "address"


@dataclass(frozen=True, slots=True)
class Rate:
    """`num` micros for every `den` seconds, or for every `den` calendar months of a `monthly` price.

    `minimum` is the least that is charged of each start, in seconds.

    Raises:
        TypeError: one of them is not a whole number.
        ValueError: `den` is not positive, or another is negative.
    """

    num: int
    den: int
    minimum: int = 0
    monthly: bool = False

    def __post_init__(self) -> None:
        for value in (self.num, self.den, self.minimum):
            if type(value) is not int:
                raise TypeError(f"{value!r} is not a whole number")
        if self.num < 0 or self.den <= 0 or self.minimum < 0:
            raise ValueError(
                f"no price is {self.num} / {self.den} with a minimum of {self.minimum}"
            )

    def times(self, quantity: int) -> Rate:
        """The rate of `quantity` of them: GiB, say."""
        return replace(self, num=self.num * quantity)

    def continued(self) -> Rate:
        """The rate of a continuation: the minimum was due before."""
        return replace(self, minimum=0)

    def per_hour(self) -> int:
        """Micros an hour, rounded up; a monthly price as in the shortest month."""
        return _up(_steepest(self), 3600)


def charge(rate: Rate, since: int, until: int) -> int:
    """What a segment that began at `since` has cost at `until`, in micros, rounded down.

    It never falls as `until` grows. The minimum is due at once, whatever `until` is.
    """
    end = covered_until(rate, since, until)
    if not rate.monthly:
        return rate.num * (end - since) // rate.den
    parts = sum(
        rate.num * seconds * (_ALL_MONTHS // length) for seconds, length in _months(since, end)
    )
    return parts // (rate.den * _ALL_MONTHS)


def covered_until(rate: Rate, since: int, until: int) -> int:
    """The time up to which a segment closed at `until` has paid: a continuation charges from there."""
    return since + max(until - since, rate.minimum, 0)


def stop_reserve(*rates: Rate, tick: int = 60, latency: int = 180) -> int:
    """What the time from noticing to being off costs, in micros, rounded up.

    `tick` is how often somebody looks, `latency` how long a stop takes, in seconds. A machine is
    stopped when no more than this is available, so that its student ends at 0 or above.
    """
    return sum(_up(_steepest(rate), tick + latency) for rate in rates)


def hold_for(*rates: Rate, session: int = 1800, tick: int = 60, latency: int = 180) -> int:
    """What to set aside at a start, in micros: `session` seconds, the minimums and `stop_reserve`."""
    beginning = sum(
        _up(_steepest(rate), session) + _up(_steepest(rate), rate.minimum) for rate in rates
    )
    return beginning + stop_reserve(*rates, tick=tick, latency=latency)


def runs_for(available: int, *rates: Rate) -> int | None:
    """How many seconds `available` micros last at all these rates together; None for ever.

    For what runs already, ask with `rate.continued()`. It never promises too much: a monthly price
    counts as in the shortest month, and an amount that does not pay the minimums lasts 0 s.
    """
    steep = [_steepest(rate) for rate in rates if rate.num]
    if not steep:
        return None

    def pays(seconds: int) -> bool:
        total = sum(
            (Fraction(rate.num * max(seconds, rate.minimum), rate.den) for rate in steep),
            Fraction(0),
        )
        return total <= available

    if not pays(0):
        return 0
    low, high = 0, available * min(rate.den for rate in steep) + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if pays(middle) else (low, middle)
    return low


def seconds_of(moment: datetime) -> int:
    """The whole UTC seconds since 1970 of an aware time, rounded down.

    Raises:
        ValueError: it has no time zone, so nobody could say which moment it means.
    """
    if moment.tzinfo is None:
        raise ValueError(f"the time {moment} has no time zone")
    return (moment - _EPOCH) // timedelta(seconds=1)


def moment_of(seconds: int) -> datetime:
    """The aware time, in UTC, of whole seconds since 1970."""
    return _EPOCH + timedelta(seconds=seconds)


def _months(since: int, until: int) -> Iterator[tuple[int, int]]:
    """The seconds of [since, until) in each calendar month, and that month's length in seconds."""
    while since < until:
        at = moment_of(since)
        length = calendar.monthrange(at.year, at.month)[1] * DAY
        end = calendar.timegm((at.year, at.month, 1, 0, 0, 0)) + length
        yield min(end, until) - since, length
        since = end


def _steepest(rate: Rate) -> Rate:
    """As many micros a second as it can ever be."""
    if not rate.monthly:
        return rate
    return Rate(rate.num, rate.den * _SHORTEST_MONTH, rate.minimum)


def _up(rate: Rate, seconds: int) -> int:
    return -(-rate.num * seconds // rate.den)
