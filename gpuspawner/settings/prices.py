"""`c.Prices`: what things cost, what is charged for them, and where that is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from traitlets import Dict, Float, Unicode
from traitlets.config import Configurable

from gpuspawner.language import _, say
from gpuspawner.settings.mistakes import Mistake, refuse

COST_UNIT = "USD"
"""What the clouds' list prices are in; other currencies of theirs are converted and not binding."""


@dataclass(frozen=True, slots=True)
class PricesRecord:
    """`c.Prices` as the controller uses it. Amounts are of the unit, as they were written.

    `refresh_interval` None: the cloud's price service is never asked.
    """

    cost: Mapping[str, float] = field(default_factory=dict)
    charge: Mapping[str, float] = field(default_factory=dict)
    unit: str = COST_UNIT
    refresh_interval: timedelta | None = None


class Prices(Configurable):
    """What things cost, and what is charged for them."""

    cost = Dict(
        key_trait=Unicode(),
        value_trait=Float(),
        help="What the cloud bills you, in US dollars, where it is not the list price: by size or `public-ipv4` for an "
        "hour, by kind of disk (`gp3`) for a GiB and month. Default: none, so what the cloud's price service says, and "
        "until it has answered the list that is shipped. What you set here comes first and is believed as it stands.",
    ).tag(config=True)

    charge = Dict(
        key_trait=Unicode(),
        value_trait=Float(),
        help="What is taken from the credit, in `c.Prices.unit`, by the same names as in `c.Prices.cost`. Default: what "
        "it costs. 0 gives a size away: the course still pays the cloud for it, as the cost book shows.",
    ).tag(config=True)

    unit = Unicode(
        COST_UNIT,
        help="What credit is counted in: USD, another currency, or a word of your own such as credit or gpu_hour. "
        "Default: USD. In any other unit, set `c.Prices.charge` for every size; disks and addresses are free in it unless they are "
        "in there too. Once something was charged, it stays.",
    ).tag(config=True)

    refresh_interval = Float(
        86400.0,
        help="Seconds between two questions to the cloud's price service. Default: 86400, a day. 0 asks never, for a "
        "controller that may not; the prices then are those of the release and of `c.Prices.cost`.",
    ).tag(config=True)

    def record(self) -> PricesRecord:
        """The settings, checked.

        Raises:
            ConfigurationError: a setting is impossible or contradicts another; it is named.
        """
        refuse(self.mistakes())
        every = timedelta(seconds=self.refresh_interval)
        return PricesRecord(dict(self.cost), dict(self.charge), self.unit, every or None)

    def mistakes(self) -> list[Mistake]:
        """What is impossible or contradicts something else, each by name."""
        found = [
            _mistake("cost", _("{setting}: {size} must cost more than {price}"), size, price)
            for size, price in self.cost.items()
            if not 0 < price < float("inf")
        ]
        found += [
            _mistake("charge", _("{setting}: {size} cannot be charged at {price}"), size, price)
            for size, price in self.charge.items()
            if not 0 <= price < float("inf")
        ]
        if not self.unit.strip():
            setting = "c.Prices.unit"
            found.append(Mistake(setting, say(_("{setting} must be set"), setting=setting)))
        if not (self.refresh_interval == 0 or 60 <= self.refresh_interval < float("inf")):
            setting = "c.Prices.refresh_interval"
            message = _("{setting} must be 0, or at least 60 seconds")
            found.append(Mistake(setting, say(message, setting=setting)))
        return found


def _mistake(name: str, message: str, size: str, price: float) -> Mistake:
    setting = f"c.Prices.{name}"
    return Mistake(setting, say(message, setting=setting, size=size, price=f"{price:g}"))
