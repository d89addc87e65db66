"""A user's name is passed to a program; one that no program can be given ends the start."""

from __future__ import annotations

from pathlib import Path

import pytest

from gpuspawner.agent.machine import Phase


def named(machine, name: str) -> None:
    environment = machine.controller.orders["environment"] | {"JUPYTERHUB_USER": name}
    machine.controller.orders = machine.controller.orders | {"environment": environment}


def test_a_name_that_no_program_can_be_given_is_reported_at_once(machine):
    named(machine, "nul\0")
    agent = machine.start()
    machine.until(agent, lambda: agent.phase is Phase.FAILED)
    agent.step()
    *stages, (generation, stage, detail) = machine.controller.reports
    assert stages == [(1, "boot", ""), (1, "home", ""), (1, "server", "")]
    assert (generation, stage) == (1, "failed")
    assert "null byte" in detail


@pytest.mark.parametrize(
    "name", ["$(reboot)", "`id`", "a;reboot", "a\nb", "\ud55c\uae00", '"', "🙂"]
)
def test_a_name_that_a_shell_would_run_is_a_name(machine, name):
    named(machine, name)
    agent = machine.up()
    environ = Path(f"/proc/{machine.server(agent)}/environ").read_bytes().split(b"\0")
    assert f"JUPYTERHUB_USER={name}".encode() in environ
    assert not [line for line in machine.commands if name in line]
