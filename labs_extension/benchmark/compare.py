"""A result beside those of the class: its figures go to the controller, and medians come back.

Only a summary is told: what came out well, of a run that was not cancelled, with the names of the
chips. The controller keeps it as self-reported, and says nothing of fewer than a few people.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, TypeGuard

from labs_extension.benchmark.plan import CPU, RATIOS
from labs_extension.language import _, say
from labs_extension.session.relay import Controller

MOST_FIGURES: Final = 50
LARGEST: Final = 1e12
LONGEST_NAME: Final = 160
_COMPARABLE: Final = ("quick", "full")
_ODD = re.compile(r"[^A-Za-z0-9 ()@.,:/+_-]")

_AWAY = _(
    "This cannot be compared with the class now. It is tried again when you open this panel the next time."
)
_NOBODY = _(
    "This server does not run on a machine of a class, so there is nobody to be compared with."
)
_UNFIT = _("Only a whole benchmark that has measured something is compared with the class.")


def summary(result: Mapping[str, Any]) -> dict[str, Any] | None:
    """What is told of a result that the schema allows; None when there is nothing to compare.

    A ratio is of two devices, so it is compared where both are the same.
    """
    config = result["config"]
    if config["scale"] not in _COMPARABLE or result["status"] == "cancelled":
        return None
    found = {}
    for row in result["results"]:
        value = row.get("value")
        if row["status"] == "ok" and _is_number(value) and not row.get("noisy"):
            found[row["id"], row["device"]] = {
                "measure": row["id"], "kind": row["device"], "device": _device(row, result),
                "value": value,
            }  # fmt: skip
    if not found:
        return None
    return {
        "backend": config["backend"],
        "scale": config["scale"],
        "started": result["started"],
        "figures": list(found.values())[:MOST_FIGURES],
    }


def beside(told: Mapping[str, Any], said: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The medians of the class for what was told: `id`, `device`, `median` and `count` of each."""
    medians = {}
    for one in _list(said.get("medians")):
        median, count = one.get("median"), one.get("count")
        if _is_number(median) and _is_number(count):
            medians[one.get("measure"), one.get("kind"), one.get("device")] = (median, int(count))
    rows = []
    for figure in told["figures"]:
        found = medians.get((figure["measure"], figure["kind"], figure["device"]))
        if found:
            row = {"id": figure["measure"], "device": figure["kind"]}
            rows.append({**row, "median": found[0], "count": found[1]})
    return rows


class Classmates:
    """The class, as far as the controller tells."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller

    async def compare(self, result: Mapping[str, Any]) -> dict[str, Any]:
        """Tell a result, and what the class has beside it. Never raises; off line it says so.

        It may be told again: the controller keeps the newest figure of each measurement.
        """
        told = summary(result)
        if told is None:
            return _alone(say(_UNFIT))
        controller = self._controller
        status, said = await controller.request(
            "POST", f"claims/{controller.claim}/benchmark", told
        )
        if status == 200:
            asked = f"benchmarks?backend={told['backend']}&scale={told['scale']}"
            status, said = await controller.request("GET", asked)
        if status != 200:
            return _alone(say(_NOBODY if said.get("error") == "unmanaged" else _AWAY))
        least = said.get("least")
        return {
            "compared": True,
            "self_reported": True,
            "sentence": None,
            "least": int(least) if _is_number(least) else None,
            "medians": beside(told, said),
        }


def _alone(sentence: dict[str, str]) -> dict[str, Any]:
    return {
        "compared": False,
        "self_reported": True,
        "sentence": sentence,
        "least": None,
        "medians": [],
    }


def _device(row: Mapping[str, Any], result: Mapping[str, Any]) -> str:
    host, gpu = result["host"], (result["device"] or {}).get("name") or "GPU"
    cpu = f"{host['cpus']} x {host['processor']}"
    name = cpu if row["device"] == CPU else gpu
    if row["id"] in RATIOS:
        name = f"{gpu} / {cpu}"
    return _ODD.sub("-", name)[:LONGEST_NAME]


def _list(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and 0 < value <= LARGEST
