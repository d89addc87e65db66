"""Which meters to open, close and hand on, from what the cloud lists. Pure and total.

Level-triggered like the plan: the same listing always gives the same changes, and once they are
made, none. So neither the number nor the order of the looks changes what is charged, nor a crash
between two of them. Everything that the cloud dates is metered to its second. What it does not
date (a machine that switched itself off, a disk that is gone) has ended at the latest when a
complete listing first did not show it, and is metered up to there, so that the books never show
less than the bill. But a student pays only up to where it was last seen; the rest is the pool's.

Computing is paid by the student whose wish it is, from the beginning, out of the hold of the start
(`hold_ref`). A start that ends without the session ever having been up is handed to the pool as a
whole. The other way round, the minutes of every boot would be the pool's, and a student's
balance would not show what a start costs while it costs it.

Who pays for computing is decided once for every start, and again when the student wishes anew: what
others hand to the pool in between stays there. Storage is always paid as the policy says.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta

from gpuspawner.model import Desired, Power, World
from gpuspawner.policy.absence import Absence
from gpuspawner.policy.billed import Ending, Key, Use, endings, over, uses
from gpuspawner.policy.metering_changes import (
    OFF,
    STARTED_AGAIN,
    STOPPED,
    VANISHED,
    Absolve,
    Books,
    Close,
    Metering,
    Missed,
    Note,
    Open,
    Release,
    Running,
    Switch,
    Witness,
)
from gpuspawner.policy.money import Component, seconds_of
from gpuspawner.policy.payers import MeteringPolicy, Payer, Payers, hold_ref, of_ref
from gpuspawner.policy.steps import Known, Run


def changes(
    world: World,
    known: Known,
    books: Books,
    witness: Witness,
    now: datetime,
    policy: MeteringPolicy | None = None,
) -> Metering:
    """What to change in the books after one more complete listing.

    Args:
        world: the listing.
        known: the claims, read after it.
        books: what is metered.
        witness: the last answer's; that of a controller that has just begun is empty.
        now: when the listing ended.
        policy: who pays.
    """
    return _Pass(world, known, books, witness, now, policy or MeteringPolicy()).made()


class _Pass:
    def __init__(
        self,
        world: World,
        known: Known,
        books: Books,
        witness: Witness,
        now: datetime,
        policy: MeteringPolicy,
    ) -> None:
        self._books, self._witness, self._now, self._policy = books, witness, now, policy
        self._world = world
        self._claims = {claim.name: claim for claim in known.claims}
        self._uses, self._endings = uses(world, known.grants), endings(world)
        self._payers = Payers(self._claims, known.intents, books.people, policy)
        self._until = seconds_of(world.listed_at)
        # It was off when the listing ended: round up, or a second might be missing.
        self._by_now = seconds_of(now + timedelta(microseconds=999_999))
        self._absences: dict[Key, Absence] = {}
        self._seen: dict[tuple[Key, str], int] = {}
        self._over: set[tuple[Key, int]] = set()
        self._unsure: set[Key] = set()

    def made(self) -> Metering:
        """The answer."""
        switches, closes, seen = list[Switch](), list[Close](), list[Key]()
        for meter in self._books.meters:
            close = self._close(meter)
            self._seen[meter.key, meter.start] = self._seen_until(meter)
            if close is not None:
                closes.append(close)
            elif self._is_shown(meter):
                seen.append(meter.key)
                self._seen[meter.key, meter.start] = self._until
                switches += self._switch(meter, self._uses[meter.key])
        ended = {close.meter.key for close in closes}
        staying = [meter for meter in self._books.meters if meter.key not in ended]
        notes = list(self._notes())
        up = {*self._books.up, *(note.ref for note in notes)}
        absolved = list(self._absolved(up, ended))
        keys = {meter.key for meter in staying}
        opened = [
            Open(use, *self._payers.of(use)) for use in self._uses.values() if use.key not in keys
        ]
        used = {meter.ref for meter in staying} - {one.ref for one in absolved}
        used |= {change.ref for change in switches} | {change.ref for change in opened}
        metered = [*staying, *(close.meter for close in closes)]
        missed = list(self._missed({(meter.key, meter.began) for meter in metered}))
        released = list(self._released(used))
        # In order of time: a price that changed later must not reach what had ended by then.
        dated: list[Switch | Close] = [*switches, *closes]
        dated.sort(key=lambda one: one.at)
        return Metering(
            (*notes, *absolved, *dated, *missed, *opened, *released),
            tuple(seen),
            self._until,
            Witness(self._seen, self._absences, self._over),
            frozenset(self._accounted(keys | self._unsure)),
        )

    def _accounted(self, not_yet: Collection[Key]) -> Iterator[Run]:
        for machine in self._world.machines:
            if machine.power is Power.STOPPED and (machine.id, Component.COMPUTE) not in not_yet:
                yield machine.id, machine.powered_at

    def _is_shown(self, meter: Running) -> bool:
        use = self._uses.get(meter.key)
        return use is not None and use.start in (None, meter.start)

    def _close(self, meter: Running) -> Close | None:
        """How the meter ends, if it does."""
        use = self._uses.get(meter.key)
        if use is None:
            ending = self._endings.get(meter.key)
            return self._vanished(meter) if ending is None else self._ended(meter, ending)
        if self._is_shown(meter) or use.began < meter.began:
            # The second is what was true once: a listing that is late.
            return None
        if use.began > meter.began:
            return self._undated(meter, use.since, STARTED_AGAIN)
        return self._undated(meter, self._by_now, OFF)

    def _ended(self, meter: Running, ending: Ending) -> Close | None:
        if ending.since is not None and ending.since < meter.began:
            return None
        if ending.since is not None and ending.since > meter.began:
            return self._undated(meter, ending.since, STARTED_AGAIN)
        if ending.at is not None and ending.at >= meter.began:
            return Close(meter, ending.at, ending.at, STOPPED)
        return self._undated(meter, self._by_now, OFF)

    def _vanished(self, meter: Running) -> Close | None:
        at = self._absent_since(meter.key)
        return None if at is None else self._undated(meter, at, VANISHED)

    def _absent_since(self, key: Key) -> int | None:
        """When it was first not seen to cost money, after several complete listings over a while."""
        earlier = self._witness.absences.get(key)
        absence = Absence(earlier.since, earlier.listings + 1) if earlier else Absence(self._now, 1)
        self._absences[key] = absence
        policy = self._policy
        long = self._now - absence.since >= policy.absent_for
        if absence.listings < policy.absent_listings or not long:
            return None
        return seconds_of(absence.since + timedelta(microseconds=999_999))

    def _undated(self, meter: Running, at: int, reason: str) -> Close:
        """Nobody says when it ended; at `at` it had."""
        return Close(meter, max(at, meter.since), min(self._seen_until(meter), at), reason)

    def _seen_until(self, meter: Running) -> int:
        at = self._witness.seen.get((meter.key, meter.start), 0)
        return max(at, meter.metered_to, meter.since)

    def _switch(self, meter: Running, use: Use) -> Iterator[Switch]:
        if meter.component is not Component.COMPUTE:
            student, _ = self._payers.of(use)
            payer = Payer.STUDENT if student else Payer.POOL
            if payer is not meter.payer or use.quantity != meter.quantity:
                grew = use.quantity > meter.quantity
                at = self._seen_until(meter) if grew else self._until
                yield Switch(meter, at, student, None, use.quantity, "storage")
            return
        claim = self._payers.wishes(use)
        if claim is None or meter.ref == hold_ref(claim.name, claim.generation):
            return
        wished_at = seconds_of(claim.desired_at)
        # What the pool pays since the wish, somebody has given it.
        if meter.ref is None and wished_at <= meter.since:
            return
        ref = hold_ref(claim.name, claim.generation)
        yield Switch(meter, max(wished_at, meter.since), claim.owner, ref, 1, "session")

    def _missed(self, known: Collection[tuple[Key, int]]) -> Iterator[Missed]:
        """Starts that are over, and may have begun and ended between two looks."""
        for use, ending in over(self._world):
            start = (use.key, use.began)
            if self._books.since is None or use.since < self._books.since:
                continue
            if start not in known and start not in self._witness.over:
                if ending.at is not None and ending.at >= use.since:
                    yield Missed(use, ending.at, STOPPED)
                elif (at := self._absent_since(use.key)) is not None:
                    yield Missed(use, max(at, use.since), OFF)
                else:
                    # It may be a listing that is late, and the machine about to be seen to run.
                    self._unsure.add(use.key)
                    continue
            self._over.add(start)

    def _notes(self) -> Iterator[Note]:
        for ref in sorted({meter.ref for meter in self._books.meters if meter.ref}):
            start = of_ref(ref)
            claim = self._claims.get(start[0]) if start else None
            if claim is None or claim.up_at is None or ref in self._books.up:
                continue
            if ref == hold_ref(claim.name, claim.generation):
                yield Note(ref, seconds_of(claim.up_at))

    def _absolved(self, up: Collection[str], ended: Collection[Key]) -> Iterator[Absolve]:
        for meter in self._books.meters:
            if meter.ref is None or meter.ref in up or meter.component is not Component.COMPUTE:
                continue
            if meter.key in ended or (meter.payer is Payer.STUDENT and self._is_over(meter.ref)):
                yield Absolve(meter, meter.ref)

    def _is_over(self, ref: str) -> bool:
        """Whether nobody wants this start any more."""
        start = of_ref(ref)
        if start is None:
            return False
        claim = self._claims.get(start[0])
        wanted = claim is not None and claim.desired is Desired.RUNNING
        return not wanted or claim is None or claim.generation > start[1]

    def _released(self, used: Collection[str | None]) -> Iterator[Release]:
        """Holds of starts that are over. One whose claim is not there yet ends by itself."""
        for ref, ends_by_itself in sorted(self._books.holds.items()):
            start = of_ref(ref)
            if start is None or ref in used:
                continue
            claim = self._claims.get(start[0])
            if claim is None:
                over = not ends_by_itself
            else:
                over = claim.generation >= start[1] and self._is_over(ref)
            if over:
                yield Release(ref)
