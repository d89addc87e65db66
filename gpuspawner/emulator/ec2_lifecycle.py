"""The states of machines, and how they pass from one to the next as the emulated clock goes on.

    created → pending → running → stopping → stopped → pending → …
                           └──────────┴─────────┴────→ shutting-down → terminated → (an hour) → gone

A change that is asked for is accepted at once and happens later: when its delay has passed *and*
the machine's host has done its part. `settle` does what is due, at the time at which it was due,
so that a clock advanced by a day leaves the same record as a day that passed.

Everything here runs under the one lock of the world.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from gpuspawner.emulator import ec2_moto as border
from gpuspawner.emulator.behaviours import CLAIM_TAG
from gpuspawner.emulator.bill import Bill
from gpuspawner.emulator.clock_ import Clock, moment, sentence_time, text
from gpuspawner.emulator.ec2_volumes import Volumes
from gpuspawner.emulator.faults import Faults
from gpuspawner.emulator.jobs import Jobs, MachineHost, Work

CODES = {
    "pending": 0,
    "running": 16,
    "shutting-down": 32,
    "terminated": 48,
    "stopping": 64,
    "stopped": 80,
}
REMEMBERED_SECONDS = 3600
"""How long a terminated instance stays in the listing ("usually for one hour", EC2 user guide)."""

USER = "Client.UserInitiatedShutdown"
GUEST = "Client.InstanceInitiatedShutdown"


@dataclass
class Record:
    """What the emulator keeps of one instance beside moto's own object of it (`instance`)."""

    id: str
    instance: Any
    zone: str
    address: str
    user_data: bytes
    created_at: float
    state: str = "pending"
    since: float = 0.0
    due: tuple[str, float] | None = None
    jobs: int = 0
    idle_since: float = 0.0
    history: list[tuple[float, str]] = field(default_factory=list)

    @property
    def type(self) -> str:
        """The instance type, which may change while it is stopped."""
        return str(self.instance.instance_type)

    @property
    def claim(self) -> str:
        """What its tag says that it is for, "" when it has none."""
        return border.tag_of(self.instance, CLAIM_TAG)


