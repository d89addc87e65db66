"""What the coordinator makes of what the workers measured: shares of the peak, ratios, doubts. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from labs_extension.benchmark.peaks import TOO_GOOD, Peak
from labs_extension.benchmark.plan import CPU, GPU, ITEMS, RATIOS

Row: TypeAlias = dict[str, Any]


def without_value(name: str, device: str, status: str, reason: str, detail: str = "") -> Row:
    """The row of an item that has no figure: it is absent, never 0."""
    row = {"id": name, "device": device, "status": status, "reason": reason}
    return {**row, "detail": detail[:300]} if detail else row


def judged(row: Row, peak: Peak | None) -> Row:
    """The row with its share of the peak, and `invalid` where it cannot be true.

    Args:
        row: as measured.
        peak: of the device on which it was measured; None when there is no reference.
    """
    if row["status"] != "ok":
        return row
    if not math.isfinite(row["value"]) or row["value"] <= 0:
        return {**row, "status": "invalid", "reason": "not_a_number", "value": None}
    field = ITEMS[row["id"]].peak
    most = getattr(peak, field) if peak is not None and field is not None else None
    if row["device"] != GPU or most is None or peak is None:
        return row
    share = row["value"] / most
    row = {**row, "peak": most, "peak_source": peak.source, "fraction_of_peak": share}
    return {**row, "status": "invalid", "reason": "above_peak"} if share > TOO_GOOD else row


def ratios(rows: Sequence[Row], wanted: Mapping[str, str] = RATIOS) -> list[Row]:
    """How many times faster the GPU is, where both were measured; otherwise a row without a value."""
    found = {(row["id"], row["device"]): row for row in rows}
    result = []
    for name, item in wanted.items():
        gpu, cpu = found.get((item, GPU)), found.get((item, CPU))
        if gpu is None or cpu is None:
            if gpu or cpu:
                result.append(without_value(name, GPU, "skipped", "only_one_device"))
        elif gpu["status"] == cpu["status"] == "ok":
            ratio = gpu["value"] / cpu["value"]
            noise = {"noisy": True} if gpu.get("noisy") or cpu.get("noisy") else {}
            row = {"id": name, "device": GPU, "status": "ok", "value": ratio, "unit": "x"}
            result.append({**row, **noise})
        else:
            bad = gpu if gpu["status"] != "ok" else cpu
            result.append(without_value(name, GPU, "skipped", bad.get("reason", "error")))
    return result


def overall(rows: Sequence[Row], *, has_gpu: bool, cancelled: bool) -> str:
    """How the whole run stands: `cancelled`, `no_device`, `failed` (something did), or `ok`."""
    if cancelled:
        return "cancelled"
    if not has_gpu:
        return "no_device"
    return "failed" if any(row["status"] in {"failed", "invalid"} for row in rows) else "ok"
