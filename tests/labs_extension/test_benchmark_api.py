"""Starting, following and cancelling a benchmark in a real server; the process is a pretended one."""

from __future__ import annotations

import json
import os
import sys

import pytest

from tests.labs_extension.fake_nvml import install
from tests.labs_extension.test_benchmark_rules import GOOD

URL = "gpuspawner/api/benchmarks"
RESULT = {"id": "matmul_fp32", "device": "cpu", "status": "ok", "value": 0.5, "unit": "TFLOP/s"}

SCRIPT = """#!{python}
import json, os, signal, sys, threading
def say(**event): print(json.dumps(event), flush=True)
say(event="begin", id="matmul_fp32", device="cpu")
say(event="result", row={row!r})
{rest}
"""
WAITS = "signal.signal(signal.SIGTERM, lambda *_: sys.exit(130)); threading.Event().wait()"
STUBBORN = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: threading.Event().wait()"
ENDS = 'say(event="end", result={}); sys.exit(3)'
CRASHES = "os.kill(os.getpid(), signal.SIGSEGV)"


@pytest.fixture
def python(tmp_path, monkeypatch):
    """Makes a Python that pretends to be the benchmark."""
    install(monkeypatch, None)

    def make(rest):
        path = tmp_path / "python"
        path.write_text(SCRIPT.format(python=sys.executable, row=RESULT, rest=rest))
        path.chmod(0o755)
        return str(path)

    return make


async def _until(server, name, true):
    while True:  # the test's own time-out ends it
        _, run = await server.ask(f"{URL}/{name}")
        if true(run):
            return run


async def test_a_run_is_started_followed_and_ends(make_server, python):
    server = make_server(kernel_python=python(ENDS))
    status, run = await server.ask(URL, "POST", {"scale": "smoke", "items": ["matmul_fp32"]})
    assert (status, run["state"], run["scale"], run["items"]) == (
        202,
        "running",
        "smoke",
        ["matmul_fp32"],
    )
    await server.lab.runs.wait()
    status, run = await server.ask(f"{URL}/{run['id']}")
    assert (status, run["state"], run["exit_code"], run["now"]) == (200, "finished", 3, None)
    (row,) = run["results"]
    assert row["sentence"]["en"] == "Matrix product, single precision (CPU): 0.5 TFLOP/s"
    assert row["title"]["ko"] == "행렬 곱, 단정밀도"
    assert {**RESULT, "title": row["title"], "sentence": row["sentence"]} == row
    assert [one["id"] for one in (await server.ask(URL))[1]["benchmarks"]] == [run["id"]]


@pytest.mark.parametrize("rest", [WAITS, STUBBORN])
async def test_a_run_is_cancelled_also_when_it_does_not_listen(make_server, python, rest):
    server = make_server(kernel_python=python(rest))
    server.lab.runs._grace = 1.0
    _, run = await server.ask(URL, "POST", {})
    process = server.lab.runs._process
    await _until(server, run["id"], lambda now: now["results"])
    status, run = await server.ask(f"{URL}/{run['id']}", "DELETE")
    assert (status, run["state"]) == (200, "cancelled")
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
    assert (await server.ask(URL, "POST", {}))[0] == 202


async def test_only_one_runs_at_a_time(make_server, python):
    server = make_server(kernel_python=python(WAITS))
    assert (await server.ask(URL, "POST", {}))[0] == 202
    status, body = await server.ask(URL, "POST", {})
    assert (status, list(body)) == (409, ["sentence"])
    assert "이미 실행 중" in body["sentence"]["ko"]


async def test_a_run_that_crashes_is_failed_and_keeps_what_it_said(make_server, python):
    server = make_server(kernel_python=python(CRASHES))
    _, run = await server.ask(URL, "POST", {})
    await server.lab.runs.wait()
    _, run = await server.ask(f"{URL}/{run['id']}")
    assert (run["state"], run["exit_code"], len(run["results"])) == ("failed", -11, 1)


async def test_a_python_that_is_not_there_is_said_and_blocks_nothing(make_server, python):
    server = make_server(kernel_python="/nowhere/python")
    assert (await server.ask(URL, "POST", {}))[0] == 500
    assert (await server.ask(URL))[1] == {"benchmarks": []}


async def test_the_server_ends_the_benchmark_when_it_ends(make_server, python):
    server = make_server(kernel_python=python(WAITS))
    await server.ask(URL, "POST", {})
    process = server.lab.runs._process
    await server.app.extension_manager.stop_all_extensions()
    assert process.returncode is not None


@pytest.mark.parametrize(
    "body",
    [
        {"items": ["rm -rf"]},
        {"items": "matmul_fp32"},
        {"scale": "huge"},
        {"scale": ["quick"]},
        {"backend": "mxnet"},
        {"python": "/bin/sh"},
        [],
        7,
    ],
)
async def test_what_cannot_be_measured_is_refused(make_server, python, body):
    status, answer = await make_server(kernel_python=python(ENDS)).ask(URL, "POST", body)
    assert (status, list(answer)) == (400, ["sentence"])


async def test_a_run_that_is_unknown_is_404(make_server, python):
    server = make_server(kernel_python=python(ENDS))
    for method in ("GET", "DELETE"):
        assert (await server.ask(f"{URL}/1-a", method))[0] == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", URL),
        ("POST", URL),
        ("GET", f"{URL}/1-a"),
        ("DELETE", f"{URL}/1-a"),
        ("GET", "gpuspawner/api/results"),
    ],
)
async def test_a_stranger_may_do_nothing(make_server, python, method, path):
    server = make_server(kernel_python=python(ENDS))
    assert (await server.ask(path, method, token=""))[0] == 403
    assert server.lab.runs.all() == []


async def test_starting_one_is_an_act_and_following_it_is_not(make_server, python):
    server = make_server(kernel_python=python(ENDS))
    settings = server.app.web_app.settings
    before = settings.get("api_last_activity")
    await server.ask(URL)
    await server.ask("gpuspawner/api/results")
    assert settings.get("api_last_activity") == before
    await server.ask(URL, "POST", {})
    assert settings.get("api_last_activity") != before


async def test_results_are_those_that_are_results(make_server, python):
    server = make_server(kernel_python=python(ENDS))
    folder = server.lab.runs.results
    folder.mkdir(parents=True)
    (folder / "1-a.json").write_text(json.dumps(GOOD))
    (folder / "<b>.json").write_text("{}")
    status, body = await server.ask("gpuspawner/api/results")
    (result,) = body["results"]
    words = [(one.pop("title")["en"], one.pop("sentence")["en"]) for one in result["results"]]
    assert (status, result) == (200, {**GOOD, "self_reported": True})
    assert all(map(all, words))
    assert body["refused"] == [
        {"file": "<b>.json", "reason": "the whole: not as the schema says (required)"}
    ]
    assert b"<b>" not in (await server.raw("gpuspawner/api/results")).body
