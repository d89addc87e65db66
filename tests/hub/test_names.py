"""Two servers never share what JupyterHub knows them by."""

from __future__ import annotations

import itertools

import pytest

PAIRS = [("user-x1", "x"), ("user", "x1-x"), ("user-x1-x", ""), ("user-x1", ""), ("user", "")]


def client_id(stage, user, server):
    return stage.user(user).get_or_create_spawner(server, server).oauth_client_id


def test_servers_whose_names_are_the_same_when_joined_have_logins_of_their_own(stage):
    for user in {user for user, _ in PAIRS}:
        stage.student(user)
    ids = [client_id(stage, *pair) for pair in PAIRS]
    assert len(set(ids)) == len(PAIRS), ids


async def test_such_servers_both_start(stage):
    stage.student("user-x1")
    stage.student("user")
    one = await stage.started("user-x1", server="x")
    other = await stage.started("user", server="x1-x")
    assert (one.ready, other.ready) == (True, True)
    environments = [stage.controller.environments[each.claim_name] for each in (one, other)]
    told = [each["JUPYTERHUB_CLIENT_ID"] for each in environments]
    assert told == [one.oauth_client_id, other.oauth_client_id]
    clients = [each.orm_spawner.oauth_client for each in (one, other)]
    assert [each.identifier for each in clients] == told
    callbacks = [each.redirect_uri for each in clients]
    assert [each.split("/user/")[1] for each in callbacks] == [
        "user-x1/x/oauth_callback",
        "user/x1-x/oauth_callback",
    ]


def test_the_default_server_keeps_the_login_that_jupyterhub_gives_it(stage):
    stage.student("al-ice")
    assert stage.spawner("al-ice").oauth_client_id == "jupyterhub-user-al-ice"


@pytest.mark.parametrize(
    ("user", "server"), [*itertools.product(["a!b", "a@b", "한"], ["x", "a-b"])]
)
def test_a_login_is_known_by_a_name_that_a_cookie_may_have(stage, user, server):
    stage.student(user)
    found = client_id(stage, user, server)
    assert found.isascii()
    assert not set(found) & set(' ",;/\\()<>@:[]?={}')
    assert found.count("!") == 1
