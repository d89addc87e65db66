"""What the commands for admins print. They ask the running controller, with the secret file's token."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from gpuspawner import identity, settings
from gpuspawner.errors import ClaimNotFound, ControllerUnavailable, GpuspawnerError
from gpuspawner.language import Sentence

API = "/services/gpuspawner/api/v1/"
_SECONDS = 15


def status(config: Path, *, as_json: bool = False) -> int:
    """Print claims beside their machines, then what last went wrong."""
    found = ask(config, "status")
    if as_json:
        print(json.dumps(found, indent=2))
        return 0
    print(f"Hub {found['hub_id']}")
    for one in found["findings"]:
        print(f"{one['severity']}: {one['subject']}: {one['message']} {one['remedy']}".rstrip())
    if found["trouble"]:
        print(f"The cloud cannot be listed: {found['trouble']}\n")
    if found["look_again_at"]:
        print(f"The cloud is looked at again by {_clock_time(found['look_again_at'])}.\n")
    rows = [_claim_row(claim) for claim in found["claims"]]
    rows += [_stranger_row(machine) for machine in found["machines"]]
    table(_HEAD, rows)
    if found.get("stopped_by_mistake"):
        print(
            f"\nStarted again within ten minutes of a stop for idleness: {found['stopped_by_mistake']}"
        )
    for claim, problem in found["problems"].items():
        print(f"\n{claim}: {problem}")
    return 1 if found["trouble"] else 0


def homes(config: Path, *, as_json: bool = False) -> int:
    """Print all homes."""
    found = ask(config, "homes")
    if as_json:
        print(json.dumps(found, indent=2))
    else:
        _homes_table(found, _people(config))
    return 0


def give(config: Path, home: str, user: str, server: str) -> int:
    """Hand a home to another user's server."""
    ask(config, f"homes/{home}/give", "POST", {"user_name": user, "server_name": server})
    print(f"{home} is {user}'s from the next start on.")
    return 0


def delete(config: Path, ids: Sequence[str], *, yes: bool = False) -> int:
    """Delete homes after showing them and asking. 1 when the answer is no."""
    found = {home["id"]: home for home in ask(config, "homes")}
    missing = [one for one in ids if one not in found]
    if missing:
        raise ClaimNotFound(f"no such home: {', '.join(missing)}; nothing was deleted")
    _homes_table([found[one] for one in ids], _people(config))
    if not yes:
        print("\nEverything on them is lost for good. Type 'delete' to go on: ", end="", flush=True)
        if sys.stdin.readline().strip() != "delete":
            print("Nothing was deleted.")
            return 1
    for one in ids:
        ask(config, f"homes/{one}", "DELETE")
        print(f"{one} is deleted.")
    return 0


def _homes_table(found: Sequence[dict[str, Any]], people: dict[str, str]) -> None:
    rows = [
        (
            home["id"],
            people.get(home["claim"], "-"),
            f"{home['size_gib']} GiB",
            home["zone"],
            home["machine"] or "-",
            home["created_at"][:10],
        )
        for home in found
    ]
    table(("HOME", "OF", "SIZE", "ZONE", "MACHINE", "MADE"), rows)


def _people(config: Path) -> dict[str, str]:
    """Whose each claim is, by the claim's name."""
    claims = ask(config, "status")["claims"]
    return {
        claim["name"]: "/".join(
            filter(None, (claim["owner"]["user_name"], claim["owner"]["server_name"]))
        )
        for claim in claims
    }


_HEAD = (
    "USER", "SERVER", "PROFILE", "WISH", "MACHINE", "POWER", "SIZE", "ZONE", "AGE", "COST", "WHY",
    "DOES", "STOPS AT", "NEXT STEP",
)  # fmt: skip


def _claim_row(claim: dict[str, Any]) -> tuple[str, ...]:
    return (
        claim["owner"]["user_name"],
        claim["owner"]["server_name"] or "-",
        claim["specification"]["profile"],
        claim["desired"],
        claim["machine_id"] or "-",
        claim["power"] or "-",
        claim["size"] or "-",
        claim["zone"] or "-",
        _duration(claim["age_seconds"]),
        _cost(claim),
        claim["reason"] or claim["stage"] or "-",
        *_session(claim.get("session")),
        _next(claim["next"]),
    )


def _stranger_row(machine: dict[str, Any]) -> tuple[str, ...]:
    """A machine that no claim names: whose it was is all that its tag says."""
    return (
        "(nobody)",
        "-",
        machine["claim"] or "-",
        "-",
        machine["id"],
        machine["power"],
        machine["size"],
        machine["zone"],
        _duration(machine["billed_seconds"]),
        _cost(machine),
        "-",
        "-",
        "-",
        _next(machine["next"]),
    )


def _session(session: dict[str, Any] | None) -> tuple[str, str]:
    """What it does, why it goes on or ends, and when it is stopped if nothing happens."""
    if session is None:
        return "-", "-"
    because = Sentence.from_json(session["because"]).text()
    at = session["deadline"]
    return f"{session['mode']}: {because}", _clock_time(at) if at else "-"


def _duration(seconds: int | None) -> str:
    return "-" if seconds is None else str(timedelta(seconds=seconds))


def _cost(of: dict[str, Any]) -> str:
    """Since the machine was last switched on. What nobody has priced is not free."""
    if of["billed_seconds"] is None:
        return "-"
    if of["cost_micros"] is None:
        return "no price"
    return f"{of['cost_micros'] / 1_000_000:.4f} {of['currency']}"


def _next(step: dict[str, Any]) -> str:
    sentence = Sentence.from_json(step["sentence"]).text()
    again = step["look_again_at"]
    return f"{sentence} Again by {_clock_time(again)}." if again else sentence


def _clock_time(moment: str) -> str:
    """In the terminal's own zone."""
    return datetime.fromisoformat(moment).astimezone().strftime("%H:%M:%S")


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows below their heads, each column as wide as it must be."""
    widths = [max(len(row[n]) for row in (head, *rows)) for n in range(len(head))]
    for row in (head, *rows):
        print(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        )


def ask(
    config: Path,
    path: str,
    method: str = "GET",
    body: dict[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
    read: Callable[[str], Any] = json.loads,
    seconds: float = _SECONDS,
) -> Any:
    """Ask the controller; `read` makes something of what it answers within `seconds`.

    Raises:
        ControllerUnavailable: nobody answers there.
        GpuspawnerError: it refuses.
    """
    loaded = settings.made(settings.Controller, settings.load(config))
    record = loaded.record(config.resolve().parent)
    token = identity.load(record.secret_file).claims_token
    request = Request(  # noqa: S310 - the admin's own setting
        record.bind_url.rstrip("/") + API + path,
        method=method,
        data=json.dumps(body or {}).encode() if method == "POST" else None,
        headers={"Authorization": f"Bearer {token}", **(headers or {})},
    )
    try:
        with urlopen(request, timeout=seconds) as answer:  # noqa: S310
            return read(answer.read().decode("utf-8"))
    except HTTPError as error:
        raise _refusal(error) from error
    except (OSError, HTTPException, ValueError) as error:
        raise ControllerUnavailable(
            f"no controller answers at {record.bind_url}: is the hub running? ({error})"
        ) from error


def _refusal(error: HTTPError) -> GpuspawnerError:
    """What the answer says; what is not from a controller says nothing that could be shown."""
    with error:
        text = error.read()
    try:
        said = json.loads(text)
        return GpuspawnerError(f"{said['error']}: {Sentence.from_json(said['sentence'])}")
    except (ValueError, KeyError, TypeError):
        return ControllerUnavailable(f"{error.url} answers {error.code}, not as a controller does")
