"""The hub's one secret, and everything that derives from it.

The secret file is the hub's identity. With it and without the database, the machines that carry
this hub's tag are adopted again; with another secret, they are another hub's and never touched.
Standard library only.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import os
import secrets
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from gpuspawner.errors import ConfigurationError

_BYTES = 32
_LOOKING: ContextVar[bool] = ContextVar("only_looking", default=False)


@dataclass(frozen=True, slots=True)
class Identity:
    """What derives from the secret. `repr` shows none of it."""

    _secret: bytes

    def __repr__(self) -> str:
        return f"Identity(hub_id={self.hub_id!r})"

    @property
    def hub_id(self) -> str:
        """8 hexadecimal digits: the value of the hub's tag in the cloud, and in every name."""
        return self._derive("hub id").hex()[:8]

    @property
    def claims_token(self) -> str:
        """What the spawner shows to the controller."""
        return self._derive("claims token").hex()

    @property
    def service_token(self) -> str:
        """The controller's API token at the hub."""
        return self._derive("service token").hex()

    @property
    def encryption_key(self) -> bytes:
        """32 bytes, URL-safe base64: a key for `cryptography.fernet.Fernet`."""
        return base64.urlsafe_b64encode(self._derive("encryption"))

    @property
    def cookie_secret(self) -> bytes:
        """What signs the cookies of the controller's pages."""
        return self._derive("cookies")

    def ticket(self, intent_id: str) -> str:
        """The one-time ticket of a machine: constant for its intent, so a replay is identical."""
        return f"{intent_id}.{self._derive('ticket ' + intent_id).hex()}"

    def intent_of(self, ticket: str) -> str | None:
        """The intent that `ticket` was made for, or None when it is not one of ours."""
        intent_id, _, _ = ticket.partition(".")
        return (
            intent_id
            if hmac.compare_digest(ticket.encode(), self.ticket(intent_id).encode())
            else None
        )

    def machine_id(self, intent_id: str, key_hash: str) -> str:
        """The id of the machine that registered a key with this SHA-256 for this intent."""
        return f"{intent_id}.{self._derive(f'machine {intent_id} {key_hash}').hex()}"

    def _derive(self, purpose: str) -> bytes:
        return hmac.new(self._secret, f"gpuspawner 1 {purpose}".encode(), hashlib.sha256).digest()


@contextlib.contextmanager
def only_looking() -> Iterator[None]:
    """Within it, `load` makes no file and refuses none: a check reports instead, and goes on.

    Where there is no secret that can be read, it hands out one that is thrown away afterwards.
    """
    token = _LOOKING.set(True)
    try:
        yield
    finally:
        _LOOKING.reset(token)


def load(path: Path) -> Identity:
    """Read the secret file, making it (mode 0600) when it does not exist.

    Two processes that make it at once end with the same secret.

    Raises:
        ConfigurationError: it cannot be read or made, others can read it, or it is not a secret.
    """
    if _LOOKING.get():
        return _seen(path)
    try:
        if not path.exists():
            _make(path)
        mode = path.stat().st_mode & 0o777
        text = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"the secret file {path} cannot be used: {error}") from error
    if mode & 0o077:
        raise ConfigurationError(
            f"the secret file {path} can be read by others: run 'chmod 600 {path}'"
        )
    try:
        secret = bytes.fromhex(text)
    except ValueError:
        secret = b""
    if len(secret) != _BYTES:
        raise ConfigurationError(
            f"the secret file {path} does not hold {_BYTES} bytes in hexadecimal; "
            "restore it from a backup, since a new one would disown every machine"
        )
    return Identity(secret)


def _seen(path: Path) -> Identity:
    try:
        secret = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except (OSError, ValueError):  # a UnicodeDecodeError is a ValueError
        secret = b""
    return Identity(secret if len(secret) == _BYTES else secrets.token_bytes(_BYTES))


def _make(path: Path) -> None:
    """Make the file whole or not at all: written beside it, then linked, so that one maker wins."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()
