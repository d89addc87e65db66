"""A small university of real processes: an emulated cloud with stub machines, a controller, a hub.

Each is a process of its own, with a folder, ports and a machine network of its own, so that any of
them can be killed at any moment and started again. `Campus.watch` looks at the whole from outside
(the emulator's list and bill, the controller's database file) and counts what must never happen.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from gpuspawner import identity
from gpuspawner.names import claim_name
from tests.faults import clouds
from tests.faults.nursery import Child, Nursery, shared
from tests.ports import free_base, give_back

ROOT = Path(__file__).parents[2]
TOKEN = "campus-admin-token"
BASES = range(15000, 17200, 10)
"""Of the ports. The machine networks 127.20 to 127.239 go with them."""
BILLED = ("pending", "running", "halted")
OFF = ("stopped", "terminated", "shutting-down")

_CONFIG = """
import json
from pathlib import Path
import gpuspawner

c = get_config()
folder = Path({folder!r})
gpuspawner.configure(
    c,
    public_url={public_url!r},
    controller_url={controller_url!r},
    secret_file={secret!r},
    managed={managed!r},
    environment={environment!r},
)
c.JupyterHub.bind_url = {hub_url!r} if {proxy!r} else "http://127.0.0.1:{unused}/"
c.JupyterHub.hub_bind_url = "http://127.0.0.1:{hub_port}"
if {proxy!r}:
    c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{proxy_api}"
    c.ConfigurableHTTPProxy.command = {proxy!r}
    c.ConfigurableHTTPProxy.pid_file = str(folder / "proxy.pid")
    c.ConfigurableHTTPProxy.should_start = False
else:
    c.JupyterHub.proxy_class = "tests.faults.hub_process.NullProxy"
