"""What must hold after anything: checked as it goes, metered as time passes, dumped when it breaks."""

from __future__ import annotations

from collections import Counter, defaultdict
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from gpuspawner.model import Claim, Desired, Intent, Reason
from gpuspawner.providers.tags import CLAIM, HOME, INTENT, OWNER, ROLE
from gpuspawner.store import claims, events

if TYPE_CHECKING:
    from tests.faults.random_class import School

GRACE = 300.0
"""Seconds that a machine may be billed without an owner, or without a wish, while the controller is
up and the cloud answers: the grace for orphans (180), the listing's lag (60), a slow pass (60)."""

_NEEDED = ("DescribeInstances", "DescribeVolumes", "StopInstances", "TerminateInstances")
_OFF = ("stopping", "stopped", "shutting-down", "terminated")
_ENDED = ("shutting-down", "terminated")


class Broken(AssertionError):
    """A promise was not kept. The text has the world in it."""


class Watch:
    """Looks at the cloud itself and at the database, never at what the controller believes."""

    def __init__(self, school: School) -> None:
        self._school = school
        self.stale = True
        self.version = 0
        """Another number whenever the database may have changed."""
        self._claims: list[Claim] = []
        self._intents: list[Intent] = []
        self._committed: set[str] = set()
        self._homes: dict[str, str] = {}
        self._unowned: Counter[str] = Counter()
        self._unwanted: Counter[str] = Counter()
        self.log: list[str] = []
        self.failure: Broken | None = None

    # -- what is known

    def claims(self) -> list[Claim]:
        self._refresh()
        return self._claims

    def intents(self) -> list[Intent]:
        self._refresh()
        return self._intents

    def _refresh(self) -> None:
        if self.stale:
            self.version += 1
            self._claims = self._school.ask(claims.all_claims)
            self._intents = self._school.ask(claims.open_intents)
            self._committed |= {one.id for one in self._intents}
            self.stale = False

    def note(self, text: str) -> None:
        """A line of the play, for the dump."""
        self.log.append(f"{self._school.true_now - 1_800_000_000:8.0f}  {text}")

    # -- at each request and commit

    def point(self, side: str, what: str) -> None:
        self.note(f"{side} {what}")
        if side == "before" and what == "RunInstances":
            self._intent_first()
        elif side == "before" and what in ("StopInstances", "TerminateInstances"):
            self._no_false_stop(what)
        elif side == "after" and what == "commit end":
            self._no_false_end()
        elif what == "commit end":
            self.claims()

    def _intent_first(self) -> None:
        token = self._school.cloud.request["ClientToken"]
        if token not in {one.id for one in self.intents()}:
            raise self.broken(
                f"a machine is asked for with the token {token}, which is no open intent"
            )

    def _no_false_stop(self, what: str) -> None:
        request = self._school.cloud.request
        ids = {value for name, value in request.items() if name.startswith("InstanceId.")}
        life = self._school.life
        planned = life.database.read_last.claims if life and life.database.read_last else ()
        then = {one.name: one.generation for one in planned if one.desired is Desired.RUNNING}
        for claim in self.claims():
            if claim.machine_id not in ids or claim.desired is not Desired.RUNNING:
                continue
            wanted_all_along = then.get(claim.name) == claim.generation
            if claim.up_at or (wanted_all_along and what == "StopInstances"):
                self._school.tally["false stops"] += 1
                raise self.broken(f"{what} of {claim.machine_id}, which {claim.name} wants to run")

    def _no_false_end(self) -> None:
        before = {one.name: one for one in self._claims}
        self.stale = True
        for claim in self.claims():
            was = before.get(claim.name)
            if not was or was.desired is not Desired.RUNNING or claim.desired is Desired.RUNNING:
                continue
            if claim.reason is not Reason.MACHINE_ENDED:
                continue
            record = self._school.cloud.world.lifecycle.records.get(claim.machine_id or "")
            since = self._school.agents.up_since.get((claim.name, claim.generation), 0.0)
            off = record is None or any(
                state in _OFF and at >= since for at, state in record.history
            )
            if not off:
                self._school.tally["false stops"] += 1
                raise self.broken(
                    f"the session of {claim.name} is ended, but {claim.machine_id} never went off"
                )

    # -- as time passes

    def passed(self, seconds: float) -> None:
        """Meter what is billed without an owner or a wish, and look at the homes."""
        school = self._school
        school.cloud.world.settle()
        named = {one.machine_id for one in self.claims()}
        tokens = {one.id: one.claim for one in self.intents()}
        wishing = {one.name for one in self.claims() if one.desired is Desired.RUNNING}
        wanted = {one.machine_id for one in self.claims() if one.name in wishing}
        able = school.life is not None and self.cloud_obeys()
        for machine in school.cloud.world.lifecycle.records:
            intent = school.tags(machine).get(INTENT)
            billed = ("machine", machine) in school.cloud.world.bill._open
            owned = machine in named or intent in tokens
            asked = machine in wanted or tokens.get(str(intent)) in wishing
            self._meter(self._unowned, machine, billed and not owned, able, seconds, "an owner")
            self._meter(self._unwanted, machine, billed and not asked, able, seconds, "a wish")
        self._at_most_one_machine()
        self._homes_are_kept()

    def cloud_obeys(self) -> bool:
        """Whether no fault is in force that keeps the controller from seeing and stopping."""
        return not any(
            fnmatchcase(action, rule.action) and (rule.count is None or rule.hits < rule.count)
            for rule in self._school.cloud.world.faults.rules
            for action in _NEEDED
        )

    def _meter(
        self, meter: Counter[str], machine: str, lost: bool, able: bool, by: float, of: str
    ) -> None:
        if not lost:
            meter.pop(machine, None)
            return
        meter[machine] += by if able else 0  # type: ignore[assignment]
        if meter[machine] > GRACE:
            self._school.tally["leak seconds"] += round(by)
            raise self.broken(f"{machine} is billed for {meter[machine]:.0f} s without {of}")

    def _at_most_one_machine(self) -> None:
        found = defaultdict(list)
        for record in self._school.cloud.world.lifecycle.records.values():
            if record.state not in _ENDED:
                found[self._school.tags(record.id).get(CLAIM)].append(record.id)
        for claim, machines in found.items():
            if len(machines) > 1:
                raise self.broken(f"{claim} has {len(machines)} machines: {', '.join(machines)}")

    def _homes_are_kept(self) -> None:
        backend = self._school.cloud.world.backend
        for volume in backend.volumes.values():
            tags = self._school.tags(volume.id)
            if tags.get(ROLE) != HOME:
                continue
            self._homes.setdefault(volume.id, tags[CLAIM])
            if volume.attachment:
                at = self._school.tags(volume.attachment.instance.id)
                if (at.get(CLAIM), at.get(OWNER)) != (tags[CLAIM], tags[OWNER]):
                    raise self.broken(f"the home {volume.id} of {tags[OWNER]} is at {at}")
        for home, claim in self._homes.items():
            if home not in backend.volumes:
                raise self.broken(f"the home {home} of {claim} is lost")
        for claim, number in Counter(self._homes.values()).items():
            if number > 1:
                raise self.broken(f"{claim} has {number} homes")

    def asked(self, requests: Counter[str], steps: list[Any]) -> None:
        """One pass asked for so much: what it reads may grow with its steps, not with machines."""
        reads = requests["DescribeInstances"] + requests["DescribeVolumes"]
        if reads > 2 + 3 * len(steps):
            raise self.broken(f"{reads} requests to read, for {len(steps)} steps: {requests}")

    # -- at rest

    def rests(self) -> bool:
        """Whether nothing is on its way any more, in the cloud, in the database or in the plan."""
        life = self._school.life
        records = self._school.cloud.world.lifecycle.records.values()
        return (
            life is not None
            and not life.steps
            and not life.seen.absences
            and not self.intents()
            and all(one.state in ("running", "stopped", "terminated") for one in records)
            and all(
                one.desired is Desired.STOPPED or (one.desired is Desired.RUNNING and one.up_at)
                for one in self.claims()
            )
        )

    def at_rest(self) -> None:
        """The wish and the world agree, and the bill has no line that nobody can explain."""
        school = self._school
        self.stale = True
        records = school.cloud.world.lifecycle.records
        named = {one.machine_id: one for one in self.claims() if one.machine_id}
        for record in records.values():
            if record.state in _ENDED:
                continue
            claim = named.get(record.id)
            if claim is None:
                raise self.broken(f"{record.id} is {record.state}, and no claim names it")
            runs = claim.desired is Desired.RUNNING
            if runs != (record.state == "running"):
                raise self.broken(f"{record.id} is {record.state}, wanted {claim.desired.value}")
        for claim in self.claims():
            if claim.desired is Desired.RUNNING:
                self._complete(claim, records.get(claim.machine_id or ""))
        for line in school.cloud.world.bill._lines:
            if line.kind == "machine" and line.id not in self._explained():
                raise self.broken(f"{line.id} is on the bill, and no intent of ours made it")

    def _explained(self) -> set[str]:
        """The machines that an intent made which was in the database before the request."""
        return {
            ids[0]
            for (action, token), given in self._given()
            if action == "RunInstances" and token in self._committed
            for ids in [given.ids]
        }

    def _given(self) -> Any:
        tokens = self._school.cloud._application._handlers["RunInstances"].__self__._tokens
        return tokens._given.items()

    def _complete(self, claim: Claim, record: Any) -> None:
        homes = [home for home, name in self._homes.items() if name == claim.name]
        volumes = self._school.cloud.world.backend.volumes
        at = [volumes[home].attachment for home in homes]
        if record is None or not at or not at[0] or at[0].instance.id != record.id:
            raise self.broken(f"{claim.name} runs without its home: {homes} at {at}")

    # -- when it breaks

    def broken(self, what: str) -> Broken:
        """The error to raise, with the whole world in it. It is kept, since an SDK may swallow it."""
        self.failure = self.failure or Broken(f"{what}\n\n{self.dump()}")
        return self.failure

    def dump(self) -> str:
        """Everything, to read."""
        school = self._school
        world = school.cloud.world
        self.stale = True
        life = school.life
        lines = [
            f"cloud {school.true_now - 1_800_000_000:.0f} s, controller's clock {school.clock.now()}"
        ]
        lines += ["CLAIMS", *(f"  {_claim(one)}" for one in self.claims())]
        lines += ["OPEN INTENTS", *(f"  {one}" for one in self.intents())]
        lines += ["MACHINES"]
        for record in world.lifecycle.records.values():
            past = " ".join(f"{at - 1_800_000_000:.0f}:{state}" for at, state in record.history)
            tags = school.tags(record.id)
            lines.append(f"  {record.id} {record.type} {record.zone} {tags.get(CLAIM)} {past}")
        lines += ["VOLUMES"]
        for volume in world.backend.volumes.values():
            tags = school.tags(volume.id)
            at = volume.attachment and (volume.attachment.instance.id, volume.attachment.status)
            lines.append(
                f"  {volume.id} {volume.availability_zone} {tags.get(ROLE)} {tags.get(CLAIM)} {at}"
            )
        bill = [line for line in world.bill._lines if line.kind == "machine"]
        lines += ["BILL", *(f"  {line.to_json(school.true_now)}" for line in bill)]
        lines += ["FAULTS", f"  {world.faults.rules} {world.faults.settings}"]
        lines += ["LAST PLAN", *(f"  {_step(step)}" for step in (life.steps if life else []))]
        if life:
            lines += ["PROBLEMS", f"  {life.seen.problems}", f"  absent: {life.seen.absences}"]
        audit = reversed(school.ask(events.audit_lines))
        lines += ["AUDIT", *(f"  {line}" for line in audit)]
        lines += ["THE PLAY", *(f"  {line}" for line in self.log[-120:])]
        return "\n".join(lines)


def _claim(one: Claim) -> str:
    return (
        f"{one.name} {one.owner.user_id}/{one.owner.server_name} {one.desired.value} g{one.generation} "
        f"names {one.machine_id} up {one.up_at} saved {one.saved_at} beat {one.heartbeat_at} "
        f"because {one.reason} sizes {one.specification.sizes} image {one.specification.image!r}"
    )


def _step(step: Any) -> str:
    machine = step.machine and f"{step.machine.id} {step.machine.power.value}"
    return f"{step.action.value} {step.claim} {machine} {step.placement} {step.reason}"
