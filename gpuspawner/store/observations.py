"""What the machines say of themselves, in memory: a thousand of them say it every ten seconds.

What must survive a restart of it is written by the culler (`sessions.note`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from gpuspawner.model import Claim
from gpuspawner.policy.observed import Facts, Observed, joined, observe
from gpuspawner.policy.session import IdleLimits

_BOOTS = 8
"""So many earlier boots of one machine are remembered: what they said does not come again."""


@dataclass(slots=True)
class _Heard:
    generation: int
    observed: Observed
    boot: str = ""
    sequence: int = -1
    boots: tuple[str, ...] = ()


class Observations:
    """The last of each claim. `limits` says from which use on a GPU or a processor works."""

    def __init__(self, limits: IdleLimits, began: datetime) -> None:
        self._limits, self._began = limits, began
        self._heard: dict[str, _Heard] = {}

    def is_new(self, claim: Claim, boot: str, sequence: int) -> bool:
        """Whether a heartbeat is not one that was heard before, or older than one.

        A machine that does not name its boot cannot be told apart from itself before it.
        """
        heard = self._heard.get(claim.name)
        if heard is None or not boot:
            return True
        if boot == heard.boot:
            return sequence > heard.sequence
        return boot not in heard.boots

    def hear(self, claim: Claim, facts: Facts, boot: str, sequence: int, now: datetime) -> Observed:
        """Take what a machine says of the claim's present session."""
        heard = self._heard.get(claim.name) or _Heard(claim.generation, self._first(claim))
        if heard.generation != claim.generation:
            heard.generation, heard.observed = claim.generation, self._first(claim)
        if boot != heard.boot:
            heard.boots = (*heard.boots, heard.boot)[-_BOOTS:]
        heard.boot, heard.sequence = boot, sequence
        if claim.up_at is None:
            # What works while a machine boots is the boot.
            heard.observed = replace(self._first(claim), heard_at=now)
        else:
            heard.observed = observe(heard.observed, facts, self._limits, claim.up_at, now)
        self._heard[claim.name] = heard
        return heard.observed

    def of(self, claim: Claim) -> Observed:
        """What is known of the claim's present session."""
        heard = self._heard.get(claim.name)
        if heard is None or heard.generation != claim.generation:
            return self._first(claim)
        return heard.observed

    def recall(self, kept: Mapping[str, tuple[int, Observed]]) -> None:
        """Take what was written down before a restart, by claim, with its generation."""
        for name, (generation, observed) in kept.items():
            heard = self._heard.setdefault(name, _Heard(generation, observed))
            if heard.generation == generation:
                # It may have spoken already, but not of what it did before.
                heard.observed = joined(observed, heard.observed)

    def forget(self, present: Mapping[str, Claim]) -> None:
        """Drop what no claim is left of."""
        for name in self._heard.keys() - present.keys():
            del self._heard[name]

    def _first(self, claim: Claim) -> Observed:
        """Nothing was seen: not since the session was up, nor before this controller began."""
        return Observed.nothing(max(claim.up_at or claim.desired_at, self._began))
