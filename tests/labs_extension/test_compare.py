"""A result beside those of the class: what is told, and what comes back; off line it is quiet."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest
from tornado import web
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port

from labs_extension.benchmark import compare
from labs_extension.benchmark.results import check
from tests.labs_extension.fake_nvml import install
from tests.labs_extension.test_benchmark_rules import GOOD

URL = "gpuspawner/api/results/1-a/class"
CPU = "2 x Intel(R) Xeon(R) CPU @ 2.50GHz"


def result(*rows: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A result on a T4 with these rows."""
    made = deepcopy(GOOD) | {"device": {"name": "Tesla T4"}} | changes
    made["host"]["processor"] = "Intel(R) Xeon(R) CPU @ 2.50GHz"
    base = {"id": "matmul_fp32", "device": "gpu", "status": "ok", "value": 6.5, "unit": "TFLOP/s"}
    made["results"] = [base | row for row in rows or ({},)]
    return check(made)


def told(*rows: dict[str, Any], **changes: Any) -> list[tuple[Any, ...]]:
    """Measure, kind, device and value of every figure that is told."""
    said = compare.summary(result(*rows, **changes))
    return [tuple(one.values()) for one in said["figures"]] if said else []


class TestWhatIsTold:
    def test_is_a_summary_with_the_names_of_the_chips_and_nothing_else(self):
        assert compare.summary(result({}, {"device": "cpu", "value": 0.25})) == {
            "backend": "jax",
            "scale": "quick",
            "started": "2026-11-28T01:20:30Z",
            "figures": [
                {"measure": "matmul_fp32", "kind": "gpu", "device": "Tesla T4", "value": 6.5},
                {"measure": "matmul_fp32", "kind": "cpu", "device": CPU, "value": 0.25},
            ],
        }

    def test_is_not_what_came_out_badly_or_was_disturbed(self):
        rows = (
            {"status": "invalid", "reason": "above_peak"},
            {"status": "skipped", "value": None},
            {"value": 0.0},
            {"value": -1.0},
            {"value": 1e300},
            {"noisy": True},
        )
        assert [told(row) for row in rows] == [[]] * len(rows)

    def test_is_not_a_run_that_shows_only_that_it_works_or_was_cancelled(self):
        smoke = GOOD["config"] | {"scale": "smoke"}
        assert [told(config=smoke), told(status="cancelled")] == [[], []]

    def test_is_a_ratio_of_both_devices(self):
        ratio = {"id": "training_ratio", "unit": "x", "value": 8.0}
        assert told(ratio) == [("training_ratio", "gpu", f"Tesla T4 / {CPU}", 8.0)]

    def test_is_no_text_that_means_something_in_a_page(self):
        evil = '<script>"&김' + "x" * 280
        ((_measure, _kind, name, _value),) = told(device={"name": evil})
        assert (name[:14], len(name)) == ("-script----xxx", compare.LONGEST_NAME)

    def test_is_the_last_of_a_row_that_stands_there_twice_and_bounded(self):
        assert told({"value": 1.0}, {"value": 2.0}) == [("matmul_fp32", "gpu", "Tesla T4", 2.0)]
        many = told(*({"id": f"item_{number}"} for number in range(90)))
        assert len(many) == compare.MOST_FIGURES


