"""The benchmark's rules: what is measured where, how a time is taken, and what is not believed."""

from __future__ import annotations

import json
import os
from copy import deepcopy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labs_extension.benchmark import peaks, plan, results, verdicts
from labs_extension.benchmark.sentences import REASONS, TITLES, sentence
from labs_extension.benchmark.timing import measure
from labs_extension.gpu.records import Device

T4 = Device(0, "GPU-1", "Tesla T4", compute_capability="7.5")


def _row(name="matmul_fp32", value=7.0, device="gpu", unit="TFLOP/s"):
    return {"id": name, "device": device, "status": "ok", "value": value, "unit": unit}


class TestThePlan:
    def test_on_a_machine_with_a_gpu_the_trainings_are_on_the_gpu(self):
        assert "mnist_accuracy" in plan.for_device(plan.ITEMS, "gpu", has_gpu=True)
        assert "mnist_accuracy" not in plan.for_device(plan.ITEMS, "cpu", has_gpu=True)

    def test_without_one_they_are_on_the_cpu_and_what_needs_a_gpu_is_nowhere(self):
        assert plan.for_device(plan.ITEMS, "cpu", has_gpu=False) == [
            "matmul_fp32",
            "memory_copy",
            "convolution",
            "training",
            "mnist_time_to_99",
            "mnist_accuracy",
            "cifar10_throughput",
        ]

    def test_a_t4_has_no_bfloat16_and_half_precision(self):
        able = {name: plan.is_able(name, "7.5") for name in ("matmul_fp16", "matmul_bf16")}
        assert able == {"matmul_fp16": True, "matmul_bf16": False}

    def test_hardware_that_is_unknown_is_tried(self):
        assert plan.is_able("matmul_bf16", None)

    def test_what_there_is_not_is_named(self):
        with pytest.raises(ValueError, match="matmul_fp4"):
            plan.chosen(["matmul_fp32", "matmul_fp4"])

    def test_everything_that_can_come_out_has_a_title(self):
        assert {*TITLES} == {*plan.ITEMS, *plan.RATIOS}


class Stopwatch:
    """A clock that a pretended run moves on."""

    def __init__(self):
        self.at = 0.0

    def now(self):
        return self.at

    def monotonic(self):
        return self.at


class TestATime:
    def test_the_first_runs_are_not_in_it(self):
        clock = Stopwatch()
        costs = iter([9.0, 2.0, 2.0, 1.0, 1.0, 3.0])

        def run(count):
            clock.at += count * next(costs)

        timing = measure(run, clock, least_seconds=0, repetitions=3)
        assert (timing.first, timing.median, timing.repetitions, timing.count) == (9.0, 1.0, 3, 1)
        assert timing.iqr == 2.0

    def test_what_is_short_is_repeated_until_it_can_be_measured(self):
        clock, counts = Stopwatch(), []

        def run(count):
            counts.append(count)
            clock.at += count * 0.001

        timing = measure(run, clock, least_seconds=0.05, repetitions=2)
        assert counts == [1, 1, 1, 50, 50]
        assert timing.median == pytest.approx(0.001)

    def test_what_has_to_be_prepared_is_not_timed_with_it(self):
        clock = Stopwatch()

        def prepare():
            clock.at += 100

        def run(count):
            assert count == 1
            clock.at += 1

        timing = measure(run, clock, least_seconds=50, repetitions=3, prepare=prepare)
        assert (timing.first, timing.median, timing.iqr) == (1, 1, 0)


