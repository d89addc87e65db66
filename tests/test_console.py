"""What an admin types on the hub's own host, against a controller that runs."""

from __future__ import annotations

import asyncio
import io
import json
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp import web

from gpuspawner import cli
from gpuspawner.errors import ProviderUnavailable
from tests.controllers.stage import IDENTITY, name_of
from tests.web.house import House, house


@dataclass
class Desk:
    """An admin at a terminal: a configuration file, what was typed, what was printed."""

    config: Path
    capsys: pytest.CaptureFixture[str]
    monkeypatch: pytest.MonkeyPatch

    async def types(self, *words: str, answer: str = "") -> tuple[int, str, str]:
        """Exit code, output and errors of one command; `answer` is typed when it asks."""
        self.monkeypatch.setattr("sys.stdin", io.StringIO(answer))
        code = await asyncio.to_thread(cli.main, [*words, "--config", str(self.config)])
        out, err = self.capsys.readouterr()
        return code, out, err


def desk_at(url: str, folder: Path, capsys, monkeypatch) -> Desk:
    secret = folder / "secret"
    secret.write_text("30" * 32)  # the identity of the stage
    secret.chmod(0o600)
    config = folder / "jupyterhub_config.py"
    config.write_text(
        "c = get_config()\n"
        f"c.Controller.bind_url = {url!r}\n"
        "c.Controller.public_url = 'https://hub.example.org/'\n"
        "c.Controller.secret_file = 'secret'\n"
    )
    return Desk(config, capsys, monkeypatch)


@pytest.fixture
async def there(tmp_path):
    async with house(tmp_path) as one:
        yield one


@pytest.fixture
def desk(there: House, tmp_path, capsys, monkeypatch):
    return desk_at(there.url.partition("/services")[0], tmp_path, capsys, monkeypatch)


async def two_homes(there: House) -> dict[str, str]:
    """Homes without a machine, by user."""
    for user in ("alice", "bob"):
        await there.put(user)
    await there.pass_time(30)
    for user in ("alice", "bob"):
        await there.stage.deletes(user)
    await there.pass_time(120)
    found = {user: (await there.stage.homes(user))[0].id for user in ("alice", "bob")}
    await there.put("alice")
    return found


# -- status


HEAD = [
    "USER",
    "SERVER",
    "PROFILE",
    "WISH",
    "MACHINE",
    "POWER",
    "SIZE",
    "ZONE",
    "AGE",
    "COST",
    "WHY",
    "DOES",
    "STOPS",
    "AT",
    "NEXT",
    "STEP",
]


def table(out: str) -> list[list[str]]:
    """The rows below the head, cell by cell; two blanks are between two cells."""
    lines = out.splitlines()
    at = next(n for n, line in enumerate(lines) if line.split() == HEAD)
    return [re.split(r" {2,}", line) for line in lines[at + 1 :]]


async def test_status_prints_claims_beside_their_machines(there: House, desk: Desk):
    await there.put("alice")
    await there.pass_time(30)
    [machine] = await there.stage.machines("alice")
    code, out, err = await desk.types("status")
    whose, *errors, again = out.partition("\n\n")[0].splitlines()
    assert (code, err, whose) == (0, "", f"Hub {IDENTITY.hub_id}")
    # Nobody has said yet what a machine and a home cost here.
    unknown = "error: prices: The price of “{}” in fake-1 is not known"
    assert [one.partition(",")[0] for one in errors] == [
        unknown.format("small"),
        unknown.format("ssd"),
    ]
    assert again.startswith("The cloud is looked at again by ")
    [row] = table(out)
    assert row[:8] == ["alice", "-", "t4", "running", machine.id, "running", "small", "fake-1a"]
    assert row[8:] == ["0:00:30", "0.0088 USD", "boot", "-", "-", row[-1]]
    assert row[-1].startswith("Wait until the server reports that it is up. Again by ")


async def test_status_says_what_a_session_does_and_when_it_stops(there: House, desk: Desk):
    await there.stage.runs("alice")
    await there.controller.culler.look()
    await there.controller.board.refresh()
    _code, out, _err = await desk.types("status")
    [row] = table(out)
    assert row[11].startswith("unknown: What goes on in it cannot be seen at the moment")
    assert re.fullmatch(r"\d\d:\d\d:00", row[12])


