"""The list of machines a student picks from: what an admin wrote, checked. Pure.

The conventions are kubespawner's, so that a list can be brought along: `display_name`, `slug`,
`description`, `default`, `profile_options` with `choices`. What differs is `gpuspawner_override`,
which says `sizes`, `image`, `home_gib` and `disk_gib`, `groups`, which says for whom it is, and that
a description or the name of an option may be in several languages: `{"en": …, "ko": …}`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from gpuspawner.errors import ConfigurationError
from gpuspawner.language import LANGUAGES

_PROFILE_KEYS = (
    "display_name",
    "description",
    "slug",
    "default",
    "groups",
    "gpuspawner_override",
    "profile_options",
)
_OPTION_KEYS = ("display_name", "choices")
_CHOICE_KEYS = ("display_name", "default", "groups", "gpuspawner_override")
_OVERRIDE_KEYS = ("sizes", "image", "home_gib", "disk_gib")
Words: TypeAlias = "Mapping[str, str]"
"""What an admin wrote for students to read, by language, in each of `LANGUAGES`."""

_SLUG = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
MAX_GIB = 16384


@dataclass(frozen=True, slots=True)
class Choice:
    """One answer to an option, and what it changes. `groups` None: for everyone."""

    key: str
    display_name: str
    override: Mapping[str, Any]
    default: bool = False
    groups: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Option:
    """A further question of one profile, such as which software."""

    key: str
    display_name: Words
    choices: tuple[Choice, ...]


@dataclass(frozen=True, slots=True)
class Profile:
    """One machine of the list. `groups` None: for everyone."""

    slug: str
    display_name: str
    description: Words = field(default_factory=dict)
    """Empty where there is none."""
    override: Mapping[str, Any] = field(default_factory=dict)
    options: tuple[Option, ...] = ()
    default: bool = False
    groups: frozenset[str] | None = None


def load(profile_list: Any) -> tuple[Profile, ...]:
    """Check `c.GPUSpawner.profile_list` and read it.

    Raises:
        ConfigurationError: it has a mistake; the text says where, by name.
    """
    if not isinstance(profile_list, (list, tuple)) or not profile_list:
        raise _wrong("profile_list", "must be a list with at least one machine")
    profiles = tuple(
        _profile(entry, f"profile_list[{index}]") for index, entry in enumerate(profile_list)
    )
    _once((profile.slug for profile in profiles), "profile_list", "slug")
    if sum(profile.default for profile in profiles) > 1:
        raise _wrong("profile_list", "more than one machine is the default")
    return profiles


def _profile(entry: Any, where: str) -> Profile:
    entry = _record(entry, where, _PROFILE_KEYS)
    name = _text(entry, "display_name", where)
    where = f"{where} ({name!r})"
    slug = _text(entry, "slug", where, slugify(name))
    if _SLUG.fullmatch(slug) is None:
        raise _wrong(
            f"{where}.slug", f"{slug!r} must be lower-case letters, digits, '.', '_' or '-'"
        )
    options = tuple(
        _option(key, value, f"{where}.profile_options[{key!r}]")
        for key, value in _mapping(entry, "profile_options", where).items()
    )
    override = _override(entry, where)
    if "sizes" not in override and not any(
        all("sizes" in choice.override for choice in option.choices) for option in options
    ):
        raise _wrong(where, "has no sizes: write gpuspawner_override = {'sizes': [...]}")
    return Profile(
        slug,
        name,
        _words(entry, "description", where, ""),
        override,
        options,
        _flag(entry, "default", where),
        _groups(entry, where),
    )


def _option(key: Any, entry: Any, where: str) -> Option:
    if not isinstance(key, str) or _SLUG.fullmatch(key.lower()) is None or key == "profile":
        raise _wrong(where, "cannot be the name of an option")
    entry = _record(entry, where, _OPTION_KEYS)
    choices = tuple(
        _choice(name, value, f"{where}.choices[{name!r}]")
        for name, value in _mapping(entry, "choices", where).items()
    )
    if not choices:
        raise _wrong(where, "has no choices")
    if sum(choice.default for choice in choices) > 1:
        raise _wrong(where, "more than one choice is the default")
    return Option(key, _words(entry, "display_name", where, key), choices)


def _choice(key: Any, entry: Any, where: str) -> Choice:
    if not isinstance(key, str) or not key:
        raise _wrong(where, "must have a text as its name")
    entry = _record(entry, where, _CHOICE_KEYS)
    return Choice(
        key,
        _text(entry, "display_name", where, key),
        _override(entry, where),
        _flag(entry, "default", where),
        _groups(entry, where),
    )


def _override(entry: Mapping[str, Any], where: str) -> dict[str, Any]:
    where = f"{where}.gpuspawner_override"
    override = _record(entry.get("gpuspawner_override", {}), where, _OVERRIDE_KEYS)
    found: dict[str, Any] = {}
    if "sizes" in override:
        found["sizes"] = tuple(_texts(override["sizes"], f"{where}.sizes"))
        _once(found["sizes"], where, "size")
    if "image" in override:
        found["image"] = _text(override, "image", where)
    for key in ("home_gib", "disk_gib"):
        if key in override:
            found[key] = _gib(override[key], f"{where}.{key}")
    return found


def _record(entry: Any, where: str, allowed: Collection[str]) -> Mapping[str, Any]:
    if not isinstance(entry, Mapping):
        raise _wrong(where, f"must be a dict, not {entry!r}")
    for key in entry:
        if key not in allowed:
            close = difflib.get_close_matches(str(key), allowed, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(allowed)}"
            raise _wrong(where, f"the key {key!r} is not known; {hint}")
    return entry


def _mapping(entry: Mapping[str, Any], key: str, where: str) -> Mapping[Any, Any]:
    value = entry.get(key, {})
    if not isinstance(value, Mapping):
        raise _wrong(f"{where}.{key}", f"must be a dict, not {value!r}")
    return value


def _text(entry: Mapping[str, Any], key: str, where: str, default: str | None = None) -> str:
    value = entry.get(key, default)
    if not isinstance(value, str) or (default is None and not value.strip()):
        raise _wrong(f"{where}.{key}", "must be a text" if key in entry else "is missing")
    return value


def _words(entry: Mapping[str, Any], key: str, where: str, default: str) -> Words:
    """A text for all, or one for each language; a language that is missing reads the first one."""
    value = entry.get(key, default)
    if not isinstance(value, Mapping):
        text = _text(entry, key, where, default)
        return dict.fromkeys(LANGUAGES, text) if text else {}
    where = f"{where}.{key}"
    if not value:
        raise _wrong(where, "must have a text in one language at least")
    given = {
        language: _text(value, language, where) for language in _record(value, where, LANGUAGES)
    }
    return {language: given.get(language, next(iter(given.values()))) for language in LANGUAGES}


def _texts(value: Any, where: str) -> list[str]:
    if (
        not isinstance(value, (list, tuple))
        or not value
        or not all(isinstance(item, str) and item for item in value)
    ):
        raise _wrong(where, f"must be a list of texts with at least one, not {value!r}")
    return list(value)


def _flag(entry: Mapping[str, Any], key: str, where: str) -> bool:
    value = entry.get(key, False)
    if not isinstance(value, bool):
        raise _wrong(f"{where}.{key}", f"must be True or False, not {value!r}")
    return value


def _groups(entry: Mapping[str, Any], where: str) -> frozenset[str] | None:
    if "groups" not in entry:
        return None
    return frozenset(_texts(entry["groups"], f"{where}.groups"))


def _gib(value: Any, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_GIB:
        raise _wrong(where, f"must be a whole number of GiB from 1 to {MAX_GIB}, not {value!r}")
    return value


def _once(names: Iterable[str], where: str, what: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise _wrong(where, f"the {what} {name!r} is there twice")
        seen.add(name)


def slugify(text: str) -> str:
    """A slug for `text`: kubespawner's convention, and empty for text without ASCII letters."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:63].rstrip("-")


def _wrong(where: str, what: str) -> ConfigurationError:
    return ConfigurationError(f"c.GPUSpawner.{where}: {what}")
