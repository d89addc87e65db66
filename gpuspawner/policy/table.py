"""The rule in one table: the wish down, the power across."""

from __future__ import annotations

import enum
from collections.abc import Mapping

from gpuspawner.model import Power


class Wish(str, enum.Enum):
    """The rows of the table."""

    STARTING = "running, not yet up"
    UP = "running, has been up"
    STOPPED = "stopped"
    DELETED = "deleted"


class Action(str, enum.Enum):
    """The cells of the table, and the few steps that settle what is uncertain before it is read."""

    NOTHING = "nothing"
    CREATE = "create"
    START = "start"
    STOP = "stop"
    DELETE = "delete"
    ATTACH_HOME = "attach home"
    CREATE_HOME = "create home"
    END = "end"
    FORGET = "forget"
    ACCEPT = "accept"
    ABANDON = "abandon"
    ADOPT = "adopt"
    RELEASE = "release"


_P, _A, _N = Power, Action, Action.NOTHING

TABLE: Mapping[tuple[Wish, Power | None], Action] = {
    (wish, power): action
    for wish, row in {
        Wish.STARTING: (
            _A.CREATE, _N, _A.ATTACH_HOME, _N, _A.START, _A.START, _N, _A.CREATE,
        ),
        Wish.UP: (_A.END, _N, _N, _A.END, _A.END, _A.END, _A.END, _A.END),
        Wish.STOPPED: (_N, _A.STOP, _A.STOP, _N, _N, _A.STOP, _N, _A.DELETE),
        Wish.DELETED: (
            _A.FORGET, _A.DELETE, _A.DELETE, _A.DELETE, _A.DELETE, _A.DELETE, _A.DELETE, _A.DELETE,
        ),
    }.items()
    for power, action in zip(
        (None, _P.PENDING, _P.RUNNING, _P.STOPPING, _P.STOPPED, _P.HALTED, _P.DELETING, _P.FRAGMENT),
        row,
        strict=True,
    )
}  # fmt: skip
