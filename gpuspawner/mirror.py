"""What the hub remembers of the controller's stream of claims. Pure memory: no I/O, no clock.

The stream is a snapshot and then events numbered one by one. Within one connection a claim's
generation only grows here: the answer to a request may be read before the snapshot that is older
than it, and must not be forgotten for it. A new connection's snapshot is believed whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gpuspawner.views import ClaimView, SizeCard


class Gap(Exception):
    """An event is missing, or the stream did not begin with a snapshot."""


class Mirror:
    """The claims and the sizes as the controller last told them.

    Attributes:
        claims: by name.
        sizes: by the cloud's name of the size.
        observed: the controller has seen one complete listing of the cloud; before that no claim
            can be trusted not to be billed.
        ready: a snapshot has been seen, ever.
        number: of the last event of this connection, None before its snapshot.
    """

    def __init__(self) -> None:
        self.claims: dict[str, ClaimView] = {}
        self.sizes: dict[str, SizeCard] = {}
        self.observed = False
        self.ready = False
        self.number: int | None = None
        self._answers: dict[str, ClaimView] = {}

    def connect(self) -> None:
        """A new connection is about to be made: what it says is newer than all answers so far."""
        self.number = None
        self._answers.clear()

    def learn(self, view: ClaimView) -> None:
        """Remember the view that a request was answered with, if it opened a new generation."""
        known = self.claims.get(view.name)
        if known is None or view.generation > known.generation:
            self.claims[view.name] = view
            self._answers[view.name] = view

    def apply(self, event: Mapping[str, Any]) -> str | None:
        """Take one event in.

        Returns:
            The name of the claim it is about, or None when it may be about every claim.

        Raises:
            Gap: the event is not the next one.
            KeyError, TypeError, ValueError: it is not an event of this protocol.
        """
        kind, number = event["type"], event["number"]
        if kind == "snapshot":
            self._snapshot(event)
            self.number = number
            return None
        if self.number is None or number != self.number + (kind != "ping"):
            raise Gap(f"event {number} after {self.number}")
        self.number = number
        return self._change(kind, event)

    def _snapshot(self, event: Mapping[str, Any]) -> None:
        views = [ClaimView.from_json(claim) for claim in event["claims"]]
        sizes = [SizeCard.from_json(size) for size in event["sizes"]]
        self.claims = {view.name: view for view in views}
        self.sizes = {size.size: size for size in sizes}
        for view in self._answers.values():
            known = self.claims.get(view.name)
            if known is None or view.generation > known.generation:
                self.claims[view.name] = view
        self.observed = event["observed"] is True
        self.ready = True

    def _change(self, kind: str, event: Mapping[str, Any]) -> str | None:
        if kind == "claim":
            view = ClaimView.from_json(event["claim"])
            known = self.claims.get(view.name)
            if known is None or view.generation >= known.generation:
                self.claims[view.name] = view
            return view.name
        if kind == "forgotten":
            name = str(event["name"])
            self.claims.pop(name, None)
            self._answers.pop(name, None)
            return name
        if kind == "sizes":
            self.sizes = {card["size"]: SizeCard.from_json(card) for card in event["sizes"]}
        elif kind == "observed":
            self.observed = True
        return None
