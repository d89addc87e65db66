"""What the rooms of every account's check share."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeVar

from gpuspawner.errors import ConfigurationError, ProviderError
from gpuspawner.language import Sentence, _, say
from gpuspawner.model import Finding, Severity

T = TypeVar("T")


async def answered(doing: Awaitable[T]) -> T | Exception:
    """The result, or the error that it was refused with."""
    try:
        return await doing
    except (ProviderError, ConfigurationError) as error:
        return error


def refused(check: str, subject: str, error: Exception, remedy: Sentence) -> Finding:
    """A finding in the cloud's own words: it is for the admin alone."""
    message = say(_("It does not work: {detail}"), detail=str(error))
    return Finding(subject, Severity.ERROR, message, remedy, check)
