"""A GPU virtual machine for every student of a class, within the class's credit."""

from typing import Any

from gpuspawner._version import __version__

__all__ = ["__version__", "configure", "roster"]


def __getattr__(name: str) -> Any:
    # Only a hub's configuration file needs it: the agent, on the machine, must stay light.
    if name == "configure":
        from gpuspawner.configuration import configure  # noqa: PLC0415

        return configure
    if name == "roster":
        from gpuspawner.rosters import roster  # noqa: PLC0415

        return roster
    raise AttributeError(name)
