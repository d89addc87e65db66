"""The API actions that change instances, as EC2 carries them out: all of a batch, or nothing."""

from __future__ import annotations

import base64
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

from gpuspawner.emulator import ec2_checks as checks
from gpuspawner.emulator.clock_ import text
from gpuspawner.emulator.ec2_lifecycle import CODES, Record
from gpuspawner.emulator.ec2_services import IMAGE_PARAMETERS
from gpuspawner.emulator.ec2_tokens import Tokens, with_states
from gpuspawner.emulator.ec2_wire import Answer, Call, Refusal, items, tag, xml
from gpuspawner.emulator.ec2_world import World

Forward = Callable[[Call], Answer]
Handler = Callable[[Call, Forward], Answer]

CONSOLE_BYTES = 65536
_INSTANCE_ID = re.compile(r"<instanceId>(i-[0-9a-f]+)</instanceId>")


class Instances:
    """Handlers by action; each gets the call and a way to let moto answer."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._tokens = Tokens()
        self.handlers: dict[str, Handler] = {
            "RunInstances": self.run,
            "StartInstances": self.start,
            "StopInstances": self.stop,
            "TerminateInstances": self.terminate,
            "RebootInstances": self.reboot,
            "ModifyInstanceAttribute": self.modify,
            "GetConsoleOutput": self.console,
        }

    def run(self, call: Call, forward: Forward) -> Answer:
        """RunInstances: as many as there is room for, from MinCount to MaxCount."""
        given = self._tokens.replay(call, self._present)
        if given is not None:
            return given
        wanted = call.replaced(ImageId=self._image(call)) if "ImageId" in call.params else call
        launch = checks.launch(wanted, self._world.backend, self._world.region)
        checks.dry_run(call)
        number = str(self._world.admit(launch.type, launch.zone, launch.least, launch.most))
        answer = forward(wanted.replaced(MinCount=number, MaxCount=number))
        if answer.status >= 400:
            return answer
        body = answer.body.decode()
        ids = _INSTANCE_ID.findall(body)
        for machine_id in ids:
            body = self._adopt(call, machine_id, launch.user_data, body)
        answer = Answer(answer.status, body.encode(), answer.content_type)
        self._tokens.remember(call, answer, ids)
        return answer

    def start(self, call: Call, _: Forward) -> Answer:
        """StartInstances: no-op for those that are on already."""
        records = checks.instances(call, self._world.lifecycle.records)
        for record in records:
            checks.state(record, ("pending", "running", "stopped"), "started")
        checks.dry_run(call)
        off = [record for record in records if record.state == "stopped"]
        self._world.admit_all(Counter((record.type, record.zone) for record in off))
        return self._changed(call, records, off, self._world.lifecycle.start)

    def stop(self, call: Call, _: Forward) -> Answer:
        """StopInstances: no-op for those that are off already."""
        records = checks.instances(call, self._world.lifecycle.records)
        for record in records:
            checks.state(record, ("running", "stopping", "stopped"), "stopped")
            if record.instance.disable_api_stop is True:
                raise _protected(record, "stopped", "disableApiStop")
        checks.dry_run(call)
        on = [record for record in records if record.state == "running"]
        return self._changed(call, records, on, self._world.lifecycle.stop)

    def terminate(self, call: Call, _: Forward) -> Answer:
        """TerminateInstances: from any state, as often as one likes."""
        records = checks.instances(call, self._world.lifecycle.records)
        for record in records:
            if str(record.instance.disable_api_termination).lower() == "true":
                raise _protected(record, "terminated", "disableApiTermination")
        checks.dry_run(call)
        left = [rec for rec in records if rec.state not in ("shutting-down", "terminated")]
        return self._changed(call, records, left, self._world.lifecycle.terminate)

    def reboot(self, call: Call, _: Forward) -> Answer:
        """RebootInstances: running ones only."""
        records = checks.instances(call, self._world.lifecycle.records)
        for record in records:
            checks.state(record, ("running",), "rebooted")
        checks.dry_run(call)
        for record in records:
            self._world.lifecycle.reboot(record)
        return xml(call.action, tag("return", "true"))

    def modify(self, call: Call, forward: Forward) -> Answer:
        """ModifyInstanceAttribute: type and user data change while stopped only."""
        (record,) = checks.instances(call, self._world.lifecycle.records)
        attribute = call.params.get("Attribute", "")
        machine_type = call.params.get("InstanceType.Value")
        if attribute == "instanceType":
            machine_type = call.params.get("Value")
        data = call.params.get("UserData.Value", call.params.get("Value"))
        if machine_type is None and attribute != "userData" and "UserData.Value" not in call.params:
            return forward(call)
        if record.state != "stopped":
            message = f"The instance '{record.id}' is not in the 'stopped' state."
            raise Refusal("IncorrectInstanceState", message)
        if machine_type is not None:
            checks.offered(machine_type, record.zone, self._world.region)
        checks.dry_run(call)
        answer = forward(call)
        if answer.status < 400 and machine_type is not None:
            self._world.lifecycle.resized(record)
        elif answer.status < 400:
            record.user_data = base64.b64decode(data or "")
        return answer

    def console(self, call: Call, _: Forward) -> Answer:
        """GetConsoleOutput: the last 64 KiB, base64."""
        (record,) = checks.instances(call, self._world.lifecycle.records)
        checks.dry_run(call)
        written = self._world.host.console(record.id).encode()[-CONSOLE_BYTES:]
        inner = tag("instanceId", record.id) + tag("timestamp", text(self._world.clock.now()))
        output = tag("output", base64.b64encode(written).decode()) if written else ""
        return xml(call.action, inner + output)

    def _image(self, call: Call) -> str:
        image = call.params["ImageId"]
        prefix, name = "resolve:ssm:", image.partition("resolve:ssm:")[2]
        if not image.startswith(prefix):
            return image
        if name not in IMAGE_PARAMETERS:
            message = f"Systems Manager could not find parameter {name}"
            raise Refusal("InvalidParameterValue", message)
        return self._world.seed.image

    def _adopt(self, call: Call, machine_id: str, user_data: bytes, body: str) -> str:
        """Make moto's new instance one of ours; returns the answer with our address in it."""
        world = self._world
        instance = next(
            instance
            for reservation in world.backend.reservations.values()
            for instance in reservation.instances
            if instance.id == machine_id
        )
        old, address = str(instance.private_ip_address), world.address()
        instance.client_token = call.params.get("ClientToken", "")
        world.lifecycle.created(instance, address, user_data)
        self._adopt_disks(call, instance)
        body = body.replace(f">{old}<", f">{address}<")
        return body.replace(f"ip-{old.replace('.', '-')}.", f"ip-{address.replace('.', '-')}.")

    def _adopt_disks(self, call: Call, instance: Any) -> None:
        for device, block in instance.get_block_device_mapping:
            root = device == instance.root_device_name
            # EC2 deletes a root disk with its instance unless told not to; moto keeps it.
            if root and _explicit(call, device) is None:
                block.delete_on_termination = True
            volume = self._world.backend.volumes[block.volume_id]
            self._world.volumes.created(volume, root=root)

    def _present(self, ids: list[str], body: str) -> str:
        names = [self._world.lifecycle.state_of(machine_id) for machine_id in ids]
        return with_states(body, [(CODES[name], name) for name in names])

    def _changed(
        self,
        call: Call,
        records: list[Record],
        changing: list[Record],
        change: Callable[[Record], None],
    ) -> Answer:
        before = {record.id: record.state for record in records}
        for record in changing:
            change(record)
        members = [
            tag("instanceId", record.id)
            + _state("currentState", record.state)
            + _state("previousState", before[record.id])
            for record in records
        ]
        return xml(call.action, items("instancesSet", members))


def _state(name: str, state: str) -> str:
    return f"<{name}>{tag('code', CODES[state])}{tag('name', state)}</{name}>"


def _explicit(call: Call, device: str) -> str | None:
    for key, value in call.params.items():
        if (
            key.startswith("BlockDeviceMapping.")
            and key.endswith(".DeviceName")
            and value == device
        ):
            return call.params.get(key.replace(".DeviceName", ".Ebs.DeleteOnTermination"))
    return None


def _protected(record: Record, done: str, attribute: str) -> Refusal:
    message = (
        f"The instance '{record.id}' may not be {done}. Modify its '{attribute}' instance "
        "attribute and try again."
    )
    return Refusal("OperationNotPermitted", message)
