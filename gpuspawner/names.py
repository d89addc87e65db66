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

_NAME = re.compile(r"gs-[0-9a-f]{8}-[a-z2-7]{26}")


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
