"""What the hub's templates need: `_("…")`, a sentence in every language at once."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment
from jinja2.ext import Extension
from markupsafe import Markup

from gpuspawner.language import Value, say
from gpuspawner.spawner_card import show


class Sentences(Extension):
    """Gives templates `_("Start {name}", name=…)`; the style sheet shows the reader's language."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        globals_: dict[str, Any] = environment.globals
        globals_["_"] = sentence


def sentence(message: str, /, **values: Value) -> Markup:
    """The sentence in every language, escaped."""
    return show(say(message, **values))
