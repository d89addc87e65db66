"""The hub's own pages as students get them: both languages, no mistake in a template."""

from __future__ import annotations

import pytest
from bs4 import BeautifulSoup

from gpuspawner.model import Reason


async def render(stage, template, **names):
    """The template as the hub renders it for alice."""
    user = stage.user()
    environment = stage.app.tornado_settings["jinja2_env"]
    common = {
        "base_url": "/hub/",
        "prefix": "/",
        "user": user,
        "login_url": "/hub/login",
        "logout_url": "/hub/logout",
        "static_url": lambda path, **_: f"/static/{path}",
        "services": [],
        "parsed_scopes": {},
        "xsrf": "x",
        "xsrf_token": "x",
    }
    text = await environment.get_template(template).render_async(**common | names)
    return BeautifulSoup(text, "html5lib")


def said(page, selector):
    found = page.select_one(selector)
    assert found is not None, selector
    english = found.select_one(".gpuspawner-say[lang=en]") or found
    return english.get_text(strip=True)


async def test_home_offers_a_start_when_nothing_runs(stage):
    user = stage.student()
    page = await render(stage, "home.html", default_server=user.spawner, url="/hub/spawn/alice")
    assert said(page, ".gs-state").startswith("Off")
    assert said(page, "#start") == "Choose a machine and start"
    assert page.select_one("#stop") is None


async def test_home_offers_the_lab_and_a_stop_when_it_runs(stage):
    stage.student()
    spawner = await stage.started()
    page = await render(stage, "home.html", default_server=spawner, url="/user/alice")
    assert said(page, ".gs-state") == "Running"
    assert said(page, "#start") == "Open JupyterLab"
    assert page.select_one("#stop").name == "button"


async def test_every_sentence_is_there_in_both_languages(stage):
    user = stage.student()
    page = await render(stage, "home.html", default_server=user.spawner, url="/x")
    sentences = page.select(".gpuspawner-say")
    assert len(sentences) > 10
    assert len([s for s in sentences if s["lang"] == "ko"]) == len(sentences) / 2


async def test_the_cancel_button_reaches_a_named_server(stage):
    stage.student()
    spawner = await stage.pending(server="second")
    page = await render(stage, "spawn_pending.html", spawner=spawner, progress_url="/p")
    assert '"/hub/api/users/alice/servers/second"' in str(page)
    assert [row["data-stage"] for row in page.select(".gs-stages li")] == [
        "capacity",
        "machine",
        "boot",
        "home",
        "server",
    ]


async def test_the_start_page_shows_a_refusal_in_both_languages(stage):
    user = stage.student()
    page = await render(
        stage,
        "spawn.html",
        for_user=user,
        url="/x",
        spawner_options_form=await user.spawner.get_options_form(),
        error_message="plain",
        html_error_message='<span lang="ko">한국어</span>',
    )
    assert page.select_one(".spawn-error-msg").get_text() == "한국어"
    assert page.select_one("input[type=radio][name=profile][checked]")["value"] == "t4"


async def test_a_server_that_a_rule_stopped_says_why(stage):
    stage.student()
    spawner = await stage.started()
    stage.controller.ends(Reason.MACHINE_ENDED, "Nobody used it for 30 min.")
    await spawner.client.wait_for(spawner.claim_name, lambda: not spawner.view.billed)
    await spawner.poll_and_notify()
    page = await render(stage, "not_running.html", server_name="", spawn_url="/s")
    assert "Nobody used it for 30 min." in page.get_text()
    assert page.select_one("#start")["href"] == "/s"


@pytest.mark.parametrize(
    ("template", "names"),
    [
        ("not_running.html", {"server_name": "", "spawn_url": "/s", "failed": True}),
        ("stop_pending.html", {}),
        ("404.html", {"status_code": 404, "message": "no"}),
        ("error.html", {"status_code": 500, "message_html": "no"}),
        ("login.html", {"authenticator": None, "login_service": "x"}),
    ],
)
async def test_the_other_pages_are_in_both_languages_too(stage, template, names):
    stage.student()
    page = await render(stage, template, **names)
    assert page.select(".gpuspawner-say[lang=ko]")
