"""The hub's end: a Spawner that asks the controller, as DockerSpawner asks dockerd.

It holds no cloud credential and makes no cloud call. `start` puts a claim and follows the stream
until the server is up; `poll` answers from memory; `stop` writes the wish and waits until nothing
is billed. What JupyterHub expects of each is in its documentation; where that costs money, the
comments here say how.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from jupyterhub.spawner import Spawner

from gpuspawner import spawner_progress
from gpuspawner.errors import ConfigurationError, GpuspawnerError
from gpuspawner.model import Desired, Reason
from gpuspawner.spawner_card import ServerCard, server_card
from gpuspawner.spawner_pages import language_of
from gpuspawner.spawner_refusals import NO_RENAME, TOO_LONG, ended, refusal, refused
from gpuspawner.spawner_traits import FORM_SECONDS
from gpuspawner.spawner_wishes import WishWriter
from gpuspawner.views import ClaimView

_KNOWN_URL_SECONDS = 60.0
"""So long a restarted hub waits for the controller before it trusts an address of its own."""

_NO_INTERNAL_SSL = (
    "c.JupyterHub.internal_ssl is not supported: a machine has no certificate of the hub's; leave it "
    "off, and keep the machines in a private network"
)

_STOCK_SECONDS = 60.0
"""So long a restarted hub waits to be told what became of a server that has ended meanwhile."""


class GPUSpawner(WishWriter, Spawner):  # type: ignore[misc]  # jupyterhub has no types
    """One student's server on a machine of its own."""

    _stored: int | None = None
    """The generation of the session that the hub's own database tells of."""

    _stock_taken = False

    # -- start ------------------------------------------------------------------------------

    async def start(self) -> str:
        """Ask for the machine and wait until its server is up.

        Returns:
            The URL at which the hub and the proxy reach the server.

        Raises:
            SpawnException: with a reason from `Reason` and a sentence that says what to do next.
        """
        if self.internal_ssl:
            raise refused(ConfigurationError(_NO_INTERNAL_SSL), self.default_language)
        specification = self._specification or await self.choose(self.user_options)
        await self._forget_stop()
        margin = self._margin
        end = self.clock.monotonic() + self.start_timeout - margin
        try:
            view = await self._ask(specification, self.start_timeout - 2 * margin)
            url = await self._until_up(view.generation, end)
            self._stored = view.generation
            return url
        finally:
            self._asked.set()

    async def _until_up(self, generation: int, end: float) -> str:
        client, name = self.client, self.claim_name

        def view() -> ClaimView | None:
            seen = client.mirror.claims.get(name)
            return seen if seen is not None and seen.generation == generation else None

        def settled() -> bool:
            seen = view()
            return seen is not None and (
                seen.url is not None or seen.desired is not Desired.RUNNING
            )

        try:
            # Ours ends before the hub's, so that our sentence is the one that is read.
            await client.wait_for(name, settled, max(0.0, end - self.clock.monotonic()))
        except asyncio.CancelledError:
            self._spawn_task(self._write_stop(generation, Reason.CANCELLED))
            raise
        seen = view()
        if seen is None or not settled():
            await self._give_up(generation, self._margin * 0.8)
            raise refusal(TOO_LONG, Reason.START_TIMEOUT, self.default_language)
        if seen.desired is not Desired.RUNNING or seen.url is None:
            raise ended(seen, self.default_language)
        return seen.url

    # -- stop -------------------------------------------------------------------------------

    async def stop(self, now: bool = False) -> None:  # noqa: ARG002 - a stop always saves first
        """Write the wish and wait until the machine is not billed.

        When the controller cannot be reached, asking goes on in the background after this has
        raised, until it is heard or the server is started anew.

        Raises:
            ControllerUnavailable: it could not be told for `controller_timeout` seconds.
        """
        if self._put is not None:
            await asyncio.wait({self._put})
        task = self._stops[self.claim_name] = self._spawn_task(self._stop_whatever())
        await self._told(task)
        answer = task.result()
        self._uncertain = False
        since = answer.generation if answer else 0
        client, name = self.client, self.claim_name

        def over() -> bool:
            view = client.mirror.claims.get(name)
            if view is None:
                return client.mirror.observed
            return view.generation >= since and _is_over(view)

        if not await client.wait_for(name, over, self.stop_timeout):
            self.log.warning("%s is still being stopped by the controller", self._log_name)

    # -- questions --------------------------------------------------------------------------

    async def poll(self) -> int | None:
        """Whether a machine of this server is or may be billed (None), or surely not (0).

        From memory, and never more than that: an exit status makes the hub drop the server without
        a call of `stop`, so whatever is not known for sure is None. Only a restarted hub's first
        question waits until there is a memory. Never raises.
        """
        try:
            if self._check_pending and not self._stock_taken:
                self._stock_taken = True
                await self._take_stock()
            mirror = self.client.mirror
            if self._uncertain or (self._put is not None and not self._put.done()):
                return None
            if not (mirror.ready and mirror.observed):
                return None
            return 0 if _is_over(self.view) else None
        except GpuspawnerError as error:
            self.log.warning("%s: %s", self._log_name, error)
            return None

    async def _take_stock(self) -> None:
        """Wait until it is known what became of this server while the hub was down.

        Without this a server that has ended would be answered for with None, and the hub would
        knock at its old address for `http_timeout` seconds. One that is wanted needs no waiting.
        """
        client, name = self.client, self.claim_name

        def wanted() -> bool:
            return self.view is not None and self.view.desired is Desired.RUNNING

        def ended() -> bool:
            return client.mirror.observed and _is_over(self.view)

        def known() -> bool:
            return client.mirror.ready and (wanted() or ended())

        await client.wait_for(name, known, _STOCK_SECONDS)
        view = self.view
        if view is not None and wanted() and self._is_of_a_lost_time(view):
            # Its token is not in the hub's database, so nobody could log in to it.
            self.log.warning("%s was started by a hub whose database is lost", self._log_name)
            self._spawn_task(self._write_stop(view.generation, Reason.HUB_FORGOT))
            await client.wait_for(name, ended, _STOCK_SECONDS)

    def _is_of_a_lost_time(self, view: ClaimView) -> bool:
        """Whether the session is a later one than the hub's database tells of: it is a backup."""
        if self._stored is None or view.reason is Reason.ADOPTED:
            return False
        return view.generation > self._stored

    async def get_url(self) -> str:
        """Where the server is now; a restarted hub asks before the controller has been heard.

        Waits as `start` would. Never raises: at its start the hub would end with it.
        """
        trusted = bool(self.server.ip)
        try:
            client, name = self.client, self.claim_name
            heard = await client.wait_for(
                name,
                lambda: client.mirror.ready,
                _KNOWN_URL_SECONDS if trusted else self.start_timeout,
            )
            if heard:
                await client.wait_for(name, self._url_settled, self.start_timeout)
                view = self.view
                if view is not None and view.url is not None:
                    return view.url
        except GpuspawnerError as error:
            self.log.warning("%s: %s", self._log_name, error)
        return str(self.server.url)

    def _url_settled(self) -> bool:
        view = self.view
        return view is None or view.url is not None or view.desired is not Desired.RUNNING

    async def progress(self) -> AsyncIterator[dict[str, Any]]:
        """What was seen of this start, from its beginning; for any number of viewers."""
        await self._asked.wait()
        if self._generation is None:
            return
        async for event in spawner_progress.follow(
            self.client, self.claim_name, self._generation, self.default_language
        ):
            yield event

    async def card(self) -> ServerCard:
        """What the hub's own pages show of this server."""
        client, mirror = self.client, self.client.mirror
        await client.wait_for(self.claim_name, lambda: mirror.ready, FORM_SECONDS)
        wallet = await client.wallets.of(self.hub_user_id, self.user.name)
        return server_card(
            self.view, mirror.sizes, mirror.ready and mirror.observed, wallet, self.claim_name
        )

    # -- state and endings ------------------------------------------------------------------

    def load_state(self, state: dict[str, Any]) -> None:
        """Read what `get_state` kept; only whether it is of this session matters."""
        super().load_state(state)
        generation = state.get("generation")
        self._stored = generation if isinstance(generation, int) else None

    def clear_state(self) -> None:
        """Forget the last choice; the machine is found by its name, which nothing can clear."""
        super().clear_state()
        self._specification = self._stored = None

    def get_state(self) -> dict[str, Any]:
        """What is kept with the server, for those who may read it: no secret, nothing needed.

        The claim's name can be computed, and everything else is in the stream.
        """
        state: dict[str, Any] = super().get_state()
        state["claim"] = self.claim_name
        if self._stored is not None:
            state["generation"] = self._stored
        view = self.view
        if view is None:
            return state
        state["profile"] = view.specification.profile
        state["size"] = view.size
        card = self.client.mirror.sizes.get(view.size or "")
        if card is not None:
            state["price_micros"], state["currency"] = card.price_micros, card.currency
        return state

    def get_env(self) -> dict[str, str]:
        """What the server is told; JupyterLab there speaks the language of who pressed Start."""
        environment: dict[str, str] = super().get_env()
        environment.setdefault(
            "GPUSPAWNER_LANGUAGE", language_of(self.handler, self.default_language)
        )
        return environment

    def template_namespace(self) -> dict[str, Any]:
        """The names that may be used in `notebook_dir` and `default_url`."""
        names: dict[str, Any] = super().template_namespace()
        names["servername"] = self.name
        names["profile"] = self._specification.profile if self._specification else ""
        return names

    async def delete_forever(self) -> None:
        """Give up the claim of a server that is being deleted: its machine goes, its home stays.

        The hub forgets the server whatever comes of this, and nobody would ask again. So asking
        goes on in the background as after a stop.

        Raises:
            ControllerUnavailable: it could not be told for `controller_timeout` seconds.
        """
        await self._forget_stop()
        task = self._stops[self.claim_name] = self._spawn_task(self._write_delete())
        await self._told(task)

    async def rename(self, old_name: str, new_name: str) -> None:  # noqa: ARG002 - the hub's names
        """Refuse: the machine and the home are found by the server's name."""
        raise refusal(NO_RENAME, Reason.OPTIONS, self.default_language)


def _is_over(view: ClaimView | None) -> bool:
    return view is None or (view.desired is not Desired.RUNNING and not view.billed)
