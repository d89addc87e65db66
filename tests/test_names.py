"""Whoever is called like somebody else, nearly: a claim's name is one server's and nobody else's."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace

import pytest
from bs4 import BeautifulSoup
from hypothesis import assume, example, given
from hypothesis import strategies as st

from gpuspawner import names
from gpuspawner.model import Desired, Owner, Placement, Power, Specification
from gpuspawner.names import claim_name, is_claim_name
from gpuspawner.providers import aws_requests
from gpuspawner.providers.base import HomeRequest, MachineRequest
from gpuspawner.providers.user_data import render
from gpuspawner.settings.aws_record import AWSRecord
from gpuspawner.views import ClaimView
from gpuspawner.web.pages import _environment
from gpuspawner.web.people import Person, PersonHandler
from gpuspawner.web.rows import Row
from gpuspawner.web.words import WORDS
from tests.confusable import BAD, NAMES, lookalikes, split_alike

HUB = "0badcafe"
RECORD = AWSRecord("us-east-1", "ami-1", ("g4dn.xlarge",))
PLACE = Placement("us-east-1", "us-east-1a", "g4dn.xlarge")
IMAGE = aws_requests.Image("ami-1", "/dev/sda1", 30)
NOON = datetime(2026, 3, 2, 12, tzinfo=timezone.utc)
CLAIM = r"gs-[0-9a-f]{8}-[a-z2-7]{26}"
HUBS = st.text("0123456789abcdef", min_size=8, max_size=8)


# -- two of them never share a name


@given(lookalikes(), NAMES)
@example(("user", "User"), "")
@example(("e\u0301", "\u00e9"), "")
@example(("a", "\u0430"), "")
@example(("x" * 255, "x" * 256), "")
def test_users_who_look_alike_have_claims_of_their_own(pair, server):
    first, second = pair
    assert (claim_name(HUB, first, server) == claim_name(HUB, second, server)) == (first == second)


@given(NAMES, lookalikes())
def test_servers_that_look_alike_have_claims_of_their_own(user, pair):
    first, second = pair
    assert (claim_name(HUB, user, first) == claim_name(HUB, user, second)) == (first == second)


@given(split_alike())
@example((("user-1", "x"), ("user", "1-x")))
@example((("user", ""), ("", "user")))
@example((('a", "b', "c"), ("a", 'b", "c')))
def test_a_user_and_a_server_are_not_taken_for_another_user_and_server(pairs):
    first, second = pairs
    assert (claim_name(HUB, *first) == claim_name(HUB, *second)) == (first == second)


@given(NAMES, NAMES, HUBS, HUBS)
def test_the_same_user_at_two_hubs_has_two_claims(user, server, one, other):
    assert (claim_name(one, user, server) == claim_name(other, user, server)) == (one == other)


def test_none_of_the_bad_names_shares_a_claim_with_another():
    pairs = [(user, server) for user in BAD for server in BAD]
    names = {claim_name(HUB, user, server) for user, server in pairs}
    assert len(names) == len(set(pairs))


# -- it is safe wherever it is put


@given(NAMES, NAMES, HUBS)
def test_a_claims_name_is_a_safe_label_whatever_it_was_made_from(user, server, hub):
    name = claim_name(hub, user, server)
    assert is_claim_name(name)
    assert re.fullmatch(r"[a-z][a-z0-9-]{36}[a-z0-9]", name)


@pytest.mark.parametrize(
    "text",
    [
        "", "gs-", "gs-0badcafe-", "GS-0badcafe-" + "a" * 26, "gs-0badcafe-" + "A" * 26,
        "gs-0badcafe-" + "a" * 27, "gs-0badcafe-" + "a" * 26 + "\n", " gs-0badcafe-" + "a" * 26,
        "gs-0badcafe-" + "\u0430" * 26, "gs-0badcafe-" + "0" * 26, "gs-0badcaf\u0435-" + "a" * 26,
    ],
)  # fmt: skip
def test_what_only_looks_like_a_claims_name_is_none(text):
    assert not is_claim_name(text)


def test_a_claims_name_never_changes_or_every_machine_would_lose_its_student():
    assert claim_name(HUB, "alice") == "gs-0badcafe-egyiumnvwdfxjgexsgc443wtm6"
    assert claim_name(HUB, "한글", "서버 1") == "gs-0badcafe-pm2chcemx5kwbm2srzeciw6ihf"
    assert claim_name(HUB, "nul\0", "\ud800") == "gs-0badcafe-paiibbpfpb4aiwjqoewolg2n2s"


# -- what the cloud is told

AWS_TEXT = re.compile(r"[\w .:/=+\-@]*")
"""What AWS allows in a tag everywhere; letters and digits of all scripts are among it."""


def asked(user: str, server: str) -> tuple[dict, dict, bytes]:
    """What is sent for a machine and for a home of this server, and the machine's user data."""
    claim = claim_name(HUB, user, server)
    intent = "5a1c9a52-0a29-4a6e-a7c6-000000000000"
    data = render("https://hub.example.org/agent", f"{intent}.{'0' * 64}", "")
    machine = MachineRequest(intent, claim, "7", 1, PLACE, "", 60, data)
    home = HomeRequest("token", claim, "7", PLACE.region, PLACE.zone, 20)
    return (
        aws_requests.run_instances(machine, RECORD, HUB, IMAGE, "subnet-1", ()),
        aws_requests.create_volume(home, RECORD, HUB),
        data,
    )


def tags(request: dict) -> list[dict[str, str]]:
    """The tags of everything that a request makes."""
    return [
        {tag["Key"]: tag["Value"] for tag in one["Tags"]} for one in request["TagSpecifications"]
    ]


