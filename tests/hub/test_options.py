"""What students may choose, at the hub's own doors: the form, links and the REST API."""

from __future__ import annotations

import pytest
from jupyterhub import orm
from jupyterhub.tests.utils import api_request


def join(stage, name, group):
    user = stage.student(name)
    member = orm.Group(name=group)
    stage.app.db.add(member)
    member.users.append(user.orm_user)
    stage.app.db.commit()


async def refused(stage, options, name="alice"):
    stage.patient()
    answer = await stage.start(name, options)
    assert answer.status_code == 400
    assert stage.controller.asked("PUT") == []
    return answer.json()["message"]


async def test_no_options_are_the_default_machine(stage):
    stage.student()
    answer = await stage.start(options={})
    assert answer.status_code == 202
    assert stage.controller.only().specification.profile == "t4"


async def test_a_choice_is_what_is_asked_for(stage):
    stage.student()
    await stage.start(options={"profile": "t4", "image": "torch"})
    assert stage.controller.only().specification.display_name == "T4 GPU · torch"


@pytest.mark.parametrize(
    "options",
    [
        {"profile": "x" * 10_000},
        {"profile": ["t4"]},
        {"profile": float("nan")},
        {"profile": {"slug": {"slug": {}}}},
        {"image": "mine"},
        {"sizes": ["p4d.24xlarge"]},
        {"profile": "\ud800"},
    ],
    ids=["10 kB", "list", "NaN", "nested", "outside", "extra key", "half a character"],
)
async def test_hostile_options_are_refused_in_one_sentence(stage, options):
    stage.student()
    message = await refused(stage, options)
    assert len(message) < 500
    assert any(offer in message for offer in ("t4", "T4", "tf, torch"))


async def test_a_body_that_is_no_object_is_refused(stage):
    stage.patient()
    stage.student()
    answer = await api_request(
        stage.app, "users/alice/server", method="post", data="[1, 2]", bypass_proxy=True
    )
    assert answer.status_code == 400


async def test_options_that_have_gone_stale_are_refused_with_what_there_is_now(stage):
    stage.patient()
    user = stage.student()
    user.spawners[""].orm_spawner.user_options = {"profile": "last-year"}
    stage.app.db.commit()
    answer = await stage.start()
    assert answer.status_code == 400
    assert "“last-year” is not to be had" in answer.json()["message"]


async def test_a_machine_of_another_group_is_refused(stage):
    stage.student()
    assert "Pick one of: t4." in await refused(stage, {"profile": "big"})


async def test_a_machine_of_the_own_group_is_not(stage):
    join(stage, "alice", "thesis")
    assert (await stage.start(options={"profile": "big"})).status_code == 202
    assert stage.controller.only().specification.sizes == ("p4d",)


async def test_the_form_shows_a_member_more_machines_than_others(stage):
    join(stage, "alice", "thesis")
    stage.student("bob")
    hers = await stage.spawner("alice").get_options_form()
    his = await stage.spawner("bob").get_options_form()
    assert "$0.526" in hers
    assert "Big" in hers
    assert "Big" not in his


async def test_a_refused_choice_does_not_stop_the_hub_or_leave_a_server(stage):
    stage.student()
    for _ in range(3):
        await refused(stage, {"profile": "none"})
    assert stage.app.tornado_settings["failure_count"] == 0
    assert stage.user().running is False


@pytest.mark.parametrize(
    "stage", [{"profile_list": [{"disply_name": "T4"}]}], indirect=True, ids=["typing mistake"]
)
async def test_a_mistake_of_the_admin_is_told_without_its_details(stage):
    stage.patient()
    stage.student()
    answer = await stage.start()
    assert answer.status_code == 409
    assert "configuration has a mistake" in answer.json()["message"]
    assert "disply_name" not in answer.text
    assert "configuration has a mistake" in await stage.spawner().get_options_form()


async def _later(spawner):
    return [{"display_name": spawner.user.name, "gpuspawner_override": {"sizes": ["a"]}}]


@pytest.mark.parametrize("stage", [{"profile_list": _later}], indirect=True, ids=["callable"])
async def test_the_list_may_be_made_for_each_student(stage):
    stage.student()
    await stage.start()
    assert stage.controller.only().specification.display_name == "alice"
