"""A hub that is held up by its own work does not take it for the controller's silence."""

from __future__ import annotations

import pytest

from gpuspawner.clock import SystemClock
from gpuspawner.errors import ControllerUnavailable
from gpuspawner.spawner import GPUSpawner


class HeldUp(SystemClock):
    """A clock that stands a minute ahead as soon as the controller has been asked once."""

    def __init__(self, controller):
        self.controller, self.back_at, self.slept = controller, None, 0

    def monotonic(self):
        return super().monotonic() + 60.0 * bool(self.controller.asked("PUT"))

    async def sleep(self, seconds):
        if self.controller.asked("PUT"):
            self.slept += 1
            if self.slept == self.back_at:
                self.controller.refuse_put = None
        await super().sleep(seconds)


@pytest.fixture
def clock(stage, monkeypatch):
    """The spawner's clock; the controller refuses until it is asked not to."""
    held = HeldUp(stage.controller)
    monkeypatch.setattr(GPUSpawner, "clock", held)
    stage.controller.refuse_put = ControllerUnavailable("not yet")
    return held


async def test_a_start_that_was_held_up_is_asked_for_once_more(stage, clock):
    clock.back_at = 1
    stage.student()
    stage.hasty()
    answer = await stage.start()
    assert answer.status_code == 202
    await stage.controller.until(lambda: stage.controller.claims)
    future = stage.spawner()._spawn_future
    stage.controller.up(stage.server_url)
    await future
    assert (stage.spawner().ready, len(stage.controller.asked("PUT"))) == (True, 2)


async def test_a_controller_that_goes_on_refusing_is_not_asked_for_ever(stage, clock):
    stage.student()
    stage.patient()
    answer = await stage.start()
    assert (answer.status_code, len(stage.controller.asked("PUT"))) == (503, 2)
    assert stage.user().running is False
