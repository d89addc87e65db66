"""Credit from the command line, against a controller that runs."""

from __future__ import annotations

import csv
import io
import json

import pytest

from tests.test_console import Desk, desk_at
from tests.web.credit.school import HOUR, UNIT, School, school


@pytest.fixture
async def there(tmp_path, monkeypatch):
    async with school(tmp_path, monkeypatch) as one:
        yield one


@pytest.fixture
def desk(there: School, tmp_path, capsys, monkeypatch):
    return desk_at(there.house.url.partition("/services")[0], tmp_path, capsys, monkeypatch)


async def balance(desk: Desk, who: str = "alice") -> int:
    _code, out, _err = await desk.types("credits", "balance", who, "--json")
    return json.loads(out)["students"][0]["balance"]


async def test_a_grant_says_its_number_and_what_there_is_now(desk: Desk):
    code, out, err = await desk.types("credits", "grant", "alice", "2.5", "--reason", "a project")
    assert (code, err) == (0, "")
    assert "The pool has $967.50." in out
    assert "alice has $12.50." in out


async def test_a_command_repeated_with_its_key_is_carried_out_once(desk: Desk):
    words = ("credits", "grant", "alice", "1", "--reason", "r", "--key", "one", "--json")
    first, second = await desk.types(*words), await desk.types(*words)
    assert first == second
    assert await balance(desk) == 11 * UNIT


async def test_two_commands_without_a_key_are_two(desk: Desk):
    for _ in range(2):
        await desk.types("credits", "grant", "alice", "1", "--reason", "r")
    assert await balance(desk) == 12 * UNIT


async def test_what_was_granted_is_taken_back_by_its_number(desk: Desk):
    _code, out, _err = await desk.types("credits", "grant", "alice", "1", "--reason", "r", "--json")
    number = str(json.loads(out)["transaction"])
    assert (await desk.types("credits", "reverse", number, "--reason", "a slip"))[0] == 0
    assert await balance(desk) == 10 * UNIT
    code, _out, err = await desk.types("credits", "reverse", number, "--reason", "a slip")
    assert (code, "not-reversible" in err) == (1, True)


async def test_money_is_brought_into_the_pool(desk: Desk):
    code, out, _err = await desk.types("credits", "fund", "30", "--reason", "the second half")
    assert (code, "The pool has $1,000.00." in out) == (0, True)


@pytest.mark.parametrize("amount", ["0", "-1", "1.0000001", "much", "nan", "inf", "1e30"])
async def test_nonsense_is_no_amount(desk: Desk, amount):
    with pytest.raises(SystemExit) as ended:
        await desk.types("credits", "fund", "--reason", "r", "--", amount)
    assert ended.value.code == 2


async def test_a_statement_is_a_table_or_json_or_a_csv(there: School, desk: Desk):
    await there.uses("alice", HOUR)
    _code, out, _err = await desk.types("credits", "statement", "alice")
    assert [line for line in out.splitlines() if "charge" in line and "-$0.526" in line]
    _code, out, _err = await desk.types("credits", "statement", "alice", "--json")
    assert [line["amount"] for line in json.loads(out)["lines"]] == [10 * UNIT, -526_000]
    _code, out, _err = await desk.types("credits", "statement", "alice", "--csv")
    assert [row[2] for row in csv.reader(io.StringIO(out))][2:4] == ["10.000000", "-0.526000"]


async def test_the_balances_are_exported_with_the_log(desk: Desk, tmp_path):
    file = tmp_path / "balances.csv"
    assert (await desk.types("credits", "export", "--output", str(file)))[0] == 0
    rows = list(csv.reader(io.StringIO(file.read_text(encoding="utf-8-sig"))))
    assert [row[:2] for row in rows[1:]] == [
        [who, "10.000000"] for who in ("alice", "bob", "carol")
    ]
    _code, out, _err = await desk.types("credits", "export", "--json")
    found = json.loads(out)
    assert (found["pool"]["pool"], len(found["audit"])) == (970 * UNIT, 4)


async def test_a_csv_is_written_for_old_korean_programs_on_demand(there, desk: Desk, tmp_path):
    note = {"student": "alice", "micros": UNIT, "reason": "기말 프로젝트"}
    await there.post("grants", "teacher", note)
    words = ("credits", "statement", "alice", "--csv")
    _code, out, _err = await desk.types(*words)
    assert (out[0], "기말 프로젝트" in out) == ("\N{ZERO WIDTH NO-BREAK SPACE}", True)
    file = tmp_path / "balances.csv"
    asked = ("credits", "export", "--output", str(file), "--encoding", "cp949")
    assert (await desk.types(*asked))[0] == 0
    assert file.read_bytes().startswith("Student,".encode("cp949"))


async def test_somebody_whom_nobody_knows_is_an_error_in_one_line(desk: Desk):
    for words in (("balance", "zoe"), ("grant", "zoe", "1", "--reason", "r")):
        code, _out, err = await desk.types("credits", *words)
        assert (code, err.count("\n"), "person-unknown" in err) == (1, 1, True)


async def test_a_person_is_exported_whole(desk: Desk):
    code, out, _err = await desk.types("person", "export", "alice")
    assert (code, json.loads(out)["person"]["name"]) == (0, "alice")


async def test_a_person_is_erased_after_a_question_and_every_sum_stays(there: School, desk: Desk):
    before = (await there.get("pool", "admin"))[1]
    code, out, _err = await desk.types("person", "erase", "alice", answer="no\n")
    assert (code, "Nothing was erased" in out) == (1, True)
    assert (await desk.types("person", "export", "alice"))[0] == 0
    code, _out, _err = await desk.types("person", "erase", "alice", answer="erase\n")
    assert (code, (await desk.types("person", "export", "alice"))[0]) == (0, 1)
    assert (await there.get("pool", "admin"))[1] == before
    names = [one["name"] for one in (await there.get("students", "admin"))[1]["students"]]
    assert sorted(names, key=str) == [None, "bob", "carol"]
