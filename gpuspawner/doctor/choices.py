"""What could be asked for: every choice of every profile, and by how many students."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from gpuspawner.model import Specification
from gpuspawner.profiles import Profile
from gpuspawner.selection import Selection

_MOST = 500
"""Of a profile with many options not every combination is looked at."""


def every(profile: Profile) -> Iterator[Specification]:
    """Every specification that a choice of this profile makes, each once."""
    answers = [[(option, choice) for choice in option.choices] for option in profile.options]
    seen: dict[tuple[Any, ...], Specification] = {}
    for some in itertools.islice(itertools.product(*answers), _MOST):
        one = Selection(profile, some).specification()
        seen.setdefault((one.sizes, one.image, one.home_gib, one.disk_gib), one)
    yield from seen.values()


def allowed_users(
    config: Mapping[str, Any], value: Callable[[str, str, Any], Any]
) -> set[str] | None:
    """The users that the login names; None when it lets in more than those, or nobody is named.

    `value` reads a setting: section, name, default.
    """
    users: set[str] = set()
    for section in config:
        if not section.endswith("Authenticator"):
            continue
        if value(section, "allow_all", False):
            return None
        users |= set(value(section, "allowed_users", set()))
    return users or None


def machines(
    choices: Iterable[tuple[Profile, Specification]], students: int, members: Mapping[str, Any]
) -> dict[str, int]:
    """How many machines of each size there may be at once: the first size of each choice.

    A profile for groups whose members the file names is not for more than those.
    """
    most: dict[str, int] = {}
    for profile, specification in choices:
        count = students
        if profile.groups is not None and profile.groups <= members.keys():
            some = {user for group in profile.groups for user in _users(members[group])}
            count = min(students, len(some))
        size = specification.sizes[0]
        most[size] = max(most.get(size, 0), count)
    return most


def _users(group: Any) -> list[str]:
    """A group is a list of users, or a dict that has one."""
    return list(group.get("users", ())) if isinstance(group, Mapping) else list(group)
