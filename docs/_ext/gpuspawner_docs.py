"""The pages that are made from the code: the plan, the settings, the errors, the calls, the commands.

A line `% generated: NAME` in a page is replaced by what the code says. So the documentation cannot
fall behind it, and what cannot be shown (a setting without help) fails the build.
"""

from __future__ import annotations

import argparse
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from bill_page import bill
from fault_page import faults
from idle_page import idle_cases, idle_limits
from lab_page import lab_benchmark, lab_peaks, lab_settings
from replay_page import replay
from traitlets import TraitType

import gpuspawner.policy.money_errors
import gpuspawner.policy.session_errors
import gpuspawner.web.credit.errors  # noqa: F401 - and these
from gpuspawner import cli
from gpuspawner.doctor.checks import CHECKS
from gpuspawner.errors import GpuspawnerError
from gpuspawner.model import Power, Stage
from gpuspawner.policy.table import TABLE, Action, Wish
from gpuspawner.providers import azure_uses as azure
from gpuspawner.providers.aws_calls import USED_CALLS
from gpuspawner.settings import AWS, Agent, Azure, Controller, Credit, Idle, Prices, Session
from gpuspawner.spawner import GPUSpawner

if TYPE_CHECKING:
    from sphinx.application import Sphinx

_MARK = re.compile(r"^% generated: (\w+)$", re.MULTILINE)


def plan() -> str:
    """The plan's table: the wish down, the machine's power across."""
    powers: list[Power | None] = [None, *Power]
    head = ["the wish \\ the machine", *(power.name if power else "none" for power in powers)]
    rows = [
        [f"**{wish.value}**", *(_action(TABLE[wish, power]) for power in powers)] for wish in Wish
    ]
    return _table([head, *rows])


def _action(action: Action) -> str:
    return "–" if action is Action.NOTHING else action.value


def stages() -> str:
    """The stages of a start, in order."""
    return ", ".join(f"*{stage.value}*" for stage in Stage)


def setting_traits() -> dict[str, dict[str, TraitType[Any, Any]]]:
    """The settings of each of our classes: those that we define, not those that we inherit."""
    return {
        kind.__name__: {
            name: trait
            for name, trait in sorted(kind.class_traits(config=True).items())
            if trait.this_class is not None
            and trait.this_class.__module__.startswith("gpuspawner.")
        }
        for kind in (GPUSpawner, Controller, AWS, Azure, Prices, Agent, Credit, Idle, Session)
    }


def settings() -> str:
    """Every setting, with its help."""
    readers = {"GPUSpawner": "the hub"}
    parts = []
    for kind, traits in setting_traits().items():
        parts.append(f"## `c.{kind}`\n\nRead by {readers.get(kind, 'the controller')}.\n")
        for name, trait in traits.items():
            if not trait.help:
                raise ValueError(f"{kind}.{name} has no help")
            anchor = f"({kind.lower()}-{name.replace('_', '-')})="
            parts.append(
                f"{anchor}\n### `c.{kind}.{name}`\n\n{_kind(trait)}\n\n{_text(trait.help)}\n"
            )
    return "\n".join(parts)


def _kind(trait: TraitType[Any, Any]) -> str:
    default = trait.default_value
    shown = "" if callable(default) or "Sentinel" in repr(default) else f", `{default!r}`"
    return f"*{type(trait).__name__}*{shown}"


def _text(text: str) -> str:
    return inspect.cleandoc(text).replace("<", "\\<")


def aws_calls() -> str:
    """Every call that is made to AWS: the permission it needs, and what it is for."""
    head = ["permission", "what for", "changes something?"]
    rows = [
        [f"`{use.permission}:{action}`", use.why, "yes" if use.changes else "no"]
        for action, use in USED_CALLS.items()
    ]
    return f"{_table([head, *rows])}\n\n{len(rows)} calls in all."


def azure_calls() -> str:
    """Every call that is made to Azure: the permission it needs, and what it is for."""
    head = ["permission", "what for", "changes something?"]
    rows = [
        [f"`{use.permission}`", use.why, "no" if use.kind == "reads" else "yes"]
        for use in azure.USED_CALLS.values()
    ]
    return f"{_table([head, *rows])}\n\n{len(rows)} calls in all."


def all_errors() -> list[type[GpuspawnerError]]:
    """Every error class, a base before those below it."""

    def below(kind: type[GpuspawnerError]) -> Iterator[type[GpuspawnerError]]:
        yield kind
        for one in kind.__subclasses__():
            if one.__module__.startswith("gpuspawner."):
                yield from below(one)

    return list(below(GpuspawnerError))


def errors() -> str:
    """Every error: its code, what people read, and whether trying again can help."""
    head = ["code", "class", "what people read", "try again?"]
    return _table([head, *(_error(kind) for kind in all_errors())])


def _error(kind: type[GpuspawnerError]) -> list[str]:
    return [
        f"`{kind.code}`",
        f"`{kind.__name__}`",
        f"{kind.sentence.text('en')} {kind.sentence.text('ko')}",
        "yes" if kind.retry else "no",
    ]


def doctor_checks() -> str:
    """Everything that the doctor looks at: the name in its JSON, and what it is, in each language."""
    head = ["check", "what it looks at", "무엇을 확인하는지"]
    rows = [
        [f"`{name}`", check.looks_at.text("en"), check.looks_at.text("ko")]
        for name, check in CHECKS.items()
    ]
    return _table([head, *rows])


def commands() -> str:
    """Every command, with its options."""
    return "\n".join(_command(cli.parser(), "gpuspawner"))


def command_names() -> list[str]:
    """The commands of the top level."""
    return [name for name, _ in _subcommands(cli.parser())]


def _command(parser: argparse.ArgumentParser, name: str) -> Iterator[str]:
    below = _subcommands(parser)
    if not below:
        yield f"## `{name}`\n"
        if not parser.add_help:
            # It has a command line of its own, which knows nothing of this one.
            yield f"`{name} --help` lists its options.\n"
            return
        # Formatted for one width, whatever the terminal of the build is.
        parser.formatter_class = lambda prog: argparse.HelpFormatter(prog, width=90)
        yield f"```text\n{parser.format_help()}```\n"
    for one, deeper in below:
        yield from _command(deeper, f"{name} {one}")


def _subcommands(parser: argparse.ArgumentParser) -> list[tuple[str, argparse.ArgumentParser]]:
    for action in parser._actions:  # noqa: SLF001 - argparse has no other way to ask
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            return sorted(action.choices.items())
    return []


def _table(rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])


GENERATED: Mapping[str, Callable[[], str]] = {
    "aws_calls": aws_calls,
    "azure_calls": azure_calls,
    "bill": bill,
    "commands": commands,
    "doctor_checks": doctor_checks,
    "errors": errors,
    "faults": faults,
    "replay": replay,
    "idle_cases": idle_cases,
    "idle_limits": idle_limits,
    "plan": plan,
    "lab_benchmark": lab_benchmark,
    "lab_peaks": lab_peaks,
    "lab_settings": lab_settings,
    "settings": settings,
    "stages": stages,
}


def expand(text: str) -> str:
    """The page `text` with every mark replaced.

    Raises:
        KeyError: a mark that nothing is made for.
    """
    return _MARK.sub(lambda match: GENERATED[match[1]](), text)


def _on_source_read(_app: Sphinx, _page: str, source: list[str]) -> None:
    source[0] = expand(source[0])


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("source-read", _on_source_read)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
