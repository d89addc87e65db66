"""Whether other programs used the processors while something was measured, as Linux counts them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from labs_extension.clock import Clock

MOST: Final = 0.1
"""Above this share of all processors, a figure of the CPU is that of a busy machine."""

_IDLE: Final = (3, 4)
_FIRST_GUEST: Final = 8


def used_by_others() -> float | None:
    """Processor seconds that all but this process have used so far; None where Linux does not say.

    What the hypervisor gave away (steal) is among them. https://docs.kernel.org/filesystems/proc.html
    """
    try:
        ticks = Path("/proc/stat").read_text().partition("\n")[0].split()[1 : _FIRST_GUEST + 1]
    except OSError:
        return None
    busy = sum(int(one) for number, one in enumerate(ticks) if number not in _IDLE)
    return busy / os.sysconf("SC_CLK_TCK") - time.process_time()


class Others:
    """The other programs, from now on.

    Args:
        clock: for the time that passes.
        used: says how many processor seconds they have used.
        processors: of the whole machine.
    """

    def __init__(
        self,
        clock: Clock,
        used: Callable[[], float | None] = used_by_others,
        processors: int | None = None,
    ) -> None:
        self._clock = clock
        self._used = used
        self._processors = processors or os.cpu_count() or 1
        self._began, self._before = clock.monotonic(), used()

    def disturbed(self) -> bool | None:
        """Whether they have taken more than `MOST` so far; None when it is not known."""
        passed, now = self._clock.monotonic() - self._began, self._used()
        if now is None or self._before is None or passed <= 0:
            return None
        return (now - self._before) / (passed * self._processors) > MOST
