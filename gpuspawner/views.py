"""What the controller shows the hub: one view a claim, one card a size. Standard library only.

Both sides use these classes, so the wire has one definition. Times are ISO 8601 in UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gpuspawner.language import Sentence
from gpuspawner.model import Desired, Owner, Power, Reason, Specification, Stage


@dataclass(frozen=True, slots=True)
class Progress:
    """One thing that happened in a start, as it was seen."""

    at: datetime
    stage: Stage
    sentence: Sentence

    def to_json(self) -> dict[str, Any]:
        """As it is sent."""
        return {
            "at": self.at.isoformat(),
            "stage": self.stage.value,
            "sentence": self.sentence.to_json(),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Progress:
        """What `to_json` wrote."""
        return cls(
            datetime.fromisoformat(data["at"]),
            Stage(data["stage"]),
            Sentence.from_json(data["sentence"]),
        )


@dataclass(frozen=True, slots=True)
class CreditView:
    """How the credit of a running session stands, as it was looked at last.

    `balance_micros` is what the student has, less what is used and not charged yet, in millionths
    of `unit`, `per_hour_micros` what an hour takes of it as things are, and `runs_for_seconds` for how
    long it pays for that until the stop; all None where students are not to see it. `deadline` is
    when the machine is stopped if nothing changes, None when nothing ends it. `warned_seconds` is which warning is due: so many
    seconds before the deadline it began; each crossing has its own, and with it `reason` (`credit`
    or `limit`) and `sentence`. In the `grace`, the class pays.
    """

    unit: str
    balance_micros: int | None = None
    deadline: datetime | None = None
    reason: Reason | None = None
    warned_seconds: int | None = None
    sentence: Sentence | None = None
    grace: bool = False
    per_hour_micros: int | None = None
    runs_for_seconds: int | None = None

    def to_json(self) -> dict[str, Any]:
        """As it is sent."""
        return {
            "unit": self.unit,
            "balance_micros": self.balance_micros,
            "deadline": self.deadline.isoformat() if self.deadline else None,
            "reason": self.reason.value if self.reason else None,
            "warned_seconds": self.warned_seconds,
            "sentence": self.sentence.to_json() if self.sentence else None,
            "grace": self.grace,
            "per_hour_micros": self.per_hour_micros,
            "runs_for_seconds": self.runs_for_seconds,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> CreditView:
        """What `to_json` wrote. Unknown keys are ignored."""
        return cls(
            data["unit"],
            data["balance_micros"],
            datetime.fromisoformat(data["deadline"]) if data["deadline"] else None,
            Reason(data["reason"]) if data["reason"] else None,
            data["warned_seconds"],
            Sentence.from_json(data["sentence"]) if data["sentence"] else None,
            data["grace"],
            data.get("per_hour_micros"),
            data.get("runs_for_seconds"),
        )


@dataclass(frozen=True, slots=True)
class SessionView:
    """What the rule about idle machines says of a running session, as it was looked at last.

    `mode` is one word for a list, `because` why it goes on or ends, `deadline` when it is stopped
    if nothing happens, None when nothing ends it. `reason` and `sentence` are of the warning that is
    due. `ending`: it is to be stopped now.
    """

    mode: str
    because: Sentence
    deadline: datetime | None = None
    reason: Reason | None = None
    sentence: Sentence | None = None
    extensions_left: int = 0
    lease_until: datetime | None = None
    ending: bool = False

    def to_json(self) -> dict[str, Any]:
        """As it is sent."""
        return {
            "mode": self.mode,
            "because": self.because.to_json(),
            "deadline": self.deadline.isoformat() if self.deadline else None,
            "reason": self.reason.value if self.reason else None,
            "sentence": self.sentence.to_json() if self.sentence else None,
            "extensions_left": self.extensions_left,
            "lease_until": self.lease_until.isoformat() if self.lease_until else None,
            "ending": self.ending,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> SessionView:
        """What `to_json` wrote. Unknown keys are ignored."""
        return cls(
            data["mode"],
            Sentence.from_json(data["because"]),
            datetime.fromisoformat(data["deadline"]) if data["deadline"] else None,
            Reason(data["reason"]) if data["reason"] else None,
            Sentence.from_json(data["sentence"]) if data["sentence"] else None,
            data["extensions_left"],
            datetime.fromisoformat(data["lease_until"]) if data["lease_until"] else None,
            data["ending"],
        )


@dataclass(frozen=True, slots=True)
class Notice:
    """What a student is told of the end: the nearest that there is, and the nearest warning."""

    deadline: datetime | None = None
    reason: Reason | None = None
    sentence: Sentence | None = None


def nearest(*ends: CreditView | SessionView | None) -> Notice:
    """Of what may end a session, what to tell."""
    known = sorted((one for one in ends if one and one.deadline), key=_deadline)
    warned = [one for one in known if one.sentence]
    return Notice(
        known[0].deadline if known else None,
        warned[0].reason if warned else None,
        warned[0].sentence if warned else None,
    )


def _deadline(one: CreditView | SessionView) -> datetime:
    assert one.deadline
    return one.deadline


@dataclass(frozen=True, slots=True)
class ClaimView:
    """A claim and its machine, as far as the hub may know.

    `billed` is true while computing is billed or may be: a machine that is not off, or a request
    whose answer has not been seen. `url` is where the hub and the proxy reach the server, once the
    server has reported up. `history` is of this generation, oldest first. `credit` is there while a
    session runs and is metered, `session` while one runs.
    """

    name: str
    owner: Owner
    specification: Specification
    desired: Desired
    generation: int
    desired_at: datetime
    billed: bool
    reason: Reason | None = None
    because: Sentence | None = None
    start_by: datetime | None = None
    stage: Stage | None = None
    url: str | None = None
    power: Power | None = None
    size: str | None = None
    zone: str | None = None
    history: tuple[Progress, ...] = ()
    credit: CreditView | None = None
    session: SessionView | None = None

    def to_json(self) -> dict[str, Any]:
        """As it is sent."""
        return {
            "name": self.name,
            "owner": {
                "user_id": self.owner.user_id,
                "user_name": self.owner.user_name,
                "server_name": self.owner.server_name,
            },
            "specification": self.specification.to_json(),
            "desired": self.desired.value,
            "generation": self.generation,
            "desired_at": self.desired_at.isoformat(),
            "billed": self.billed,
            "reason": self.reason.value if self.reason else None,
            "because": self.because.to_json() if self.because else None,
            "start_by": self.start_by.isoformat() if self.start_by else None,
            "stage": self.stage.value if self.stage else None,
            "url": self.url,
            "power": self.power.value if self.power else None,
            "size": self.size,
            "zone": self.zone,
            "history": [event.to_json() for event in self.history],
            "credit": self.credit.to_json() if self.credit else None,
            "session": self.session.to_json() if self.session else None,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ClaimView:
        """What `to_json` wrote. Unknown keys are ignored."""
        return cls(
            name=data["name"],
            owner=Owner(
                data["owner"]["user_id"], data["owner"]["user_name"], data["owner"]["server_name"]
            ),
            specification=Specification.from_json(data["specification"]),
            desired=Desired(data["desired"]),
            generation=data["generation"],
            desired_at=datetime.fromisoformat(data["desired_at"]),
            billed=data["billed"],
            reason=Reason(data["reason"]) if data["reason"] else None,
            because=Sentence.from_json(data["because"]) if data["because"] else None,
            start_by=datetime.fromisoformat(data["start_by"]) if data["start_by"] else None,
            stage=Stage(data["stage"]) if data["stage"] else None,
            url=data["url"],
            power=Power(data["power"]) if data["power"] else None,
            size=data["size"],
            zone=data["zone"],
            history=tuple(Progress.from_json(event) for event in data["history"]),
            credit=CreditView.from_json(data["credit"]) if data.get("credit") else None,
            session=SessionView.from_json(data["session"]) if data.get("session") else None,
        )


@dataclass(frozen=True, slots=True)
class SizeCard:
    """A size as a student sees it, its zones taken together.

    `price_micros` is millionths of `currency` per hour, of the cheapest zone. `available` is false
    when every zone refused it in the last few minutes. `usual_start_seconds` is the median of what
    recent starts took, None while there are none.
    """

    size: str
    vcpus: int
    memory_mib: int
    gpu: str
    gpus: int
    gpu_memory_mib: int
    price_micros: int
    currency: str
    available: bool
    usual_start_seconds: int | None = None

    def to_json(self) -> dict[str, Any]:
        """As it is sent."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> SizeCard:
        """What `to_json` wrote. Unknown keys are ignored."""
        return cls(**{name: data[name] for name in cls.__slots__})
