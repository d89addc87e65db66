"""What an admin writes, and the frozen records that the rest is handed.

Each class is configured in the hub's own `jupyterhub_config.py` (`c.Controller.…`, `c.AWS.…`,
`c.Azure.…`, `c.Prices.…`, `c.Agent.…`, `c.Credit.…`, `c.Idle.…`, `c.Session.…`) and read by the
controller only. Contradictions are refused at start, by name.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from traitlets import TraitError
from traitlets.config import Config, Configurable
from traitlets.config.loader import PyFileConfigLoader

from gpuspawner.errors import ConfigurationError
from gpuspawner.settings.agent import Agent, AgentRecord
from gpuspawner.settings.aws import AWS, AWSRecord
from gpuspawner.settings.azure import Azure, AzureRecord
from gpuspawner.settings.controller import Controller, ControllerRecord
from gpuspawner.settings.credit import Credit, CreditRecord
from gpuspawner.settings.idle import Idle
from gpuspawner.settings.prices import Prices, PricesRecord
from gpuspawner.settings.session import Session

__all__ = [
    "AWS",
    "AWSRecord",
    "Agent",
    "AgentRecord",
    "Azure",
    "AzureRecord",
    "Controller",
    "ControllerRecord",
    "Credit",
    "CreditRecord",
    "Idle",
    "Prices",
    "PricesRecord",
    "Session",
    "load",
    "made",
    "unknown",
]

_Kind = TypeVar("_Kind", bound=Configurable)


def load(path: Path) -> Config:
    """Read a hub's configuration file without a hub.

    Raises:
        ConfigurationError: it cannot be read, or fails while it is read.
    """
    try:
        config: Config = PyFileConfigLoader(path.name, path=str(path.parent)).load_config()
    except ConfigurationError:
        raise
    except Exception as error:
        raise ConfigurationError(
            f"{path} could not be read: {type(error).__name__}: {error}"
        ) from error
    return config


def made(kind: type[_Kind], config: Config) -> _Kind:
    """The settings of one class, as the file has them.

    Raises:
        ConfigurationError: one is not of its type; it is named.
    """
    try:
        return kind(config=config)
    except TraitError as error:
        raise ConfigurationError(f"c.{kind.__name__}: {error}") from error


def unknown(config: Config) -> list[str]:
    """Settings of our classes that do not exist: a typing mistake is not silently a default."""
    return [
        f"c.{kind.__name__}.{name}"
        for kind in (Controller, AWS, Azure, Prices, Agent, Credit, Idle, Session)
        for name in config.get(kind.__name__, {})
        if name not in kind.class_trait_names(config=True)
    ]