class Class:
    """Answers as the controller does, and remembers what it was told."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, Any]] = []
        self.medians: Any = [
            {
                "measure": "matmul_fp32",
                "kind": "gpu",
                "device": "Tesla T4",
                "median": 6.1,
                "count": 4,
            },
            {"measure": "matmul_fp32", "kind": "gpu", "device": "A100", "median": 18.0, "count": 9},
        ]
        self.status = 200
        seen = self

        class Handler(web.RequestHandler):
            def check_xsrf_cookie(self) -> None:
                pass

            def post(self) -> None:
                seen.take(self, json.loads(self.request.body))
                self.finish({"figures": 1})

            def get(self) -> None:
                seen.take(self, None)
                self.finish({"self_reported": True, "least": 3, "medians": seen.medians})

        self.http = HTTPServer(web.Application([(".*", Handler)]))
        socket, self.port = bind_unused_port()
        self.http.add_socket(socket)

    def take(self, handler: web.RequestHandler, body: Any) -> None:
        request = handler.request
        self.asked.append((request.uri or "", request.headers["Authorization"], body))
        handler.set_status(self.status)


@pytest.fixture
async def others(monkeypatch):
    others = Class()
    monkeypatch.setenv("GPUSPAWNER_API_URL", f"http://127.0.0.1:{others.port}/v1")
    monkeypatch.setenv("GPUSPAWNER_CLAIM", "gs-alice")
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "the-students-token")
    yield others
    others.http.stop()
    await others.http.close_all_connections()


@pytest.fixture
def server(make_server, monkeypatch):
    """Makes a server with one result."""
    install(monkeypatch, None)

    def make(**changes: Any):
        made = make_server()
        folder = made.lab.runs.results
        folder.mkdir(parents=True)
        (folder / "any-name.json").write_text(json.dumps(result(**changes)))
        return made

    return make


async def test_a_result_is_told_with_the_students_token_and_compared(others, server):
    status, body = await server().ask(URL, "POST", {})
    assert (status, body) == (
        200,
        {
            "compared": True,
            "self_reported": True,
            "sentence": None,
            "least": 3,
            "medians": [{"id": "matmul_fp32", "device": "gpu", "median": 6.1, "count": 4}],
        },
    )
    token = "token the-students-token"
    assert others.asked == [
        ("/v1/claims/gs-alice/benchmark", token, compare.summary(result())),
        ("/v1/benchmarks?backend=jax&scale=quick", token, None),
    ]


@pytest.mark.parametrize(
    "medians",
    [None, "x", [], [7], [{"measure": "matmul_fp32", "kind": "gpu", "device": "Tesla T4"}],
     [{"measure": "matmul_fp32", "kind": "gpu", "device": "Tesla T4", "median": "<b>", "count": 3}]],
)  # fmt: skip
async def test_an_answer_without_a_median_is_no_median(others, server, medians):
    others.medians = medians
    _status, body = await server().ask(URL, "POST", {})
    assert (body["compared"], body["medians"]) == (True, [])


@pytest.mark.parametrize("trouble", ["away", "refused", "no route"])
async def test_off_line_it_is_quietly_not_compared_with_a_sentence(others, server, trouble):
    if trouble == "away":
        others.http.stop()
    others.status = {"refused": 400, "no route": 404}.get(trouble, 200)
    status, body = await server().ask(URL, "POST", {})
    assert (status, body["compared"], body["medians"]) == (200, False, [])
    assert body["sentence"]["en"].startswith("This cannot be compared with the class now.")
    assert "비교" in body["sentence"]["ko"]


async def test_what_is_not_comparable_is_told_to_nobody(others, server):
    status, body = await server(status="cancelled").ask(URL, "POST", {})
    assert (status, body["compared"], others.asked) == (200, False, [])
    assert body["sentence"]["en"].startswith("Only a whole benchmark")


async def test_outside_of_a_class_there_is_nobody_to_compare_with(server, monkeypatch):
    monkeypatch.delenv("GPUSPAWNER_API_URL", raising=False)
    _status, body = await server().ask(URL, "POST", {})
    assert body["sentence"]["en"].startswith("This server does not run on a machine of a class")


async def test_a_result_that_is_not_there_and_a_stranger_are_refused(others, server):
    made = server()
    assert (await made.ask(URL.replace("1-a", "2-b"), "POST", {}))[0] == 404
    assert (await made.ask(URL, "POST", {}, token=""))[0] == 403
    assert others.asked == []


async def test_to_compare_is_no_activity(others, server):
    made = server()
    settings = made.app.web_app.settings
    before = settings.get("api_last_activity")
    await made.ask(URL, "POST", {})
    assert settings.get("api_last_activity") == before
