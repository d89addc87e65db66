"""Prices from the command line and over REST, against a controller that runs."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from gpuspawner.errors import ProviderUnavailable
from tests.test_console import Desk, desk_at
from tests.web.credit.school import School, school


@pytest.fixture
async def there(tmp_path, monkeypatch):
    async with school(tmp_path, monkeypatch) as one:
        yield one


@pytest.fixture
def desk(there: School, tmp_path, capsys, monkeypatch):
    return desk_at(there.house.url.partition("/services")[0], tmp_path, capsys, monkeypatch)


def rows(out: str) -> dict[tuple[str, str], list[str]]:
    """The table's rows by name and kind; two blanks are between two cells."""
    lines = [re.split(r" {2,}", line) for line in out.splitlines()]
    at = next(n for n, cells in enumerate(lines) if cells[0] == "NAME")
    table = lines[at + 1 :]
    end = next((n for n, cells in enumerate(table) if len(cells) < 10), len(table))
    return {(cells[0], cells[1]): cells[2:] for cells in table[:end]}


async def offers(there: School) -> None:
    """The size is seen in the cloud, with its GPU."""
    await there.house.controller.tick()


async def dearer(there: School, times: int) -> None:
    """The cloud's list says so much more, from now on."""
    provider = there.house.stage.provider
    listed = [
        replace(quote, rate=quote.rate.times(times), as_of=there.now) for quote in provider.prices()
    ]
    provider.prices = lambda: listed


async def test_the_cloud_is_asked_at_once_and_the_books_are_listed(there: School, desk: Desk):
    await offers(there)
    code, out, err = await desk.types("prices", "refresh")
    assert (code, err) == (0, "")
    now = there.house.stage.clock.now()
    assert out.startswith(f"The cloud's price list was last read at {now:%Y-%m-%d %H:%M} UTC.\n")
    found, today = rows(out), f"{now:%Y-%m-%d}"
    assert found["large", "compute"] == [
        "fake-1", "1 × A10G", "$1.212", "$1.212", "hour", today, "0 d", "a cloud in memory",
    ]  # fmt: skip
    assert found["ssd", "home"][1:5] == ["-", "$0.08", "$0.08", "GiB-month"]
    assert [kind for _name, kind in found][-3:] == ["address", "disk", "home"]


async def test_a_list_asks_nobody_and_says_how_old_each_price_is(there: School, desk: Desk):
    await desk.types("prices", "refresh")
    await there.house.stage.clock.advance(3 * 86_400)
    asked = there.house.stage.asked("fetch_prices")
    code, out, _err = await desk.types("prices")
    assert (code, there.house.stage.asked("fetch_prices")) == (0, asked)
    assert rows(out)["large", "compute"][6] == "3 d"


async def test_a_list_that_was_never_read_is_said_to_be_so(there: School, desk: Desk):
    _code, out, _err = await desk.types("prices")
    assert out.startswith("The cloud's price list was never read.\n")
    assert list(rows(out)) == [("small", "compute")]


async def test_what_was_refused_is_listed_with_why_and_the_last_good_price(
    there: School, desk: Desk
):
    await desk.types("prices", "refresh")
    await there.house.stage.clock.advance(60)
    await dearer(there, 20)
    code, out, _err = await desk.types("prices", "refresh")
    assert (code, rows(out)["large", "compute"][2]) == (0, "$1.212")
    [why] = [line for line in out.splitlines() if line.startswith("warning: large: ")]
    assert "“large” in fake-1 costs 24.24 USD/h, after 1.212 USD/h. Such a leap is not used" in why
    assert "24.24" in (await desk.types("prices"))[1]


async def test_a_cloud_that_does_not_answer_is_an_error_and_changes_nothing(
    there: School, desk: Desk
):
    await desk.types("prices", "refresh")
    before = rows((await desk.types("prices"))[1])
    there.house.stage.provider.fail_next("fetch_prices", ProviderUnavailable("an outage"))
    code, out, _err = await desk.types("prices", "refresh")
    assert (code, rows(out)) == (1, before)
    assert "The cloud's price list cannot be read (provider-unavailable: an outage)." in out


async def test_prices_as_json_are_what_the_controller_says(there: School, desk: Desk):
    await desk.types("prices", "refresh")
    code, out, _err = await desk.types("prices", "--json")
    assert (code, json.loads(out)) == (0, (await there.get("prices", "admin"))[1])
    _code, out, _err = await desk.types("prices", "refresh", "--json")
    assert json.loads(out)["answered"] is True


@pytest.mark.parametrize(
    ("who", "sees", "asks"),
    [("alice", 403, 403), ("teacher", 200, 403), ("assistant", 200, 403), ("admin", 200, 200)],
)
async def test_who_teaches_sees_prices_and_an_admin_asks_for_them(there: School, who, sees, asks):
    asked = there.house.stage.asked("fetch_prices")
    seen, _said = await there.get("prices", who)
    status, _said = await there.post("prices/refresh", who, {}, key=None)
    assert (seen, status) == (sees, asks)
    assert there.house.stage.asked("fetch_prices") == asked + (asks == 200)