c.JupyterHub.db_url = {hub_database!r}
c.JupyterHub.cookie_secret_file = str(folder / "cookie_secret")
c.JupyterHub.allow_named_servers = True
c.JupyterHub.tornado_settings = {{"slow_spawn_timeout": 0.2, "slow_stop_timeout": 0.2}}
c.JupyterHub.authenticator_class = "dummy"
c.DummyAuthenticator.password = "demo"
c.Authenticator.allow_all = True
c.JupyterHub.services.append({{"name": "campus", "api_token": {token!r}}})
c.JupyterHub.load_roles.append(
    {{"name": "campus", "services": ["campus"],
      "scopes": ["admin:users", "admin:servers", "list:users", "tokens", "read:hub", "access:servers"]}}
)
c.GPUSpawner.profile_list = [
    {{"display_name": "T4", "slug": "t4", "default": True,
      "gpuspawner_override": {{"sizes": {sizes!r}[:2], "home_gib": 1}}}},
    {{"display_name": "A10G", "slug": "a10g",
      "gpuspawner_override": {{"sizes": {sizes!r}[2:], "home_gib": 1}}}},
]
c.GPUSpawner.start_timeout = 60
c.GPUSpawner.http_timeout = 20
c.GPUSpawner.poll_interval = 1
c.GPUSpawner.consecutive_failure_limit = 3
{cloud}
c.Controller.database_url = {database!r}
c.Controller.fast_interval = 0.3
c.Controller.slow_interval = 2.0
c.Controller.orphan_grace = 6.0
c.Controller.save_timeout = 5.0
c.Agent.heartbeat_interval = 1.0
c.Credit.enforce = False
{more}
"""


_OTHERS = ("AWS_", "AZURE_", "JUPYTERHUB_")
"""Of the surroundings, what belongs to another cloud account or another hub."""


@dataclass
class Tally:
    """What `watch` counts, in seconds: billed and unowned beyond the grace."""

    leaked: float = 0.0
    leaks: dict[str, float] = field(default_factory=dict)
    doubles: set[str] = field(default_factory=set)


class Campus:
    """The processes of one university. `more` is appended to the hub's configuration file.

    Args:
        folder: for everything that is written.
        more: further lines for `jupyterhub_config.py`.
        managed: the hub starts the controller, as in a small installation.
        proxy: the command of a node proxy, when routes matter; it is started on its own, so that
            it outlives the hub.
        base: the first of six ports; by default free ones.
        cloud: the base port of another campus whose cloud account is used too.
        kind: which cloud it stands on; by default that of this run of the tests.
        quick: cloud, controller and hub are forked from processes that have done their imports, which
            all campuses of the tests share; how they ended is not known then.
    """

    def __init__(
        self,
        folder: Path,
        *,
        more: str = "",
        managed: bool = False,
        proxy: list[str] | None = None,
        cloud: Campus | None = None,
        secret: Path | None = None,
        database: str | None = None,
        hub_database: str | None = None,
        machines: str = "stub",
        emulator_options: tuple[str, ...] = (),
        quick: bool = False,
        kind: clouds.Cloud | None = None,
    ) -> None:
        self.folder = folder
        self.kind = kind or clouds.chosen()
        folder.mkdir(parents=True, exist_ok=True)
        self.base = free_base(BASES, range(6))
        self.managed, self.proxy, self.more = managed, proxy, more
        self.account = cloud or self
        self.secret = secret or folder / "secret"
        self.database = database or f"sqlite:///{folder}/gpuspawner.sqlite"
        self.hub_database = hub_database or f"sqlite:///{folder}/jupyterhub.sqlite"
        self.emulator_options = ("--machines", machines, *emulator_options)
        self.config = folder / "jupyterhub_config.py"
        self.processes: dict[str, subprocess.Popen[bytes] | Child] = {}
        self._nurseries: dict[str, Nursery] = {}
        self.quick = quick
        self.pause = 0.15  # between two looks, in seconds: each costs a hub some of its time
        self.tally = Tally()
        self.grace = 6.0
        self._watching: threading.Thread | None = None
        self._over = threading.Event()

    # -- where things are

    @property
    def cloud_port(self) -> int:
        return self.account.base

    @property
    def controller_url(self) -> str:
        return f"http://127.0.0.1:{self.base + 1}"

    @property
    def hub_url(self) -> str:
        return f"http://127.0.0.1:{self.base + 2}"

    @property
    def public_url(self) -> str:
        """Where people and machines go: the proxy, or without one the controller itself."""
        return f"http://127.0.0.1:{self.base + 3}/" if self.proxy else f"{self.controller_url}/"

    def claim_of(self, user: str, server: str = "") -> str:
        """The name of a claim of this hub."""
        return claim_name(identity.load(self.secret).hub_id, user, server)

    # -- processes

    def open(self) -> Campus:
        """Start everything, and return when all of it answers."""
        if self.quick:
            for module in ("cloud_process", "controller_process", "hub_process"):
                shared(f"tests.faults.{module}")  # all of them import at once
        if self.account is self:
            self.start_cloud()
        self.write_config()
        if self.proxy:
            self.start_proxy()
        if not self.managed:
            self.start_controller()
        self.start_hub()
        return self

    @property
    def network(self) -> str:
        """The first half of the machines' addresses: another one for each campus."""
        return f"127.{20 + BASES.index(self.base)}"

    def close(self) -> None:
        """End everything that was started here."""
        self._over.set()
        if self._watching:
            self._watching.join()
        for process in reversed(self.processes.values()):
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.terminate()
        for process in reversed(self.processes.values()):
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:  # noqa: PERF203 - few, and each on its own
                process.kill()
                process.wait()
        for nursery in self._nurseries.values():
            nursery.close()
        give_back(self.base)

    def write_config(self) -> None:
        """Write the hub's and the controller's configuration file."""
        seed = self.cloud("seed")
        text = _CONFIG.format(
            folder=str(self.folder),
            public_url=self.public_url,
            controller_url=self.controller_url,
            secret=str(self.secret),
            managed=self.managed,
            environment={"PYTHONPATH": str(ROOT), **self._cloud_environment()},
            hub_url=f"http://127.0.0.1:{self.base + 3}/",
            unused=self.base + 5,
            hub_port=self.base + 2,
            proxy=self.proxy or [],
            proxy_api=self.base + 4,
            hub_database=self.hub_database,
            token=TOKEN,
            cloud=self.kind.config(self.cloud_port, self.account.folder, seed),
            sizes=[self.kind.word(one) for one in ("g4dn.xlarge", "g6.xlarge", "g5.xlarge")],
            database=self.database,
            more=self.more,
        )
        self.config.write_text(text)

    def start_cloud(self) -> None:
        """The emulated cloud, with machines that are quick."""
        self._spawn(
            "cloud",
            [
                "-m", "gpuspawner.cli", "emulator", self.kind.emulator,
                "--port", str(self.base), "--state", str(self.folder / self.kind.emulator),
                "--network", self.network,
                "--boot-seconds", "0.3", "--stop-seconds", "0.3", *self.emulator_options,
            ],
            nursery="tests.faults.cloud_process" if self.quick else "",
        )  # fmt: skip
        self.until(lambda: self._answers(f"http://127.0.0.1:{self.base}/_emulator/seed"))

    def start_controller(
        self, name: str = "controller", *, steps: bool = False, wait: bool = True, port: int = 0
    ) -> None:
        """A controller on its own. With `steps`, one that can be told where to die."""
        config = self.config
        if port:  # a second one beside the first
            config = self.folder / f"{name}_config.py"
            config.write_text(
                self.config.read_text() + f'\nc.Controller.bind_url = "http://127.0.0.1:{port}"\n'
            )
        self._spawn(
            name,
            ["-m", "gpuspawner.cli", "controller", "--config", str(config)],
            nursery="tests.faults.controller_process" if steps or self.quick else "",
            JUPYTERHUB_API_URL=f"{self.hub_url}/hub/api",
            **({} if steps else {"CAMPUS_STEPS": ""}),
        )
        if wait:
            self.until(lambda: self.health() not in ("", "starting"))

    def start_proxy(self) -> None:
        """A proxy of its own, which outlives the hub."""
        assert self.proxy
        command = [
            *self.proxy, "--ip", "127.0.0.1", "--port", str(self.base + 3), "--api-ip", "127.0.0.1",
            "--api-port", str(self.base + 4), "--default-target", self.hub_url,
            "--error-target", f"{self.hub_url}/hub/error",
        ]  # fmt: skip
        self._spawn("proxy", command, python=False, CONFIGPROXY_AUTH_TOKEN=TOKEN)

    def start_hub(self, *, steps: bool = False, wait: bool = True) -> None:
        """The hub. With `steps`, one that can be told where to die."""
        self._spawn(
            "hub",
            ["-m", "jupyterhub", "--config", str(self.config)],
            nursery="tests.faults.hub_process" if steps or self.quick else "",
            CONFIGPROXY_AUTH_TOKEN=TOKEN,
            **({} if steps else {"CAMPUS_STEPS": ""}),
        )
        if wait:
            self.until(self.hub_answers)

    def hub_answers(self) -> bool:
        """Whether the hub has started so far that it takes requests."""
        return self._answers(f"{self.hub_url}/hub/api/")

    def kill(self, name: str) -> None:
        """kill -9, and wait for the end."""
        process = self.processes[name]
        process.kill()
        process.wait()

    def freeze(self, name: str) -> None:
        """As a computer that hangs: the process is there and does nothing."""
        self.processes[name].send_signal(signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        """It goes on as if nothing had been."""
        self.processes[name].send_signal(signal.SIGCONT)

    def wait_death(self, name: str, seconds: float = 60) -> int:
        """Wait until a process has died by itself, and return its exit status."""
        self.until(lambda: self.processes[name].poll() is not None, seconds)
        return self.processes[name].returncode

    def alive(self, name: str) -> bool:
        """Whether the process runs."""
        return name in self.processes and self.processes[name].poll() is None

    # -- asking

    def hub(self, method: str, path: str, body: Any = None, *, token: str = TOKEN) -> Any:
        """The hub's REST API as an admin: `(status, content)`; status 0 when nobody answers."""
        return self._ask(method, f"{self.hub_url}/hub/api/{path}", body, f"token {token}")

    def cloud(self, path: str, body: Any = None, method: str | None = None) -> Any:
        """The emulator's own interface; its content."""
        url = f"http://127.0.0.1:{self.cloud_port}/_emulator/{path}"
        body = self.kind.asked(body)
        status, content = self._ask(method or ("GET" if body is None else "POST"), url, body)
        assert 200 <= status < 300, (status, content)
        if path == "machines":
            content["machines"] = [self.kind.machine(one) for one in content["machines"]]
        elif path == "calls" and "calls" in content:
            content["calls"] = self.kind.calls(content["calls"])
        return content

    def api(self, path: str, method: str = "GET", body: Any = None) -> Any:
        """The controller's API with the hub's own token: `(status, content)`."""
        token = identity.load(self.secret).claims_token
        url = f"{self.controller_url}/services/gpuspawner/api/v1/{path}"
        return self._ask(method, url, body, f"Bearer {token}")

    def health(self, port: int = 0) -> str:
        """What a controller says of itself; empty when it does not answer."""
        url = f"http://127.0.0.1:{port}" if port else self.controller_url
        status, content = self._ask("GET", f"{url}/services/gpuspawner/health", None)
        return content["status"] if status == 200 else ""

    def page(self, user: str, path: str, server: str = "", method: str = "GET", body: Any = None):
        """A page of a student's single-user server, asked directly at its machine."""
        found = self.server(user, server)
        assert found
        assert found["url"], found
        view = self.view(user, server)
        assert view
        assert view["url"], view
        return self._ask(method, view["url"] + found["url"].rstrip("/") + path, body)

    # -- what students do

    def student(self, user: str) -> str:
        """Make the user at the hub."""
        status, _ = self.hub("POST", f"users/{_quoted(user)}")
        assert status in (201, 409), status
        return user

    def start(self, user: str, server: str = "", options: Mapping[str, Any] | None = None) -> int:
        """Press Start; the hub's status."""
        body = {"user_options": options} if options else None
        return self.hub("POST", self._server_path(user, server), body)[0]

    def stop(self, user: str, server: str = "") -> int:
        """Press Stop; the hub's status."""
        return self.hub("DELETE", self._server_path(user, server))[0]

    def delete(self, user: str, server: str) -> int:
        """Delete a named server for good."""
        return self.hub("DELETE", self._server_path(user, server), {"remove": True})[0]

    def server(self, user: str, server: str = "") -> dict[str, Any] | None:
        """What the hub says of a server; None when it has none that is active."""
        status, content = self.hub("GET", f"users/{_quoted(user)}")
        return content.get("servers", {}).get(server) if status == 200 else None

    def ready(self, user: str, server: str = "") -> bool:
        """Whether the hub calls the server ready."""
        found = self.server(user, server)
        return bool(found and found["ready"])

    def gone(self, user: str, server: str = "") -> bool:
        """Whether the hub answers, and has no such server, or no such user."""
        status, content = self.hub("GET", f"users/{_quoted(user)}")
        return status == 404 or (status == 200 and server not in content.get("servers", {}))

    def view(self, user: str, server: str = "") -> dict[str, Any] | None:
        """What the controller shows of a claim."""
        status, content = self.api(f"claims/{self.claim_of(user, server)}")
        return content if status == 200 else None

    def started(self, user: str, server: str = "") -> dict[str, Any]:
        """Press Start and wait until the server is ready; its machine."""
        self.student(user)
        assert self.start(user, server) in (201, 202)
        self.until(lambda: self.ready(user, server))
        return self.machine(user, server)

    def stopped(self, user: str, server: str = "") -> dict[str, Any]:
        """Press Stop and wait until nothing is billed; its machine."""
        assert self.stop(user, server) in (202, 204)
        self.until(lambda: self.gone(user, server))
        return self.until(lambda: self.in_state(user, "stopped", server=server))

    # -- what is there

    def machines(self, user: str | None = None, server: str = "") -> list[dict[str, Any]]:
        """The instances that exist and are not terminated, of one claim or of all of this hub."""
        hub = identity.load(self.secret).hub_id
        claim = None if user is None else self.claim_of(user, server)
        return [
            one
            for one in self.cloud("machines")["machines"]
            if one["state"] != "terminated"
            and one["tags"].get("gpuspawner:hub") == hub
            and claim in (None, one["tags"].get("gpuspawner:claim"))
        ]

    def machine(self, user: str, server: str = "") -> dict[str, Any]:
        """The one machine of a claim."""
        [found] = self.machines(user, server)
        return found

    def in_state(self, user: str, *states: str, server: str = "") -> dict[str, Any] | None:
        """The claim's one machine if it is in one of the states."""
        found = self.machines(user, server)
        return found[0] if len(found) == 1 and found[0]["state"] in states else None

    def rows(self, query: str, *values: Any) -> list[dict[str, Any]]:
        """Rows of the controller's SQLite database, read from outside."""
        path = self.database.removeprefix("sqlite:///")
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)) as db:
            db.row_factory = sqlite3.Row
            return [dict(row) for row in db.execute(query, values)]

    # -- watching

    def watch(self) -> None:
        """From now on, count machines that are billed and belong to nobody."""
        self._watching = threading.Thread(target=self._watch, daemon=True)
        self._watching.start()

    def _watch(self) -> None:
        unowned: dict[str, float] = {}
        last = time.monotonic()
        while not self._over.wait(2 * self.pause):
            now = time.monotonic()
            try:
                self._look(unowned, now, now - last)
            except (OSError, sqlite3.Error, AssertionError):
                continue  # being killed or made: the next look counts the time
            last = now

    def _look(self, unowned: dict[str, float], now: float, passed: float) -> None:
        billed = [one for one in self.machines() if one["state"] in BILLED]
        owned = self._owned()
        by_claim: dict[str, int] = {}
        for one in billed:
            claim = one["tags"].get("gpuspawner:claim", "")
            by_claim[claim] = by_claim.get(claim, 0) + 1
            if (claim, one["tags"].get("gpuspawner:intent")) in owned or (
                claim,
                one["id"],
            ) in owned:
                unowned.pop(one["id"], None)
                continue
            since = unowned.setdefault(one["id"], now)
            if now - since > self.grace:
                self.tally.leaked += passed
                self.tally.leaks[one["id"]] = now - since
        self.tally.doubles |= {claim for claim, count in by_claim.items() if count > 1}
        for one in set(unowned) - {one["id"] for one in billed}:
            del unowned[one]

    def _owned(self) -> set[tuple[str, str]]:
        """Claim with intent or machine id, for which the database names somebody who answers."""
        claims = self.rows("SELECT name, machine_id FROM claims")
        intents = self.rows("SELECT id, claim FROM intents WHERE state = 'open'")
        return {(one["name"], one["machine_id"]) for one in claims if one["machine_id"]} | {
            (one["claim"], one["id"]) for one in intents
        }

    # -- rest

    def at_rest(self) -> bool:
        """Whether nothing moves any more, and the wish, the world and the hub agree."""
        return not self.unrest()

    def unrest(self) -> list[str]:
        """What still moves or does not agree, in words."""
        status, found = self.api("status")
        if status != 200:
            return ["the controller does not answer"]
        said: list[str] = []
        machines: dict[str, list[str]] = {}
        for one in self.machines():
            machines.setdefault(one["tags"].get("gpuspawner:claim", ""), []).append(one["state"])
        known = {claim["name"] for claim in found["claims"]}
        said += [f"{claim} is unknown and {states}" for claim, states in machines.items()
                 if claim not in known]  # fmt: skip
        for claim in found["claims"]:
            user, server = claim["owner"]["user_name"], claim["owner"]["server_name"]
            states = machines.get(claim["name"], [])
            who = f"{user}/{server} wants {claim['desired']}"
            if claim["desired"] == "running":
                if states != ["running"] or not claim["url"]:
                    said.append(f"{who} and has {states}, url {claim['url']}")
                elif user and not self.ready(user, server):
                    said.append(f"{who}, is up, and the hub says {self.server(user, server)}")
            elif claim["desired"] == "deleted":
                said.append(f"{who} and has {states}")
            elif any(state != "stopped" for state in states) or claim["billed"]:
                said.append(f"{who}, has {states}, billed {claim['billed']}")
            elif user and not self.gone(user, server):  # an adopted one has no name for a while
                said.append(f"{who}, is off, and the hub says {self.server(user, server)}")
        open_intents = self.rows("SELECT claim FROM intents WHERE state = 'open'")
        said += [f"{one['claim']} has an open intent" for one in open_intents]
        return said

    def rest(self, seconds: float = 90) -> None:
        """Wait until nothing moves, twice in a row."""
        self.until(lambda: self.at_rest() and self.at_rest(), seconds)

    def violations(self) -> list[str]:
        """The system's invariants at rest; what is broken, in words."""
        said = []
        by_claim: dict[str, list[str]] = {}
        for one in self.machines():
            by_claim.setdefault(one["tags"].get("gpuspawner:claim", ""), []).append(one["id"])
        said += [f"{claim} has {ids}" for claim, ids in by_claim.items() if len(ids) > 1]
        if self.tally.leaked:
            said.append(f"leaked for {self.tally.leaked:.1f} s: {self.tally.leaks}")
        said += self._unexplained()
        said += self._homes_lost()
        return said

    def _unexplained(self) -> list[str]:
        """Machines on the bill whose intent the database never had."""
        known = {one["id"] for one in self.rows("SELECT id FROM intents")}
        forgotten = {one["detail"] for one in self.rows("SELECT detail FROM audit")}
        hub = identity.load(self.secret).hub_id
        return [
            f"{one['id']} was billed for an unknown intent"
            for one in self.cloud("machines")["machines"]
            if one["tags"].get("gpuspawner:hub") == hub
            and one["state"] != "terminated"
            and one["tags"].get("gpuspawner:intent") not in known | forgotten
        ]

    def _homes_lost(self) -> list[str]:
        """More than one home for a claim. (That its contents are kept, each test checks itself.)"""
        homes: dict[str, list[str]] = {}
        for home in self.api("homes")[1]:
            homes.setdefault(home["claim"], []).append(home["id"])
        return [f"{claim} has homes {ids}" for claim, ids in homes.items() if len(ids) > 1]

    # -- waiting

    def until(self, true: Callable[[], Any], seconds: float = 60) -> Any:
        """What `true` answers once it is true; fails with the world."""
        end = time.monotonic() + seconds
        while True:
            try:
                found = true()
            except (OSError, sqlite3.Error) as error:
                found, trouble = None, error
            else:
                trouble = None
            if found:
                return found
            if time.monotonic() > end:
                raise AssertionError(f"not within {seconds} s: {true} {trouble}\n{self.world()}")
            time.sleep(self.pause)

    def world(self) -> str:
        """Everything that helps to see why a test failed."""
        parts = [f"== {path.name}\n{_tail(path)}" for path in sorted(self.folder.glob("*.log"))]
        with contextlib.suppress(OSError, AssertionError):
            parts.append("== machines\n" + json.dumps(self.cloud("machines"), indent=1)[-6000:])
        with contextlib.suppress(OSError, AssertionError):
            parts.append("== status\n" + json.dumps(self.api("status"), indent=1)[-6000:])
        with contextlib.suppress(OSError, AssertionError):
            parts.append(f"== unrest\n{self.unrest()}")
        return "\n".join(parts)

    # -- inside

    def _spawn(
        self,
        name: str,
        command: list[str],
        python: bool = True,
        nursery: str = "",
        **environment: str,
    ) -> None:
        """Start a process; one of a `nursery` (a module) has its imports done already."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(_OTHERS)}
        environment = {
            **kept,
            **self._cloud_environment(),
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
            "CAMPUS_STEPS": str(self.folder / f"{name}.steps"),
            **environment,
        }
        path = self.folder / f"{name}.log"
        if nursery:
            if self.quick:
                nest = shared(nursery)
            else:
                nest = self._nurseries.get(nursery) or Nursery(nursery)
                self._nurseries[nursery] = nest
            self.processes[name] = nest.spawn(
                command[2:], environment=environment, folder=self.folder, log=path
            )
            return
        with path.open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, *command] if python else command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env=environment,
                start_new_session=True,
            )

    def _cloud_environment(self) -> dict[str, str]:
        return self.kind.environment(self.cloud_port)

    def _server_path(self, user: str, server: str) -> str:
        where = f"servers/{_quoted(server)}" if server else "server"
        return f"users/{_quoted(user)}/{where}"

    def _answers(self, url: str) -> bool:
        return 200 <= self._ask("GET", url, None)[0] < 500

    def _ask(self, method: str, url: str, body: Any, authorization: str = "") -> tuple[int, Any]:
        data = None if body is None else json.dumps(body).encode()
        request = Request(url, method=method, data=data)
        request.add_header("Content-Type", "application/json")
        if authorization:
            request.add_header("Authorization", authorization)
        try:
            with urlopen(request, timeout=30) as answer:
                return answer.status, _json(answer.read())
        except HTTPError as error:
            with error:
                return error.code, _json(error.read())
        except (URLError, OSError):
            return 0, None


def _json(text: bytes) -> Any:
    try:
        return json.loads(text) if text else None
    except ValueError:
        return text.decode(errors="replace")


def _quoted(text: str) -> str:
    from urllib.parse import quote  # noqa: PLC0415

    return quote(text, safe="")


def _tail(path: Path, lines: int = 80) -> str:
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])


@contextlib.contextmanager
def campus(folder: Path, **options: Any) -> Iterator[Campus]:
    """A campus that is open, and is closed whatever happens."""
    one = Campus(folder, **options)
    try:
        yield one.open()
    finally:
        one.close()
