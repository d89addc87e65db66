"""Starting and stopping many machines with few calls.

EC2 starts or stops all of a batch or none: one bad member fails the others. So we look first and
leave out what cannot succeed, and a batch that is refused all the same is cut in two, and again,
until the bad member stands alone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from gpuspawner.errors import (
    CapacityError,
    NotAuthorized,
    ProviderError,
    ProviderUnavailable,
    QuotaExceeded,
    Throttled,
)
from gpuspawner.providers.aws_look import batches

_FOR_ALL = (Throttled, ProviderUnavailable, NotAuthorized)
"""What has nothing to do with one member, so that cutting would only multiply the calls."""

_FULL = (CapacityError, QuotaExceeded)
"""What one machine was refused for on its own, all others of its size and zone would be too."""

Errors = dict[str, ProviderError]


async def each(ids: Sequence[str], ask: Callable[[list[str]], Awaitable[Any]]) -> Errors:
    """Ask for all of `ids`, in batches; the error of each for which it failed."""
    errors: Errors = {}
    stack = list(batches(ids))[::-1]
    while stack:
        batch = stack.pop()
        error = await _error(ask, batch)
        if error is None:
            continue
        if isinstance(error, _FOR_ALL) or (len(batch) == 1 and isinstance(error, _FULL)):
            for rest in [batch, *stack]:
                errors.update(dict.fromkeys(rest, error))
            return errors
        if len(batch) == 1:
            errors[batch[0]] = error
        else:
            half = len(batch) // 2
            stack += [batch[half:], batch[:half]]
    return errors


async def _error(
    ask: Callable[[list[str]], Awaitable[Any]], batch: list[str]
) -> ProviderError | None:
    try:
        await ask(batch)
    except ProviderError as error:
        return error
    return None
