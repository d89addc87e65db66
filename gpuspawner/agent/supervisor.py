"""Runs the single-user server as the student, and knows how it is."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

from gpuspawner.agent.boot import Orders
from gpuspawner.agent.clock import Clock

RESTARTS = 2
"""How often a server that dies is started again before the session is given up."""

STEADY_SECONDS = 600.0
"""After running for so long, an earlier death is forgiven."""

GRACE_SECONDS = 30.0
TAIL_BYTES = 8 << 10
LARGEST_LOG = 8 << 20
_PROBE_SECONDS = 2.0
_SECRET_WORDS = ("TOKEN", "SECRET", "PASSWORD", "KEY", "CREDENTIAL")


class Supervisor:
    """One server of one generation.

    Args:
        orders: what to run.
        log: the file that gets what the server prints.
        home: the directory it starts in.
        clock: for the grace and for forgiving.
        clean: a folder outside of the home that the student may write to, for a start without
            the student's own settings.
        extra: further variables for the server.
    """

    def __init__(
        self,
        orders: Orders,
        *,
        log: Path,
        home: Path,
        clock: Clock,
        clean: Path,
        extra: Mapping[str, str],
    ) -> None:
        self._orders = orders
        self._log = log
        self._home = home
        self._clock = clock
        self._clean = clean
        self._extra = dict(extra)
        self._has_answered = False
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._deaths = 0

    @property
    def url(self) -> str:
        """Where the server listens, with its prefix; the hub reaches it under the same address."""
        orders = self._orders
        prefix = orders.environment.get("JUPYTERHUB_SERVICE_PREFIX", "/")
        host = f"[{orders.address}]" if ":" in orders.address else orders.address
        return f"http://{host}:{orders.port}{prefix if prefix.endswith('/') else prefix + '/'}"

    def start(self) -> None:
        """Start the server.

        Raises:
            OSError: the log cannot be written, there is no `setpriv`, or no program can be given
                this command and environment.
        """
        self._log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
        descriptor = os.open(self._log, flags, 0o600)
        user = self._orders.user
        argv = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", "--"]
        try:
            self._process = subprocess.Popen(
                [*argv, *self._orders.command],
                stdin=subprocess.DEVNULL,
                stdout=descriptor,
                stderr=descriptor,
                env=self._environment(),
                cwd=self._home,
                start_new_session=True,
            )
        except ValueError as error:  # there is a NUL in it, as there may be in a user's name
            raise OSError(f"the server cannot be started: {error}") from error
        finally:
            os.close(descriptor)
        self._started_at = self._clock.monotonic()

    def check(self) -> str:
        """How it is: `running`, `restarted` (it had died), or `failed` (it died once too often).

        The last try of a server that has never answered is without the student's own settings: a
        broken `~/.jupyter` or `~/.local`, or a full home, is what keeps it from starting most often.
        """
        self._trim_log()
        if self._process is not None and self._process.poll() is None:
            if self._clock.monotonic() - self._started_at >= STEADY_SECONDS:
                self._deaths = 0
            return "running"
        self._deaths += 1
        if self._deaths > RESTARTS:
            return "failed"
        if self._deaths == RESTARTS and not self._has_answered:
            self._extra |= without_settings(self._clean)
        self.start()
        return "restarted"

    def answers(self) -> bool:
        """Whether the server answers its `api` address with a 2xx.

        It asks without being counted as activity.
        """
        orders = self._orders
        path = "/" + self.url.split("/", 3)[3] + "api?no_track_activity=1"
        connection = http.client.HTTPConnection(orders.address, orders.port, timeout=_PROBE_SECONDS)
        try:
            connection.request("GET", path)
            answers = connection.getresponse().status // 100 == 2
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
        self._has_answered |= answers
        return answers

    @property
    def pid(self) -> int | None:
        """The server's process; None when there is none."""
        return None if self._process is None else self._process.pid

    def stop(self, grace: float = GRACE_SECONDS) -> None:
        """End the server: SIGTERM, so that it ends its kernels; SIGKILL after `grace` seconds."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            process.wait(grace)
        except subprocess.TimeoutExpired:
            pass
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def tail(self) -> str:
        """The end of the log, at most 8 KiB as UTF-8, without the secrets of the environment."""
        try:
            with self._log.open("rb") as file:
                file.seek(max(0, self._log.stat().st_size - 2 * TAIL_BYTES))
                text = file.read(2 * TAIL_BYTES).decode(errors="replace")
        except OSError:
            return ""
        return clip(redact(text, self._orders.environment))

    def _environment(self) -> dict[str, str]:
        user = self._orders.user
        home = str(self._home)
        return {
            **self._orders.environment,
            **self._extra,
            "HOME": home,
            "USER": user,
            "LOGNAME": user,
            "SHELL": "/bin/bash",
            # The hub's own PATH means nothing on this machine; the image's does.
            "PATH": os.environ.get("PATH", os.defpath),
            **{name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ},
            "LANG": self._orders.environment.get("LANG", "C.UTF-8"),
            "JUPYTERHUB_SERVICE_URL": self.url,
        }

    def _trim_log(self) -> None:
        with contextlib.suppress(OSError):
            if self._log.stat().st_size > LARGEST_LOG:
                os.truncate(self._log, 0)


def without_settings(folder: Path) -> dict[str, str]:
    """The variables that make a server look for its settings below `folder`, not in the home.

    Jupyter makes the folders itself, as the student. `GPUSPAWNER_WITHOUT_SETTINGS` tells the server.
    """
    return {
        "GPUSPAWNER_WITHOUT_SETTINGS": "1",
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_DATA_DIR": str(folder / "data"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "IPYTHONDIR": str(folder / "ipython"),
        "PYTHONNOUSERSITE": "1",
    }


def redact(text: str, environment: Mapping[str, str]) -> str:
    """`text` without the values of variables whose names sound secret."""
    for name, value in environment.items():
        if len(value) >= 6 and any(word in name.upper() for word in _SECRET_WORDS):
            text = text.replace(value, "[redacted]")
    return text


def clip(text: str) -> str:
    """The end of `text`, at most 8 KiB as UTF-8."""
    return text.encode()[-TAIL_BYTES:].decode(errors="ignore")
