"""What is secret is sealed before it reaches the database.

The key derives from the hub's secret file, so a copy of the database alone opens nothing. The
cipher travels with the connection: no function that stores something needs to be handed a key.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from cryptography.fernet import Fernet, InvalidToken
from sqlalchemy import Connection

from gpuspawner.errors import ConfigurationError

CIPHER_OPTION = "gpuspawner_cipher"
"""The execution option of the engine that holds the cipher."""


class Cipher:
    """Seals and opens values of JSON. `repr` shows nothing of the key.

    Args:
        key: `Identity.encryption_key`, 32 bytes in URL-safe base64.
    """

    def __init__(self, key: bytes) -> None:
        self._fernet = Fernet(key)

    def seal(self, value: Mapping[str, Any]) -> bytes:
        """`value`, encrypted and authenticated. It differs from call to call."""
        return self._fernet.encrypt(json.dumps(value, ensure_ascii=True).encode("ascii"))

    def open(self, sealed: bytes) -> dict[str, Any]:
        """What `seal` was given.

        Raises:
            ConfigurationError: it was sealed with another key, or has been changed.
        """
        try:
            opened: dict[str, Any] = json.loads(self._fernet.decrypt(bytes(sealed)))
        except InvalidToken:
            raise ConfigurationError(
                "the database was written with another secret file; restore the secret file that "
                "belongs to it, or begin with an empty database"
            ) from None
        return opened


def cipher_of(c: Connection) -> Cipher:
    """The cipher of the database that `c` is connected to."""
    cipher = c.get_execution_options()[CIPHER_OPTION]
    assert isinstance(cipher, Cipher)
    return cipher
