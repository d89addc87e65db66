"""Whether TensorFlow, PyTorch and JAX see the GPU, asked in processes of their own.

Importing one takes seconds, hundreds of megabytes and sometimes the process with it, so none is
ever imported in the server.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

from labs_extension.clock import Clock

CODES = {
    "tensorflow": (
        "import tensorflow as f; n = [d.name for d in f.config.list_physical_devices('GPU')]"
    ),
    "torch": (
        "import torch as f; n = [f.cuda.get_device_name(i) for i in range(f.cuda.device_count())]"
    ),
    "jax": "import jax as f; n = [str(d) for d in f.devices() if d.platform in ('gpu', 'cuda')]",
}
"""What lists the GPUs of each framework, by the framework's own name."""

_FRAME = """
import importlib.util, json
if importlib.util.find_spec({name!r}) is None:
    print(json.dumps(None))
else:
    {code}
    print(json.dumps([f.__version__, n]))
"""
_AGAIN_SECONDS = 600.0


@dataclass(frozen=True)
class Framework:
    """What one framework says.

    Attributes:
        version: None when it is not installed, or cannot be imported.
        sees_gpu: None when it is not installed or could not be asked.
        error: why it could not be asked, in its own last line.
    """

    installed: bool | None
    version: str | None = None
    sees_gpu: bool | None = None
    error: str | None = None


Ask = Callable[[str], Framework]


class Frameworks:
    """Asks when somebody wants to know, in the background, and remembers the answer.

    Args:
        ask: asks one framework, by its name. Blocks.
    """

    def __init__(self, ask: Ask, clock: Clock) -> None:
        self._ask = ask
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[str, Framework] | None = None
        self._asked = 0.0
        self._asking = False
        self._pool = ThreadPoolExecutor(1, "gpu-frameworks")

    def known(self) -> Mapping[str, Framework] | None:
        """What is known by now, None when nothing is; never blocks."""
        with self._lock:
            return self._known

    def look(self) -> None:
        """See to it that something becomes known.

        All well is true until the server ends; anything else is asked again after ten minutes,
        since a student may have mended it.
        """
        with self._lock:
            old = self._clock.monotonic() - self._asked > _AGAIN_SECONDS
            if self._asking or (self._known is not None and (not unseen(self._known) or not old)):
                return
            self._asking = True
        self._pool.submit(self._look)

    def close(self) -> None:
        """Ask no more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _look(self) -> None:
        try:
            found = {name: self._ask(name) for name in CODES}
        finally:
            with self._lock:
                self._asking = False
        with self._lock:
            self._known = found
            self._asked = self._clock.monotonic()


def unseen(frameworks: Mapping[str, Framework]) -> list[str]:
    """The names of those that are installed and do not see the GPU, or cannot be asked."""
    return [
        name for name, one in frameworks.items() if one.sees_gpu is False or one.error is not None
    ]


def ask_process(python: str, name: str, patience: float) -> Framework:
    """Ask the framework `name` in a process of the interpreter `python`, `patience` seconds long."""
    code = _FRAME.format(name=name, code=CODES[name])
    environment = {
        **os.environ,
        # Looking must not take the memory that the student's own notebook needs.
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",
        "TF_CPP_MIN_LOG_LEVEL": "2",
    }
    try:
        process = subprocess.Popen(
            [python, "-c", code],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            start_new_session=True,
            text=True,
            errors="replace",
        )
    except OSError as error:
        return Framework(None, error=str(error)[:200])
    try:
        out, said = process.communicate(timeout=patience)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return Framework(None, error=f"no answer within {patience:g} s")
    return _understood(process.returncode, out, said)


def _understood(code: int, out: str, said: str) -> Framework:
    last = (said.strip().splitlines() or [f"exit status {code}"])[-1][:200]
    if code != 0:
        return Framework(None, error=last)
    try:
        answer = json.loads(out.strip().splitlines()[-1])
        if answer is None:
            return Framework(False)
        version, names = answer
        return Framework(True, str(version), bool(names))
    except (ValueError, IndexError, TypeError):
        return Framework(None, error=last)
