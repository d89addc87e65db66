"""Prometheus: what is wanted, what is there, and whether it can be seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from contextlib import suppress

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from gpuspawner.errors import ControllerUnavailable
from gpuspawner.model import Desired, Power
from gpuspawner.policy.idle import Mode
from gpuspawner.policy.money import seconds_of
from gpuspawner.web.board import Board
from gpuspawner.web.credit import metrics as credit_metrics
from gpuspawner.web.handler import HubHandler
from gpuspawner.web.heartbeats import KINDS
from gpuspawner.web.services import Services


class BoardCollector(Collector):
    """Reads the board when Prometheus asks, so that no number can be out of date."""

    def __init__(self, board: Board) -> None:
        self._board = board

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """The gauges."""
        wanted = Counter(view.desired for view in self._board.views.values())
        claims = GaugeMetricFamily("gpuspawner_claims", "Claims by wish.", labels=["desired"])
        for desired in Desired:
            claims.add_metric([desired.value], wanted[desired])
        yield claims
        world = self._board.world
        seen = Counter(machine.power for machine in world.machines) if world else Counter()
        machines = GaugeMetricFamily("gpuspawner_machines", "Machines by power.", labels=["power"])
        for power in Power:
            machines.add_metric([power.value], seen[power])
        yield machines
        yield GaugeMetricFamily(
            "gpuspawner_homes", "Home volumes.", value=len(world.homes) if world else 0
        )
        yield GaugeMetricFamily(
            "gpuspawner_listing_timestamp_seconds",
            "When the last complete listing of the cloud began.",
            value=world.listed_at.timestamp() if world else 0,
        )
        yield GaugeMetricFamily(
            "gpuspawner_cloud_reachable",
            "1 when the last listing succeeded.",
            value=0 if self._board.trouble or world is None else 1,
        )


class SessionCollector(Collector):
    """What sessions do, which were stopped for it, and which heartbeats were refused."""

    def __init__(self, services: Services) -> None:
        self._seen, self._refused = services.board.seen, services.heartbeats_refused

    def collect(self) -> Iterable[GaugeMetricFamily | CounterMetricFamily]:
        """The metrics."""
        modes = Counter(view.mode for _generation, view in self._seen.sessions.values())
        doing = GaugeMetricFamily(
            "gpuspawner_sessions", "Sessions by what they do.", labels=["mode"]
        )
        for mode in Mode:
            doing.add_metric([mode.value], modes[mode.value])
        yield doing
        stops = CounterMetricFamily(
            "gpuspawner_sessions_stopped",
            "Sessions that were stopped by the rule about idle machines since the process began.",
            labels=["reason"],
        )
        for reason in sorted(self._seen.stops):
            stops.add_metric([reason.value], self._seen.stops[reason])
        yield stops
        yield CounterMetricFamily(
            "gpuspawner_sessions_stopped_by_mistake",
            "Stops for idleness after which somebody started again within ten minutes.",
            value=self._seen.restarts,
        )
        refused = CounterMetricFamily(
            "gpuspawner_heartbeats_refused",
            "Heartbeats that were refused since the process began.",
            labels=["kind"],
        )
        for kind in KINDS:
            refused.add_metric([kind], self._refused[kind])
        yield refused


class MetricsHandler(HubHandler):
    """`metrics`: with the same token as the command line uses."""

    async def get(self) -> None:
        """The exposition format. Without a database there is nothing of money in it, not a zero."""
        registry = CollectorRegistry()
        registry.register(BoardCollector(self.services.board))
        registry.register(SessionCollector(self.services))
        services = self.services
        with suppress(ControllerUnavailable):
            now = seconds_of(services.clock.now())
            money = await services.database.read(credit_metrics.read, now)
            registry.register(credit_metrics.MoneyCollector(money, services.refusals))
        self.set_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
        self.finish(generate_latest(registry))
