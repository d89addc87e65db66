"""Pages for people, in the hub's look: their machines, their files, and delete for good."""

from __future__ import annotations

import re
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from jinja2 import Environment, FileSystemLoader
from jupyterhub.utils import url_path_join
from tornado.web import RequestHandler, authenticated

from gpuspawner import amounts
from gpuspawner.errors import GpuspawnerError, NotAllowed
from gpuspawner.language import COOKIE, LANGUAGES, Sentence, Value
from gpuspawner.language import say as sentence
from gpuspawner.model import Home
from gpuspawner.policy.money import seconds_of
from gpuspawner.views import ClaimView
from gpuspawner.web.credit.viewer import viewer_of
from gpuspawner.web.handler import status_of
from gpuspawner.web.people import PersonHandler
from gpuspawner.web.people_api import delete_machine
from gpuspawner.web.rows import Row
from gpuspawner.web.services import Services
from gpuspawner.web.session_api import click
from gpuspawner.web.words import WORDS

_TEMPLATES = Path(__file__).parent / "templates"
_PATH = re.compile(r"/(?![/\\])")
"""A path of this host. What begins with two slashes is another host to a browser."""


class PageHandler(PersonHandler, RequestHandler):
    """The base of our pages."""

    def initialize(self, services: Services) -> None:
        """Take what the handlers work with."""
        self.services = services

    def set_default_headers(self) -> None:
        """Nothing from elsewhere is loaded or framed."""
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Content-Security-Policy", "frame-ancestors 'none'; object-src 'none'")

    async def prepare(self) -> None:
        """Take the language that a link asks for, and keep it as the buttons of the hub's pages do."""
        wanted = self.get_query_argument("language", "")
        if wanted in LANGUAGES:
            path = self.hub_auth.hub_prefix.removesuffix("hub/") or "/"
            self.set_cookie(COOKIE, wanted, path=path, max_age=31536000, samesite="Lax")
            self.asked_language = wanted
        await super().prepare()

    def filled_in(self) -> dict[str, list[bytes]]:
        """What a form has put into the URL, without the fields that were left empty."""
        arguments = self.request.query_arguments
        return {name: values for name, values in arguments.items() if values[-1].strip()}

    def texts(self, unit: str, zone: str) -> dict[str, Any]:
        """What a template needs to show amounts, lengths of time and moments of a course."""
        language = self.language

        def money(micros: int, *, fine: bool = False) -> str:
            return amounts.amount_text(micros, unit, language, fine=fine)

        return {
            "money": money,
            "about": lambda seconds: amounts.about(seconds).text(language),
            "span": lambda seconds: amounts.span(seconds).text(language),
            "when": lambda moment: amounts.clock_text(
                seconds_of(datetime.fromisoformat(moment) if isinstance(moment, str) else moment),
                zone,
            ),
            "zone": zone,
            "unit": unit,
        }

    def show(self, template: str, **values: Any) -> None:
        """Render a template in the reader's language."""
        language = self.language
        user = self.current_user if values.get("person") else None

        def translated(message: str, **given: Value) -> str:
            """A sentence of a template's own."""
            return sentence(message, **given).text(language)

        def switched(to: str) -> str:
            """This page in another language."""
            asked = {k: v[-1] for k, v in self.request.query_arguments.items() if k != "done"}
            return "?" + urlencode({**asked, "language": to})

        def say(sentence: Sentence | str) -> str:
            """A word of `WORDS`, or a sentence, in the reader's language."""
            return (WORDS[sentence] if isinstance(sentence, str) else sentence).text(language)

        text = (
            _environment()
            .get_template(template)
            .render(
                _=translated,
                say=say,
                switched=switched,
                teaches=bool(user) and viewer_of(user).teaches,
                language=language,
                hub_url=self.hub_auth.hub_prefix,
                static_url=url_path_join(self.hub_auth.hub_prefix, "static"),
                base_url=self.hub_auth.base_url,
                cookie_path=self.hub_auth.hub_prefix.removesuffix("hub/") or "/",
                xsrf=self.xsrf_token.decode("ascii"),
                **values,
            )
        )
        self.finish(text)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """A sentence and a way back; never a traceback."""
        error = kwargs.get("exc_info", (None, None, None))[1]
        public = NotAllowed.sentence if status_code == 403 else GpuspawnerError.sentence
        if isinstance(error, GpuspawnerError):
            public = error.public
            status_code = status_of(error)
        self.set_status(status_code)
        self.show("error.html", sentence=public, person=None)

    def log_exception(self, *exc_info: Any) -> None:
        """A refusal is no fault of ours; anything else is, and its traceback goes to the log."""
        if not isinstance(exc_info[1], GpuspawnerError):
            super().log_exception(*exc_info)


class LanguagePage(PageHandler):
    """`language?language=ko`: for the hub's own pages, which can keep no choice without JavaScript."""

    def get(self) -> None:
        """Back to where the link was, with the choice kept; to the home page from anywhere else."""
        came = urlsplit(self.request.headers.get("Referer", ""))
        back = came.path + (f"?{came.query}" if came.query else "")
        ours = came.netloc == self.request.host and _PATH.match(back)
        self.redirect(back if ours else f"{self.hub_auth.hub_prefix}home")


class MachinesPage(PageHandler):
    """`/services/gpuspawner/`: one's machines and files; everybody's for an admin."""

    @authenticated
    async def get(self) -> None:
        """The page."""
        person = self.person
        views = sorted(
            self.machines(), key=lambda view: (view.owner.user_name, view.owner.server_name)
        )
        self.show(
            "machines.html",
            person=person,
            here="machines",
            rows=[Row(view, self._homes(view)) for view in views],
            problems=self.services.board.problems if person.admin else {},
            trouble=self.services.board.trouble if person.admin else "",
        )

    @authenticated
    async def post(self) -> None:
        """Delete one machine for good, or keep it running for a while, as the form asks."""
        view = self.machine(self.get_body_argument("machine", ""))
        if self.get_body_argument("action", "delete") == "keep":
            await click(self, view, "keep", view.generation)
        else:
            await delete_machine(self, view.name)
        self.redirect(self.hub_auth.base_url)

    def _homes(self, view: ClaimView) -> tuple[Home, ...]:
        world = self.services.board.world
        return tuple(home for home in world.homes if home.claim == view.name) if world else ()


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader([_TEMPLATES / "service", _TEMPLATES]), autoescape=True
    )
