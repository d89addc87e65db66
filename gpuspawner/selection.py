"""From what a student sent to what the hub asks for: hostile options in, a specification out. Pure.

`user_options` may be any JSON: a form's, a link's, a script's or last year's. What is not exactly
one of the choices on offer is refused with a sentence that names them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gpuspawner.errors import SpecificationRefused
from gpuspawner.language import Sentence, _, say
from gpuspawner.model import Specification
from gpuspawner.profiles import Choice, Option, Profile

_SHOWN = 40
"""At most so many characters of what was sent are shown again."""


@dataclass(frozen=True, slots=True)
class Selection:
    """A profile with an answer to each of its options."""

    profile: Profile
    choices: tuple[tuple[Option, Choice], ...]

    def specification(self) -> Specification:
        """What to ask the controller for; the choices change the profile, in order."""
        merged = dict(self.profile.override)
        for _option, choice in self.choices:
            merged.update(choice.override)
        names = [self.profile.display_name, *(choice.display_name for _, choice in self.choices)]
        return Specification(profile=self.profile.slug, display_name=" · ".join(names), **merged)


def visible(profiles: Iterable[Profile], groups: Collection[str]) -> tuple[Profile, ...]:
    """The profiles that a member of `groups` may have, with the choices they may have."""
    return tuple(
        Profile(
            profile.slug,
            profile.display_name,
            profile.description,
            profile.override,
            tuple(
                Option(
                    option.key,
                    option.display_name,
                    tuple(c for c in option.choices if _allowed(c.groups, groups)),
                )
                for option in profile.options
            ),
            profile.default,
            profile.groups,
        )
        for profile in profiles
        if _allowed(profile.groups, groups)
        and all(any(_allowed(c.groups, groups) for c in o.choices) for o in profile.options)
    )


def default_profile(profiles: Sequence[Profile]) -> Profile:
    """The one marked as default, else the first."""
    return next((profile for profile in profiles if profile.default), profiles[0])


def default_choice(option: Option) -> Choice:
    """The one marked as default, else the first."""
    return next((choice for choice in option.choices if choice.default), option.choices[0])


def select(profiles: Sequence[Profile], options: Any) -> Selection:
    """Read `options` as a choice among `profiles`, those that the student may have.

    Raises:
        SpecificationRefused: it is not one; the sentence says what is.
    """
    if not profiles:
        raise _refused(
            say(_("No machine is set up for you here. Ask your teacher to add you to a group."))
        )
    if not isinstance(options, Mapping):
        raise _refused(say(_("The options must be names with values, such as a profile.")))
    slugs = {profile.slug: profile for profile in profiles}
    profile = default_profile(profiles)
    if "profile" in options:
        profile = slugs[_one_of(options["profile"], slugs, "profile")]
    known = {option.key: option for option in profile.options}
    for key in options:
        if key != "profile" and key not in known:
            raise _refused(_unknown_option(key, profile, known))
    return Selection(
        profile,
        tuple((option, _choice(option, options)) for option in profile.options),
    )


def _choice(option: Option, options: Mapping[Any, Any]) -> Choice:
    if option.key not in options:
        return default_choice(option)
    choices = {choice.key: choice for choice in option.choices}
    return choices[_one_of(options[option.key], choices, option.key)]


def _one_of(value: Any, allowed: Collection[str], key: str) -> str:
    if not isinstance(value, str):
        raise _refused(
            say(
                _("The option “{key}” must be one text out of: {allowed}."),
                key=key,
                allowed=", ".join(allowed),
            )
        )
    if value not in allowed:
        raise _refused(
            say(
                _("“{given}” is not to be had as “{key}” here. Pick one of: {allowed}."),
                given=_shown(value),
                key=key,
                allowed=", ".join(allowed),
            )
        )
    return value


def _unknown_option(key: Any, profile: Profile, known: Collection[str]) -> Sentence:
    return say(
        _("“{key}” is not an option of “{profile}”. Its options are: {allowed}."),
        key=_shown(key),
        profile=profile.display_name,
        allowed=", ".join(["profile", *known]),
    )


def from_form(data: Mapping[str, Any]) -> dict[str, Any]:
    """What a submitted form or the query of a link says, as options; nothing is checked here.

    The fields are kubespawner's: `profile`, and `profile-option-SLUG--KEY` for the options of each
    profile, of which only the picked profile's count. A link may say `KEY` alone.
    """
    options = {key: _single(value) for key, value in data.items() if not _of_a_form(key)}
    prefix = f"profile-option-{options.get('profile')}--"
    for key, value in data.items():
        if key.startswith(prefix):
            options[key[len(prefix) :]] = _single(value)
    return options


def _of_a_form(key: str) -> bool:
    return key.startswith("profile-option-") or key == "_xsrf"


def _single(value: Any) -> Any:
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _allowed(needed: frozenset[str] | None, groups: Collection[str]) -> bool:
    return needed is None or not needed.isdisjoint(groups)


def _shown(value: Any) -> str:
    """`value` short enough and clean enough to be shown again: it came from outside."""
    text = value if isinstance(value, str) else type(value).__name__
    clean = "".join(character if character.isprintable() else "�" for character in text[:_SHOWN])
    return clean + ("…" if len(text) > _SHOWN else "")


def _refused(public: Sentence) -> SpecificationRefused:
    return SpecificationRefused(public.text(), public=public)
