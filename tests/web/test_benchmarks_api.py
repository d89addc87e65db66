"""A class compares what it measured: one's own figures in, medians out, and nobody's own figures."""

from __future__ import annotations

import pytest

from tests.controllers.stage import name_of
from tests.store.test_benchmarks import stored
from tests.web.credit.school import School, school

FIGURE = {"measure": "matmul_fp32", "kind": "gpu", "device": "Tesla T4", "value": 6.5}
STUDENTS = ("alice", "bob", "carol")


@pytest.fixture
async def there(tmp_path, monkeypatch):
    async with school(tmp_path, monkeypatch) as one:
        for student in STUDENTS:
            await one.house.put(student)
        await one.house.pass_time(6)
        yield one


async def tell(there: School, who: str, whose: str = "", *figures, **changes):
    body = {
        "backend": "torch",
        "scale": "quick",
        "started": "2026-11-23T09:00:00Z",
        "figures": list(figures) or [FIGURE],
    }
    path = f"claims/{name_of(whose or who)}/benchmark"
    return await there.house.ask("POST", path, body | changes, token=who)


async def medians(there: School, who: str = "alice", **query):
    asked = {"backend": "torch", "scale": "quick"} | query
    return await there.get("benchmarks", who, **asked)


async def test_three_students_have_a_median_and_two_have_none(there: School):
    for student, value in (("alice", 6.5), ("bob", 5.0)):
        assert await tell(there, student, "", FIGURE | {"value": value}) == (200, {"figures": 1})
    assert await medians(there) == (200, {"self_reported": True, "least": 3, "medians": []})
    await tell(there, "carol", "", FIGURE | {"value": 7.0})
    status, said = await medians(there, "teacher")
    what = {name: FIGURE[name] for name in ("measure", "kind", "device")}
    assert (status, said["medians"]) == (200, [what | {"median": 6.5, "count": 3}])


async def test_one_who_tells_again_and_again_is_one(there: School):
    for minute in range(5):
        await tell(there, "alice", started=f"2026-11-23T09:0{minute}:00Z")
    await tell(there, "bob")
    assert (await medians(there))[1]["medians"] == []


@pytest.mark.parametrize(
    ("who", "whose", "status"),
    [("alice", "bob", 404), ("admin", "bob", 404), ("teacher", "bob", 404), ("robot", "bob", 403),
     ("nobody", "bob", 403), ("", "bob", 403)],
)  # fmt: skip
async def test_nobody_tells_for_somebody_else(there: School, who, whose, status):
    assert (await tell(there, who, whose))[0] == status
    assert await there.run(stored) == 0


@pytest.mark.parametrize("who", ["robot", "nobody", ""])
async def test_a_stranger_is_told_nothing(there: School, who):
    assert (await medians(there, who))[0] == 403


@pytest.mark.parametrize(
    "changes",
    [
        {"figures": []},
        {"figures": [FIGURE] * 51},
        {"figures": [FIGURE, FIGURE]},
        {"figures": [FIGURE | {"value": 0}]},
        {"figures": [FIGURE | {"value": -1.0}]},
        {"figures": [FIGURE | {"value": 1e13}]},
        {"figures": [FIGURE | {"value": float("inf")}]},
        {"figures": [FIGURE | {"kind": "tpu"}]},
        {"figures": [FIGURE | {"device": "<script>alert(1)</script>"}]},
        {"figures": [FIGURE | {"device": "x" * 161}]},
        {"figures": [FIGURE | {"measure": "Robert'); --"}]},
        {"backend": "<b>"},
        {"scale": ""},
        {"started": "2026-11-23T09:00:00"},
        {"started": "0001-01-01T00:00:00+14:00"},
    ],
)
async def test_what_makes_no_sense_is_refused_as_a_whole(there: School, changes):
    status, said = await tell(there, "alice", **changes)
    assert (status, said["error"]) == (400, "specification-refused")
    assert await there.run(stored) == 0


async def test_a_result_from_the_future_is_from_now(there: School):
    assert (await tell(there, "alice", started="8999-01-01T00:00:00Z"))[0] == 200
    assert await there.run(stored) == 1
