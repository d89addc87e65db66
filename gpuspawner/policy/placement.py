"""Down the ladder: which placement to try next, and what to say when there is none left.

A profile's sizes come first in order, the zones of a size after it in the provider's order. A
refusal is remembered for a few minutes, so that the next student is not refused too. A home holds
its claim to the home's zone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from gpuspawner.language import Sentence, _, say
from gpuspawner.model import Offering, Placement, Reason, Specification


@dataclass(frozen=True, slots=True)
class Refusal:
    """The cloud said no to `size`, in one zone (capacity) or in the whole region (`zone` None: quota)."""

    region: str
    zone: str | None
    size: str
    reason: Reason
    until: datetime

    def covers(self, placement: Placement, now: datetime) -> bool:
        """Whether it still speaks against `placement`."""
        return (
            now < self.until
            and (self.region, self.size) == (placement.region, placement.size)
            and self.zone in (None, placement.zone)
        )


@dataclass(frozen=True, slots=True)
class Exhausted:
    """Nothing is left to try: why, in words that name what else there is."""

    reason: Reason
    because: Sentence


def choose(
    specification: Specification,
    offerings: Iterable[Offering],
    refusals: Iterable[Refusal],
    now: datetime,
    *,
    zone: str | None = None,
) -> Placement | Exhausted:
    """The first placement of the ladder that nothing speaks against, within `zone` when given."""
    offered = list(offerings)
    standing = [refusal for refusal in refusals if now < refusal.until]
    ladder = [
        offering.placement
        for size in specification.sizes
        for offering in offered
        if offering.placement.size == size and zone in (None, offering.placement.zone)
    ]
    for placement in ladder:
        if not any(refusal.covers(placement, now) for refusal in standing):
            return placement
    return _exhausted(specification, ladder, offered, standing, now, zone)


def _exhausted(
    specification: Specification,
    ladder: list[Placement],
    offered: list[Offering],
    standing: list[Refusal],
    now: datetime,
    zone: str | None,
) -> Exhausted:
    sizes = ", ".join(specification.sizes)
    if not ladder:
        if zone and any(offering.placement.size in specification.sizes for offering in offered):
            return Exhausted(
                Reason.CAPACITY, _elsewhere(sizes, zone, _others(offered, standing, now, zone))
            )
        return Exhausted(
            Reason.CONFIGURATION,
            say(
                _(
                    "The machine {sizes} is not offered by the cloud here. Your administrator must correct it."
                ),
                sizes=sizes,
            ),
        )
    against = {
        refusal.reason for refusal in standing for place in ladder if refusal.covers(place, now)
    }
    if Reason.QUOTA in against:
        return Exhausted(
            Reason.QUOTA,
            say(
                _(
                    "The class has reached the cloud account's limit of machines of this kind ({sizes}). "
                    "Pick another kind, try again when somebody has stopped, or tell your administrator."
                ),
                sizes=sizes,
            ),
        )
    others = _others(offered, standing, now, zone)
    if zone:
        return Exhausted(Reason.CAPACITY, _elsewhere(sizes, zone, others))
    return Exhausted(Reason.CAPACITY, _nothing_free(sizes, others))


def _others(
    offered: list[Offering], standing: list[Refusal], now: datetime, zone: str | None
) -> str:
    """The sizes that could be had now, in the zone when one is given."""
    free = [
        offering.placement.size
        for offering in offered
        if zone in (None, offering.placement.zone)
        and not any(refusal.covers(offering.placement, now) for refusal in standing)
    ]
    return ", ".join(dict.fromkeys(free))


def _elsewhere(sizes: str, zone: str, others: str) -> Sentence:
    if others:
        return say(
            _(
                "There is no free machine of this kind ({sizes}) in zone {zone}, where your files are. "
                "Free there now: {others}. Pick one of these, or try again in a few minutes."
            ),
            sizes=sizes,
            zone=zone,
            others=others,
        )
    return say(
        _(
            "There is no free machine of this kind ({sizes}) in zone {zone}, where your files are. "
            "Try again in a few minutes; your files are safe."
        ),
        sizes=sizes,
        zone=zone,
    )


def _nothing_free(sizes: str, others: str) -> Sentence:
    if others:
        return say(
            _(
                "The cloud has no free machine of this kind ({sizes}) now. "
                "Free now: {others}. Pick one of these, or try again in a few minutes."
            ),
            sizes=sizes,
            others=others,
        )
    return say(
        _("The cloud has no free machine of this kind ({sizes}) now. Try again in a few minutes."),
        sizes=sizes,
    )
