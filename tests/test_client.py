"""The hub's client of the controller, against a controller on loopback."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from datetime import datetime, timezone

import pytest
from aiohttp import ClientSession
from hypothesis import given
from hypothesis import strategies as st

from gpuspawner.client import ControllerClient, certainly_not_sent
from gpuspawner.client_answers import error_of, lines
from gpuspawner.errors import (
    CapacityError,
    ClaimNotFound,
    ControllerUnavailable,
    GenerationMismatch,
    SpecificationRefused,
)
from gpuspawner.language import say
from gpuspawner.mirror import Gap, Mirror
from gpuspawner.model import Desired, Owner, Reason, Specification, Stage
from tests.hub.fake_controller import TOKEN, FakeController

NAME = "gs-0123abcd-aaaaaaaaaaaaaaaaaaaaaaaaaa"
OWNER = Owner("7", "alice", "")
T4 = Specification("t4", "T4", ("g4dn.xlarge",))


class Hasty:
    """A clock whose waits are over at once, but for those that a test holds."""

    def __init__(self):
        self.waits = []
        self.held = False

    def now(self):
        return datetime(2026, 11, 21, tzinfo=timezone.utc)

    def monotonic(self):
        return 0.0

    async def sleep(self, seconds):
        self.waits.append(seconds)
        await (asyncio.Event().wait() if self.held else asyncio.sleep(0))


@pytest.fixture
async def controller():
    fake = await FakeController().open()
    yield fake
    await fake.close()


@pytest.fixture
async def client(controller):
    made = ControllerClient(controller.api, TOKEN, clock=Hasty(), silence=5)
    yield made
    await made.close()


@pytest.fixture
async def following(client):
    client.follow()
    await client.wait_for(NAME, lambda: client.mirror.ready)
    return client


async def put(client):
    return await client.put(
        NAME,
        owner=OWNER,
        specification=T4,
        environment={"A": "b"},
        command=["jupyterhub-singleuser"],
        port=8888,
        start_by=datetime(2026, 11, 21, 9, tzinfo=timezone.utc),
    )


async def seen(client, predicate):
    await asyncio.wait_for(client.wait_for(NAME, predicate), 10)


# -- requests -------------------------------------------------------------------------------


async def test_a_claim_is_put_as_the_protocol_says(client, controller):
    view = await put(client)
    assert (view.generation, view.desired, view.owner) == (1, Desired.RUNNING, OWNER)
    assert controller.requests == [
        (
            "PUT",
            NAME,
            {
                "owner": {"user_id": "7", "user_name": "alice", "server_name": ""},
                "specification": T4.to_json(),
                "environment": {"A": "b"},
                "command": ["jupyterhub-singleuser"],
                "port": 8888,
                "start_by": "2026-11-21T09:00:00+00:00",
            },
        )
    ]


async def test_what_was_put_is_remembered_before_the_stream_tells(client):
    view = await put(client)
    assert client.mirror.claims == {NAME: view}


async def test_a_stop_of_the_generation_that_was_looked_at_is_written(client, controller):
    view = await put(client)
    stopped = await client.stop(NAME, view.generation, Reason.USER)
    assert (stopped.desired, stopped.reason) == (Desired.STOPPED, Reason.USER)
    assert controller.asked("POST") == [{"generation": 1, "reason": "user"}]


async def test_a_stop_of_another_generation_is_not(client):
    await put(client)
    with pytest.raises(GenerationMismatch):
        await client.stop(NAME, 9, Reason.USER)


async def test_a_stop_of_whatever_there_is_is_written(client):
    await put(client)
    assert (await client.stop(NAME, None, Reason.USER)).desired is Desired.STOPPED


async def test_a_claim_can_be_given_up_and_looked_at(client):
    await put(client)
    assert (await client.get(NAME)).desired is Desired.RUNNING
    assert (await client.delete(NAME)).desired is Desired.DELETED


@pytest.mark.parametrize("ask", ["get", "delete"])
async def test_a_claim_that_is_not_there_is_said_to_be_not_there(client, ask):
    with pytest.raises(ClaimNotFound):
        await getattr(client, ask)(NAME)


async def test_a_refusal_keeps_its_class_and_its_sentence(client, controller):
    public = say("Not {this}.", this="one")
    controller.refuse_put = SpecificationRefused("inside", public=public)
    with pytest.raises(SpecificationRefused) as refused:
        await put(client)
    assert refused.value.public == public
    assert "inside" not in str(refused.value)


async def test_a_refusal_of_the_cloud_is_one_of_ours(client, controller):
    controller.refuse_put = CapacityError()
    with pytest.raises(CapacityError):
        await put(client)


def test_a_refusal_that_is_new_to_this_version_keeps_its_sentence():
    body = {"error": "moon-phase", "sentence": {"message": "Not at full moon.", "values": {}}}
    error = error_of(409, body)
    assert error.public.text() == "Not at full moon."
    assert not isinstance(error, ControllerUnavailable)


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {},
        {"error": ["x"], "sentence": 7},
        {"error": "x", "sentence": {"message": "{gone}", "values": {}}},
        {"error": "x", "sentence": {"message": None, "values": None}},
    ],
)
def test_an_answer_that_is_no_answer_is_an_outage(body):
    assert isinstance(error_of(500, body), ControllerUnavailable)
    assert isinstance(error_of(404, body), ControllerUnavailable)


async def test_nobody_at_home_is_an_outage_in_which_nothing_was_sent(client, controller):
    await controller.close()
    with pytest.raises(ControllerUnavailable) as refused:
        await put(client)
    assert certainly_not_sent(refused.value)


async def test_a_lost_answer_is_an_outage_in_which_something_may_have_been(client, controller):
    controller.lose_put = True
    with pytest.raises(ControllerUnavailable) as refused:
        await put(client)
    assert not certainly_not_sent(refused.value)
    assert controller.only().desired is Desired.RUNNING


async def test_a_wrong_token_is_an_outage_and_not_a_crash(controller):
    other = ControllerClient(controller.api, "another", clock=Hasty())
    with pytest.raises(ControllerUnavailable):
        await other.get(NAME)
    await other.close()


# -- the stream -----------------------------------------------------------------------------


async def test_the_snapshot_fills_the_memory(following):
    assert following.mirror.claims == {}
    assert set(following.mirror.sizes) == {"g4dn.xlarge", "g5.xlarge"}
    assert (following.mirror.observed, following.mirror.number) == (True, 40)


async def test_before_the_snapshot_nothing_is_known(client):
    assert not client.mirror.ready
    assert not client.mirror.observed


async def test_a_change_wakes_who_waits_for_that_claim(following, controller):
    await put(following)
    waiting = asyncio.ensure_future(
        seen(following, lambda: following.mirror.claims[NAME].stage is Stage.BOOT)
    )
    controller.happens(Stage.BOOT, "It boots.")
    await waiting


async def test_waiting_ends_when_the_time_is_over(following):
    assert await following.wait_for(NAME, lambda: False, 1.0) is False


async def test_waiting_for_what_is_already_so_does_not_wait(following):
    following.clock.held = True
    assert await following.wait_for(NAME, lambda: True, 1.0) is True


async def test_a_claim_that_is_forgotten_is_forgotten(following, controller):
    await put(following)
    controller.forget(NAME)
    await seen(following, lambda: NAME not in following.mirror.claims)


async def test_sizes_and_the_first_listing_are_told(controller, client):
    controller.observed = False
    client.follow()
    await seen(client, lambda: client.mirror.ready)
    assert not client.mirror.observed
    controller.see_the_cloud()
    controller.tell({"type": "sizes", "sizes": []})
    await seen(client, lambda: client.mirror.observed and not client.mirror.sizes)


async def test_a_cut_stream_is_followed_again_from_a_snapshot(following, controller):
    controller.drop_streams()
    await controller.until(lambda: controller.connections == 2)
    await put(following)
    controller.happens(Stage.BOOT, "It boots.")
    await seen(following, lambda: following.mirror.claims[NAME].stage is Stage.BOOT)


async def test_a_missing_event_makes_a_new_snapshot(following, controller):
    controller.lose_an_event()
    controller.sizes = []
    controller.tell({"type": "observed"})
    await seen(following, lambda: not following.mirror.sizes)
    assert controller.connections == 2


async def test_no_missing_event_makes_none(following, controller):
    for _ in range(3):
        controller.tell({"type": "observed"})
    await seen(following, lambda: following.mirror.number == 43)
    assert controller.connections == 1


async def test_silence_makes_a_new_connection(controller):
    impatient = ControllerClient(controller.api, TOKEN, clock=Hasty(), silence=0.05)
    impatient.follow()
    await asyncio.wait_for(controller.until(lambda: controller.connections > 1), 10)
    await impatient.close()


async def test_what_is_not_the_protocol_makes_a_new_connection_and_no_noise(following, controller):
    controller.tell({"type": "claim", "claim": {"name": 7}})
    await asyncio.wait_for(controller.until(lambda: controller.connections > 1), 10)


async def test_a_controller_that_comes_later_is_found(controller):
    port = controller.port
    await controller.close()
    client = ControllerClient(controller.api, TOKEN, silence=5)
    client.follow()
    with pytest.raises(ControllerUnavailable):
        await client.get(NAME)
    await controller.open(port)
    await seen(client, lambda: client.mirror.ready)
    await client.close()


async def test_a_snapshot_longer_than_any_buffer_is_read(controller):
    await FakeControllerFill.many(controller, 400)
    client = ControllerClient(controller.api, TOKEN, clock=Hasty())
    client.follow()
    await seen(client, lambda: client.mirror.ready)
    assert len(client.mirror.claims) == 400
    await client.close()


class FakeControllerFill:
    @staticmethod
    async def many(controller, count):
        filler = ControllerClient(controller.api, TOKEN, clock=Hasty())
        first = await put(filler)
        await filler.close()
        values = {name: getattr(first, name) for name in type(first).__slots__}
        for number in range(count):
            name = f"{NAME[:-3]}{number:03d}"
            controller.claims[name] = type(first)(**(values | {"name": name}))
        del controller.claims[NAME]


async def test_one_client_serves_everybody_in_the_hub(controller):
    one = ControllerClient.shared(controller.api, TOKEN)
    assert ControllerClient.shared(controller.api, TOKEN) is one
    await seen(one, lambda: one.mirror.ready)
    assert controller.connections == 1
    await ControllerClient.close_shared()


async def test_another_controller_has_another_client(controller):
    one = ControllerClient.shared(controller.api, TOKEN)
    assert ControllerClient.shared(controller.api + "/x", TOKEN) is not one
    await ControllerClient.close_shared()


# -- the memory alone -----------------------------------------------------------------------


def snapshot(number=1, claims=()):
    return {
        "type": "snapshot",
        "number": number,
        "observed": True,
        "claims": [view.to_json() for view in claims],
        "sizes": [],
    }


async def test_an_answer_is_not_forgotten_for_an_older_snapshot(client):
    view = await put(client)
    mirror = Mirror()
    mirror.connect()
    mirror.learn(view)
    mirror.apply(snapshot())
    assert mirror.claims == {NAME: view}


async def test_a_newer_snapshot_is_believed_whole(client):
    view = await put(client)
    mirror = Mirror()
    mirror.learn(view)
    mirror.connect()
    mirror.apply(snapshot())
    assert mirror.claims == {}


@pytest.mark.parametrize(("number", "fits"), [(2, True), (1, False), (3, False)])
def test_only_the_next_number_fits(number, fits):
    mirror = Mirror()
    mirror.apply(snapshot())
    event = {"type": "observed", "number": number}
    if fits:
        mirror.apply(event)
    else:
        with pytest.raises(Gap):
            mirror.apply(event)


@pytest.mark.parametrize(("number", "fits"), [(1, True), (2, False)])
def test_a_ping_repeats_the_last_number(number, fits):
    mirror = Mirror()
    mirror.apply(snapshot())
    ping = {"type": "ping", "number": number}
    if fits:
        mirror.apply(ping)
    else:
        with pytest.raises(Gap):
            mirror.apply(ping)


def test_a_stream_that_does_not_begin_with_a_snapshot_has_a_gap():
    with pytest.raises(Gap):
        Mirror().apply({"type": "observed", "number": 1})


# -- lines, and turns -----------------------------------------------------------------------


async def read_lines(*chunks):
    async def arriving():
        for chunk in chunks:
            yield chunk

    return [line async for line in lines(arriving())]


@given(
    texts=st.lists(st.binary(max_size=9).map(lambda text: text.replace(b"\n", b"")), max_size=6),
    cuts=st.lists(st.integers(0, 60), max_size=8),
    end=st.binary(max_size=4).map(lambda text: text.replace(b"\n", b"")),
)
def test_however_the_stream_is_cut_its_lines_are_the_same(texts, cuts, end):
    whole = b"".join(text + b"\n" for text in texts) + end
    at = [0, *sorted(min(cut, len(whole)) for cut in cuts), len(whole)]
    chunks = [whole[begin:stop] for begin, stop in itertools.pairwise(at)]
    assert asyncio.run(read_lines(*chunks)) == [text for text in texts if text.strip()]


async def test_a_line_that_has_not_ended_is_not_told():
    assert await read_lines(b'{"a"', b": 1}\n{") == [b'{"a": 1}']


class Counting:
    """In the place of the HTTP session: notes in which turn of the event loop a request begins."""

    closed = False

    def __init__(self):
        self.turn, self.begun = 0, []

    async def count(self):
        while True:
            self.turn += 1
            await asyncio.sleep(0)

    def request(self, *_args, **_more):
        self.begun.append(self.turn)
        raise OSError("nobody is there")


async def begin_together(many):
    session, client = Counting(), ControllerClient("http://127.0.0.1:1", TOKEN, clock=Hasty())
    client._http = session
    counting = asyncio.create_task(session.count())
    ended = await asyncio.gather(*(client.get(NAME) for _ in range(many)), return_exceptions=True)
    counting.cancel()
    assert {type(one) for one in ended} == {ControllerUnavailable}
    return Counter(session.begun)


async def test_a_class_that_starts_together_leaves_the_loop_a_turn_now_and_then():
    turns = await begin_together(100)
    assert sum(turns.values()) == 100
    assert max(turns.values()) <= 20


async def test_a_few_that_start_together_do_not_wait_for_each_other():
    turns = await begin_together(15)
    assert list(turns.values()) == [15]


async def test_requests_that_hang_do_not_keep_the_others_from_beginning(client, controller):
    controller.hold_put = asyncio.Event()
    waiting = [asyncio.create_task(put(client)) for _ in range(40)]
    await asyncio.wait_for(controller.until(lambda: len(controller.requests) == 40), 20)
    with pytest.raises(ClaimNotFound):
        await client.get(NAME)
    controller.hold_put.set()
    await asyncio.gather(*waiting)


async def test_a_controller_that_takes_a_request_and_never_answers_is_an_outage(
    client, controller, monkeypatch
):
    monkeypatch.setattr("gpuspawner.client.REQUEST_SECONDS", 0.05)
    controller.hold_put = asyncio.Event()
    with pytest.raises(ControllerUnavailable, match="PUT"):
        await put(client)
    controller.hold_put.set()


async def test_the_time_that_a_request_waits_for_a_connection_is_not_the_controllers(
    client, controller, monkeypatch
):
    # More than the pool has connections, each answer quick, all of them together not.
    monkeypatch.setattr("gpuspawner.client.REQUEST_SECONDS", 2.0)
    times, ask = [], ClientSession.request

    def noting(self, *args, timeout, **more):
        times.append(timeout)
        return ask(self, *args, timeout=timeout, **more)

    monkeypatch.setattr(ClientSession, "request", noting)
    await asyncio.gather(*(put(client) for _ in range(120)))
    assert {(one.total, one.connect) for one in times} == {(None, None)}
    assert {(one.sock_connect, one.sock_read) for one in times} == {(2.0, 2.0)}