@given(NAMES, NAMES)
def test_tags_keep_the_clouds_rules_and_carry_the_claim_alone(user, server):
    machine, home, data = asked(user, server)
    plain, plain_home, plain_data = asked("alice", "")
    mine, theirs = claim_name(HUB, user, server), claim_name(HUB, "alice")
    for found in (*tags(machine), *tags(home)):
        assert len(found) <= 50
        assert found["gpuspawner:claim"] == found["Name"] == mine
        for key, value in found.items():
            assert 0 < len(key) <= 128
            assert len(value) <= 256
            assert AWS_TEXT.fullmatch(key)
            assert AWS_TEXT.fullmatch(value)
            assert not key.lower().startswith("aws:")
    # The claim's name is all that differs from anybody else's request: nothing else of the name's
    # text is in it, so there is nothing to inject and nobody to be known by it.
    assert repr(machine).replace(mine, theirs) == repr(plain)
    assert repr(home).replace(mine, theirs) == repr(plain_home)
    assert data == plain_data


@given(split_alike())
def test_two_servers_never_share_a_tag_that_finds_a_machine_or_a_home(pairs):
    first, second = (asked(*pair) for pair in pairs)
    ours, theirs = (
        {found["gpuspawner:claim"] for request in each[:2] for found in tags(request)}
        for each in (first, second)
    )
    assert (ours & theirs == set()) == (pairs[0] != pairs[1])


# -- pages


def view_of(user: str, server: str) -> ClaimView:
    return ClaimView(
        name=claim_name(HUB, user, server),
        owner=Owner("7", user, server),
        specification=Specification("t4", server, ("g4dn.xlarge",)),
        desired=Desired.STOPPED,
        generation=1,
        desired_at=NOON,
        billed=False,
        power=Power.STOPPED,
        size="g4dn.xlarge",
        zone="us-east-1a",
    )


def page(*who: tuple[str, str]) -> BeautifulSoup:
    """The page of machines as an admin of the first name sees it."""
    text = (
        _environment()
        .get_template("machines.html")
        .render(
            _=lambda message, **values: message.format(**values),
            switched=lambda language: f"?lang={language}",
            say=lambda sentence: (WORDS[sentence] if isinstance(sentence, str) else sentence).text(
                "en"
            ),
            person=Person(who[0][0], admin=True, born="0"),
            rows=[Row(view_of(*one), ()) for one in who],
            problems={claim_name(HUB, *one): one[0] for one in who},
            trouble=f"the cloud says {who[0][0]}",
            language="en",
            xsrf="x",
        )
    )
    return BeautifulSoup(text, "html5lib")


def skeleton(shown: BeautifulSoup) -> list[tuple[str, list[tuple[str, str]]]]:
    """Every element with its attributes; claims' names, which are made from the names, left out."""
    return [
        (tag.name, [(key, re.sub(CLAIM, "gs", str(value))) for key, value in tag.attrs.items()])
        for tag in shown.find_all()
    ]


def printable(text: str) -> str:
    """As a browser keeps it: it has its own way with line ends, NUL and unpaired surrogates."""
    return re.sub(r"[\r\n\0\ud800-\udfff\ufffd]+", "", text)


@given(lookalikes(), NAMES)
@example(("<svg onload=alert(1)>", "&lt;svg onload=alert(1)&gt;"), '" onmouseover="x')
@example(("</script><script>alert(1)</script>", "{{7*7}}"), "'><b>")
def test_a_page_has_the_same_elements_whatever_people_are_called(pair, server):
    assume(pair[0] != pair[1])
    assume(server)  # an empty one is shown as a word of ours
    shown = page((pair[0], server), (pair[1], server))
    assert skeleton(shown) == skeleton(page(("alice", "x"), ("bob", "x")))
    cells = [row.find_all("td") for row in shown.select("[data-claim]")]
    for user, row in zip(pair, cells, strict=True):
        assert printable(row[0].get_text()) == printable(user)
        assert printable(row[1].get_text()) == printable(server)


def seen_by(name: str, *, views: list[ClaimView]) -> list[ClaimView]:
    """The machines that the hub's user of this name is shown."""
    handler = SimpleNamespace(
        person=Person(name, admin=False, born="7"),
        services=SimpleNamespace(board=SimpleNamespace(views={one.name: one for one in views})),
    )
    return PersonHandler.machines(handler)


@given(lookalikes(), NAMES)
def test_nobody_is_shown_the_machine_of_somebody_who_is_called_nearly_the_same(pair, server):
    first, second = pair
    views = [view_of(first, server), view_of(second, server)]
    assert [one.owner.user_name for one in seen_by(first, views=views)] == [first]
    assert [one.owner.user_name for one in seen_by(second, views=views)] == [second]


def test_a_number_that_the_hub_gives_again_is_another_user():
    first = datetime(2026, 3, 2, 9, 0, 0, 123456, tzinfo=timezone.utc)
    assert names.user_id(7, first) != names.user_id(7, first + timedelta(microseconds=1))


def test_the_hubs_database_and_its_api_say_the_same_of_a_user():
    said = datetime(2026, 3, 2, 9, 0, 0, 123456, tzinfo=timezone.utc)
    assert names.born(said) == names.born(said.replace(tzinfo=None)) == "1772442000123456"
    assert names.born_of(names.user_id(7, said)) == names.born(said)
    assert names.born_of(names.expected_id("a-b", names.born(said))) == names.born(said)
    assert names.user_id(7, None) == "7-0"
