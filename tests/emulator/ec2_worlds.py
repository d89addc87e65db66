"""A class's worth of EC2 for the tests: the emulator on a free port, and boto3 in front of it."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from gpuspawner.emulator.clock_ import Clock
from gpuspawner.emulator.ec2 import Emulator
from gpuspawner.emulator.ec2_world import HostMaker
from gpuspawner.emulator.faults import Times

NOON = 1_800_000_000.0
"""2027-01-15T08:00:00Z: when every test begins."""

SESSION = boto3.Session(
    region_name="us-east-1", aws_access_key_id="any", aws_secret_access_key="thing"
)
ONCE = Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=10)


class Cloud:
    """An emulator whose clock stands still, with pending 8 s, stopping 5 s and shutting down 5 s."""

    def __init__(self, *, make_host: HostMaker | None = None, throttle: bool = False) -> None:
        self.emulator = Emulator(
            clock=Clock(NOON, frozen=True),
            times=Times(pending=8, stopping=5, shutting_down=5, attaching=1),
            throttle=throttle,
            make_host=make_host,
        )
        self.ec2 = self.client("ec2")
        self.seed = self.emulator.world.seed

    def __enter__(self) -> Cloud:
        self.emulator.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ec2.close()
        self.emulator.close()

    def client(self, service: str, region: str = "us-east-1") -> Any:
        return SESSION.client(
            service, endpoint_url=self.emulator.url, config=ONCE, region_name=region
        )

    def wish(self, **other: Any) -> dict[str, Any]:
        """What RunInstances is asked for, unless a test says otherwise."""
        zone = other.pop("zone", "us-east-1a")
        return {
            "ImageId": self.seed.image,
            "InstanceType": "g4dn.xlarge",
            "MinCount": 1,
            "MaxCount": 1,
            "SubnetId": self.seed.subnets[zone],
            **other,
        }

    def run(self, **other: Any) -> str:
        """A new instance, pending."""
        answer = self.ec2.run_instances(**self.wish(**other))
        return str(answer["Instances"][0]["InstanceId"])

    def running(self, **other: Any) -> str:
        """A new instance, eight seconds later."""
        machine = self.run(**other)
        self.advance(8)
        return machine

    def stopped(self, **other: Any) -> str:
        """A new instance that has been stopped since."""
        machine = self.running(**other)
        self.ec2.stop_instances(InstanceIds=[machine])
        self.advance(5)
        return machine

    def volume(self, zone: str = "us-east-1a", size: int = 20, **other: Any) -> str:
        """A new gp3 volume."""
        answer = self.ec2.create_volume(AvailabilityZone=zone, Size=size, VolumeType="gp3", **other)
        return str(answer["VolumeId"])

    def advance(self, seconds: float) -> None:
        self.post("clock", {"advance": seconds})

    def describe(self, *machines: str, **other: Any) -> list[dict[str, Any]]:
        """The instances as boto3 lists them."""
        if machines:
            other["InstanceIds"] = list(machines)
        answer = self.ec2.describe_instances(**other)
        return [one for reservation in answer["Reservations"] for one in reservation["Instances"]]

    def state(self, machine: str) -> str:
        return str(self.describe(machine)[0]["State"]["Name"])

    def fault(self, **rule: Any) -> None:
        assert self.post("faults", rule)[0] == 201

    def get(self, path: str) -> Any:
        return self._ask("GET", path)[1]

    def delete(self, path: str) -> Any:
        return self._ask("DELETE", path)[1]

    def post(self, path: str, body: object) -> tuple[int, Any]:
        return self._ask("POST", path, json.dumps(body).encode())

    def lines(self, kind: str) -> list[tuple[Any, ...]]:
        """The bill's lines of one kind: what, billed seconds, micros."""
        bill = self.get("bill")
        return [
            (line["what"], line["billed_seconds"], line["micros"])
            for line in bill["lines"]
            if line["kind"] == kind
        ]

    def _ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, Any]:
        url = f"{self.emulator.url}/_emulator/{path}"
        request = urllib.request.Request(url, data=body, method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)


@contextmanager
def refused(code: str, status: int = 400) -> Iterator[None]:
    """What is inside is refused with exactly this code and HTTP status."""
    with pytest.raises(ClientError) as caught:
        yield
    answer = caught.value.response
    seen = (answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"])
    assert seen == (code, status), answer


class RecordingHost:
    """Plays no machines, and keeps what it was told. `gate` holds power_off and detach back."""

    separation = "Nothing runs."

    def __init__(self, root: Path, on_power: Any) -> None:
        self.root = root
        self.on_power = on_power
        self.told: list[tuple[Any, ...]] = []
        self.gate = threading.Event()
        self.gate.set()
        self._news = threading.Condition()

    def boot(
        self, machine_id: str, *, address: str, user_data: bytes, volumes: Mapping[str, Path]
    ) -> None:
        self._tell("boot", machine_id, address, user_data, tuple(volumes))

    def attach(self, machine_id: str, volume_id: str, folder: Path) -> None:
        assert folder.is_dir()
        self._tell("attach", machine_id, volume_id)

    def detach(self, machine_id: str, volume_id: str) -> None:
        self._tell("detach", machine_id, volume_id)
        self.gate.wait(10)

    def power_off(self, machine_id: str, *, timeout: float = 10) -> None:
        self._tell("power_off", machine_id)
        self.gate.wait(timeout)

    def reboot(self, machine_id: str) -> None:
        self._tell("reboot", machine_id)

    def destroy(self, machine_id: str) -> None:
        self._tell("destroy", machine_id)

    def console(self, machine_id: str) -> str:
        return f"booting {machine_id}"

    def close(self) -> None:
        self.gate.set()
        self._tell("close")

    def hears(self, *words: Any) -> tuple[Any, ...]:
        """Wait until something that begins with `words` has been told, and return it."""

        def found() -> list[tuple[Any, ...]]:
            return [told for told in self.told if told[: len(words)] == words]

        with self._news:
            assert self._news.wait_for(lambda: bool(found()), timeout=10), (words, self.told)
            return found()[-1]

    def _tell(self, *words: Any) -> None:
        with self._news:
            self.told.append(words)
            self._news.notify_all()
