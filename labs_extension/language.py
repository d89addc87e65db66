"""Sentences for people, in Korean and English, both sent at once: the page shows the reader's own.

Write `say(_("No {what} here."), what="GPU")`: the extraction of messages looks for `_(…)`.
"""

from __future__ import annotations

import functools
import gettext
from collections.abc import Mapping
from pathlib import Path

LANGUAGES = ("en", "ko")
"""The languages every sentence exists in. English is the language of the keys."""

_LOCALE = Path(__file__).parent / "locale"


def _(message: str) -> str:
    """Mark `message` for translation, unchanged."""
    return message


def say(message: str, /, **values: str | float) -> dict[str, str]:
    """The sentence `message` with `values` in its places, by language."""
    return {
        language: _translation(language).gettext(message).format(**values) for language in LANGUAGES
    }


def terminal_language(environment: Mapping[str, str]) -> str:
    """The hub's, on a machine of a class; else the terminal's, by the first of POSIX's variables."""
    names = ("GPUSPAWNER_LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")
    found = next((environment[name] for name in names if environment.get(name)), "en")
    return "ko" if found.lower().startswith("ko") else "en"


@functools.cache
def _translation(language: str) -> gettext.NullTranslations:
    return gettext.translation("labs_extension", _LOCALE, languages=[language], fallback=True)
