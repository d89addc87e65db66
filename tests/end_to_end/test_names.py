"""People and servers with the worst names, at once, in a real hub: nobody meets anybody else."""

from __future__ import annotations

import base64
import json
import unicodedata
from urllib.parse import quote

import boto3
import pytest

from tests.faults.campus import campus

PAIRS = {
    "case": ("anna", "Anna"),
    "Unicode form": ("\u00e9ve", unicodedata.normalize("NFD", "\u00e9ve")),
    "another script": ("maria", "m\u0430ria"),
    "a shell's command": ("$(id)", "`id`"),
    "HTML and what it is escaped to": ("<svg onload=alert(1)>", "&lt;svg onload=alert(1)&gt;"),
    "a spreadsheet's formula": ("=cmd|'calc'!A1", "'=cmd|'calc'!A1"),
    "emoji": ("\U0001f642", "\U0001f643"),
    "length": ("x" * 255, "x" * 256),
    "a space and what a URL makes of it": ("a b", "a%20b"),
    "NUL": ("nul", "nul\0"),
    "a header": ("a", "a\r\nSet-Cookie: b"),
    "direction of writing": ("txt", "\u202etxt"),
    "an attribute": ('" onmouseover="x', "&quot; onmouseover=&quot;x"),
    "a template": ("{{7*7}}", "49"),
}
SERVERS = (("user-x1", "x"), ("user", "x1-x"))
"""Two users with a server each, whose texts are the same when they are put together."""
pytestmark = pytest.mark.timeout(240)
WHO = [(name, "") for pair in PAIRS.values() for name in pair] + list(SERVERS)


TAGS = ("claim", "hub", "intent", "owner", "role")


def quoted(text: str) -> str:
    """As a part of a path."""
    return quote(text, safe="")


def service(school, path: str, token: str):
    """A page of the controller, as the person whose token it is."""
    return school._ask(
        "GET", f"{school.controller_url}/services/gpuspawner/{path}", None, f"token {token}"
    )


def user_data(ec2, machine_id: str) -> dict:
    """What a machine was given by the cloud."""
    found = ec2.describe_instance_attribute(InstanceId=machine_id, Attribute="userData")
    head, body = base64.b64decode(found["UserData"]["Value"]).decode().splitlines()
    assert head == "#cloud-config"
    return json.loads(body)["gpuspawner"]


@pytest.fixture(scope="module")
def school(tmp_path_factory):
    """All of them have pressed Start at once, and are up."""
    with campus(tmp_path_factory.mktemp("names")) as one:
        for user, _ in WHO:
            one.student(user)
        assert [one.start(*who) for who in WHO] == [202] * len(WHO)
        for who in WHO:
            one.until(lambda who=who: one.ready(*who))
        yield one


def test_everybody_has_a_machine_and_a_home_of_their_own(school):
    machines = [school.machine(*who) for who in WHO]
    assert len({one["id"] for one in machines}) == len(WHO)
    assert len({volume for one in machines for volume in one["volumes"]}) == len(WHO)
    assert [len(one["volumes"]) for one in machines] == [1] * len(WHO)
    assert school.violations() == []
    assert len(school.machines()) == len(WHO)


def test_everybodys_page_is_served_by_the_own_machine_with_the_own_home(school):
    for who in WHO:
        machine = school.machine(*who)
        status, about = school.page(who[0], "/stub", who[1])
        assert status == 200
        assert (about["user"], about["server"]) == who
        assert (about["machine"], about["volumes"]) == (machine["id"], machine["volumes"])
        assert about["home"] == machine["volumes"][0]


def test_a_file_in_one_home_is_in_no_other(school):
    for number, who in enumerate(WHO):
        assert school.page(who[0], "/stub/file/mine", who[1], "PUT", number)[0] == 201
    found = [school.page(who[0], "/stub/file/mine", who[1]) for who in WHO]
    assert found == [(200, number) for number in range(len(WHO))]


def test_everybody_is_shown_the_own_machine_and_nobody_elses(school):
    for user, server in WHO:
        status, token = school.hub("POST", f"users/{quoted(user)}/tokens", {})
        assert status == 201
        status, shown = service(school, "api/v1/machines", token["token"])
        assert status == 200
        owners = [(one["owner"]["user_name"], one["owner"]["server_name"]) for one in shown]
        assert owners == [(user, server)]
        status, page = service(school, "", token["token"])
        claims = {school.claim_of(*who) for who in WHO if school.claim_of(*who) in page}
        assert (status, claims) == (200, {school.claim_of(user, server)})


def test_nothing_of_a_name_is_in_a_tag_or_in_the_user_data(school):
    keys = {"aws_access_key_id": "x", "aws_secret_access_key": "x", "region_name": "us-east-1"}
    ec2 = boto3.client("ec2", endpoint_url=f"http://127.0.0.1:{school.cloud_port}", **keys)
    for user, server in WHO:
        tags = school.machine(user, server)["tags"]
        assert set(tags) == {"Name", *(f"gpuspawner:{key}" for key in TAGS)}
        assert tags["Name"] == tags["gpuspawner:claim"] == school.claim_of(user, server)
        told = user_data(ec2, school.machine(user, server)["id"])
        ticket = told.pop("ticket")
        assert ticket.startswith(tags["gpuspawner:intent"])
        assert told == {
            "version": 1, "url": f"{school.public_url}services/gpuspawner/api/v1/agent"
        }  # fmt: skip
    ec2.close()


# -- what JupyterHub itself makes one, or refuses


def test_a_name_in_capitals_is_at_the_login_the_same_person(school):
    """So it is for `usernames` in the REST interface; a name in its path is taken as it is."""
    assert school.hub("POST", "users", {"usernames": ["ANNA", "MARIA"]})[0] == 409


@pytest.mark.parametrize(
    "name", ["a/b", "../anna", "..", ".", "%2e%2e", " anna", "anna ", "\tanna"]
)
def test_a_name_that_would_be_another_path_is_refused_by_the_hub(school, name):
    status, said = school.hub("POST", f"users/{quoted(name)}")
    assert status == 400, said
    assert school.hub("GET", f"users/{quoted(name)}")[0] == 404


@pytest.mark.parametrize(
    "name", ["X", "1-x", "a b", "\u00e9", "a/b", "..", "-", "<b>", "x" * 300, "nul\0", "\U0001f642"]
)
def test_a_servers_name_of_anything_but_small_letters_is_refused_by_the_hub(school, name):
    assert school.start("user", name) == 400
    assert school.view("user", name) is None


def test_a_name_of_more_than_a_thousand_letters_gets_no_machine_and_an_answer(school):
    name = school.student("y" * 1025)
    assert school.start(name) in (202, 400)
    school.until(lambda: school.gone(name))
    assert (school.machines(name), school.view(name)) == ([], None)
