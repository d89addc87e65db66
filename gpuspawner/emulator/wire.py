"""What every emulated cloud puts on the wire: an answer, a refusal, or nothing at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


class Refusal(Exception):
    """The cloud says no: `code` and `message` are what the SDK shows, `status` is the HTTP status.

    `details` are the members of an ARM error's list of that name, `headers` go with the answer.
    """

    def __init__(
        self,
        code: str,
        message: str,
        status: int = 400,
        *,
        details: tuple[Mapping[str, str], ...] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.details = details
        self.headers = headers or {}


class Dropped(Exception):
    """The connection ends without an answer."""


class Asked(Protocol):
    """What a fault rule can be meant for: the action, and its parameters as flat texts."""

    @property
    def action(self) -> str:
        """The cloud's own name of the call."""

    @property
    def params(self) -> Mapping[str, str]:
        """Its parameters."""


@dataclass(frozen=True)
class Answer:
    """One HTTP answer."""

    status: int
    body: bytes
    content_type: str = "text/xml;charset=UTF-8"
    headers: Mapping[str, str] = field(default_factory=dict)
