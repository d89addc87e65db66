"""When our own memory may be older than the world: a database that came back from a backup.

The wish in it has ended, and yet the machine was switched on after that, and before this controller
began. Either somebody did it in the cloud's console, or it was this hub, in a time that the
database does not remember. A machine that then speaks as one of ours is taken back; another is
stopped after a grace, and never many at once.
"""

from __future__ import annotations

from datetime import datetime

from gpuspawner.model import Claim, Machine, Power
from gpuspawner.policy.steps import Limits


def is_doubtful(claim: Claim, machine: Machine, since: datetime | None, limits: Limits) -> bool:
    """Whether the machine's present run began after the wish had ended and before `since`.

    Args:
        claim: one that does not want to run.
        machine: as listed; `powered_at` is the cloud's own time.
        since: when this controller began to look; what came later it remembers itself.
        limits: `late` is how much later a request of ours may have been carried out.
    """
    if since is None or machine.powered_at is None:
        return False
    on = machine.power in (Power.PENDING, Power.RUNNING)
    return on and claim.desired_at + limits.late < machine.powered_at < since
