"""Client tokens: the same request with the same token is carried out once.

Source: AWS, "Ensuring idempotency in Amazon EC2 API requests": at most 64 ASCII characters; the
same token with other parameters is `IdempotentParameterMismatch`; a token stays valid for at least
24 hours after the termination. Here it stays valid for ever.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass

from gpuspawner.emulator.ec2_wire import Answer, Call, Refusal

_SIGNING = frozenset({"ClientToken", "Version", "Action"})
_STATE = re.compile(r"<instanceState>.*?</instanceState>", re.DOTALL)
_STATUS = re.compile(r"<status>[a-z-]+</status>")


@dataclass(frozen=True)
class _Given:
    digest: str
    answer: Answer
    ids: tuple[str, ...]


class Tokens:
    """The tokens of one account and region, each with the answer that was given."""

    def __init__(self) -> None:
        self._given: dict[tuple[str, str], _Given] = {}

    def replay(self, call: Call, present: Callable[[list[str], str], str]) -> Answer | None:
        """The answer that was given before, with the present states; None if the call is new.

        Raises:
            Refusal: the token was used for another request, or is too long.
        """
        token = call.params.get("ClientToken", "")
        if len(token) > 64 or not token.isascii():
            message = "Value for parameter clientToken is invalid: at most 64 ASCII characters."
            raise Refusal("InvalidParameterValue", message)
        given = self._given.get((call.action, token)) if token else None
        if given is None:
            return None
        if given.digest != _digest(call):
            message = (
                "The client token you have provided is associated with a resource that was "
                "created with different parameters."
            )
            raise Refusal("IdempotentParameterMismatch", message)
        body = present(list(given.ids), given.answer.body.decode())
        return Answer(given.answer.status, body.encode(), given.answer.content_type)

    def remember(self, call: Call, answer: Answer, ids: list[str]) -> None:
        """Keep the answer to a call that was carried out."""
        token = call.params.get("ClientToken", "")
        if token:
            self._given[call.action, token] = _Given(_digest(call), answer, tuple(ids))


def with_states(body: str, states: list[tuple[int, str]]) -> str:
    """The answer of RunInstances with the states of its instances, in order, put in."""
    following = iter(states)

    def state(found: re.Match[str]) -> str:
        code, name = next(following, (0, ""))
        if not name:
            return found.group(0)
        return f"<instanceState><code>{code}</code><name>{name}</name></instanceState>"

    return _STATE.sub(state, body)


def with_status(body: str, status: str) -> str:
    """The answer of CreateVolume with the status of its volume put in."""
    return _STATUS.sub(f"<status>{status}</status>", body, count=1)


def _digest(call: Call) -> str:
    kept = sorted((name, value) for name, value in call.params.items() if name not in _SIGNING)
    return hashlib.sha256(repr(kept).encode()).hexdigest()