class TestThePeak:
    def test_is_that_of_the_exact_name(self):
        assert peaks.peak_of(T4).fp32 == 8.1
        assert peaks.peak_of(Device(0, name="NVIDIA L40S")).fp16 == 362
        assert peaks.peak_of(Device(0, name="NVIDIA L4")).fp16 == 121

    def test_of_another_chip_is_derived_and_has_no_tensor_figure(self):
        device = Device(
            0,
            name="NVIDIA New 9",
            cores=2560,
            sm_clock_max_mhz=1590,
            memory_bus_bits=256,
            memory_clock_max_mhz=5001,
        )
        assert peaks.peak_of(device) == peaks.Peak(
            "derived", fp32=pytest.approx(8.14, abs=0.01), memory=pytest.approx(320, abs=0.1)
        )

    @pytest.mark.parametrize(
        "device",
        [
            Device(0, name="NVIDIA A100-SXM4-40GB MIG 1g.5gb", mig_of="GPU-1", cores=1),
            Device(0, name="NVIDIA A100-SXM4-40GB", mig_enabled=True),
            Device(0, name="NVIDIA A10-24Q", cores=9216, sm_clock_max_mhz=1695),
            Device(0, name="NVIDIA New 9"),
            Device(0),
        ],
    )
    def test_of_a_slice_or_an_unknown_is_none(self, device):
        assert peaks.peak_of(device) is None

    @pytest.mark.parametrize("name", peaks.PEAKS)
    def test_has_a_source_and_is_dense(self, name):
        row = peaks.PEAKS[name]
        assert row.source.startswith("https://")
        figures = [row.fp32, row.tf32, row.fp16]
        known = [one for one in figures if one is not None]
        assert known == sorted(known)
        # With sparsity in it, half precision would be four times TF32.
        assert not row.tf32 or row.fp16 / row.tf32 == pytest.approx(2, rel=0.02)


class TestAVerdict:
    def test_a_plausible_figure_gets_its_share_of_the_peak(self):
        row = verdicts.judged(_row(value=6.9), peaks.peak_of(T4))
        assert row["fraction_of_peak"] == pytest.approx(0.852, abs=0.001)
        assert (row["status"], row["peak"]) == ("ok", 8.1)

    @pytest.mark.parametrize(("value", "status"), [(8.1 * 1.04, "ok"), (8.1 * 1.06, "invalid")])
    def test_a_figure_above_105_percent_of_the_peak_is_wrong(self, value, status):
        assert verdicts.judged(_row(value=value), peaks.peak_of(T4))["status"] == status

    @pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
    def test_a_figure_that_is_none_is_wrong_and_absent(self, value):
        row = verdicts.judged(_row(value=value), None)
        assert (row["status"], row["value"]) == ("invalid", None)

    def test_the_cpu_is_not_held_against_the_gpus_peak(self):
        assert verdicts.judged(_row(device="cpu", value=99.0), peaks.peak_of(T4)) == _row(
            device="cpu", value=99.0
        )

    def test_the_ratio_is_that_of_the_same_work(self):
        rows = [_row("training", 800.0), _row("training", 100.0, "cpu")]
        assert verdicts.ratios(rows) == [
            {"id": "training_ratio", "device": "gpu", "status": "ok", "value": 8.0, "unit": "x"}
        ]

    def test_without_a_gpu_there_is_no_ratio_rather_than_one(self):
        rows = [
            verdicts.without_value("training", "gpu", "skipped", "no_device"),
            _row("training", 100.0, "cpu"),
        ]
        (ratio,) = verdicts.ratios(rows)
        assert "value" not in ratio
        assert (ratio["status"], ratio["reason"]) == ("skipped", "no_device")

    @pytest.mark.parametrize(
        ("statuses", "has_gpu", "cancelled", "expected"),
        [
            (["ok"], True, False, "ok"),
            (["ok", "invalid"], True, False, "failed"),
            (["ok", "skipped"], False, False, "no_device"),
            (["ok"], True, True, "cancelled"),
        ],
    )
    def test_the_whole_is_as_good_as_its_parts(self, statuses, has_gpu, cancelled, expected):
        rows = [{"status": one} for one in statuses]
        assert verdicts.overall(rows, has_gpu=has_gpu, cancelled=cancelled) == expected


GOOD = {
    "schema_version": 1,
    "id": "1-a",
    "started": "2026-11-28T01:20:30Z",
    "duration_s": 1.5,
    "status": "ok",
    "host": {"name_hash": "0" * 16, "processor": "AMD EPYC", "cpus": 2},
    "device": None,
    "software": {"keras": "3.15.1"},
    "config": {"scale": "quick", "backend": "jax", "items": ["matmul_fp32"]},
    "results": [_row()],
    "errors": [],
}