async def test_status_as_json_is_what_the_controller_says(there: House, desk: Desk):
    await there.put("alice")
    await there.pass_time(30)
    code, out, _err = await desk.types("status", "--json")
    assert (code, json.loads(out)) == (0, (await there.ask("GET", "status"))[1])


async def test_status_of_nothing_is_a_table_without_rows(there: House, desk: Desk):
    await there.controller.tick()
    code, out, _err = await desk.types("status")
    assert (code, out.splitlines()[-1].split()[0]) == (0, "USER")


async def test_status_says_why_the_cloud_cannot_be_seen_and_fails(there: House, desk: Desk):
    there.stage.provider.fail_next("list", ProviderUnavailable("an outage"))
    await there.controller.tick()
    code, out, _err = await desk.types("status")
    assert code == 1
    assert "The cloud cannot be listed: provider-unavailable: an outage\n" in out


# -- stop everything

STOP = ("stop-everything", "--reason", "a leak")


async def state(there: House) -> tuple[str | None, int]:
    """Why everything is stopped, None while it is not; and how many machines are wanted."""
    _status, said = await there.ask("GET", "stop-everything")
    return said["in_force"] and said["in_force"]["reason"], len(said["running"])


async def test_stop_everything_shows_what_runs_asks_and_stops_it(there: House, desk: Desk):
    await there.put("alice")
    code, out, err = await desk.types(*STOP, answer="stop\n")
    assert (code, err, await state(there)) == (0, "", ("a leak", 0))
    assert (
        out.index("alice") < out.index("Type 'stop' to go on") < out.index("1 machines are being")
    )


@pytest.mark.parametrize("answer", ["no\n", "\n", "", "y\n", "stopp\n"])
async def test_any_other_answer_stops_nothing(there: House, desk: Desk, answer):
    await there.put("alice")
    code, out, _err = await desk.types(*STOP, answer=answer)
    assert (code, out.splitlines()[-1].endswith("Nothing was stopped.")) == (1, True)
    assert await state(there) == (None, 1)


async def test_stop_everything_asks_nothing_when_it_is_told_not_to(there: House, desk: Desk):
    await there.put("alice")
    code, out, _err = await desk.types(*STOP, "--yes")
    assert (code, "Type 'stop'" in out, await state(there)) == (0, False, ("a leak", 0))


async def test_a_stop_of_everything_is_lifted_once_and_starts_nothing(there: House, desk: Desk):
    await desk.types(*STOP, "--yes")
    lift = ("stop-everything", "--lift", "--reason", "mended")
    assert [(await desk.types(*lift))[0] for _ in range(2)] == [0, 1]
    assert await state(there) == (None, 0)


async def test_stop_everything_needs_a_reason(desk: Desk):
    with pytest.raises(SystemExit) as ended:
        await desk.types("stop-everything", "--yes")
    assert ended.value.code == 2


# -- homes


async def test_homes_are_listed_with_their_owners(there: House, desk: Desk):
    homes = await two_homes(there)
    code, out, _err = await desk.types("homes", "list")
    rows = {line.split()[0]: line.split()[1] for line in out.splitlines()[1:]}
    # Bob's claim is forgotten, so nobody knows whose its name was.
    assert (code, rows) == (0, {homes["alice"]: "alice", homes["bob"]: "-"})


async def test_homes_as_json_are_what_the_controller_says(there: House, desk: Desk):
    await two_homes(there)
    code, out, _err = await desk.types("homes", "list", "--json")
    assert (code, json.loads(out)) == (0, (await there.ask("GET", "homes"))[1])


async def test_a_home_that_is_given_is_the_others_from_the_next_start_on(there: House, desk: Desk):
    homes = await two_homes(there)
    code, out, _err = await desk.types("homes", "give", homes["bob"], "carol")
    assert code == 0
    assert "carol" in out
    await there.put("carol")
    await there.pass_time(30)
    [machine] = await there.stage.machines("carol")
    world = await there.stage.provider.list()
    assert {home.id: home.machine_id for home in world.homes}[homes["bob"]] == machine.id


