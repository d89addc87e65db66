"""What the commands about credit and people print. They ask the running controller, as an admin."""

from __future__ import annotations

import json
import sys
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from gpuspawner.amounts import amount_text
from gpuspawner.console import ask, table
from gpuspawner.spreadsheets import Encoding, encoded


def fund(config: Path, *, amount: int, reason: str, key: str, as_json: bool) -> int:
    """Bring credit into the pool."""
    body = {"micros": amount, "reason": reason}
    return _changed(config, "fund", body, key, as_json)


def grant(
    config: Path, *, student: str, amount: int, expires: date | None, reason: str, key: str,
    as_json: bool,
) -> int:  # fmt: skip
    """Give a student credit of the pool."""
    body: dict[str, Any] = {"student": student, "micros": amount, "reason": reason}
    if expires:
        body["expires_at"] = f"{expires.isoformat()}T00:00:00Z"
    return _changed(config, "grants", body, key, as_json)


def reverse(
    config: Path, *, transaction: int, amount: int | None, reason: str, key: str, as_json: bool
) -> int:
    """Take a transaction back."""
    body: dict[str, Any] = {"transaction": transaction, "reason": reason}
    if amount is not None:
        body["micros"] = amount
    return _changed(config, "reversals", body, key, as_json)


def balance(config: Path, *, student: str | None, as_json: bool) -> int:
    """Print the pool and everybody's balance, or one student's."""
    found = ask(config, "students")
    if student is not None:
        # Whom nobody has met is an error there, and not an empty table here.
        ask(config, f"grants?{urlencode({'student': student})}")
        found["students"] = [one for one in found["students"] if one["name"] == student]
    pool = ask(config, "pool")
    if as_json:
        print(json.dumps({"pool": pool, **found}, indent=2))
        return 0
    unit = found["unit"]
    if student is None:
        print(
            f"Pool: {amount_text(pool['pool'], unit)} of {amount_text(pool['funded'], unit)}, "
            f"{amount_text(pool['held'], unit)} set aside; spent {amount_text(pool['spent'], unit)}\n"
        )
    rows = [
        (
            one["name"] or one["person"],
            *(amount_text(one[name], unit) for name in ("live", "held", "available", "per_hour")),
        )
        for one in found["students"]
    ]
    table(("STUDENT", "BALANCE NOW", "SET ASIDE", "AVAILABLE", "AN HOUR NOW"), rows)
    return 0


def statement(
    config: Path, *, student: str, since: date | None, until: date | None, csv: bool,
    encoding: Encoding, as_json: bool,
) -> int:  # fmt: skip
    """Print every line of a student's in some days."""
    days = {"since": since, "until": until}
    query = {name: day.isoformat() for name, day in days.items() if day}
    asked = urlencode({"student": student, **query})
    if csv:
        sys.stdout.buffer.write(encoded(ask(config, f"statement.csv?{asked}", read=str), encoding))
        return 0
    found = ask(config, f"statement?{asked}")
    if as_json:
        print(json.dumps(found, indent=2))
        return 0
    unit = found["unit"]
    rows = [("", "", "balance before", "", "", amount_text(found["opening"], unit, fine=True), "")]
    rows += [
        (
            line["at"][:16].replace("T", " "),
            str(line["transaction"] or "-"),
            line["kind"],
            line["component"] or "-",
            str(line["seconds"]) if line["component"] else "-",
            amount_text(line["amount"], unit, fine=True),
            line["note"] or line["reason"] or "",
        )
        for line in found["lines"]
    ]
    rows.append(
        ("", "", "balance after", "", "", amount_text(found["closing"], unit, fine=True), "")
    )
    table(("WRITTEN (UTC)", "ENTRY", "WHAT", "OF", "SECONDS", "AMOUNT", "WHY"), rows)
    return 0


def export(config: Path, *, output: Path | None, encoding: Encoding, as_json: bool) -> int:
    """Print or write what is needed elsewhere."""
    if as_json:
        everything = {name: ask(config, name) for name in ("pool", "burn", "students")}
        data = json.dumps({**everything, "audit": _log(config)}, indent=2).encode() + b"\n"
    else:
        data = encoded(ask(config, "students.csv", read=str), encoding)
    if output is None:
        sys.stdout.buffer.write(data)
    else:
        output.write_bytes(data)
        print(f"{output} is written.")
    return 0


def export_person(config: Path, *, person: str) -> int:
    """Print everything that is known of a person."""
    print(json.dumps(ask(config, f"person?{urlencode({'who': person})}"), indent=2))
    return 0


def erase_person(config: Path, *, person: str, yes: bool, as_json: bool) -> int:
    """Forget who a person is, after asking. 1 when the answer is no."""
    found = ask(config, f"person?{urlencode({'who': person})}")
    who = found["person"]
    if not yes:
        print(f"{who['name'] or '(no name)'}, {who['id']}, student number {who['student_number'] or '-'}")  # fmt: skip
        print(
            "The name, the addresses and the notes are forgotten for good; every sum stays.\n"
            "Type 'erase' to go on: ",
            end="",
            flush=True,
        )
        if sys.stdin.readline().strip() != "erase":
            print("Nothing was erased.")
            return 1
    done = ask(config, f"person?{urlencode({'who': who['id']})}", "DELETE")
    print(json.dumps(done, indent=2) if as_json else f"{who['id']} has no name any more.")
    return 0


def _log(config: Path) -> list[dict[str, Any]]:
    """The whole log, page by page."""
    entries: list[dict[str, Any]] = []
    before = ""
    while True:
        page = ask(config, f"audit?limit=500{before}")
        entries += page["entries"]
        if page["before"] is None:
            return entries
        before = f"&before={page['before']}"


def _changed(config: Path, path: str, body: dict[str, Any], key: str, as_json: bool) -> int:
    made = ask(config, path, "POST", body, {"Idempotency-Key": key})
    if as_json:
        print(json.dumps(made, indent=2))
        return 0
    unit = made["unit"]
    print(f"Entry {made['transaction']}. The pool has {amount_text(made['pool'], unit)}.")
    if made["credit"]:
        one = made["credit"]
        print(f"{one['name'] or one['person']} has {amount_text(one['live'], unit)}.")
    return 0
