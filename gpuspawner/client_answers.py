"""How what the controller sends is read: lines, views, and the errors that it names."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import gpuspawner.policy.money_errors  # noqa: F401 - its errors may be answered too
from gpuspawner.errors import ControllerUnavailable, GpuspawnerError
from gpuspawner.language import Sentence
from gpuspawner.views import ClaimView


async def lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The lines that are not empty; one that is not ended is left out.

    Not `readline`, which refuses long lines: a snapshot of a large class is one. Its pieces are put
    together once, since to copy and search it anew for each takes seconds.
    """
    begun: list[bytes] = []
    async for chunk in chunks:
        first, *others = chunk.split(b"\n")
        begun.append(first)
        if others:
            for line in (b"".join(begun), *others[:-1]):
                if line.strip():
                    yield line
            begun = [others[-1]]


def view_of(answer: Mapping[str, Any]) -> ClaimView:
    """The view that a request was answered with.

    Raises:
        ControllerUnavailable: it is none.
    """
    try:
        return ClaimView.from_json(answer)
    except (KeyError, TypeError, ValueError) as error:
        raise ControllerUnavailable(f"the controller answered {error!r}") from error


def error_of(status: int, body: Any) -> GpuspawnerError:
    """The error that the controller's answer names; what it does not name is an outage."""
    body = body if isinstance(body, dict) else {}
    code = body.get("error")
    try:
        public = Sentence.from_json(body["sentence"])
        public.text()
    except (KeyError, TypeError, ValueError, AttributeError, IndexError):
        public = None
    cls = _classes().get(code) if isinstance(code, str) else None
    if cls is None:
        # A refusal that this version does not know, but that has its sentence, is not an outage.
        cls = GpuspawnerError if public and 400 <= status < 500 else ControllerUnavailable
    return cls(f"{status} {code}", public=public)


def _classes() -> dict[str, type[GpuspawnerError]]:
    found: dict[str, type[GpuspawnerError]] = {}
    todo: list[type[GpuspawnerError]] = [GpuspawnerError]
    while todo:
        cls = todo.pop()
        found[cls.code] = cls
        todo += cls.__subclasses__()
    return found