async def test_a_home_that_does_not_exist_is_given_to_nobody(there: House, desk: Desk):
    await two_homes(there)
    code, _out, err = await desk.types("homes", "give", "disk-none", "carol")
    assert (code, err.startswith("gpuspawner: claim-not-found")) == (1, True)


async def test_a_deletion_shows_what_it_is_about_and_asks(there: House, desk: Desk):
    homes = await two_homes(there)
    code, out, _err = await desk.types("homes", "delete", homes["bob"], answer="delete\n")
    assert code == 0
    assert out.index(homes["bob"]) < out.index("lost for good") < out.index("is deleted")
    assert [home.id for home in (await there.stage.provider.list()).homes] == [homes["alice"]]


@pytest.mark.parametrize("answer", ["no\n", "\n", "", "y\n", "deleted\n"])
async def test_any_other_answer_deletes_nothing(there: House, desk: Desk, answer):
    homes = await two_homes(there)
    code, out, _err = await desk.types("homes", "delete", homes["bob"], answer=answer)
    assert (code, out.splitlines()[-1].endswith("Nothing was deleted.")) == (1, True)
    assert there.stage.asked("delete_home") == 0


async def test_with_yes_it_does_not_ask(there: House, desk: Desk):
    homes = await two_homes(there)
    code, out, _err = await desk.types("homes", "delete", "--yes", homes["bob"])
    assert (code, "Type" in out) == (0, False)
    assert [home.id for home in (await there.stage.provider.list()).homes] == [homes["alice"]]


async def test_one_unknown_home_among_others_deletes_none(there: House, desk: Desk):
    homes = await two_homes(there)
    code, _out, err = await desk.types("homes", "delete", "--yes", homes["bob"], "disk-none")
    assert (code, "disk-none" in err, "nothing was deleted" in err) == (1, True, True)
    assert there.stage.asked("delete_home") == 0


async def test_a_home_in_use_is_not_deleted_and_the_cloud_says_why(there: House, desk: Desk):
    await there.put("alice")
    await there.pass_time(30)
    [home] = await there.stage.homes("alice")
    code, _out, err = await desk.types("homes", "delete", "--yes", home.id)
    assert (code, err.startswith("gpuspawner: wrong-state")) == (1, True)
    assert [one.id for one in await there.stage.homes("alice")] == [home.id]
    assert (await there.stage.claim("alice")).name == name_of("alice")


# -- when there is nobody to ask

EVERY_COMMAND = [
    ("status",),
    ("homes", "list"),
    ("homes", "give", "disk-1", "bob"),
    ("homes", "delete", "--yes", "disk-1"),
]


@pytest.mark.parametrize("words", EVERY_COMMAND)
async def test_without_a_controller_it_says_so(tmp_path, capsys, monkeypatch, words):
    desk = desk_at("http://127.0.0.1:1", tmp_path, capsys, monkeypatch)
    code, out, err = await desk.types(*words)
    assert (code, out) == (1, "")
    assert err.startswith("gpuspawner: no controller answers at http://127.0.0.1:1: is the hub")
    assert "Traceback" not in err


@pytest.mark.parametrize("status", [200, 404, 502])
async def test_something_else_at_its_address_is_not_taken_for_it(
    tmp_path, capsys, monkeypatch, status
):
    async def page(_request):
        return web.Response(status=status, text="<html>a printer</html>")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", page)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"
    code, out, err = await desk_at(url, tmp_path, capsys, monkeypatch).types("status")
    await runner.cleanup()
    assert (code, out) == (1, "")
    assert url in err
    assert "Traceback" not in err


async def test_another_secret_is_refused(there: House, desk: Desk):
    (desk.config.parent / "secret").write_text("31" * 32)
    code, _out, err = await desk.types("status")
    assert (code, err.startswith("gpuspawner: http-403")) == (1, True)


async def test_a_mistake_in_the_file_is_named(there: House, desk: Desk):
    desk.config.write_text("c = get_config()\nc.Controller.fast_interval = 'soon'\n")
    code, _out, err = await desk.types("status")
    assert (code, err.count("\n")) == (1, 1)
    assert "fast_interval" in err
