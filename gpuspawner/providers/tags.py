"""The tags on everything of ours, the same on every cloud."""

from __future__ import annotations

HUB = "gpuspawner:hub"
CLAIM = "gpuspawner:claim"
INTENT = "gpuspawner:intent"
OWNER = "gpuspawner:owner"
ROLE = "gpuspawner:role"

MACHINE, HOME, OS_DISK = "machine", "home", "os-disk"
"""The values of `ROLE`."""
