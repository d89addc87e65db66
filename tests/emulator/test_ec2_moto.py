"""The names of moto's that the emulator replaces or reaches into: this tells when moto moves them."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from gpuspawner.emulator import ec2_moto as border

pytestmark = pytest.mark.emulator


@pytest.mark.parametrize(
    ("replaced", "parameters"),
    [
        (border._original_reservations, ["self", "filters"]),
        (border._original_volumes, ["self", "volume_ids", "filters"]),
        (border.moto_instances.Instance.terminate, ["self"]),
        (border.moto_instances.StateReason.__init__, ["self", "message", "code"]),
        (border.moto_instances.InstanceState.__init__, ["self", "name", "code"]),
        (border.moto_utils.filter_reservations, ["reservations", "filter_dict"]),
    ],
)
def test_a_replaced_method_takes_what_ours_takes(replaced: Any, parameters: list[str]) -> None:
    assert list(inspect.signature(replaced).parameters) == parameters


@pytest.mark.parametrize("module", [border.moto_instances, border.moto_volumes])
def test_moto_asks_for_the_time_by_a_name_of_its_own(module: Any) -> None:
    assert "utcnow()" in inspect.getsource(module)
    assert callable(module.utcnow)


def test_moto_still_shows_what_an_instance_holds_on_to() -> None:
    source = inspect.getsource(border.moto_instances.Instance)

    for name in (
        "self._state",
        "self._reason",
        "self.state_reason",
        "self._private_ips",
        "self.nics",
    ):
        assert name in source


def test_moto_still_takes_the_smallest_count() -> None:
    # The emulator asks moto for exactly as many as it has admitted, in both.
    from moto.ec2.responses.instances import InstanceResponse  # noqa: PLC0415

    assert '"MinCount"' in inspect.getsource(InstanceResponse.run_instances)


def test_all_our_types_with_a_price_are_known_to_moto_or_newer() -> None:
    assert {"g4dn.xlarge", "g5.xlarge", "g6.xlarge"} <= set(border.machine_types())
