"""The benchmark in the panel, in a real browser: started, followed, cancelled, and what it measured."""

from __future__ import annotations

import copy
import json
import os
import re
import sys

import pytest
from playwright.async_api import expect

from labs_extension.benchmark.results import check
from tests.labs_extension.front.conftest import CHROMIUM
from tests.labs_extension.test_benchmark_api import RESULT, SCRIPT, WAITS
from tests.labs_extension.test_benchmark_rules import GOOD

PATIENCE = 30_000
PART = "section[aria-labelledby=jp-gpuspawner-benchmark]"

pytestmark = [
    pytest.mark.end_to_end,
    pytest.mark.skipif(
        CHROMIUM is None and not os.environ.get("CI"), reason="Chromium is not installed"
    ),
]


def on_a_t4() -> dict:
    """A result as a T4 gives it, with a share of what the chip can do."""
    result = copy.deepcopy(GOOD)
    row = result["results"][0] | {"device": "gpu", "value": 6.5, "peak": 8.1, "status": "ok"}
    row |= {"peak_source": "the table", "fraction_of_peak": 6.5 / 8.1, "unit": "TFLOP/s"}
    result["device"] = {"name": "Tesla T4"}
    result["results"] = [row, {**row, "device": "cpu", "value": 0.26}]
    for key in ("peak", "peak_source", "fraction_of_peak"):
        del result["results"][1][key]
    result["results"].append(result["results"][1] | {"id": "convolution", "noisy": True})
    return check(result)


@pytest.fixture
def slow(stage, tmp_path) -> None:
    """The benchmark is a process that measures one thing and goes on until it is told to end."""
    path = tmp_path / "slow-python"
    path.write_text(SCRIPT.format(python=sys.executable, row=RESULT, rest=WAITS))
    path.chmod(0o755)
    stage.server.lab.runs._python = str(path)


async def test_a_run_is_started_shows_what_it_measures_and_is_cancelled(stage, page, slow, shots):
    results = stage.server.lab.runs.results
    results.mkdir(parents=True)
    (results / "1-a.json").write_text(json.dumps(on_a_t4()))
    (results / "2-b.json").write_text("<script>no result</script>")
    await page.set_viewport_size({"width": 1200, "height": 1700})
    await stage.speaks("ko_KR")
    await page.goto(page.login)
    part = page.locator(PART)
    if not await part.is_visible():
        await page.locator(".jp-gpuspawner-status button").click(timeout=PATIENCE)
    await expect(part).to_contain_text("행렬 곱, 단정밀도", timeout=PATIENCE)
    for words in ("6.5 TFLOP/s", "80 %", "0.26 TFLOP/s"):
        await expect(part).to_contain_text(words)
    bar = part.locator(".jp-gpuspawner-results .jp-gpuspawner-bar > div").first
    await expect(bar).to_have_attribute("style", re.compile(r"width: 80\.2"))
    await expect(part).to_contain_text("결과 파일이 아니어서 보이지 않는 파일: 1개")
    await expect(part).not_to_contain_text("script")
    await page.screenshot(path=shots / "lab-benchmark-ko.png")

    await part.get_by_role("button", name="실행", exact=True).click()
    await expect(part.get_by_role("status")).to_contain_text(
        "행렬 곱, 단정밀도 (CPU)", timeout=PATIENCE
    )
    await expect(part).to_contain_text("0.5 TFLOP/s", timeout=PATIENCE)
    await page.screenshot(path=shots / "lab-benchmark-running-ko.png")
    await part.get_by_role("button", name="취소").click()
    await expect(part.get_by_role("button", name="실행", exact=True)).to_be_visible(
        timeout=PATIENCE
    )
    assert [run.state for run in stage.server.lab.runs.all()] == ["cancelled"]
    assert page.errors == []


@pytest.mark.parametrize(
    ("language", "words"),
    [
        (
            "ko_KR",
            (
                "수업 중앙값 6.1 TFLOP/s (4명)",
                "칩의 한계 8.1 TFLOP/s",
                "이름 없이",
                "다른 프로그램의 영향을 받음",
            ),
        ),
        (
            "en",
            (
                "Class median 6.1 TFLOP/s (of 4)",
                "the chip can do 8.1",
                "without your name",
                "disturbed by",
            ),
        ),
    ],
)
async def test_a_result_stands_beside_the_class_and_what_the_chip_can_do(
    stage, page, shots, language, words
):
    results = stage.server.lab.runs.results
    results.mkdir(parents=True)
    (results / "1-a.json").write_text(json.dumps(on_a_t4()))
    what = {"measure": "matmul_fp32", "kind": "gpu", "device": "Tesla T4"}
    stage.medians = [what | {"median": 6.1, "count": 4}]
    await page.set_viewport_size({"width": 1200, "height": 1700})
    await stage.speaks(language)
    await page.goto(page.login)
    part = page.locator(PART)
    await expect(page.locator(".jp-gpuspawner-status button")).to_be_visible(timeout=PATIENCE)
    if not await part.is_visible():
        await page.locator(".jp-gpuspawner-status button").click()
    for one in words:
        await expect(part).to_contain_text(one, timeout=PATIENCE)
    mark = part.locator(".jp-gpuspawner-results .jp-gpuspawner-bar > span")
    await expect(mark).to_have_count(1)  # nothing is told of the CPU, which fewer have measured
    await expect(mark).to_have_attribute("style", re.compile(r"left: 75\.3"))
    # What was disturbed is not told.
    assert [[row["measure"] for row in one["figures"]] for one in stage.told] == [
        ["matmul_fp32", "matmul_fp32"]
    ]
    await page.screenshot(path=shots / f"lab-benchmark-class-{language}.png")

    await page.locator(".jp-gpuspawner-panel").evaluate("panel => panel.scrollTo(0, 99999)")
    stage.medians = []
    await stage.keeps_panel_open(page)
    await page.reload()
    await expect(part).to_be_visible(timeout=PATIENCE)  # without a press of any button
    await expect(part).to_contain_text(words[1], timeout=PATIENCE)
    await expect(part).to_contain_text(words[2], timeout=PATIENCE)
    await expect(mark).to_have_count(0)
    assert page.errors == []
