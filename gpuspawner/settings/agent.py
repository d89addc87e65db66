"""`c.Agent`: the program on each machine."""

from __future__ import annotations

from dataclasses import dataclass

from traitlets import Float
from traitlets.config import Configurable

from gpuspawner.language import _, say
from gpuspawner.settings.mistakes import Mistake, refuse


@dataclass(frozen=True, slots=True)
class AgentRecord:
    """`c.Agent` as the controller hands it to machines. Lengths of time in seconds."""

    heartbeat_seconds: float
    unreachable_seconds: float
    disowned_seconds: float


class Agent(Configurable):
    """The program on each machine."""

    heartbeat_interval = Float(
        10.0,
        help="Seconds between two heartbeats of a machine. Default: 10. A stop is noticed by the machine that much "
        "later at most; smaller costs the controller more requests.",
    ).tag(config=True)

    unreachable_timeout = Float(
        1800.0,
        help="Seconds without any answer from the hub after which a machine saves and switches itself off. "
        "Default: 1800. Shorter wastes less when the hub is dead, longer survives a longer outage.",
    ).tag(config=True)

    disowned_timeout = Float(
        600.0,
        help="Seconds for which the hub says that it does not know the machine before it switches itself off. "
        "Default: 600. Shorter ends a leak sooner, longer leaves time to restore the database.",
    ).tag(config=True)

    def record(self) -> AgentRecord:
        """The settings, checked.

        Raises:
            ConfigurationError: a setting is impossible or contradicts another; it is named.
        """
        refuse(self.mistakes())
        return AgentRecord(self.heartbeat_interval, self.unreachable_timeout, self.disowned_timeout)

    def mistakes(self) -> list[Mistake]:
        """What is impossible or contradicts something else, each by name."""
        found = []
        if self.heartbeat_interval <= 0:
            message = _("{setting} must be more than 0 seconds")
            setting = "c.Agent.heartbeat_interval"
            found.append(Mistake(setting, say(message, setting=setting)))
        for name in ("unreachable_timeout", "disowned_timeout"):
            if getattr(self, name) < 3 * self.heartbeat_interval:
                message = _(
                    "{setting} must be at least three times c.Agent.heartbeat_interval, "
                    "or one lost heartbeat switches a machine off"
                )
                setting = f"c.Agent.{name}"
                found.append(Mistake(setting, say(message, setting=setting)))
        return found
