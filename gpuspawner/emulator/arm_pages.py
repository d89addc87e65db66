"""Lists, a page at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from gpuspawner.emulator.arm_wire import SKIP, Answer, Call, answer

PAGE = 50
"""How many entries a list has at once."""

_KEPT = ("api-version", "statusOnly")


def page(call: Call, url: str, entries: Sequence[Any]) -> Answer:
    """The page that a call asks for; `url` is where the emulator is reached."""
    start = int(call.params.get(SKIP, "0"))
    content: dict[str, Any] = {"value": list(entries[start : start + PAGE])}
    if start + PAGE < len(entries):
        kept = {key: call.params[key] for key in _KEPT if key in call.params}
        query = "&".join(f"{quote(key)}={quote(value)}" for key, value in kept.items())
        content["nextLink"] = f"{url}{quote(call.path)}?{query}&{SKIP}={start + PAGE}"
    return answer(200, content)