class Lifecycle:
    """All instances of one account and region."""

    def __init__(
        self,
        clock: Clock,
        lock: threading.RLock,
        faults: Faults,
        bill: Bill,
        volumes: Volumes,
        jobs: Jobs,
        host: MachineHost,
    ) -> None:
        self._clock = clock
        self._lock = lock
        self._faults = faults
        self._bill = bill
        self._volumes = volumes
        self._jobs = jobs
        self._host = host
        self._settling = False
        self.records: dict[str, Record] = {}
        self.events: list[dict[str, Any]] = []

    def created(self, instance: Any, address: str, user_data: bytes) -> None:
        """A new instance has been accepted."""
        now = self._clock.now()
        record = Record(instance.id, instance, border.zone_of(instance), address, user_data, now)
        self.records[instance.id] = record
        border.set_address(instance, address)
        self._enter(record, "pending", now)
        self._tell(record, "created", now)
        self._begins(record, now)

    def start(self, record: Record) -> None:
        """Power a stopped instance on; it may get another public address."""
        now = self._clock.now()
        border.power_on(record.instance)
        self._enter(record, "pending", now)
        self._tell(record, "started", now)
        self._begins(record, now)

    def stop(self, record: Record, reason: str = USER) -> None:
        """Power an instance off, keeping its disks."""
        now = self._clock.now()
        self._enter(record, "stopping", now, reason)
        self._tell(record, "stopping", now)
        self._bill.machine_ends(record.id, now)
        self._power_off(record)
        record.due = ("stopped", now + self._faults.settings.times.stopping)

    def terminate(self, record: Record, reason: str = USER) -> None:
        """Delete an instance in whatever state it is."""
        now = self._clock.now()
        ran = record.state == "running"
        self._enter(record, "shutting-down", now, reason)
        self._tell(record, "shutting-down", now)
        self._bill.machine_ends(record.id, now)
        if ran:
            self._power_off(record)
        self._submit(record, lambda: self._host.destroy(record.id))
        record.due = ("terminated", now + self._faults.settings.times.shutting_down)

    def reboot(self, record: Record) -> None:
        """Restart the operating system; EC2 goes on saying `running`, and billing."""
        self._tell(record, "rebooted", self._clock.now())
        self._submit(record, lambda: self._host.reboot(record.id))

    def resized(self, record: Record) -> None:
        """The instance is of another type now."""
        self._tell(record, "resized", self._clock.now())

    def powered(self, machine_id: str, what: str) -> None:
        """A machine has gone off by itself: `poweroff` was typed in it, or it `crashed`.

        EC2 treats a shut-down as the instance is set up for. Of a crash it knows nothing: the
        instance goes on being `running` and billed.
        """
        with self._lock:
            record = self.records.get(machine_id)
            if record is None or record.state != "running":
                return
            if what != "poweroff":
                self._tell(record, what, self._clock.now())
            elif record.instance.instance_initiated_shutdown_behavior == "terminate":
                self.terminate(record, GUEST)
            else:
                self.stop(record, GUEST)

    def count(self, machine_type: str, zone: str) -> int:
        """How many that fit both patterns are pending or running."""
        return sum(
            fnmatchcase(record.type, machine_type) and fnmatchcase(record.zone, zone)
            for record in self.on()
        )

    def on(self) -> Iterator[Record]:
        """The instances that hold capacity and quota."""
        return (
            record for record in self.records.values() if record.state in ("pending", "running")
        )

    def state_of(self, machine_id: str) -> str:
        """The present state of any instance that ever was."""
        record = self.records.get(machine_id)
        return record.state if record else "terminated"

    def settle(self) -> None:
        """Do everything that is due by now, earliest first."""
        if self._settling:
            return
        self._settling = True
        try:
            while found := self._next_due(self._clock.now()):
                self._happen(*found)
        finally:
            self._settling = False
        self._forget()

    def _next_due(self, now: float) -> tuple[Record, str, float] | None:
        ready = [
            (max(at, record.idle_since), record, state)
            for record in self.records.values()
            if record.due is not None
            for state, at in [record.due]
            if at <= now and not (record.jobs and state in ("stopped", "terminated"))
        ]
        if not ready:
            return None
        at, record, state = min(ready, key=lambda entry: entry[0])
        return record, state, at

    def _happen(self, record: Record, state: str, at: float) -> None:
        record.due = None
        if state == "running":
            self._bill.machine_runs(record.id, record.type, at)
            self._boot(record)
        elif state == "stopped":
            border.power_off(record.instance)
            self._bill.address_is_gone(record.id, at)
        else:
            self._bill.address_is_gone(record.id, at)
            self._volumes.release(record.instance, lambda: border.terminate(record.instance), at)
        self._enter(record, state, at)
        self._tell(record, state, at)

    def _begins(self, record: Record, now: float) -> None:
        # The listing and the bill begin in the same second, whatever the clock did in between.
        border.set_launch_time(record.instance, moment(now))
        if record.instance.public_ip_address:
            self._bill.address_exists(record.id, now)
        record.due = ("running", now + self._faults.settings.times.pending)

    def _boot(self, record: Record) -> None:
        volumes = self._volumes.folders(record.id)
        self._faults.behaviours.booting(record.id, record.claim)
        self._submit(
            record,
            lambda: self._host.boot(
                record.id, address=record.address, user_data=record.user_data, volumes=volumes
            ),
        )

    def _power_off(self, record: Record) -> None:
        self._submit(record, lambda: self._host.power_off(record.id))

    def _submit(self, record: Record, work: Work) -> None:
        record.jobs += 1
        self._jobs.submit(record.id, work, lambda error: self._done(record, error))

    def _done(self, record: Record, error: BaseException | None) -> None:
        with self._lock:
            record.jobs -= 1
            if record.due is not None and record.due[0] != "running":
                record.idle_since = self._clock.now()
            if error is not None:
                self._tell(record, "host-error", self._clock.now(), detail=repr(error))
            self.settle()

    def _enter(self, record: Record, state: str, at: float, reason: str | None = None) -> None:
        record.state, record.since, record.due = state, at, None
        record.idle_since = at
        record.history.append((at, state))
        border.set_state(record.instance, state, CODES[state])
        if state == "pending":
            border.set_reason(record.instance, "", "")
        elif reason is not None:
            user = f"User initiated ({sentence_time(at)})" if reason == USER else ""
            border.set_reason(record.instance, reason, user)

    def _tell(self, record: Record, event: str, at: float, **more: str) -> None:
        self.events.append(
            {
                "number": len(self.events) + 1,
                "time": text(at),
                "event": event,
                "id": record.id,
                "type": record.type,
                "zone": record.zone,
                "address": record.address,
                "price_per_hour": self._bill.prices.machine(record.type) / 1_000_000,
                **more,
            }
        )

    def _forget(self) -> None:
        before = self._clock.now() - REMEMBERED_SECONDS
        for record in list(self.records.values()):
            if record.state == "terminated" and record.since <= before:
                del self.records[record.id]
                border.forget(record.instance)
