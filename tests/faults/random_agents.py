"""The agents on the machines, as the controller hears them: straight at its database.

They do nothing to save a bad controller: no dead man's switch switches a machine off here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gpuspawner.errors import GpuspawnerError
from gpuspawner.model import Desired
from gpuspawner.providers.tags import INTENT
from gpuspawner.store import agents, claims

if TYPE_CHECKING:
    from tests.faults.random_class import School

BOOT_SECONDS = 15
SERVER_SECONDS = 5
SAVE_SECONDS = 5
BEAT_SECONDS = 10


@dataclass
class Agent:
    """What the agent of one boot of one machine knows. `session` is the generation it serves."""

    since: float
    session: int | None = None
    begun: float = 0.0
    up: bool = False
    beat: float = 0.0
    ending: float | None = None
    saved: bool = False
    known: tuple[int, str | None, Any] = (-1, None, None)
    """What the controller last answered, and at which state of the database."""


class Agents:
    """All agents. `mute` machines say nothing, `broken` ones report that their boot failed."""

    def __init__(self, school: School) -> None:
        self._school = school
        self._boots: dict[str, Agent] = {}
        self._registered: set[str] = set()
        self.mute: set[str] = set()
        self.broken: set[str] = set()
        self.slow: set[str] = set()
        self.up_since: dict[tuple[str, int], float] = {}
        """When, by the cloud's clock, a generation was first reported to be up."""

    def heal(self) -> None:
        """All are well."""
        self.mute.clear()
        self.broken.clear()
        self.slow.clear()

    def act(self) -> None:
        """Let the agent of every running machine do what it would do now."""
        for record in list(self._school.cloud.world.lifecycle.records.values()):
            if record.state != "running":
                self._boots.pop(record.id, None)
                continue
            agent = self._boots.get(record.id)
            if agent is None or agent.since != record.since:
                agent = self._boots[record.id] = Agent(record.since)
            booted = self._school.true_now - record.since >= BOOT_SECONDS
            if booted and record.id not in self.mute:
                self._speak(record.id, agent)

    def _speak(self, machine: str, agent: Agent) -> None:
        school = self._school
        intent, key = school.tags(machine).get(INTENT, ""), f"key of {machine}"
        if machine not in self._registered:
            try:
                school.tell(agents.register, intent, key, school.clock.now())
            except GpuspawnerError:
                return
            self._registered.add(machine)
        name = self._know(agent, intent, key)
        claim = next((one for one in school.watch.claims() if one.name == name), None)
        if claim is None or name is None:
            return
        if claim.desired is Desired.RUNNING:
            self._serve(machine, agent, name)
        elif agent.session == claim.generation and not agent.saved:
            self._save(machine, agent, name)
        now = school.true_now
        if agent.session is not None and now - agent.beat >= BEAT_SECONDS:
            agent.beat = now
            school.tell(agents.heartbeats, [(name, agent.session, school.clock.now())])

    def _know(self, agent: Agent, intent: str, key: str) -> str | None:
        """The claim that it speaks for. It is asked again only when something was written."""
        school = self._school
        school.watch.claims()
        if agent.known[0] != school.watch.version:
            name = school.ask(agents.verify, intent, key)
            wanted = school.ask(claims.environment, name) if name else None
            agent.known = school.watch.version, name, wanted
        return agent.known[1]

    def _serve(self, machine: str, agent: Agent, name: str) -> None:
        school = self._school
        wanted = agent.known[2]
        if wanted is None:
            return
        if agent.session != wanted.generation:
            if machine in self.broken:
                self._report(name, wanted.generation, "failed")
            elif school.home_is_seen_at(machine):
                agent.session, agent.begun = wanted.generation, school.true_now
                agent.up, agent.saved, agent.ending = False, False, None
                self._report(name, wanted.generation, "server")
        elif not agent.up and school.true_now - agent.begun >= SERVER_SECONDS:
            agent.up = self._report(name, wanted.generation, "up")
            if agent.up:
                self.up_since.setdefault((name, wanted.generation), school.true_now)

    def _save(self, machine: str, agent: Agent, name: str) -> None:
        school = self._school
        if agent.ending is None:
            agent.ending = school.true_now
        if machine not in self.slow and school.true_now - agent.ending >= SAVE_SECONDS:
            assert agent.session is not None
            agent.saved = self._report(name, agent.session, "saved")

    def _report(self, name: str, generation: int, stage: str) -> bool:
        school = self._school
        return bool(school.tell(agents.report, name, generation, stage, "", school.clock.now()))
