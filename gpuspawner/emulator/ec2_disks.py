"""The API actions that change EBS volumes, with the refusals that moto leaves out."""

from __future__ import annotations

import re
from typing import Any

from gpuspawner.emulator import ec2_checks as checks
from gpuspawner.emulator.clock_ import text
from gpuspawner.emulator.ec2_instances import Forward, Handler
from gpuspawner.emulator.ec2_lifecycle import Record
from gpuspawner.emulator.ec2_tokens import Tokens, with_status
from gpuspawner.emulator.ec2_wire import Answer, Call, Refusal, tag, xml
from gpuspawner.emulator.ec2_world import World

_VOLUME_ID = re.compile(r"<volumeId>(vol-[0-9a-f]+)</volumeId>")


class Disks:
    """Handlers by action; each gets the call and a way to let moto answer."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._tokens = Tokens()
        self.handlers: dict[str, Handler] = {
            "CreateVolume": self.create,
            "DeleteVolume": self.delete,
            "AttachVolume": self.attach,
            "DetachVolume": self.detach,
        }

    def create(self, call: Call, forward: Forward) -> Answer:
        """CreateVolume, once for each client token."""
        given = self._tokens.replay(call, self._present)
        if given is not None:
            return given
        zone = call.params.get("AvailabilityZone", "")
        if zone not in self._world.seed.subnets:
            message = f"The zone '{zone}' does not exist."
            raise Refusal("InvalidZone.NotFound", message)
        checks.dry_run(call)
        answer = forward(call)
        if answer.status < 400:
            ids = _VOLUME_ID.findall(answer.body.decode())
            self._world.volumes.created(self._world.backend.volumes[ids[0]])
            self._tokens.remember(call, answer, ids)
        return answer

    def delete(self, call: Call, forward: Forward) -> Answer:
        """DeleteVolume; moto refuses one that is in use."""
        volume = self._volume(call)
        checks.dry_run(call)
        answer = forward(call)
        if answer.status < 400:
            self._world.volumes.deleted(volume.id, self._world.clock.now())
        return answer

    def attach(self, call: Call, forward: Forward) -> Answer:
        """AttachVolume: to a running or stopped instance of the same zone."""
        volume = self._volume(call)
        (record,) = checks.instances(call, self._world.lifecycle.records)
        _attachable(volume, record, call.params.get("Device", ""))
        checks.dry_run(call)
        answer = forward(call)
        if answer.status < 400:
            self._world.volumes.attached(volume, running=record.state == "running")
        return answer

    def detach(self, call: Call, _: Forward) -> Answer:
        """DetachVolume: any but the root of an instance that is not stopped."""
        volume = self._volume(call)
        attachment = volume.attachment
        if attachment is None:
            message = f"Volume '{volume.id}' is in the 'available' state."
            raise Refusal("IncorrectState", message)
        record = self._world.lifecycle.records[attachment.instance.id]
        if call.params.get("InstanceId", record.id) != record.id:
            message = (
                f"Volume '{volume.id}' is not attached to instance '{call.params['InstanceId']}'"
            )
            raise Refusal("InvalidAttachment.NotFound", message)
        if attachment.device == record.instance.root_device_name and record.state != "stopped":
            message = f"Unable to detach root volume '{volume.id}' from instance '{record.id}'"
            raise Refusal("OperationNotPermitted", message)
        checks.dry_run(call)
        since = text(self._world.volumes.created_at.get(volume.id))
        device = attachment.device
        if attachment.status != "detaching":
            self._world.volumes.detach(volume, on=record.state in ("running", "stopping"))
        inner = tag("volumeId", volume.id) + tag("instanceId", record.id) + tag("device", device)
        return xml(call.action, inner + tag("status", "detaching") + tag("attachTime", since))

    def _volume(self, call: Call) -> Any:
        volume_id = call.params.get("VolumeId", "")
        volume = self._world.backend.volumes.get(volume_id)
        if volume is None:
            message = f"The volume '{volume_id}' does not exist."
            raise Refusal("InvalidVolume.NotFound", message)
        return volume

    def _present(self, ids: list[str], body: str) -> str:
        volume = self._world.backend.volumes.get(ids[0])
        return with_status(body, "deleted" if volume is None else volume.status)


def _attachable(volume: Any, record: Record, device: str) -> None:
    """Check that the volume can be attached.

    Raises:
        Refusal: as EC2 does, the volume first.
    """
    if volume.attachment is not None:
        raise Refusal("VolumeInUse", f"{volume.id} is already attached to an instance")
    if record.state not in ("running", "stopped"):
        raise Refusal("IncorrectState", f"Instance '{record.id}' is not 'running'.")
    if volume.availability_zone != record.zone:
        message = f"The volume '{volume.id}' is not in the same availability zone as instance '{record.id}'"
        raise Refusal("InvalidVolume.ZoneMismatch", message)
    if not device:
        raise Refusal("MissingParameter", "The request must contain the parameter device")
    if device in record.instance.block_device_mapping:
        message = (
            f"Invalid value '{device}' for unixDevice. Attachment point {device} is already in use"
        )
        raise Refusal("InvalidParameterValue", message)
