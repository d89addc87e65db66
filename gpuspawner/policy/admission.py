"""Whether a start may be begun: is there credit for it, is its price known, is no limit reached.

Fail closed: what is not known is not affordable. Whoever writes a wish to run asks here first, in
the same transaction; a wish to stop asks nobody.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from gpuspawner.amounts import amount_text, needed_text
from gpuspawner.language import Sentence, _, say
from gpuspawner.model import Reason
from gpuspawner.policy.credit_rules import CreditRules, Fuses
from gpuspawner.policy.money import Rate, hold_for


@dataclass(frozen=True, slots=True)
class Prices:
    """What an hour of each size costs now, in both books. A size that is missing in one is unknown.

    `offered` are the sizes that the cloud offers, to name cheaper ones.
    """

    charge: Mapping[str, Rate]
    cost: Mapping[str, Rate]
    offered: Collection[str] = ()

    def knows(self, size: str) -> bool:
        """Whether what it costs is known, in both books."""
        return size in self.charge and size in self.cost


@dataclass(frozen=True, slots=True)
class Today:
    """What has been charged since the day began, settled or not, in micros.

    `student` and `course` are in the unit of the charge book, `hub` in that of the cost book.
    """

    student: int = 0
    course: int = 0
    hub: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether to start. `hold` micros are to be set aside, and only `sizes` may be tried.

    When not: `reason` says which page and metric it is for, `sentence` what to do next, and
    `available` and `needed` are the two amounts that were compared.
    """

    hold: int = 0
    sizes: tuple[str, ...] = ()
    reason: Reason | None = None
    sentence: Sentence | None = None
    available: int = 0
    needed: int = 0

    @property
    def admitted(self) -> bool:
        """Whether it may begin."""
        return self.reason is None


def admit(
    ladder: Sequence[str],
    prices: Prices,
    available: int,
    rules: CreditRules,
    *,
    unit: str,
    cost_unit: str,
    today: Today | None = None,
) -> Verdict:
    """Whether a start may begin that tries the sizes of `ladder` in turn.

    `available` is what the payer could set aside: neither held for anything else nor owed. The hold
    is that of the dearest size that may be tried, since nobody knows yet which one it will be. A
    size of unknown price is not tried.
    """
    sizes = tuple(size for size in ladder if prices.knows(size))
    if not sizes:
        return Verdict(reason=Reason.PRICE, sentence=_unpriced(ladder))
    limited = _limit(sizes, prices, rules, unit, cost_unit, today or Today())
    if limited is not None:
        return limited
    needed = max(hold(prices.charge[size], rules) for size in sizes)
    if available >= needed:
        return Verdict(needed, sizes)
    cheaper = _cheaper(sizes, prices, available, rules)
    sentence = _poor(available, needed, unit, cheaper)
    return Verdict(reason=Reason.CREDIT, sentence=sentence, available=available, needed=needed)


def hold(rate: Rate, rules: CreditRules) -> int:
    """What is set aside for a session at this rate, in micros."""
    return hold_for(rate, session=rules.session, tick=rules.tick, latency=rules.latency)


def _limit(
    sizes: Sequence[str],
    prices: Prices,
    rules: CreditRules,
    unit: str,
    cost_unit: str,
    today: Today,
) -> Verdict | None:
    """The refusal of the first limit that a start would not keep for even its least."""
    fuses: Fuses = rules.fuses
    charge = max(_least(prices.charge[size], rules) for size in sizes)
    cost = max(_least(prices.cost[size], rules) for size in sizes)
    for limit, spent, least, in_unit, message in (
        (
            fuses.student, today.student, charge, unit,
            _(
                "You have reached your limit of {limit} a day. It begins anew at midnight. "
                "Ask your teacher if you need more today; your files are kept."
            ),
        ),
        (
            fuses.course, today.course, charge, unit,
            _(
                "The class has reached its limit of {limit} a day. It begins anew at midnight. "
                "Ask your teacher if you need a machine today; your files are kept."
            ),
        ),
        (
            fuses.hub, today.hub, cost, cost_unit,
            _(
                "The hub has reached its limit of {limit} a day. It begins anew at midnight. "
                "Tell your administrator if you need a machine today; your files are kept."
            ),
        ),
    ):  # fmt: skip
        if limit is not None and spent + least > limit:
            sentence = say(message, limit=amount_text(limit, in_unit))
            left = max(0, limit - spent)
            return Verdict(reason=Reason.LIMIT, sentence=sentence, available=left, needed=least)
    return None


def _least(rate: Rate, rules: CreditRules) -> int:
    """What a start costs whatever happens: its minimum, and the time that a stop takes."""
    return hold_for(rate, session=0, tick=rules.tick, latency=rules.latency)


def _cheaper(
    sizes: Collection[str], prices: Prices, available: int, rules: CreditRules
) -> list[str]:
    """The sizes that could be started with what there is, the dearest first."""
    found = {
        size: hold(prices.charge[size], rules)
        for size in prices.offered
        if prices.knows(size) and size not in sizes
    }
    affordable = [size for size, needed in found.items() if needed <= available]
    return sorted(affordable, key=lambda size: (-found[size], size))


def _poor(available: int, needed: int, unit: str, cheaper: Sequence[str]) -> Sentence:
    values = {
        "available": amount_text(max(0, available), unit),
        "needed": needed_text(needed, unit),
    }
    if cheaper:
        return say(
            _(
                "You have {available} of credit, and this machine needs {needed} to start. "
                "Your credit would be enough for {sizes}: pick such a machine if it is on the list, "
                "or ask your teacher for more credit. Your files are kept."
            ),
            sizes=", ".join(cheaper[:3]),
            **values,
        )
    return say(
        _(
            "You have {available} of credit, and this machine needs {needed} to start. "
            "Ask your teacher for more credit. Your files are kept."
        ),
        **values,
    )


def _unpriced(ladder: Sequence[str]) -> Sentence:
    return say(
        _(
            "The price of this machine ({sizes}) is not known, so it is not started. "
            "Pick another one, or tell your administrator."
        ),
        sizes=", ".join(ladder),
    )
