"""Nothing secret leaves the doctor, whatever an error's text repeats."""

from __future__ import annotations

import os
import re

HIDDEN = "[…]"

_PASSWORD = re.compile(r"(?<=://)([^\s:/@]*):([^\s/@]+)@")
_LONG = re.compile(r"\b[0-9a-fA-F]{40,}\b")
"""Our own secret, and whatever derives from it, are long numbers in hexadecimal."""

_VARIABLES = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "JUPYTERHUB_API_TOKEN")
_SHORTEST = 6


def hide(text: str) -> str:
    """`text` without passwords in URLs, secrets of ours and credentials of the environment."""
    text = _PASSWORD.sub(rf"\1:{HIDDEN}@", text)
    text = _LONG.sub(HIDDEN, text)
    for name in _VARIABLES:
        value = os.environ.get(name, "")
        if len(value) >= _SHORTEST:
            text = text.replace(value, HIDDEN)
    return text
