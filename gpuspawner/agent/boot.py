"""Who this machine is: the user data, the machine's own key, and the orders it boots with."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gpuspawner.agent.api import Api, Unreachable

USER_DATA = "var/lib/cloud/instance/user-data.txt"
"""Where cloud-init leaves the user data (0600); it needs to execute nothing of it."""

KEY = "var/lib/gpuspawner/machine-key"
_KEY_FORM = re.compile(r"[0-9a-f]{64}")
_USER_FORM = re.compile(r"[a-z_][a-z0-9_-]{0,31}")


class NotOurs(Exception):
    """The machine was not made by gpuspawner: there is nothing to do here."""


@dataclass(frozen=True)
class Bootstrap:
    """What the user data says: where the controller is, the one-time ticket, and whom to trust.

    `ca` is the PEM text of an authority that signed the hub's certificate; "" when the system's
    own are enough.
    """

    url: str
    ticket: str = field(repr=False)
    ca: str = ""


@dataclass(frozen=True)
class Orders:
    """What to run, as `GET agent/environment` says it. Times are in seconds.

    `device` is None until the home is attached, `address` empty until the cloud lists the machine.
    `issued` is when the wish was written, in seconds since 1970 by the controller's clock: it tells
    newer orders from older ones even when the controller has forgotten how far it had counted.
    """

    generation: int
    environment: Mapping[str, str] = field(repr=False)
    command: tuple[str, ...]
    user: str
    address: str
    port: int
    device: str | None
    heartbeat_seconds: float
    unreachable_seconds: float
    disowned_seconds: float
    issued: float = 0.0
    claim: str = ""

    @property
    def session(self) -> tuple[int, float]:
        """What tells one session from every other."""
        return self.generation, self.issued

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Orders:
        """The orders in `data`; unknown keys are ignored.

        Raises:
            Unreachable: they make no sense; ask again, as if nothing had come.
        """
        try:
            home = data["home"]
            orders = cls(
                generation=int(data["generation"]),
                environment={str(k): str(v) for k, v in data["environment"].items()},
                command=tuple(str(part) for part in data["command"]),
                user=str(data["user"]),
                address=str(data["address"] or ""),
                port=int(data["port"]),
                device=None if home is None else str(home["device"]),
                heartbeat_seconds=float(data["heartbeat_seconds"]),
                unreachable_seconds=float(data["unreachable_seconds"]),
                disowned_seconds=float(data["disowned_seconds"]),
                issued=float(data.get("issued") or 0.0),
                claim=str(data.get("claim") or ""),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Unreachable(f"orders that make no sense: {error!r}") from error
        if not orders.command or not _USER_FORM.fullmatch(orders.user) or orders.user == "root":
            raise Unreachable("orders without a command, or for a user that cannot be")
        return orders


@dataclass(frozen=True)
class Identity:
    """The machine's id at the controller and the key that proves it."""

    machine: str
    key: str = field(repr=False)

    @property
    def bearer(self) -> str:
        """What goes behind `Authorization: Bearer`."""
        return f"{self.machine}.{self.key}"


def read_user_data(path: Path) -> Bootstrap:
    """The user data in `path`: a line `#cloud-config`, then one JSON object.

    Raises:
        NotOurs: there is no file, or it says nothing to us.
    """
    try:
        text = path.read_text(encoding="utf-8")
        ours = json.loads(text.partition("\n")[2])["gpuspawner"]
        return Bootstrap(
            url=str(ours["url"]), ticket=str(ours["ticket"]), ca=str(ours.get("ca", ""))
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NotOurs(f"{path}: {type(error).__name__}") from error


def machine_key(path: Path) -> str:
    """The machine's key: what `path` holds, or at the first boot a new one, written there.

    It is on the disk for good before anybody hears of it: were it registered first and lost in a
    crash, the ticket would be bound to a key that nobody has.

    Raises:
        OSError: it cannot be written.
    """
    with contextlib.suppress(OSError):
        key = path.read_text(encoding="ascii", errors="replace").strip()
        if _KEY_FORM.fullmatch(key):
            return key
    key = secrets.token_hex(32)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_for_good(path, f"{key}\n", mode=0o600)
    return key


def write_for_good(path: Path, text: str, *, mode: int) -> None:
    """Write `text` to `path` with `mode`, all of it or nothing, and have it on the disk."""
    new = path.with_name(f".{path.name}.new")
    with contextlib.suppress(FileNotFoundError):
        new.unlink()
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), mode)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def register(api: Api, ticket: str, key: str) -> Identity:
    """Tell the controller the machine's key; the same ticket and key may be sent at every boot."""
    return Identity(api.register(ticket, key), key)
