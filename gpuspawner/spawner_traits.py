"""What an admin may set of the spawner, and what students may choose. No requests are made here."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from traitlets import (
    Bool,
    Callable,
    CaselessStrEnum,
    Dict,
    Float,
    Integer,
    List,
    Unicode,
    Union,
    validate,
)
from traitlets import default as default_of
from traitlets.config import Configurable

from gpuspawner import identity, options_form, selection
from gpuspawner.client import ControllerClient
from gpuspawner.clock import Clock, SystemClock
from gpuspawner.errors import ConfigurationError, SpecificationRefused
from gpuspawner.language import LANGUAGES
from gpuspawner.model import Specification
from gpuspawner.names import claim_name, user_id
from gpuspawner.profiles import Profile, load
from gpuspawner.spawner_refusals import refused

FORM_SECONDS = 2.0
"""So long the form waits for the first snapshot before it is shown without figures."""


class SpawnerTraits(Configurable):
    """The traits and the profile list; `GPUSpawner` adds `jupyterhub.spawner.Spawner` to them."""

    clock: Clock = SystemClock()

    # What `Spawner` has, which knows no types.
    hub: Any
    user: Any
    server: Any
    log: Any
    cmd: Any
    name: str
    user_options: Any
    _log_name: str
    get_env: Any
    get_args: Any

    controller_url = Unicode(
        "http://127.0.0.1:8010",
        config=True,
        help="""
        Where the controller is reached from the hub, directly and not through the proxy.
        Default: `http://127.0.0.1:8010`, on the hub's own machine. A URL without a path gets the
        hub's base URL and `services/gpuspawner` added. Effect: all requests for machines go there.
        Trade-off: on another machine, use HTTPS, since servers' tokens travel on it.
        """,
    )
    secret_file = Unicode(
        "gpuspawner_secret",
        config=True,
        help="""
        Path of the hub's one secret file; `gpuspawner.configure` sets it. Default:
        `gpuspawner_secret` in the hub's working directory. Effect: names of machines and the
        hub's authentication at the controller derive from it. Trade-off: back it up; with another
        secret the hub does not know its own machines any more.
        """,
    )
    profile_list = Union(
        [List(), Callable()],
        config=True,
        help="""
        The machines students choose from: a list of dicts, or a callable (async or not) that is
        given the spawner and returns one. Default: empty, with which nothing can be started. Each
        entry has `display_name`, `description`, `slug` (default: made from the name), `default`,
        `groups` (only for their members), `gpuspawner_override` with `sizes` (best first),
        `image`, `home_gib` and `disk_gib` in GiB, and `profile_options` with `choices`. A
        description, and the name of an option, may be a dict of texts by language: `en`, `ko`.
        Trade-off: a long ladder of sizes starts more often, at a price that varies more.
        """,
    )
    default_language = CaselessStrEnum(
        list(LANGUAGES),
        default_value="en",
        config=True,
        help="""
        Language of the texts that are not put into the reader's own: answers of the REST API and
        the log. Default: `en`. Effect: pages show the reader's language whatever is set here.
        Trade-off: with `ko`, scripts of others may look for English texts in vain.
        """,
    )
    controller_timeout = Float(
        20.0,
        min=0,
        config=True,
        help="""
        Seconds for which a start or a stop keeps asking a controller that does not answer. Default:
        20 s. Effect: the controller can be restarted without failing anybody. Trade-off: while it
        is really down, students wait so long for the message that says so.
        """,
    )
    stop_timeout = Float(
        600.0,
        min=0,
        config=True,
        help="""
        Seconds for which a stop waits until the machine is not billed any more. Default: 600 s.
        Effect: after that the server counts as stopped in the hub, and the controller goes on
        alone. Trade-off: shorter frees the page sooner, and shows less of a cloud that is slow.
        """,
    )

    ip = Unicode(
        "0.0.0.0",  # noqa: S104 - on the student's machine, not here
        config=True,
        help="""
        Address at which the server listens on its machine. Default: `0.0.0.0`; the agent narrows it
        to the machine's own address. Effect: the hub and the proxy can reach it. Trade-off: none;
        who may connect is decided by the cloud's network rules.
        """,
    )
    port = Integer(
        8888,
        config=True,
        help="""
        Port at which the server listens on its machine. Default: 8888. Effect: the cloud's network
        rules must let the hub reach it. Trade-off: it is the same on every machine, so that one
        rule is enough.
        """,
    )
    start_timeout = Integer(
        900,
        config=True,
        help="""
        Seconds that a start may take in all. Default: 900 s. Effect: the start is given up a
        little earlier, with a sentence that says so, and the machine is stopped. Trade-off: shorter
        gives up machines that would have come; longer leaves students waiting for those that do not.
        """,
    )
    http_timeout = Integer(
        120,
        config=True,
        help="""
        Seconds that a server which has reported up may take to answer the hub. Default: 120 s.
        Effect: after that it is stopped. Trade-off: shorter fails classes that start all at once.
        """,
    )
    poll_interval = Integer(
        5,
        config=True,
        help="""
        Seconds between two looks at whether the server is still there. Default: 5 s; the look is
        at the hub's own memory and costs no request. Effect: how soon the hub shows a stop.
        Trade-off: hardly any.
        """,
    )
    env_keep: List[str] = List(
        Unicode(),
        config=True,
        help="""
        Environment variables of the hub to hand to the servers. Default: none, since they run on
        other machines. Effect: those named here are copied at each start. Trade-off: whatever is
        copied can be read by the student.
        """,
    )
    ssl_alt_names_include_local = Bool(
        False,
        config=True,
        help="""
        Whether certificates of servers also name the local host. Default: False, since servers run
        on other machines. Effect: none, since `JupyterHub.internal_ssl` is refused. Trade-off: none.
        """,
    )
    options_form = Union(
        [Unicode(), Callable()],
        help="""
        The form on the start page. Default: one card for each machine of `profile_list`. Effect: a
        text or a callable of your own replaces it. Trade-off: it must send the same fields.
        """,
    ).tag(config=True)
    apply_user_options = Union(
        [Callable(), Dict()],
        config=True,
        allow_none=True,
        help="""
        The check of what a student chose. Default: exactly the choices of `profile_list` that the
        student may have. Effect: a callable of your own runs instead, before the start, which
        reads the options in the same way once more. Trade-off: options come from outside and may
        be any JSON.
        """,
    )

    _specification: Specification | None = None

    @default_of("options_form")
    def _default_options_form(self) -> Any:
        return type(self).machine_cards

    @default_of("options_from_form")
    def _default_options_from_form(self) -> Any:
        return selection.from_form

    @default_of("apply_user_options")
    def _default_apply_user_options(self) -> Any:
        return type(self).choose

    @validate("oauth_client_id")
    def _unambiguous(self, proposal: Mapping[str, Any]) -> str:
        """No other server's: JupyterHub joins user and server with a hyphen, which both may contain.

        Two that share it share their login, and the hub starts only the first of them.
        """
        name = quote(self.name)
        joined = str(proposal["value"])
        return f"{joined.removesuffix(f'-{name}')}!{name}" if name and "!" not in joined else joined

    @property
    def client(self) -> ControllerClient:
        """The hub's one client, following the stream from its first use on."""
        url = self.controller_url.rstrip("/")
        if not urlsplit(url).path:
            url += self.hub.base_url.removesuffix("hub/") + "services/gpuspawner"
        return ControllerClient.shared(f"{url}/api/v1", self.identity.claims_token, self.clock)

    @property
    def identity(self) -> identity.Identity:
        """What derives from the secret file, which is read once."""
        return _identity(self.secret_file)

    @property
    def claim_name(self) -> str:
        """The name of this server's claim: it can always be computed again."""
        return _claim_name(self.identity.hub_id, self.user.name, self.name)

    @property
    def hub_user_id(self) -> str:
        """Who the user is: nobody else ever gets this id, also when the name is given away."""
        return user_id(self.user.id, self.user.orm_user.created)

    async def profiles(self) -> tuple[Profile, ...]:
        """The machines that this student may have.

        Raises:
            ConfigurationError: the list has a mistake.
        """
        entries = self.profile_list
        if callable(entries):
            entries = entries(self)
            if inspect.isawaitable(entries):
                entries = await entries
        return selection.visible(load(entries), {group.name for group in self.user.groups})

    async def machine_cards(self) -> str:
        """The form, with what the controller says of each machine."""
        try:
            profiles = await self.profiles()
        except ConfigurationError as error:
            self.log.error("%s", error)  # noqa: TRY400 - the text says it all
            return f'<p class="alert alert-danger" role="alert">{error.public.html()}</p>'
        client = self.client
        heard = await client.wait_for("", lambda: client.mirror.ready, FORM_SECONDS)
        picked = self.user_options if isinstance(self.user_options, Mapping) else {}
        wallet = await client.wallets.of(self.hub_user_id, self.user.name)
        return options_form.render(
            profiles, client.mirror.sizes, heard=heard, picked=picked, wallet=wallet
        )

    async def choose(self, options: Any) -> Specification:
        """Read the student's options, which may be any JSON.

        Raises:
            SpawnException: with reason `options` and what is allowed; or `configuration`.
        """
        try:
            chosen = selection.select(await self.profiles(), options)
        except (ConfigurationError, SpecificationRefused) as error:
            raise refused(error, self.default_language) from None
        self._specification = chosen.specification()
        return self._specification


@functools.cache
def _identity(path: str) -> identity.Identity:
    return identity.load(Path(path))


_claim_name = functools.lru_cache(maxsize=4096)(claim_name)
"""Each server's is asked for some ten times in a start, and every few seconds afterwards."""
