"""What happens to your bill when a start does not go as it should. Real processes throughout."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from gpuspawner.model import Stage
from tests.faults import bill_campus as look
from tests.faults.bill_table import bill
from tests.faults.campus import ROOT, campus

START = "Starting"
SECRET_TEXT = (
    "User: arn:aws:iam::123456789012:user/hub is not authorized to perform: ec2:RunInstances. "
    "Encoded authorization failure message: Zm9vYmFy"
)
MORE = f"""
c.GPUSpawner.http_timeout = 8
c.GPUSpawner.controller_timeout = 3
{look.HASTY}
"""


@pytest.fixture(scope="module")
def university(tmp_path_factory):
    """The students whose starts take their time press Start at once; each test looks at its own."""
    with campus(tmp_path_factory.mktemp("starts"), more=MORE) as one:
        for user in ("silent", "hasty-maker", "hasty-mute"):
            one.student(user)
        look.behaves(one, "silent", "unready")
        look.behaves(one, "hasty-mute", "mute")
        look.creating(one, "hasty-maker", delay=11)
        # The one whose request takes long comes first: nobody else has to wait for it.
        for user in ("hasty-maker", "silent", "hasty-mute"):
            assert one.start(user) == 202
        yield one


# -- starts that come to nothing ------------------------------------------------------------


@bill(
    START,
    when="the machine comes up, but its server never answers the hub",
    happens="The hub waits for `c.GPUSpawner.http_timeout`, and then stops the machine. Until the "
    "machine is off, the hub does not forget it.",
    billed="The machine, from its boot until it is stopped.",
    student="That the server did not answer in time. The next start takes the same machine.",
)
def test_a_server_that_never_answers_is_stopped(university):
    one = university
    one.until(lambda: look.lines(one, "silent"))
    one.until(lambda: one.gone("silent"))
    assert look.running_up(one, "silent") == []
    assert "didn't respond" in look.told(one, "silent")
    one.until(lambda: look.over(one, "silent"))
    first = one.machine("silent")
    assert one.started("silent")["id"] == first["id"]


@bill(
    START,
    when="a start runs out of time while the cloud is still making the machine",
    happens="The start is given up. The machine that the cloud makes after all is found by its "
    "tags and its intent, and stopped.",
    billed="The machine, from its late boot until it is stopped: less than a minute, for which "
    "the cloud's minimum of one minute is due.",
    student="That the machine did not come up in time, and that the files are safe.",
)
def test_a_start_that_runs_out_of_time_in_mid_create_leaves_nothing_running(university):
    one = university
    one.until(lambda: one.gone("hasty-maker"))
    assert "in time" in look.told(one, "hasty-maker")
    one.until(lambda: look.all_machines(one, "hasty-maker"))
    one.until(lambda: look.over(one, "hasty-maker"))
    assert [machine["state"] for machine in look.all_machines(one, "hasty-maker")] == ["stopped"]


@bill(
    START,
    when="the student presses Stop while the cloud is still making the machine",
    happens="The request to the cloud is not cut off. What it makes is stopped, and kept for the "
    "next start.",
    billed="At most the machine's first seconds, for which the cloud's minimum of one minute is due.",
    student="The server as stopped. The next start takes that very machine.",
)
def test_a_stop_in_mid_create_leaves_nothing_running(university):
    one = university
    one.student("fickle")
    look.creating(one, "fickle", delay=2, count=1)
    assert one.start("fickle") == 202
    one.until(lambda: look.asked(one, "fickle"))
    assert one.stop("fickle") in (202, 204)
    one.until(lambda: look.all_machines(one, "fickle"))
    one.until(lambda: look.over(one, "fickle"))
    first = one.machine("fickle")
    assert one.started("fickle")["id"] == first["id"]
    assert len(look.all_machines(one, "fickle")) == 1


@bill(
    START,
    when="the machine boots and is never heard of",
    happens="When the time for the start is over, the machine is stopped.",
    billed="The machine, for as long as a start may take at most (`c.GPUSpawner.start_timeout`).",
    student="That the machine did not come up in time, and that the files are safe.",
)
def test_a_machine_that_never_speaks_is_stopped_when_the_start_is_over(university):
    one = university
    one.until(lambda: one.gone("hasty-mute"))
    assert "in time" in look.told(one, "hasty-mute")
    one.until(lambda: look.over(one, "hasty-mute"))
    assert len(look.lines(one, "hasty-mute")) == 1


@bill(
    START,
    when="JupyterLab does not start on the machine",
    happens="The machine says so itself, and is stopped at once; the end of the server's log is "
    "kept for the administrator.",
    billed="The machine, for the time of the attempt.",
    student="That JupyterLab did not start, and that the files are safe.",
)
def test_a_server_that_fails_on_the_machine_ends_the_bill_at_once(university):
    one = university
    one.student("broken")
    look.behaves(one, "broken", "fails")
    assert one.start("broken") == 202
    one.until(lambda: one.gone("broken"))
    assert "JupyterLab did not start" in look.told(one, "broken")
    one.until(lambda: look.over(one, "broken"))
    assert one.rows(
        "SELECT detail FROM audit WHERE claim = ? AND detail LIKE '%cardboard%'",
        one.claim_of("broken"),
    )


# -- what the cloud refuses -----------------------------------------------------------------


@bill(
    START,
    when="the cloud has no machine left, again and again",
    happens="Each place on the list is asked once for the whole class, and what it said is remembered "
    "for `c.Controller.capacity_memory`; nothing is retried behind the student's back. Such refusals "
    "do not count towards `consecutive_failure_limit`, so the hub does not exit.",
    billed="Nothing.",
    student="That there is no free machine of this kind now. Other kinds can be started.",
)
def test_no_capacity_for_more_students_than_the_failure_limit_does_not_end_the_hub(university):
    one = university
    zones = one.kind.zones(one.cloud("seed"))
    crowd = [f"unlucky{number}" for number in range(5)]  # consecutive_failure_limit is 3
    with look.trouble(one, {"kind": "capacity", "type": "g5.xlarge", "limit": 0}):
        for user in crowd:
            one.student(user)
            assert one.start(user, options={"profile": "a10g"}) in (202, 409)
            one.until(lambda user=user: one.gone(user))
            assert "no free machine of this kind" in look.told(one, user)
        asked = [state for user in crowd for state in look.attempts(one, user)]
    assert one.alive("hub")
    assert set(asked) == {"refused"}
    assert len(asked) <= zones
    assert [machine for user in crowd for machine in look.all_machines(one, user)] == []
    assert one.started("lucky")["state"] == "running"


@bill(
    START,
    when="the cloud refuses with a technical message",
    happens="The message goes to the log and to `gpuspawner status`, for the administrator.",
    billed="Nothing.",
    student="A sentence that says what to do next; never the cloud's own words, which may name "
    "the account.",
)
def test_the_clouds_own_words_reach_the_administrator_and_not_the_student(university):
    one = university
    one.student("curious")
    look.creating(one, "curious", code="UnauthorizedOperation", message=SECRET_TEXT)
    status, answer = one.hub("POST", "users/curious/server")
    assert status in (202, 403, 409)
    one.until(lambda: one.gone("curious"))
    events = look.story(one, "curious")
    assert "may not use the cloud account" in events[-1]["message"]
    code = one.kind.word("UnauthorizedOperation")
    for leak in ("arn:", "123456789012", code, "Encoded"):
        assert leak not in f"{answer}{events}{one.hub('GET', 'users/curious')}"
    assert "123456789012" in f"{one.api('status')[1]}"
    assert look.all_machines(one, "curious") == []


@bill(
    START,
    when="the cloud makes the machine and its answer is lost",
    happens="The same request is sent again with the same token, and answered with the same machine.",
    billed="One machine.",
    student="Nothing of it.",
)
def test_a_lost_answer_does_not_make_a_second_machine(university):
    one = university
    one.student("doubtful")
    look.creating(one, "doubtful", drop=True, when="after", count=2)
    machine = one.started("doubtful")
    assert [each["id"] for each in look.all_machines(one, "doubtful")] == [machine["id"]]
    assert len(look.lines(one, "doubtful")) == 1


@bill(
    START,
    when="the same student presses Start ten times at once",
    happens="The first one starts; the others are told that a start is under way.",
    billed="One machine.",
    student="One server.",
)
def test_ten_starts_at_once_make_one_machine(university):
    one = university
    one.student("eager")
    with ThreadPoolExecutor(10) as pool:
        statuses = list(pool.map(lambda _: one.start("eager"), range(10)))
    assert set(statuses) <= {201, 202, 400}
    assert 202 in statuses or 201 in statuses
    one.until(lambda: one.ready("eager"))
    assert len(look.all_machines(one, "eager")) == len(look.lines(one, "eager")) == 1


# -- the service behind the hub -------------------------------------------------------------


@bill(
    START,
    when="the service that makes the machines hangs while a start is asked for",
    happens="The start is refused after `c.GPUSpawner.controller_timeout`. When the service wakes up "
    "and carries out the old request after all, the hub sees it and takes it back.",
    billed="Nothing; or, when the service has woken up, at most a machine's first seconds, for which "
    "the cloud's minimum of one minute is due.",
    student="That the service does not answer, and that trying again in a minute is safe.",
)
def test_a_start_that_hung_leaves_nothing_running_when_the_controller_wakes_up(university):
    one = university
    one.student("patient")
    one.freeze("controller")
    try:
        assert one.start("patient") == 202
        one.until(lambda: one.gone("patient"))
        assert "does not answer" in look.told(one, "patient")
    finally:
        one.thaw("controller")
    one.until(lambda: one.api("status")[0] == 200)
    one.until(lambda: look.over(one, "patient"))
    one.started("later")  # whatever was in the line before it has been carried out
    one.until(lambda: look.over(one, "patient"))
    assert len(look.lines(one, "patient")) <= 1


@bill(
    START,
    when="somebody turns on `JupyterHub.internal_ssl`",
    happens="The hub does not start, and names the setting: machines have no certificates of the "
    "hub's. If it is turned on where the hub cannot see it in time, each start is refused.",
    billed="Nothing new. Machines that run are looked after as long as the controller runs.",
    student="No hub, until the administrator has turned it off.",
)
def test_a_hub_with_internal_ssl_does_not_start(university, tmp_path):
    one = university
    file = tmp_path / "jupyterhub_config.py"
    start = "c = get_config()\n"
    text = one.config.read_text()
    assert start in text
    file.write_text(text.replace(start, f"{start}c.JupyterHub.internal_ssl = True\n"))
    done = subprocess.run(
        [sys.executable, "-m", "jupyterhub", "--config", str(file)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    assert "c.JupyterHub.internal_ssl is not supported" in done.stderr
    assert one.alive("hub")


# -- what a start shows, and what it must not show ------------------------------------------


@bill(
    START,
    when="the page of a starting server stays open after the start has ended",
    happens="The stream of events ends with the start; no event is repeated.",
    billed="The machine that was started.",
    student="Each step once, and then the server.",
)
def test_the_progress_of_a_start_ends_with_it(university):
    one = university
    one.student("watcher")
    assert one.start("watcher") in (201, 202)
    events = look.story(one, "watcher")
    assert events[-1]["ready"] is True
    shown = [(event.get("message"), event.get("progress")) for event in events]
    assert len(set(shown)) == len(shown)
    stages = [event["stage"] for event in events if event.get("stage")]
    # One may have two sentences (the machine is on; and the files are plugged in), one after the other.
    assert stages == sorted(stages, key=[stage.value for stage in Stage].index)
    one.until(lambda: one.ready("watcher"))


@bill(
    START,
    when="somebody reads the machine's user data, its tags, the process list or the logs",
    happens="There is no secret in any of them: the server's token is fetched by the machine "
    "itself, with a key of its own.",
    billed="Nothing that the student did not start.",
    student="Nothing of it.",
)
def test_no_secret_is_in_user_data_tags_command_lines_or_logs(university):
    one = university
    machine = one.started("careful")
    hashed = one.page("careful", "/stub")[1]["token_sha256"]
    secrets = _secrets(one, machine)
    assert secrets.is_token(secrets.handed_out["JUPYTERHUB_API_TOKEN"], hashed)
    public = {
        "user data": secrets.user_data,
        "tags": f"{machine['tags']}",
        "command lines": _command_lines(),
        "the machine's console": secrets.console,
        "what the controller shows": f"{one.api('status')}{one.api('claims')}",
        "the controller's database": one.folder.joinpath("gpuspawner.sqlite")
        .read_bytes()
        .decode(errors="replace"),
        **{path.name: path.read_text(errors="replace") for path in one.folder.glob("*.log")},
    }
    found = [
        (place, kind)
        for place, text in public.items()
        for kind, secret in (
            ("the server's token", secrets.handed_out["JUPYTERHUB_API_TOKEN"]),
            ("the hub's secret", one.secret.read_text().strip()),
            ("the service's token", secrets.identity.service_token),
            ("the claims' token", secrets.identity.claims_token),
            ("the machine's key", secrets.key),
        )
        if secret in text
    ]
    assert found == []


@bill(
    START,
    when="a student's own program speaks to the controller as the machine does",
    happens="A machine can say how far it is, and that it lives. What else it sends is ignored.",
    billed="What the student started; nothing that was said changes it.",
    student="The same server as before.",
)
def test_what_a_machine_says_of_itself_changes_no_bill(university):
    one = university
    machine = one.started("clever")
    before = one.view("clever")
    secrets = _secrets(one, machine)
    wishes = {"desired": "deleted", "size": "p5.48xlarge", "owner": {"user_name": "eager"}}
    heartbeat = {
        "generation": 1, "boot_id": "a", "sequence": 1, "server": "running", "facts": {},
    }  # fmt: skip
    assert secrets.say("heartbeat", {**heartbeat, **wishes})[0] == 200
    assert secrets.say("report", {"generation": 1, "stage": "up", "detail": "", **wishes})[0] == 200
    assert secrets.say("claims", wishes)[0] in (401, 403, 404, 405)
    assert _lasting(one.view("clever")) == _lasting(before)
    assert len(look.running_up(one, "clever")) == 1


def _lasting(view):
    """A view without what changes as time goes by."""
    lasting = {k: v for k, v in view.items() if k not in ("heartbeat_at", "history")}
    credit = {k: v for k, v in (view["credit"] or {}).items() if k != "balance_micros"}
    return {**lasting, "credit": credit}


def _secrets(one, machine):
    """The machine's own secrets, as somebody who is root on it finds them."""
    import hashlib  # noqa: PLC0415
    import json  # noqa: PLC0415

    import boto3  # noqa: PLC0415

    from gpuspawner import identity  # noqa: PLC0415

    ec2 = boto3.client(
        "ec2",
        region_name="us-east-1",
        endpoint_url=f"http://127.0.0.1:{one.cloud_port}",
        aws_access_key_id="x",
        aws_secret_access_key="x",
    )
    import base64  # noqa: PLC0415

    raw = ec2.describe_instance_attribute(InstanceId=machine["id"], Attribute="userData")
    user_data = base64.b64decode(raw["UserData"]["Value"]).decode()
    [key_file] = one.folder.glob(f"ec2/**/{machine['id']}/machine-key")
    key = key_file.read_text()
    ours = json.loads(user_data.partition("\n")[2])["gpuspawner"]
    status, said = one._ask(
        "POST", f"{ours['url']}/register", {"ticket": ours["ticket"], "key": key}
    )
    assert status == 200, said

    def say(path, body, method="POST"):
        url = f"{ours['url']}/{path}"
        return one._ask(method, url, body, f"Bearer {said['machine']}.{key}")

    return SimpleNamespace(
        user_data=user_data,
        key=key,
        say=say,
        handed_out=say("environment", None, "GET")[1]["environment"],
        console=key_file.with_name("console").read_text()
        if key_file.with_name("console").exists()
        else "",
        identity=identity.load(one.secret),
        is_token=lambda token, sha256: hashlib.sha256(token.encode()).hexdigest() == sha256,
    )


def _command_lines():
    """Of every process that can be seen, with its environment left out."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found.append(re.sub(r"\0", " ", path.read_text(errors="replace")))
    assert any("jupyterhub" in line for line in found)
    return "\n".join(found)
