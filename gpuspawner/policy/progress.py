"""How far a start is, as far as the cloud's listing shows it. What follows, the agent reports."""

from __future__ import annotations

from gpuspawner.language import Sentence, _, say
from gpuspawner.model import Claim, Desired, Home, Machine, Placement, Power, Stage


def seen(claim: Claim, machine: Machine | None, home: Home | None) -> tuple[Stage, Sentence] | None:
    """The stage that the listing shows for a claim that is starting; None when there is nothing new."""
    if claim.desired is not Desired.RUNNING or claim.up_at or machine is None:
        return None
    if machine.power is Power.PENDING:
        return Stage.MACHINE, _with(
            _("The cloud is switching the machine {size} on in zone {zone}."), machine
        )
    if machine.power is Power.STOPPING:
        return Stage.MACHINE, say(
            _(
                "Your machine is still shutting down from last time. It starts again as soon as that is done."
            )
        )
    if machine.power is Power.RUNNING:
        if home and home.machine_id == machine.id:
            return Stage.BOOT, say(
                _("The machine is on and its system is starting. Your files are plugged in.")
            )
        return Stage.BOOT, say(_("The machine is on and its system is starting."))
    return None


def looking(placement: Placement) -> tuple[Stage, Sentence]:
    """A new machine is asked for."""
    return Stage.CAPACITY, _at(
        _("Asking the cloud for a machine {size} in zone {zone}."), placement
    )


def waking(placement: Placement) -> tuple[Stage, Sentence]:
    """A stopped machine is asked to start."""
    return Stage.CAPACITY, _at(
        _("Asking the cloud to start your machine {size} in zone {zone}."), placement
    )


def refused(placement: Placement) -> tuple[Stage, Sentence]:
    """There is none here; the ladder goes on."""
    return Stage.CAPACITY, _at(
        _("No machine {size} is free in zone {zone} now. Trying the next choice."), placement
    )


def busy() -> tuple[Stage, Sentence]:
    """The cloud does not answer, or asks us to slow down."""
    return Stage.CAPACITY, say(
        _("The cloud is busy. Your request is in line and goes on by itself.")
    )


def reported(stage: Stage) -> Sentence:
    """What the agent's report of `stage` means to a student."""
    return {
        Stage.BOOT: say(_("The machine has found this hub.")),
        Stage.HOME: say(_("Your files are being connected.")),
        Stage.SERVER: say(_("JupyterLab is starting.")),
        Stage.READY: say(_("Ready.")),
    }[stage]


def _with(message: str, machine: Machine) -> Sentence:
    return _at(message, machine.placement)


def _at(message: str, placement: Placement) -> Sentence:
    return say(message, size=placement.size, zone=placement.zone)
