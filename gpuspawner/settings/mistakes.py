"""What contradicts itself in a configuration: all of it, each by name, in words for people."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gpuspawner.errors import ConfigurationError
from gpuspawner.language import Sentence


@dataclass(frozen=True, slots=True)
class Mistake:
    """`setting` is its full name, such as `c.Controller.fast_interval`."""

    setting: str
    sentence: Sentence


def refuse(mistakes: Iterable[Mistake]) -> None:
    """Go on only without any.

    Raises:
        ConfigurationError: there are some; all of them are named.
    """
    found = "; ".join(one.sentence.text() for one in mistakes)
    if found:
        raise ConfigurationError(found)
