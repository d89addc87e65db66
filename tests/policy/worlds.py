"""Short words for building claims and worlds in tests."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

from gpuspawner.model import (
    Claim,
    Desired,
    Fragment,
    Home,
    Intent,
    Machine,
    Offering,
    Owner,
    Placement,
    Power,
    Specification,
    World,
)

NOON = datetime(2026, 11, 21, 12, tzinfo=timezone.utc)
CLAIM = "gs-0123abcd-aaaaaaaaaaaaaaaaaaaaaaaaaa"
ZONE_A = Placement("us-east-1", "us-east-1a", "g4dn.xlarge")
ZONE_B = replace(ZONE_A, zone="us-east-1b")
LARGER = replace(ZONE_A, size="g5.xlarge")
SPEC = Specification("t4", "One T4", ("g4dn.xlarge",))


def seconds(n: float) -> timedelta:
    return timedelta(seconds=n)


def claim(desired: Desired = Desired.RUNNING, **changes) -> Claim:
    base = Claim(
        name=CLAIM,
        owner=Owner("7", "alice", ""),
        specification=SPEC,
        desired=desired,
        generation=3,
        desired_at=NOON - seconds(5),
        start_by=NOON + seconds(600) if desired is Desired.RUNNING else None,
    )
    return replace(base, **changes)


def machine(power: Power = Power.RUNNING, **changes) -> Machine:
    base = Machine(
        id="i-1",
        power=power,
        placement=ZONE_A,
        image="ami-1",
        created_at=NOON - seconds(3600),
        claim=CLAIM,
        intent="intent-1",
        owner_id="7",
        address="10.0.0.1",
    )
    return replace(base, **changes)


def home(**changes) -> Home:
    base = Home("vol-1", "us-east-1", "us-east-1a", 20, NOON - seconds(3600), CLAIM, "7")
    return replace(base, **changes)


def intent(**changes) -> Intent:
    base = Intent("intent-1", CLAIM, 3, ZONE_A, "", 60, NOON - seconds(5))
    return replace(base, **changes)


def fragment(**changes) -> Fragment:
    return replace(Fragment("vol-9", "disk", NOON - seconds(3600), CLAIM), **changes)


def offering(placement: Placement = ZONE_A, **changes) -> Offering:
    return replace(Offering(placement, 4, 16384, "T4", 1, 16384, 526_000), **changes)


def world(*things: Machine | Home | Fragment, gone: frozenset[str] = frozenset()) -> World:
    return World(
        NOON,
        tuple(one for one in things if isinstance(one, Machine)),
        tuple(one for one in things if isinstance(one, Home)),
        tuple(one for one in things if isinstance(one, Fragment)),
        gone,
    )
