"""What an administrator sets of the outputs that are kept."""

from __future__ import annotations

from typing import Any

from traitlets import Bool, Float, HasTraits

from labs_extension.clock import Clock
from labs_extension.outputs.keeper import Keeper
from labs_extension.outputs.records import Records

MIB = 1 << 20


class OutputSettings(HasTraits):
    """A part of the extension's own settings."""

    keep_outputs = Bool(
        True,
        config=True,
        help="""Whether the server keeps what cells print while no page is connected, and writes it
        into their notebooks; default True. Without it, that output is lost when the page is closed.""",
    )
    output_seconds = Float(
        10.0,
        min=1.0,
        config=True,
        help="""Seconds from one writing of such output to the next, while no page is connected;
        default 10. Longer writes less to the disk, and loses more if the machine fails. Before a
        stop, and before a notebook is opened, it is written in any case.""",
    )
    output_mib = Float(
        10.0,
        min=0.1,
        config=True,
        help="""MiB that are kept of what one cell prints; default 10. Of more, the first quarter and
        the newest stay, and a line says what was left out. A larger notebook opens more slowly.""",
    )
    outputs_mib = Float(
        100.0,
        min=1.0,
        config=True,
        help="""MiB of the server's memory for the output of all cells together; default 100. Beyond
        it, the server forgets first what a page has been shown already.""",
    )
    waiting_mib = Float(
        32.0,
        min=0.1,
        config=True,
        help="""MiB of messages that the server keeps for a page that has lost its connection; default
        32. Beyond it, the page is given the output as the notebook has it, within `output_mib`.""",
    )

    def make_keeper(self, server: Any, clock: Clock) -> Keeper | None:
        """What keeps the outputs of `server`; None where it is switched off."""
        if not self.keep_outputs:
            return None
        limits = (self.output_mib, self.outputs_mib, self.waiting_mib)
        records = Records(clock, *(int(mib * MIB) for mib in limits))
        return Keeper(server, records, every=self.output_seconds)
