"""As much of Azure Logic Apps as our switch uses, so that what is shipped is what is played.

The definition is carried out action by action, with real requests. Expressions are those of the
Workflow Definition Language: functions, texts, and `?['key']`.
"""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

SUCCEEDED, FAILED, SKIPPED = "Succeeded", "Failed", "Skipped"
_TOKEN = re.compile(r"\s*(?:'((?:[^']|'')*)'|([a-z]+)\(|(\??\[)|([\]),]))", re.IGNORECASE)


@dataclass
class LogicApp:
    """One workflow and its parameters.

    Args:
        endpoint: what stands in for `https://management.azure.com`.
        trust: for TLS there.
    """

    definition: Mapping[str, Any]
    parameters: Mapping[str, str]
    endpoint: str
    trust: ssl.SSLContext
    asked: list[tuple[str, str]] = field(default_factory=list)
    waited: int = 0
    _variables: dict[str, Any] = field(default_factory=dict)
    _bodies: dict[str, Any] = field(default_factory=dict)
    _items: list[Any] = field(default_factory=list)
    _moves: tuple[int, str, str] = (0, "", "")

    def run(self) -> dict[str, str]:
        """Once through; the status of each action of the first level."""
        return self._all(self.definition["actions"])

    def after(self, times: int, url: str) -> None:
        """When it has asked so often, it is another that answers there."""
        health = self.parameters["health"]
        self._moves = (times, health.rpartition("/services")[0] + "/", url)

    def _all(self, actions: Mapping[str, Any]) -> dict[str, str]:
        done: dict[str, str] = {}
        waiting = dict(actions)
        while waiting:
            name = next(one for one in waiting if set(waiting[one]["runAfter"]) <= done.keys())
            action = waiting.pop(name)
            after = action["runAfter"]
            due = all(done[before] in statuses for before, statuses in after.items())
            done[name] = self._one(name, action) if due else SKIPPED
        return done

    def _one(self, name: str, action: Mapping[str, Any]) -> str:
        kinds: Mapping[str, Callable[[str, Mapping[str, Any]], str]] = {
            "Http": self._http,
            "InitializeVariable": self._set,
            "SetVariable": self._set,
            "Query": self._query,
            "Foreach": self._foreach,
            "Until": self._until,
            "If": self._if,
            "Wait": self._wait,
        }
        return kinds[action["type"]](name, action)

    def _http(self, name: str, action: Mapping[str, Any]) -> str:
        inputs = action["inputs"]
        status, self._bodies[name] = self._send(inputs, self._value(inputs["uri"]))
        return SUCCEEDED if 200 <= status < 300 else FAILED

    def _send(self, inputs: Mapping[str, Any], uri: str) -> tuple[int, Any]:
        self.asked.append((inputs["method"], uri))
        times, lost, found = self._moves
        if lost and len(self.asked) > times:
            uri = uri.replace(lost, found)
        there = uri.replace("https://management.azure.com", self.endpoint)
        request = Request(there, method=inputs["method"])
        if inputs.get("authentication", {}).get("type") == "ManagedServiceIdentity":
            request.add_header("Authorization", "Bearer its-own")
        try:
            with urlopen(request, context=self.trust, timeout=10) as answer:
                text = answer.read()
                return answer.status, json.loads(text) if text else None
        except HTTPError as error:
            return error.code, None
        except URLError:
            return 0, None

    def _set(self, _name: str, action: Mapping[str, Any]) -> str:
        inputs = action["inputs"]
        for one in inputs.get("variables", [inputs]):
            self._variables[one["name"]] = self._value(one["value"])
        return SUCCEEDED

    def _query(self, name: str, action: Mapping[str, Any]) -> str:
        inputs = action["inputs"]
        found = []
        for one in self._value(inputs["from"]):
            self._items.append(one)
            if self._value(inputs["where"]):
                found.append(one)
            self._items.pop()
        self._bodies[name] = found
        return SUCCEEDED

    def _foreach(self, _name: str, action: Mapping[str, Any]) -> str:
        failed = False
        for one in self._value(action["foreach"]):
            self._items.append(one)
            failed |= self._failed(action["actions"])
            self._items.pop()
        return FAILED if failed else SUCCEEDED

    def _until(self, _name: str, action: Mapping[str, Any]) -> str:
        for _ in range(action["limit"]["count"]):
            if self._failed(action["actions"]):
                return FAILED
            if self._value(action["expression"]):
                return SUCCEEDED
        return FAILED

    def _if(self, _name: str, action: Mapping[str, Any]) -> str:
        one, other = action["expression"]["equals"]
        if self._value(one) != self._value(other):
            return SUCCEEDED
        return FAILED if self._failed(action["actions"]) else SUCCEEDED

    def _wait(self, _name: str, action: Mapping[str, Any]) -> str:
        self.waited += action["inputs"]["interval"]["count"]
        return SUCCEEDED

    def _failed(self, actions: Mapping[str, Any]) -> bool:
        """Carry them out; whether one has failed that no other was there for."""
        done = self._all(actions)
        minded = {
            before
            for action in actions.values()
            for before, statuses in action["runAfter"].items()
            if FAILED in statuses
        }
        return any(status == FAILED and name not in minded for name, status in done.items())

    # -- expressions

    def _value(self, text: Any) -> Any:
        if not isinstance(text, str) or not text.startswith("@"):
            return text
        value, end = self._parsed(text, 1)
        assert end == len(text), text
        return value

    def _parsed(self, text: str, at: int) -> tuple[Any, int]:
        token = _TOKEN.match(text, at)
        assert token, text[at:]
        at = token.end()
        if token[1] is not None:
            return token[1].replace("''", "'"), at
        given: list[Any] = []
        while text[at] != ")":
            one, at = self._parsed(text, at)
            given.append(one)
            at += len(re.match(r",?\s*", text[at:])[0])  # type: ignore[index]
        return self._followed(self._called(token[2], given), text, at + 1)

    def _followed(self, value: Any, text: str, at: int) -> tuple[Any, int]:
        while (key := re.compile(r"(\??)\['([^']*)'\]").match(text, at)) is not None:
            value = (value or {}).get(key[2]) if key[1] else value[key[2]]
            at = key.end()
        return value, at

    def _called(self, name: str, given: list[Any]) -> Any:
        functions: Mapping[str, Callable[..., Any]] = {
            "parameters": self.parameters.__getitem__,
            "variables": self._variables.__getitem__,
            "body": self._bodies.get,
            "item": lambda: self._items[-1],
            "equals": lambda one, other: one == other,
            "empty": lambda one: not one,
            "concat": lambda *parts: "".join(parts),
            "coalesce": lambda *values: next((one for one in values if one is not None), None),
        }
        return functions[name](*given)
