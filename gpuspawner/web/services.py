"""What the faces are handed: the database, the board, the identity and the limits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gpuspawner.clock import Clock
from gpuspawner.identity import Identity
from gpuspawner.policy.session import Policy
from gpuspawner.providers.base import Provider
from gpuspawner.settings import AgentRecord, ControllerRecord, CreditRecord
from gpuspawner.store.admission import Terms
from gpuspawner.store.database import Database
from gpuspawner.store.observations import Observations
from gpuspawner.web.beats import Beats
from gpuspawner.web.board import Board
from gpuspawner.web.credit.members import Members

if TYPE_CHECKING:
    from gpuspawner.web.credit.live import Live


@dataclass(frozen=True)
class Services:
    """Made once by the controller process."""

    database: Database
    board: Board
    beats: Beats
    provider: Provider
    identity: Identity
    clock: Clock
    controller: ControllerRecord
    agent: AgentRecord
    credit: CreditRecord
    members: Members
    live: Live
    observations: Observations
    policy: Policy
    refresh_prices: Callable[[], Awaitable[bool]]
    wake_culler: Callable[[], None] = lambda: None
    refusals: Counter[str] = field(default_factory=Counter)
    """How often each refusal was answered since this process began, by its code."""
    heartbeats_refused: Counter[str] = field(default_factory=Counter)
    """How often a heartbeat was refused, by one of `heartbeats.KINDS`."""

    @property
    def shown_to_students(self) -> bool:
        """Whether students see their own credit."""
        return self.credit.shown_to == "students"

    def terms(self) -> Terms:
        """On what terms a start is admitted now."""
        credit = self.credit
        offered = {card.size for card in self.board.sizes if card.available}
        return Terms(
            self.provider.name, credit.enforce, credit.rules, credit.student_credit, offered
        )
