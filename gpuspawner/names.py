r"""Names that are safe everywhere.

Requirements:

* a claim's name is safe as an EC2 tag value, an ARM resource name, a computer name, a DNS label, a
  path segment and an HTML id: lower-case letters, digits and hyphens, a letter first, 38 characters;
* two different (user, server) pairs never share a name, whatever is in them: case, Unicode form,
  separators, empty or very long text, unpaired surrogates, NUL;
* nothing of the user's own text appears in it, so there is nothing to inject and nobody to identify;
* it is the same tomorrow and after the database is lost, for the same hub.

The pair is hashed as JSON, which keeps it injective: ("user-1", "x") and ("user", "1-x") differ.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from datetime import datetime, timedelta, timezone

_NAME = re.compile(r"gs-[0-9a-f]{8}-[a-z2-7]{26}")
_BEGIN = datetime(1970, 1, 1, tzinfo=timezone.utc)


def claim_name(hub_id: str, user_name: str, server_name: str = "") -> str:
    """The name of the claim of `user_name`'s server `server_name` ("" is the default server).

    `hub_id` is 8 hexadecimal digits. The rest is the first 130 bits of a SHA-256.
    """
    pair = json.dumps([user_name, server_name], ensure_ascii=True)
    digest = hashlib.sha256(f"{hub_id}\n{pair}".encode("ascii")).digest()
    return f"gs-{hub_id}-{base64.b32encode(digest).decode('ascii').lower()[:26]}"


def is_claim_name(text: str) -> bool:
    """Whether `text` has the form of a claim's name."""
    return _NAME.fullmatch(text) is not None


def born(created: datetime | None) -> str:
    """When the hub made a user, in whole microseconds since 1970; "0" when the hub does not know.

    Without a time zone it is UTC, as in the hub's database.
    """
    if created is None:
        return "0"
    at = created if created.tzinfo else created.replace(tzinfo=timezone.utc)
    return str((at - _BEGIN) // timedelta(microseconds=1))


def user_id(number: int, created: datetime | None) -> str:
    """An id of a user of the hub that nobody else ever gets: the hub's own number, and `born`.

    The number alone is not enough. SQLite gives that of the last user, once deleted, to the next
    one, who would find the home and the credit of somebody else. Over its API the hub says when it
    made a user, but not the number; so `born` is also how a user is known who only has a token.
    """
    return f"{number}-{born(created)}"


def expected_id(user_name: str, born_at: str) -> str:
    """In the place of `user_id`, of a user of whom the hub has not said the number yet."""
    return f"?{user_name}-{born_at}"


def born_of(user_id: str) -> str:
    """The last part of an id that `user_id` or `expected_id` made."""
    return user_id.rpartition("-")[2]
