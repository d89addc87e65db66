"""Everything that the configuration file says, checked class by class and against each other."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo

from traitlets.config import Config

from gpuspawner import identity as identities
from gpuspawner import settings
from gpuspawner.errors import ConfigurationError
from gpuspawner.identity import Identity
from gpuspawner.policy.session import Policy
from gpuspawner.settings.credit import too_short
from gpuspawner.settings.mistakes import Mistake, refuse


@dataclass(frozen=True)
class Settings:
    """What a controller is made from."""

    controller: settings.ControllerRecord
    agent: settings.AgentRecord
    aws: settings.AWSRecord | None
    identity: Identity
    credit: settings.CreditRecord
    policy: Policy = field(default_factory=Policy)
    prices: settings.PricesRecord = field(default_factory=settings.PricesRecord)
    azure: settings.AzureRecord | None = None

    @classmethod
    def load(cls, path: Path) -> Settings:
        """Read a hub's configuration file.

        Raises:
            ConfigurationError: it has a mistake, which is named.
        """
        config = settings.load(path)
        unknown = settings.unknown(config)
        if unknown:
            raise ConfigurationError(f"{path} sets what does not exist: {', '.join(unknown)}")
        controller = settings.made(settings.Controller, config).record(path.resolve().parent)
        credit = settings.made(settings.Credit, config)
        record = credit.record()
        refuse(between(controller, record))
        return cls(
            controller,
            settings.made(settings.Agent, config).record(),
            settings.made(settings.AWS, config).record() if controller.provider == "aws" else None,
            identities.load(controller.secret_file),
            record,
            policy(config, record),
            settings.made(settings.Prices, config).record(),
            settings.made(settings.Azure, config).record()
            if controller.provider == "azure"
            else None,
        )


def policy(config: Config, credit: settings.CreditRecord) -> Policy:
    """The limits of sessions; what the cloud charges for at least is the provider's to say.

    Raises:
        ConfigurationError: `c.Idle` or `c.Session` has a mistake, which is named.
    """
    return Policy(
        settings.made(settings.Idle, config).record(),
        settings.made(settings.Session, config).record(ZoneInfo(credit.timezone)),
    )


def between(controller: settings.ControllerRecord, credit: settings.CreditRecord) -> list[Mistake]:
    """What one class says and another contradicts."""
    save = controller.save_timeout
    latency = credit.rules.latency
    return [too_short(latency, save)] if credit.enforce and latency <= save.total_seconds() else []
