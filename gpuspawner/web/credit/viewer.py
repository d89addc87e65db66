"""Who asks for somebody's credit, whose they may see, and to whom they may give."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from gpuspawner.errors import NotAllowed
from gpuspawner.policy.money_errors import PersonUnknown
from gpuspawner.store.ledger import Role

ADMIN_SCOPE = "custom:gpuspawner:admin"
GRANT_SCOPE = "custom:gpuspawner:grant"
READ_SCOPE = "custom:gpuspawner:read"


@dataclass(frozen=True, slots=True)
class Reach:
    """Whom a scope is about: everybody, the members of groups of the hub, or single users."""

    everybody: bool = False
    groups: frozenset[str] = frozenset()
    users: frozenset[str] = frozenset()

    def __or__(self, other: Reach) -> Reach:
        """Both together."""
        return Reach(
            self.everybody or other.everybody,
            self.groups | other.groups,
            self.users | other.users,
        )

    def __bool__(self) -> bool:
        return self.everybody or bool(self.groups) or bool(self.users)

    def includes(self, name: str, members: Mapping[str, frozenset[str]]) -> bool:
        """Whether the user is one of them; `members` are those of the groups, as far as known."""
        return (
            self.everybody
            or name in self.users
            or any(name in members.get(group, frozenset()) for group in self.groups)
        )


EVERYBODY = Reach(everybody=True)


@dataclass(frozen=True, slots=True)
class Viewer:
    """Somebody who asks. `name` "" is the command line, with the token of the secret file.

    `born` is when the hub made the user of that name (`names.born`).

    `sees` and `grants` are beside the own credit, which everybody sees and nobody grants.
    """

    name: str
    admin: bool
    sees: Reach
    grants: Reach
    born: str = ""

    @property
    def role(self) -> Role:
        """As what they act in the ledger."""
        return Role.ADMIN if self.admin else Role.TEACHER

    @property
    def teaches(self) -> bool:
        """Whether they see anybody's credit but their own, and so the class's as well."""
        return bool(self.sees)

    def check_teaches(self) -> None:
        """Let through who may see the class.

        Raises:
            NotAllowed: a student.
        """
        if not self.teaches:
            raise NotAllowed(f"{self.name} may not see the class's credit")

    def check_admin(self) -> None:
        """Let through who may bring money in.

        Raises:
            NotAllowed: anybody else.
        """
        if not self.admin:
            raise NotAllowed(f"{self.name} brings no money into the course")

    def check_sees(self, name: str, members: Mapping[str, frozenset[str]]) -> None:
        """Let through who may see that user's credit.

        Raises:
            PersonUnknown: not to be told from a user whom nobody knows.
        """
        if name != self.name and not self.sees.includes(name, members):
            raise PersonUnknown(f"{self.name} may not see the credit of {name!r}")

    def check_grants(self, name: str, members: Mapping[str, frozenset[str]]) -> None:
        """Let through who may give credit to that user, or take it back.

        Raises:
            NotAllowed: they see it, but may not change it.
            PersonUnknown: they may not see it either.
        """
        if not self.grants:
            raise NotAllowed(f"{self.name} may not change credit")
        self.check_sees(name, members)
        if not self.grants.includes(name, members):
            raise NotAllowed(f"{self.name} may not change the credit of {name!r}")


COMMAND_LINE = Viewer("", admin=True, sees=EVERYBODY, grants=EVERYBODY)


def viewer_of(user: Mapping[str, Any] | None, born: str = "") -> Viewer:
    """Who that is, of what the hub says of the token.

    Raises:
        NotAllowed: nobody that the hub knows, or a service without a user.
    """
    if not user or user.get("kind", "user") != "user":
        raise NotAllowed("not a user of the hub")
    scopes = user.get("scopes", [])
    if user.get("admin") or ADMIN_SCOPE in scopes:
        return Viewer(user["name"], True, EVERYBODY, EVERYBODY, born)
    grants = reach(scopes, GRANT_SCOPE)
    return Viewer(user["name"], False, grants | reach(scopes, READ_SCOPE), grants, born)


def reach(scopes: Iterable[str], scope: str) -> Reach:
    """Whom the scopes of a token name for `scope`. A filter that we do not know reaches nobody."""
    everybody, groups, users = False, set(), set()
    for one in scopes:
        name, bang, filtered = one.partition("!")
        kind, _, value = filtered.partition("=")
        if name != scope:
            continue
        if not bang:
            everybody = True
        elif kind == "group" and value:
            groups.add(value)
        elif kind == "user" and value:
            users.add(value)
    return Reach(everybody, frozenset(groups), frozenset(users))
