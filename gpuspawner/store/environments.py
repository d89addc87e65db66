"""What the server of a generation is started with: it holds the server's token, so it is sealed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, delete, select

from gpuspawner.errors import ClaimNotFound
from gpuspawner.store import schema
from gpuspawner.store.encryption import cipher_of
from gpuspawner.store.rows import replace


@dataclass(frozen=True, slots=True)
class EnvironmentRecord:
    """What the server of one generation is started with. `repr` does not show the environment."""

    generation: int
    environment: Mapping[str, str] = field(repr=False)
    command: tuple[str, ...]
    port: int


def environment(c: Connection, name: str) -> EnvironmentRecord | None:
    """What the server is to be started with; None when no session is wanted (or it was adopted).

    Raises:
        ClaimNotFound: there is no such claim.
        ConfigurationError: it was sealed with another secret.
    """
    claims, table = schema.claims, schema.environments
    row = c.execute(
        select(table.c.generation, table.c.sealed)
        .select_from(claims.outerjoin(table, table.c.claim == claims.c.name))
        .where(claims.c.name == name)
    ).one_or_none()
    if row is None:
        raise ClaimNotFound(name)
    if row.sealed is None:
        return None
    opened = cipher_of(c).open(row.sealed)
    return EnvironmentRecord(
        row.generation, opened["environment"], tuple(opened["command"]), opened["port"]
    )


def keep(
    c: Connection,
    name: str,
    generation: int,
    environment: Mapping[str, str],
    command: Sequence[str],
    port: int,
) -> None:
    """Keep what `generation` is started with, in place of what an earlier one was."""
    sealed = cipher_of(c).seal(
        {"environment": dict(environment), "command": list(command), "port": port}
    )
    replace(c, schema.environments, "claim", claim=name, generation=generation, sealed=sealed)


def drop(c: Connection, name: str) -> None:
    """The generation has ended, and the token in its environment is of no use to anybody now."""
    c.execute(delete(schema.environments).where(schema.environments.c.claim == name))
