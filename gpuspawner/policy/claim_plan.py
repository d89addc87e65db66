"""One claim against its machines: settle what is uncertain, read the table, fill in with what."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from gpuspawner.language import Sentence
from gpuspawner.model import (
    Claim,
    Desired,
    Fragment,
    Home,
    Intent,
    Machine,
    Placement,
    Power,
    Reason,
)
from gpuspawner.policy import sentences
from gpuspawner.policy.absence import Absence
from gpuspawner.policy.doubt import is_doubtful
from gpuspawner.policy.heard import gone, heard, off_is_believed_at
from gpuspawner.policy.placement import Exhausted, choose
from gpuspawner.policy.steps import BILLED, Known, Limits, Step
from gpuspawner.policy.table import TABLE, Action, Wish


class ClaimPlan:
    """One claim against its machines. Lives for one call of `plan`."""

    def __init__(
        self,
        claim: Claim,
        known: Known,
        now: datetime,
        limits: Limits,
        absence: Absence | None,
    ) -> None:
        self.claim, self.known, self.now, self.limits = claim, known, now, limits
        self.absence = absence
        self.intent = known.intents.get(claim.name)
        self.alarms: list[Sentence] = []
        self.doubted: list[Step] = []
        self.again: list[datetime] = []

    def steps(
        self, machines: list[Machine], homes: list[Home], fragments: list[Fragment]
    ) -> list[Step]:
        """The steps to take now.

        Fills `alarms`, `again` (the moments to look again at) and `doubted` (stops that are only
        taken when they are few).
        """
        settled = self._settle(machines)
        if settled:
            return settled
        machine, extra = self._ours(machines)
        power = machine.power if machine else (Power.FRAGMENT if fragments else None)
        action = TABLE[self._wish(), power]
        steps = self._take(action, machine, homes, fragments, others=bool(extra))
        steps = [step for step in (*steps, *extra) if step.action is not Action.NOTHING]
        return steps + self._release(machine, steps)

    # -- what must be settled before the table can be read

    def _settle(self, machines: list[Machine]) -> list[Step]:
        """An intent whose machine is listed is accepted; a machine nobody names yet is named."""
        if self.intent:
            made = [machine for machine in machines if machine.intent == self.intent.id]
            if made:
                return [self._step(Action.ACCEPT, machine=made[0], intent=self.intent)]
            if self.claim.machine_id in {machine.id for machine in machines}:
                return [self._step(Action.ABANDON, intent=self.intent)]
        elif self.claim.machine_id not in {machine.id for machine in machines} and self._gone():
            ours = [one for one in machines if self._is_owners(one)]
            if ours:
                oldest = min(ours, key=lambda machine: (machine.created_at, machine.id))
                return [self._step(Action.ACCEPT, machine=oldest)]
        return []

    def _ours(self, machines: list[Machine]) -> tuple[Machine | None, list[Step]]:
        """The machine that the claim names, and what to do with any other that carries its tag."""
        ours = next((one for one in machines if one.id == self.claim.machine_id), None)
        # While it is open whether the named one is gone, the other may be the one to go on with.
        open_which = self.claim.machine_id is not None and ours is None and not self._gone()
        extra: list[Step] = []
        for machine in machines:
            if machine.id == self.claim.machine_id or (open_which and self._is_owners(machine)):
                continue
            if self.claim.desired is Desired.DELETED:
                extra.append(self._step(Action.DELETE, machine=machine))
                continue
            because = sentences.second_machine(self.claim.name, machine.id)
            self.alarms.append(because)
            action = Action.STOP if machine.power in BILLED else Action.NOTHING
            extra.append(self._step(action, machine=machine, because=because))
        return ours, extra

    def _is_owners(self, machine: Machine) -> bool:
        return machine.owner_id in (None, self.claim.owner.user_id)

    def _release(self, machine: Machine | None, steps: list[Step]) -> list[Step]:
        """A machine that is known to be gone is named no longer, or it would be missed for ever."""
        settles = {step.action for step in steps} & {Action.CREATE, Action.FORGET}
        if machine or settles or not self.claim.machine_id or self.intent or not self._gone():
            return []
        return [replace(self._step(Action.RELEASE), machine_id=self.claim.machine_id)]

    def _home(self, homes: list[Home]) -> Home | None:
        """Which of several homes: one that an admin gave, else the eldest."""
        grants = self.known.grants
        order = lambda home: (home.id not in grants, home.created_at, home.id)  # noqa: E731
        return min(homes, key=order, default=None)

    def _wish(self) -> Wish:
        if self.claim.desired is Desired.RUNNING:
            return Wish.UP if self.claim.up_at else Wish.STARTING
        return Wish.STOPPED if self.claim.desired is Desired.STOPPED else Wish.DELETED

    # -- the actions

    def _take(
        self,
        action: Action,
        machine: Machine | None,
        homes: list[Home],
        fragments: list[Fragment],
        *,
        others: bool,
    ) -> list[Step]:
        ended = self._may_not_start(homes) if self._wish() is Wish.STARTING else None
        if ended:
            return [ended]
        if machine:
            return [self._with_machine(action, machine, homes)]
        if action is Action.DELETE:
            return [self._step(Action.DELETE, fragment=fragment) for fragment in fragments]
        return [self._without_machine(action, homes, others=others)]

    def _with_machine(self, action: Action, machine: Machine, homes: list[Home]) -> Step:
        if action is Action.START:
            return self._start(machine, homes)
        if action is Action.ATTACH_HOME:
            return self._attach(machine, homes)
        if action is Action.END:
            return self._ended(machine)
        if action in (Action.STOP, Action.DELETE):
            if is_doubtful(self.claim, machine, self.known.since, self.limits):
                return self._doubt(machine)
            return self._when_saved(self._step(action, machine=machine), machine)
        return self._step(Action.NOTHING)

    def _ended(self, machine: Machine) -> Step:
        """Off by itself, unless the listing shows an earlier time off and the machine still speaks."""
        believed_at = off_is_believed_at(self.claim, machine, self.now, self.limits)
        if believed_at > self.now:
            self.again.append(believed_at)
            return self._step(Action.NOTHING)
        halted = machine.power is Power.HALTED
        because = sentences.machine_ended(machine.because, halted=halted)
        return self._step(Action.END, Reason.MACHINE_ENDED, because)

    def _doubt(self, machine: Machine) -> Step:
        """It runs although our memory says that it should not, and our memory may be the older."""
        if self._alive():
            return self._step(Action.ADOPT, Reason.ADOPTED, machine=machine)
        assert self.known.since
        over = self.known.since + self.limits.orphan_grace
        if self.now < over:
            self.again.append(over)
        else:
            because = sentences.unwanted(machine.id)
            self.doubted.append(self._step(Action.STOP, because=because, machine=machine))
        return self._step(Action.NOTHING)

    def _without_machine(self, action: Action, homes: list[Home], *, others: bool) -> Step:
        if action is Action.CREATE:
            return self._create(homes)
        if action is Action.END:
            because = sentences.machine_ended("")
            return self._when_gone(self._step(Action.END, Reason.MACHINE_ENDED, because))
        if action is Action.FORGET and not others:
            return self._when_gone(self._step(Action.FORGET))
        if self._wish() is Wish.STOPPED and self.intent:
            return self._when_gone(self._step(Action.ABANDON, intent=self.intent))
        return self._step(Action.NOTHING)

    def _may_not_start(self, homes: list[Home]) -> Step | None:
        claim = self.claim
        if claim.start_by and self.now >= claim.start_by:
            return self._step(Action.END, Reason.START_TIMEOUT, sentences.start_timeout())
        if claim.start_by:
            self.again.append(claim.start_by)
        home = self._home(homes)
        if home and home.id not in self.known.grants and home.owner_id != claim.owner.user_id:
            return self._step(Action.END, Reason.HOME_OWNER, sentences.home_owner())
        return None

    def _create(self, homes: list[Home]) -> Step:
        """Send the open intent again, or choose a placement for a new attempt."""
        if self.intent:
            wanted = self.claim.specification
            if (
                self.intent.placement.size in wanted.sizes
                and self.intent.image == wanted.image
                and self.intent.disk_gib == wanted.disk_gib
            ):
                return self._step(
                    Action.CREATE, placement=self.intent.placement, intent=self.intent
                )
            # Left from another wish: it must be known to have come to nothing before the next.
            return self._when_gone(self._step(Action.ABANDON, intent=self.intent))
        home = self._home(homes)
        chosen = choose(
            self.claim.specification,
            self.known.offerings,
            self.known.refusals,
            self.now,
            zone=home.zone if home else None,
        )
        if isinstance(chosen, Exhausted):
            return self._step(Action.END, chosen.reason, chosen.because)
        return self._when_gone(self._step(Action.CREATE, placement=chosen))

    def _start(self, machine: Machine, homes: list[Home]) -> Step:
        home = self._home(homes)
        wanted = self.claim.specification
        image = self.known.images.get(wanted.image)
        if image and machine.image != image:
            return self._step(Action.DELETE, machine=machine, because=sentences.other_image())
        if home and home.zone != machine.placement.zone:
            return self._step(Action.DELETE, machine=machine, because=sentences.other_zone())
        chosen = choose(
            wanted,
            self.known.offerings,
            self.known.refusals,
            self.now,
            zone=machine.placement.zone,
        )
        if isinstance(chosen, Exhausted):
            return self._step(Action.END, chosen.reason, chosen.because)
        return self._step(Action.START, machine=machine, placement=chosen)

    def _attach(self, machine: Machine, homes: list[Home]) -> Step:
        home = self._home(homes)
        if home is None:
            return self._step(Action.CREATE_HOME, machine=machine, placement=machine.placement)
        if len(homes) > 1:
            self.alarms.append(sentences.second_home(self.claim.name))
        if home.machine_id is None and home.ready:
            return self._step(Action.ATTACH_HOME, machine=machine, home=home)
        return self._step(Action.NOTHING)

    def _when_saved(self, step: Step, machine: Machine) -> Step:
        """A machine in use gets its time to save; a silent one has nothing that it could say."""
        claim = self.claim
        in_use = machine.power is Power.RUNNING and claim.up_at and not claim.saved_at
        if not in_use or not self._alive():
            return step
        deadline = claim.desired_at + self.limits.save
        if self.now >= deadline:
            return step
        self.again.append(deadline)
        return self._step(Action.NOTHING)

    def _when_gone(self, step: Step) -> Step:
        """Take `step` only once it is known that no machine of this claim is left.

        Not listed is not gone: a listing can lag, and a request can still be on its way.
        """
        if self._gone():
            return step
        if self.absence:
            self.again.append(self.absence.since + self.limits.absent_for)
        return self._step(Action.NOTHING)

    def _gone(self) -> bool:
        return gone(self.absence, self.claim, self.now, self.limits)

    def _alive(self) -> bool:
        return heard(self.claim, self.now, self.limits.heartbeat_fresh)

    def _step(
        self,
        action: Action,
        reason: Reason | None = None,
        because: Sentence | None = None,
        *,
        machine: Machine | None = None,
        placement: Placement | None = None,
        home: Home | None = None,
        intent: Intent | None = None,
        fragment: Fragment | None = None,
    ) -> Step:
        return Step(
            action, self.claim.name, reason, because, machine, placement, home, intent, fragment,
            self.claim.generation,
        )  # fmt: skip
