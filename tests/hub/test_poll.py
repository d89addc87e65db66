"""`poll` is a table: an exit status makes the hub drop a server without stopping it."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace

import pytest

from gpuspawner.errors import ConfigurationError
from gpuspawner.language import say
from gpuspawner.mirror import Mirror
from gpuspawner.model import Desired, Owner, Specification, Stage
from gpuspawner.spawner import GPUSpawner
from gpuspawner.spawner_card import server_card
from gpuspawner.spawner_progress import follow
from gpuspawner.views import ClaimView, Progress, SizeCard

NOW = datetime(2026, 11, 21, 9, tzinfo=timezone.utc)
NAME = "gs-0123abcd-aaaaaaaaaaaaaaaaaaaaaaaaaa"


def view(desired=Desired.RUNNING, *, billed=True, **more):
    return ClaimView(
        NAME,
        Owner("1", "alice", ""),
        Specification("t4", "T4", ("g4dn.xlarge",)),
        desired,
        1,
        NOW,
        billed,
        **more,
    )


class Alone(GPUSpawner):
    """A spawner without a hub: only its memory."""

    claim_name = NAME
    client = None


def alone(claim=None, *, ready=True, observed=True):
    mirror = Mirror()
    mirror.ready, mirror.observed = ready, observed
    if claim is not None:
        mirror.claims[NAME] = claim
    spawner = Alone()
    spawner.client = SimpleNamespace(mirror=mirror)
    return spawner


R, S, D = Desired.RUNNING, Desired.STOPPED, Desired.DELETED


@pytest.mark.parametrize(
    ("claim", "ready", "observed", "status"),
    [
        (None, False, False, None),
        (None, True, False, None),
        (None, True, True, 0),
        (view(R, billed=True), True, True, None),
        (view(R, billed=False), True, True, None),
        (view(S, billed=True), True, True, None),
        (view(D, billed=True), True, True, None),
        (view(S, billed=False), True, True, 0),
        (view(D, billed=False), True, True, 0),
        (view(S, billed=False), True, False, None),
        (view(S, billed=False), False, True, None),
    ],
)
async def test_poll_says_stopped_only_when_it_is_sure(claim, ready, observed, status):
    assert await alone(claim, ready=ready, observed=observed).poll() == status


async def test_while_it_is_being_asked_for_a_machine_may_be_billed():
    spawner = alone()
    spawner._put = asyncio.get_running_loop().create_future()
    assert await spawner.poll() is None
    spawner._put.set_result(None)
    assert await spawner.poll() == 0


async def test_after_a_lost_answer_a_machine_may_be_billed():
    spawner = alone()
    spawner._uncertain = True
    assert await spawner.poll() is None


async def test_poll_never_raises():
    class Broken(Alone):
        @property
        def client(self):
            raise ConfigurationError("no secret")

        @client.setter
        def client(self, value):
            pass

    assert await Broken().poll() is None


async def test_the_identity_survives_clear_state():
    spawner = alone(view())
    spawner._specification = view().specification
    spawner.clear_state()
    assert spawner.get_state()["claim"] == NAME
    assert spawner._specification is None


# -- what pages show ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("claim", "known", "state"),
    [
        (None, False, "unknown"),
        (None, True, "off"),
        (view(R, stage=Stage.BOOT), True, "starting"),
        (view(R, stage=Stage.READY), True, "running"),
        (view(S, billed=True), True, "stopping"),
        (view(S, billed=False), True, "off"),
    ],
)
def test_the_card_shows_what_is_known(claim, known, state):
    assert server_card(claim, {}, known).state == state


def test_the_card_says_why_it_ended_and_escapes_it():
    ended = view(S, billed=False, because=say("Because <b>of</b> it."))
    assert "&lt;b&gt;of" in server_card(ended, {}, known=True).because


# -- slow starts ----------------------------------------------------------------------------


class Turning:
    """A client whose clock each wait turns by what it waited for."""

    def __init__(self, claim, usual):
        self.mirror = Mirror()
        self.mirror.claims[NAME] = claim
        self.mirror.sizes["g4dn.xlarge"] = SizeCard(
            "g4dn.xlarge", 4, 1, "T4", 1, 1, 1, "USD", True, usual
        )
        self.clock = self
        self.time = NOW

    def now(self):
        return self.time

    async def wait_for(self, _name, predicate, seconds):
        if predicate():
            return True
        self.time += timedelta(seconds=seconds)
        if self.time > NOW + timedelta(seconds=600):
            self.mirror.claims[NAME] = view(S)
            return True
        return False


async def story(usual):
    start = view(history=(Progress(NOW, Stage.CAPACITY, say("Looking.")),))
    return [e["message"] async for e in follow(Turning(start, usual), NAME, 1, "en")]


async def test_a_start_longer_than_usual_is_said_once():
    assert await story(60) == [
        "Your machine is being prepared. It usually takes about 60 s.",
        "Looking.",
        "It takes longer than the usual 60 s. It goes on; you may also cancel.",
    ]


@pytest.mark.parametrize("usual", [590, None])
async def test_a_start_within_the_usual_is_not(usual):
    assert [text for text in await story(usual) if "longer" in text] == []


async def test_the_story_of_another_generation_is_not_told():
    assert [e async for e in follow(Turning(view(), 60), NAME, 2, "en")] == []
