"""What the hub's templates need: `_("…")`, a sentence in every language at once, and the reader's language."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, pass_context
from jinja2.ext import Extension
from jinja2.runtime import Context
from markupsafe import Markup
from tornado.web import RequestHandler

from gpuspawner.language import COOKIE, Value, reader_language, say
from gpuspawner.spawner_card import show

_HTML = '<html lang="en">'
"""How JupyterHub's own page begins, whoever reads it."""


class Sentences(Extension):
    """Gives templates `_("Start {name}", name=…)`; the style sheet shows the reader's language."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        globals_: dict[str, Any] = environment.globals
        globals_["_"] = sentence
        globals_["gs_language"] = language

    def preprocess(
        self,
        source: str,
        name: str | None,  # noqa: ARG002 - Jinja says it
        filename: str | None = None,  # noqa: ARG002 - Jinja says it
    ) -> str:
        """Let the page say which language it is in; no block of JupyterHub's is around that."""
        return source.replace(_HTML, '<html lang="{{ gs_language() }}">')


def sentence(message: str, /, **values: Value) -> Markup:
    """The sentence in every language, escaped."""
    return show(say(message, **values))


@pass_context
def language(context: Context) -> str:
    """The language of who reads this page: cookie, then browser, then the course's."""
    default = context.get("gpuspawner_language", "en")
    # JupyterHub hands templates no request; this is a method of the handler that has it.
    return language_of(getattr(context.get("static_url"), "__self__", None), default)


def language_of(handler: RequestHandler | None, default: str) -> str:
    """The language of whose request `handler` answers; None: nobody's."""
    if handler is None:
        return reader_language("", "", default)
    accepted = handler.request.headers.get("Accept-Language", "")
    return reader_language(handler.get_cookie(COOKIE, "") or "", accepted, default)
