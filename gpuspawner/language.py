"""Sentences for people, in Korean and English.

A sentence travels as data, its English text as the key and its values beside it, and is put into
a language only where somebody reads it. So the controller needs not know who will read, a page
can be switched from one language to the other, and nothing has to be parsed back out of a text.

Write `say(_("No free {size} machine in {zone}."), size="g4dn.xlarge", zone="a")`: the extraction of
messages looks for `_(…)`.
"""

from __future__ import annotations

import functools
import gettext
import html
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

LANGUAGES = ("en", "ko")
"""The languages every sentence exists in. English is the language of the keys."""

COOKIE = "gpuspawner_language"
"""Where a browser keeps the language that somebody has chosen, for the hub's pages and ours."""

Value: TypeAlias = "str | int | float"

_LOCALE = Path(__file__).parent / "locale"


def _(message: str) -> str:
    """Mark `message` for translation, unchanged: it is translated when somebody reads it."""
    return message


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence for people: its English text with `{name}` places, and what goes in them."""

    message: str
    values: tuple[tuple[str, Value], ...] = ()

    def text(self, language: str = "en") -> str:
        """The sentence in `language` (`en` when there is no such translation)."""
        return _translation(language).gettext(self.message).format(**dict(self.values))

    def html(self) -> str:
        """The sentence in every language, escaped, for a page that shows the reader's own."""
        return in_all_languages({language: self.text(language) for language in LANGUAGES})

    def to_json(self) -> dict[str, Any]:
        """The sentence as it is stored and sent."""
        return {"message": self.message, "values": dict(self.values)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Sentence:
        """The sentence that `to_json` wrote.

        Raises:
            KeyError: `data` was not written by `to_json`.
        """
        return cls(data["message"], tuple(sorted(data["values"].items())))

    def __str__(self) -> str:
        return self.text()


def in_all_languages(texts: Mapping[str, str]) -> str:
    """A text in every language, escaped, for a page that shows the reader's own.

    Each language is a `<span lang=… class="gpuspawner-say">`; the page's style sheet hides those that
    are not in the language of the page.
    """
    return "".join(
        f'<span class="gpuspawner-say" lang="{language}">{html.escape(texts[language])}</span>'
        for language in LANGUAGES
    )


def say(message: str, /, **values: Value) -> Sentence:
    """The sentence `message` with `values` in its places."""
    return Sentence(message, tuple(sorted(values.items())))


def best_language(wanted: Iterable[str], default: str = "en") -> str:
    """The first language of `wanted` (tags such as `ko-KR`, best first) that we speak."""
    for tag in wanted:
        language = tag.strip().lower().partition("-")[0]
        if language in LANGUAGES:
            return language
    return default if default in LANGUAGES else "en"


def reader_language(chosen: str, accepted: str, default: str = "en") -> str:
    """The language of who reads a page: the one they have chosen, else their browser's, else the course's.

    Args:
        chosen: what they asked for, "" for nothing.
        accepted: the header `Accept-Language`.
        default: the course's.
    """
    browser = (one.partition(";")[0] for one in accepted.split(","))
    return best_language([chosen, *browser], default)


def terminal_language(environment: Mapping[str, str]) -> str:
    """The language of a terminal, as POSIX says it: the first of three variables that is set."""
    names = ("LC_ALL", "LC_MESSAGES", "LANG")
    found = next((environment[name] for name in names if environment.get(name)), "en")
    return best_language([found.replace("_", "-")])


@functools.cache
def _translation(language: str) -> gettext.NullTranslations:
    return gettext.translation("gpuspawner", _LOCALE, languages=[language], fallback=True)
