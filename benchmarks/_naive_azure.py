"""The obvious spawner on Azure: a thread for each student, with the SDK's own poller and defaults."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from _crowd import Meter, Start
from _emulator import Emulator
from azure.core.credentials import AccessToken
from azure.core.exceptions import AzureError
from azure.mgmt.compute import ComputeManagementClient

SIZE = "Standard_NC4as_T4_v3"


class Credential:
    """A token for whoever asks; the emulator takes any."""

    def get_token(self, *_scopes: str, **_more: Any) -> AccessToken:
        return AccessToken("a-token", 4_000_000_000)


def crowd(
    students: int, folder: Path, within: float, quotas: list[dict[str, Any]]
) -> tuple[list[Start], Meter]:
    """First starts of all of them within so many seconds: one PUT each, and the SDK's `result()`."""
    with Emulator("arm", folder) as cloud:
        cloud.ask("faults", "POST", quotas)
        client = ComputeManagementClient(
            Credential(),
            cloud.seed["subscription"],
            base_url=cloud.url,
            connection_verify=cloud.authority,
        )
        group = cloud.seed["group"]

        def start(number: int) -> None:
            name = f"naive-{number}"
            poller = client.virtual_machines.begin_create_or_update(
                group, name, _body(cloud.seed, name)
            )
            poller.result()

        starts: list[Start] = []
        threads = [
            threading.Thread(target=_student, args=(number, within / students, start, starts))
            for number in range(students)
        ]
        with Meter(cloud.ask, {"cloud": cloud.pid}) as meter:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        return starts, meter


def _student(number: int, gap: float, start: Callable[[int], None], starts: list[Start]) -> None:
    time.sleep(gap * number)
    pressed, ready, said = time.monotonic(), False, ""
    try:
        start(number)
        ready = True
    except AzureError as error:
        said = str(error)
    starts.append(Start(str(number), time.monotonic() - pressed, ready, said))


def _body(seed: dict[str, Any], name: str) -> dict[str, Any]:
    image = dict(
        zip(("publisher", "offer", "sku", "version"), seed["image"].split(":"), strict=True)
    )
    address = {"name": "a", "properties": {"subnet": {"id": seed["subnets"]["eastus"]}}}
    interface = {"name": name, "properties": {"ipConfigurations": [address]}}
    key = {"path": "/home/student/.ssh/authorized_keys", "keyData": "ssh-ed25519 AAAA"}
    return {
        "location": "eastus",
        "properties": {
            "hardwareProfile": {"vmSize": SIZE},
            "storageProfile": {"imageReference": image, "osDisk": {"createOption": "FromImage"}},
            "osProfile": {
                "computerName": name,
                "adminUsername": "student",
                "linuxConfiguration": {"ssh": {"publicKeys": [key]}},
            },
            "networkProfile": {
                "networkApiVersion": "2022-11-01",
                "networkInterfaceConfigurations": [interface],
            },
        },
    }
