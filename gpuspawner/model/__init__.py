"""The nouns everyone speaks. Plain frozen values; no I/O, no clock, standard library only.

A *claim* is one student's standing request for a machine: what is wanted. A *machine*, a *home*
and a *fragment* are what the cloud's own listing shows: what is there. Nothing in this module
infers one from the other; that is `gpuspawner.policy.plan`.
"""

from __future__ import annotations

from gpuspawner.model.findings import (
    Finding,
    Severity,
)
from gpuspawner.model.wishes import (
    Claim,
    Desired,
    Intent,
    IntentState,
    Owner,
    Reason,
    Specification,
    Stage,
)
from gpuspawner.model.world import (
    SETTLED,
    Disk,
    DiskKind,
    Fragment,
    Home,
    Machine,
    Offering,
    Placement,
    Power,
    World,
)

__all__ = [
    "SETTLED",
    "Claim",
    "Desired",
    "Disk",
    "DiskKind",
    "Finding",
    "Fragment",
    "Home",
    "Intent",
    "IntentState",
    "Machine",
    "Offering",
    "Owner",
    "Placement",
    "Power",
    "Reason",
    "Severity",
    "Specification",
    "Stage",
    "World",
]