class TestAResultFile:
    def test_is_read_as_it_was_written_and_called_self_reported(self, tmp_path):
        results.write(GOOD, tmp_path / "new" / "1-a.json")
        assert results.read_all(tmp_path / "new") == ([{**GOOD, "self_reported": True}], [])

    def test_that_is_not_as_the_schema_says_is_not_written(self, tmp_path):
        with pytest.raises(results.BadResult):
            results.write({**GOOD, "status": "great"}, tmp_path / "1-a.json")
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("", "no JSON"),
            ("[" * 100_000, "no JSON"),
            (json.dumps(GOOD).replace("1.5", "NaN"), "no JSON"),
            (
                json.dumps({**GOOD, "status": "<script>"}),
                r"status: not as the schema says \(enum\)",
            ),
            (json.dumps({**GOOD, "more": 1}), "additionalProperties"),
            (json.dumps({**GOOD, "results": [{**_row(), "detail": "x" * 301}]}), "maxLength"),
            (json.dumps({**GOOD, "errors": ["x"] * 51}), "maxItems"),
            (json.dumps({**GOOD, "id": "../../etc/passwd"}), "pattern"),
            (" " * (results.LARGEST_BYTES + 1), "larger than"),
        ],
    )
    def test_that_is_hostile_is_refused_and_does_not_speak(self, tmp_path, text, said):
        (tmp_path / "bad.json").write_text(text)
        with pytest.raises(results.BadResult, match=said) as caught:
            results.read(tmp_path / "bad.json")
        assert "<script>" not in str(caught.value)

    def test_that_is_a_link_or_a_pipe_is_not_followed(self, tmp_path):
        (tmp_path / "secret").write_text(json.dumps(GOOD))
        (tmp_path / "link.json").symlink_to(tmp_path / "secret")
        os.mkfifo(tmp_path / "pipe.json")
        good, bad = results.read_all(tmp_path)
        assert good == []
        assert {one["file"] for one in bad} == {"link.json", "pipe.json"}

    def test_that_is_bad_hides_no_good_one(self, tmp_path):
        (tmp_path / "9.json").write_text("{}")
        for number in (1, 2):
            old = {**GOOD, "id": f"{number}-a", "started": f"2026-11-2{number}T00:00:00Z"}
            results.write(old, tmp_path / f"{number}.json")
        good, bad = results.read_all(tmp_path)
        assert [one["id"] for one in good] == ["2-a", "1-a"]
        assert [one["file"] for one in bad] == ["9.json"]

    def test_a_folder_that_is_not_there_has_none(self, tmp_path):
        assert results.read_all(tmp_path / "none") == ([], [])

    @settings(max_examples=50)
    @given(st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda deeper: st.lists(deeper) | st.dictionaries(st.sampled_from([*GOOD, "x"]), deeper),
    ))  # fmt: skip
    def test_whatever_else_is_in_it_it_is_refused(self, data):
        with pytest.raises(results.BadResult):
            results.check(data)

    @settings(max_examples=30)
    @given(st.sampled_from([*GOOD]), st.none() | st.text(max_size=3) | st.integers())
    def test_one_part_that_is_replaced_is_noticed_or_allowed(self, key, value):
        data = deepcopy(GOOD)
        data[key] = value
        try:
            results.check(data)
        except results.BadResult as error:
            assert key in str(error)  # noqa: PT017 - either is right


class TestTheSentence:
    def test_says_the_share_of_the_peak(self):
        row = verdicts.judged(_row(value=6.9), peaks.peak_of(T4))
        assert sentence(row) == {
            "en": "Matrix product, single precision (GPU): 6.9 TFLOP/s, 85 % of the 8.1 that the chip can do",
            "ko": "행렬 곱, 단정밀도 (GPU): 6.9 TFLOP/s, 칩의 한계 8.1의 85 %",
        }

    @pytest.mark.parametrize("reason", REASONS)
    def test_says_why_there_is_no_figure(self, reason):
        row = verdicts.without_value("training", "gpu", "skipped", reason)
        assert REASONS[reason] in sentence(row)["en"]
