"""The border to moto: every name of moto's that the emulator uses or replaces is in this module.

Replaced, because moto has no setting for it (`tests/emulator/test_ec2_moto.py` tells when one of
them moves):

* `utcnow` in two modules: moto's times are those of the emulated clock;
* `EC2Backend.all_reservations` and `describe_volumes`: what a listing shows may lag;
* `TaggedEC2Resource.get_tags`: moto searches all tags of the account for each machine;
* one more entry in `filter_dict_attribute_mapping`: the `client-token` filter.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

# moto reads it on import: 1,301 images of other people take seven seconds to list.
os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"

import moto.core
import moto.ec2.models.elastic_block_store
import moto.ec2.models.instances
import moto.ec2.utils
from moto.core.base_backend import BackendDict
from moto.core.exceptions import ServiceException
from moto.core.utils import utcnow as real_time
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import EC2Backend, ec2_backends
from moto.ec2.models.core import TaggedEC2Resource
from moto.ec2.models.instance_types import INSTANCE_TYPE_OFFERINGS, INSTANCE_TYPES
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

__all__ = ["ServiceException"]

# What moto exports by accident has no types; these names say that we reach inside.
moto_volumes: Any = moto.ec2.models.elastic_block_store
moto_instances: Any = moto.ec2.models.instances
moto_utils: Any = moto.ec2.utils
moto_core: Any = moto.core
moto_backend: Any = EC2Backend
moto_resource: Any = TaggedEC2Resource

ACCOUNT: str = moto_core.DEFAULT_ACCOUNT_ID


class View(Protocol):
    """How moto's objects look to the caller of the present API call."""

    def time(self) -> datetime:
        """Now, naive UTC."""
        ...

    def look(self, instance: Any) -> Any | None:
        """The instance as it is listed, None if it is not listed yet."""
        ...

    def shows(self, volume: Any) -> bool:
        """Whether the volume is listed yet."""
        ...

    def arrange(self, reservations: list[Any]) -> list[Any]:
        """The reservations in the order and number in which they are paged."""
        ...


_view: View | None = None
_original_reservations: Any = moto_backend.all_reservations
_original_volumes: Any = moto_backend.describe_volumes


def install(view: View, region: str) -> Any:
    """Empty moto, let it see the world through `view`, and return its EC2 backend.

    moto is one per process, so only the emulator that was made last is alive.
    """
    global _view  # noqa: PLW0603 - moto's own state is global, and this is its counterpart
    _view = view
    moto_instances.utcnow = _time
    moto_volumes.utcnow = _time
    moto_backend.all_reservations = _all_reservations
    moto_backend.describe_volumes = _describe_volumes
    moto_resource.get_tags = _get_tags
    moto_utils.filter_dict_attribute_mapping["client-token"] = "client_token"
    BackendDict.reset()
    return ec2_backends[ACCOUNT][region]


def application() -> Any:
    """The server of moto as a WSGI application."""
    return DomainDispatcherApplication(create_backend_app)


def machine_types() -> Mapping[str, Any]:
    """What DescribeInstanceTypes knows, by type."""
    known: Mapping[str, Any] = INSTANCE_TYPES
    return known


def zones_with(machine_type: str, region: str) -> list[str]:
    """The zones of the region that offer the type, as AWS listed them when moto was released."""
    listed = INSTANCE_TYPE_OFFERINGS["availability-zone"][region]
    return sorted(entry["Location"] for entry in listed if entry["InstanceType"] == machine_type)


def zone_of(instance: Any) -> str:
    """The availability zone."""
    return str(instance.placement.zone)


def tag_of(instance: Any, name: str) -> str:
    """The value of one of its tags, "" when it has none of that name."""
    return str(instance.ec2_backend.tags.get(instance.id, {}).get(name, ""))


def set_state(instance: Any, name: str, code: int) -> None:
    """Put the instance in a state: a new object, because listings may hold on to the old one."""
    instance._state = moto_instances.InstanceState(name, code)  # noqa: SLF001 - moto has no setter


def set_reason(instance: Any, code: str, transition: str) -> None:
    """Say why the instance is in its state."""
    sentence = code.partition(".")[2]
    words = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in sentence)
    message = f"{code}: {words.strip().capitalize()}" if code else ""
    instance.state_reason = moto_instances.StateReason(message, code)
    instance._reason = transition  # noqa: SLF001


def set_address(instance: Any, address: str) -> None:
    """Give the instance a private address; the network interface goes when the instance does."""
    card = instance.nics[0]
    card.private_ip_address = address
    card.private_ip_addresses = [{"Primary": True, "PrivateIpAddress": address}]
    card.private_dns_name = instance.private_dns_name
    card.delete_on_termination = True


def power_on(instance: Any) -> None:
    """Give the network back, with another public address."""
    for card in instance.nics.values():
        card.start()


def set_launch_time(instance: Any, at: datetime) -> None:
    """Say when the instance was started last: naive UTC."""
    instance.launch_time = at


def set_create_time(volume: Any, at: datetime) -> None:
    """Say when the volume was made: naive UTC."""
    volume.create_time = at


def power_off(instance: Any) -> None:
    """Take the public address away."""
    for card in instance.nics.values():
        card.stop()


def terminate(instance: Any) -> None:
    """Detach and delete what goes with the instance. The reason that was given stays."""
    reason, transition = instance.state_reason, instance.state_transition_reason
    instance.terminate()
    instance.state_reason, instance._reason = reason, transition  # noqa: SLF001


def forget(instance: Any) -> None:
    """Take a terminated instance, and a reservation that is empty then, from the listing."""
    reservations = instance.ec2_backend.reservations
    for reservation in list(reservations.values()):
        if instance in reservation.instances:
            reservation.instances.remove(instance)
            if not reservation.instances:
                del reservations[reservation.id]


def copy_in_state(instance: Any, name: str, code: int) -> Any:
    """The instance as it was, for a listing that lags."""
    past = moto_instances.copy.copy(instance)
    past._private_ips = set()  # noqa: SLF001 - a copy that is thrown away must not free addresses
    set_state(past, name, code)
    return past


def _time() -> datetime:
    return _view.time() if _view is not None else real_time()


def _all_reservations(backend: Any, filters: Any = None) -> list[Any]:
    reservations: list[Any] = _original_reservations(backend)
    if _view is not None:
        for reservation in reservations:
            seen = [_view.look(instance) for instance in reservation.instances]
            reservation.instances = [instance for instance in seen if instance is not None]
        reservations = [reservation for reservation in reservations if reservation.instances]
    if filters is not None:
        _check_filters(filters)
        reservations = moto_utils.filter_reservations(reservations, filters)
    return _view.arrange(reservations) if _view is not None else reservations


def _check_filters(filters: Any) -> None:
    for name in filters:
        if name not in moto_utils.filter_dict_attribute_mapping and not name.startswith("tag"):
            raise EC2ClientError("InvalidParameterValue", f"The filter '{name}' is invalid")


def _describe_volumes(backend: Any, volume_ids: Any = None, filters: Any = None) -> list[Any]:
    found: list[Any] = _original_volumes(backend, volume_ids, filters)
    return [volume for volume in found if _view is None or _view.shows(volume)]


def _get_tags(resource: Any) -> list[dict[str, str]]:
    kind = ""
    with contextlib.suppress(KeyError):
        kind = moto_utils.EC2_PREFIX_TO_RESOURCE[moto_utils.get_prefix(resource.id)]
    tags = resource.ec2_backend.tags.get(resource.id, {})
    return [
        {"resource_id": resource.id, "key": key, "resource_type": kind, "value": value}
        for key, value in list(tags.items())
    ]
