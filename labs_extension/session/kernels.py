"""Which kernels are busy and since when, and when one last said something: also with no page open.

The server listens to every kernel anyway and keeps what it hears as two traits of the kernel's
manager (`execution_state`, `last_activity`); we observe those. So there is no further connection to
a kernel, and nothing to miss when no browser is connected.
"""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

from labs_extension.clock import Clock


class Kernels:
    """Watches the kernels of one server."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._watched: WeakKeyDictionary[Any, float | None] = WeakKeyDictionary()
        self._output: float | None = None

    def look(self, manager: Any) -> dict[str, Any]:
        """The kernels of `manager` now, and watch those that are new."""
        kernels = [manager.get_kernel(one) for one in manager.list_kernel_ids()]
        for kernel in kernels:
            if kernel not in self._watched:
                kernel.observe(self._state_changed, "execution_state")
                kernel.observe(self._spoke, "last_activity")
                self._note(kernel, kernel.execution_state)
        since = [at for one in kernels if (at := self._watched[one]) is not None]
        now = self._clock.monotonic()
        return {
            "count": len(kernels),
            "busy": len(since),
            "busy_age": now - min(since) if since else None,
        }

    def output_age(self) -> float | None:
        """Seconds since a kernel that ran something last said anything; None when none has."""
        return None if self._output is None else self._clock.monotonic() - self._output

    def _state_changed(self, change: Any) -> None:
        self._note(change["owner"], change["new"])

    def _note(self, kernel: Any, state: Any) -> None:
        since = self._watched.get(kernel)
        if state != "busy":
            self._watched[kernel] = None
        elif since is None:
            self._watched[kernel] = self._clock.monotonic()

    def _spoke(self, change: Any) -> None:
        del change
        self._output = self._clock.monotonic()
