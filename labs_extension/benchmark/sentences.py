"""What people read of a result, in Korean and English."""

from __future__ import annotations

from typing import Any

from labs_extension.language import _, say

TITLES = {
    "matmul_fp32": _("Matrix product, single precision"),
    "matmul_tf32": _("Matrix product, TF32"),
    "matmul_fp16": _("Matrix product, half precision"),
    "matmul_bf16": _("Matrix product, bfloat16"),
    "memory_copy": _("Memory copy"),
    "host_to_device": _("Copy from the computer to the GPU"),
    "device_to_host": _("Copy from the GPU to the computer"),
    "convolution": _("Convolution"),
    "training": _("Training of a small net"),
    "mnist_time_to_99": _("MNIST: time to 99 %"),
    "mnist_accuracy": _("MNIST: accuracy at the end"),
    "cifar10_throughput": _("CIFAR-10: training"),
    "convolution_ratio": _("Convolution: GPU against CPU"),
    "training_ratio": _("Training: GPU against CPU"),
}

REASONS = {
    "no_device": _("there is no GPU"),
    "framework_cannot_see_gpu": _("the framework cannot use the GPU"),
    "no_hardware_support": _("this GPU cannot do it"),
    "no_data": _("the data set is not on this machine"),
    "only_one_device": _("only one of the two was measured"),
    "not_reached": _("99 % was not reached"),
    "above_peak": _("more than the chip can do, so the measurement is wrong"),
    "wrong_numbers": _("the numbers that came out are wrong"),
    "not_a_number": _("no usable number came out"),
    "timeout": _("it took too long"),
    "crashed": _("the process that measured it ended"),
    "error": _("an error: see the result file"),
}

_OK = _("{title} ({device}): {value} {unit}")
_OF_PEAK = _("{title} ({device}): {value} {unit}, {percent} % of the {peak} that the chip can do")
_DISTURBED = _("{sentence} (disturbed by other programs)")
_NOT = _("{title} ({device}): no figure, because {reason}.")


def sentence(row: dict[str, Any]) -> dict[str, str]:
    """One row of a result in one line, by language."""
    titles, device = say(TITLES[row["id"]]), row["device"].upper()
    if row["status"] != "ok":
        reasons = say(REASONS.get(row.get("reason", ""), REASONS["error"]))
        return {
            language: say(_NOT, title=title, device=device, reason=reasons[language])[language]
            for language, title in titles.items()
        }
    value, unit = f"{row['value']:.4g}", row["unit"]
    if row["unit"] == "share":
        value, unit = f"{row['value'] * 100:.2f}", "%"
    share, peak = row.get("fraction_of_peak"), row.get("peak", 0.0)
    more = {} if share is None else {"percent": f"{share * 100:.0f}", "peak": f"{peak:g}"}
    words = {
        language: say(
            _OF_PEAK if more else _OK, title=title, device=device, value=value, unit=unit, **more
        )[language]
        for language, title in titles.items()
    }
    if row.get("noisy"):
        return {one: say(_DISTURBED, sentence=text)[one] for one, text in words.items()}
    return words


def named(item: str) -> dict[str, Any]:
    """The `title` of an item; nothing for one that there is not, since a file may name anything."""
    return {"title": say(TITLES[item])} if item in TITLES else {}


def told(row: dict[str, Any]) -> dict[str, Any]:
    """A row with its `title` and `sentence`."""
    title = named(row["id"])
    return {**row, **title, "sentence": sentence(row)} if title else row
