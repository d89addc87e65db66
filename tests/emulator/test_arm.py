"""The emulated Azure does what Azure does, as far as anybody has written down what that is."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from typing import Any

import pytest
import yaml

from gpuspawner.emulator.arm import Emulator
from gpuspawner.emulator.clock_ import Clock
from gpuspawner.emulator.faults import Times
from tests.emulator import azure_types

pytestmark = pytest.mark.emulator

SIZE = "Standard_NC4as_T4_v3"


class Azure:
    """An emulator whose clock stands still, and somebody who speaks plain HTTP with it."""

    def __init__(self, **options: Any) -> None:
        times = Times(pending=8, stopping=5, shutting_down=5, attaching=1)
        self.emulator = Emulator(clock=Clock(1_800_000_000.0, frozen=True), times=times, **options)
        self.world, self.seed = self.emulator.world, self.emulator.seed
        self._trust = ssl.create_default_context(cafile=str(self.emulator.authority))
        self.headers: dict[str, str] = {}

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """One ARM call below the resource group; its status and content."""
        group = f"/subscriptions/{self.seed.subscription}/resourceGroups/{self.seed.group}"
        full = path if path.startswith("/subscriptions") else f"{group}/providers/{path}"
        join = "&" if "?" in full else "?"
        return self.send(
            f"{self.emulator.url}{full}{join}api-version=2026-04-01",
            method,
            body,
            {"Authorization": "Bearer any", **headers},
        )

    def send(
        self, url: str, method: str = "GET", body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, headers or {}, method=method)
        trust = self._trust if url.startswith("https") else None
        try:
            with urllib.request.urlopen(request, context=trust, timeout=10) as answer:
                status, text, self.headers = answer.status, answer.read(), dict(answer.headers)
        except urllib.error.HTTPError as error:
            status, text, self.headers = error.code, error.read(), dict(error.headers)
        return status, json.loads(text) if text else None

    def settle(self, seconds: float = 30) -> None:
        self.world.clock.advance(seconds)
        self.world.settle()

    def machine(self, **changes: Any) -> dict[str, Any]:
        """The body that makes a machine, unless a test says otherwise."""
        address = {"subnet": {"id": self.seed.subnet_id("koreacentral")}}
        interface = {"ipConfigurations": [{"name": "a", "properties": address}]}
        key = {"path": "/home/student/.ssh/authorized_keys", "keyData": "ssh-ed25519 AAAA"}
        image = dict(
            zip(("publisher", "offer", "sku", "version"), self.seed.image.split(":"), strict=True)
        )
        properties = {
            "hardwareProfile": {"vmSize": SIZE},
            "storageProfile": {"imageReference": image, "osDisk": {"createOption": "FromImage"}},
            "osProfile": {
                "computerName": "m",
                "adminUsername": "x",
                "linuxConfiguration": {"ssh": {"publicKeys": [key]}},
            },
            "networkProfile": {
                "networkApiVersion": "2022-11-01",
                "networkInterfaceConfigurations": [{"name": "n", "properties": interface}],
            },
        }
        return {"location": "koreacentral", "zones": ["1"], "properties": {**properties, **changes}}

    def made(self, name: str = "m", **changes: Any) -> str:
        status, _ = self.ask("PUT", vm(name), self.machine(**changes))
        assert status == 201
        self.settle()
        return vm(name)

    def power(self, path: str) -> list[str]:
        _, view = self.ask("GET", f"{path}/instanceView")
        return [one["code"] for one in view["statuses"]]

    def billed(self) -> int:
        _, bill = self.send(f"{self.emulator.plain_url}/_emulator/bill")
        return bill["totals"]["machine"]


def vm(name: str) -> str:
    return f"Microsoft.Compute/virtualMachines/{name}"


@pytest.fixture
def azure():
    azure = Azure()
    with azure.emulator:
        yield azure


def code(answer: tuple[int, Any]) -> tuple[int, str]:
    status, content = answer
    return status, (content.get("error") or content)["code"]


class TestTheDoor:
    def test_arm_is_reached_by_tls_with_a_token_only(self, azure):
        path = f"/subscriptions/{azure.seed.subscription}?api-version=2026-04-01"
        assert code(azure.send(azure.emulator.plain_url + path)) == (403, "HttpsRequired")
        assert code(azure.send(azure.emulator.url + path)) == (401, "AuthenticationFailed")
        assert azure.ask("GET", path.partition("?")[0])[0] == 200

    def test_a_managed_identity_gets_its_token_as_on_a_host_of_azures(self, azure):
        url = f"{azure.emulator.plain_url}/metadata/identity/oauth2/token?resource=x"
        assert azure.send(url)[0] == 400
        status, content = azure.send(url, headers={"Metadata": "true"})
        assert (status, content["token_type"]) == (200, "Bearer")

    def test_names_are_compared_without_regard_to_case(self, azure):
        azure.made()
        assert azure.ask("GET", "microsoft.compute/VIRTUALMACHINES/M")[1]["name"] == "m"

    def test_another_subscription_is_not_found(self, azure):
        path = "/subscriptions/other/providers/Microsoft.Compute/virtualMachines"
        assert code(azure.ask("GET", path)) == (404, "SubscriptionNotFound")


class TestMoney:
    def test_what_is_stopped_is_billed_and_what_is_deallocated_is_not(self, azure):
        path = azure.made()
        azure.ask("POST", f"{path}/powerOff")
        azure.settle(3600)
        assert azure.power(path) == ["ProvisioningState/succeeded", "PowerState/stopped"]
        before = azure.billed()
        azure.settle(3600)
        assert azure.billed() - before == 526_000
        azure.ask("POST", f"{path}/deallocate")
        azure.settle()
        before = azure.billed()
        azure.settle(3600)
        assert azure.power(path)[1] == "PowerState/deallocated"
        assert azure.billed() == before

    def test_creating_is_free_and_starting_is_not(self, azure):
        azure.ask("PUT", vm("m"), azure.machine())
        azure.settle(7)
        assert azure.billed() == 0
        azure.settle()
        path = vm("m")
        azure.ask("POST", f"{path}/deallocate")
        azure.settle()
        azure.ask("POST", f"{path}/start")
        azure.settle(7)
        assert azure.power(path)[1] == "PowerState/starting"
        _, bill = azure.send(f"{azure.emulator.plain_url}/_emulator/bill")
        lines = [line for line in bill["lines"] if line["kind"] == "machine"]
        assert [line["seconds"] for line in lines] == [7 + 30 - 8, 7]
        # The least that is billed of each start is five minutes.
        assert azure.billed() == 2 * 300 * 526_000 // 3600

    def test_a_disk_is_billed_by_its_tier_and_left_behind_unless_told_otherwise(self, azure):
        path = azure.made()
        azure.ask("DELETE", path)
        azure.settle()
        (disk,) = azure.ask("GET", "Microsoft.Compute/disks")[1]["value"]
        assert disk["properties"]["diskState"] == "Unattached"
        lines = azure.send(f"{azure.emulator.plain_url}/_emulator/bill")[1]["lines"]
        assert [line["quantity"] for line in lines if line["kind"] == "disk"] == [64]


class TestStates:
    def test_one_change_at_a_time_but_deallocate_goes_before(self, azure):
        path = vm("m")
        azure.ask("PUT", path, azure.machine())
        assert code(azure.ask("POST", f"{path}/start")) == (409, "Conflict")
        created = azure.world.vms["m"].operation
        assert azure.ask("POST", f"{path}/deallocate")[0] == 202
        assert created.shown()["status"] == "Canceled"
        azure.settle()
        assert azure.power(path)[1] == "PowerState/deallocated"

    def test_a_name_that_exists_is_not_made_again_when_that_was_asked(self, azure):
        path = azure.made()
        again = azure.ask("PUT", path, azure.machine(), **{"If-None-Match": "*"})
        assert code(again) == (412, "PreconditionFailed")

    def test_a_disk_that_is_attached_is_not_deleted(self, azure):
        azure.made()
        (disk,) = azure.ask("GET", "Microsoft.Compute/disks")[1]["value"]
        assert code(azure.ask("DELETE", f"Microsoft.Compute/disks/{disk['name']}")) == (
            409,
            "OperationNotAllowed",
        )

    def test_deleting_what_is_not_there_is_no_error(self, azure):
        assert azure.ask("DELETE", vm("m")) == (204, None)
        assert code(azure.ask("GET", vm("m"))) == (404, "ResourceNotFound")

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"hardwareProfile": {"vmSize": "Standard_Huge"}}, (400, "InvalidParameter")),
            ({"hardwareProfile": {"vmSize": "Standard_NC40ads_H100_v5"}}, (409, "SkuNotAvailable")),
            ({"osProfile": {"computerName": "m"}}, (400, "InvalidParameter")),
            ({"networkProfile": {}}, (400, "InvalidParameter")),
        ],
    )
    def test_a_machine_that_cannot_be_is_refused_at_once(self, azure, changes, said):
        assert code(azure.ask("PUT", vm("m"), azure.machine(**changes))) == said


class TestOperations:
    def test_a_failure_after_the_fact_comes_with_status_200(self, azure):
        azure.world.faults.post({"kind": "capacity", "limit": 0, "late": True})
        assert azure.ask("PUT", vm("m"), azure.machine())[0] == 201
        url = azure.headers["Azure-AsyncOperation"]
        azure.settle()
        status, content = azure.send(url, headers={"Authorization": "Bearer any"})
        assert (status, content["status"]) == (200, "Failed")
        assert content["error"]["code"] == "ZonalAllocationFailed"
        assert azure.power(vm("m")) == ["ProvisioningState/failed/ZonalAllocationFailed"]

    def test_no_time_to_come_again_is_named_unless_configured(self, azure):
        azure.ask("PUT", vm("m"), azure.machine())
        assert "Retry-After" not in azure.headers
        other = Azure(retry_after=10)
        with other.emulator:
            other.ask("PUT", vm("m"), other.machine())
            assert other.headers["Retry-After"] == "10"

    def test_the_list_of_what_machines_do_has_no_tags_and_the_other_no_power(self, azure):
        azure.made()
        whole = f"/subscriptions/{azure.seed.subscription}/providers/Microsoft.Compute"
        (doing,) = azure.ask("GET", f"{whole}/virtualMachines?statusOnly=true")[1]["value"]
        (model,) = azure.ask("GET", "Microsoft.Compute/virtualMachines")[1]["value"]
        assert ("tags" in doing, "instanceView" in doing["properties"]) == (False, True)
        assert ("tags" in model, "instanceView" in model["properties"]) == (True, False)


class TestLimits:
    def test_a_machine_may_be_changed_twelve_times_and_then_four_times_a_minute(self, azure):
        azure.world.faults.post({"kind": "throttle", "on": True})
        path = azure.made()
        for _ in range(12):
            azure.settle(0)
            azure.ask("POST", f"{path}/start")
            azure.world.clock.advance(0.001)
        status, content = azure.ask("POST", f"{path}/start")
        assert (status, content["code"]) == (429, "OperationNotAllowed")
        assert content["details"][0]["code"] == "TooManyRequests"
        assert int(azure.headers["Retry-After"]) == 15
        azure.settle(15)
        assert azure.ask("POST", f"{path}/start")[0] == 202

    def test_every_answer_says_how_much_is_left(self, azure):
        azure.ask("GET", "Microsoft.Compute/virtualMachines")
        assert azure.headers["x-ms-ratelimit-remaining-subscription-reads"] == "249"
        left = azure.headers["x-ms-ratelimit-remaining-resource"]
        assert left == "Microsoft.Compute/HighCostGet3Min;899"

    def test_a_quota_counts_what_is_deallocated(self, azure):
        path = azure.made()
        azure.ask("POST", f"{path}/deallocate")
        azure.settle()
        azure.world.faults.post({"kind": "quota", "code": "cores", "limit": 4})
        status, content = azure.ask("PUT", vm("n"), azure.machine())
        assert (status, content["error"]["code"]) == (409, "OperationNotAllowed")
        assert "Current Limit: 4, Current Usage: 4" in content["error"]["message"]


def test_a_long_list_comes_in_pages_that_are_counted_apart(azure):
    disk = {
        "location": "koreacentral",
        "properties": {"creationData": {"createOption": "Empty"}, "diskSizeGB": 4},
    }
    for number in range(101):
        status, content = azure.ask("PUT", f"Microsoft.Compute/disks/d{number:03}", disk)
        assert status in (200, 201, 202), content
    azure.settle()
    status, content = azure.ask("GET", "Microsoft.Compute/disks")
    found = content["value"]
    while url := content.get("nextLink"):
        status, content = azure.send(url, headers={"Authorization": "Bearer any"})
        assert status == 200
        found += content["value"]
    assert len({one["name"] for one in found}) == 101
    _, said = azure.send(f"{azure.emulator.plain_url}/_emulator/calls")
    counted = {kind: count for kind, count in said["calls"].items() if "Disks_List" in kind}
    assert sorted(counted.values()) == [1, 2]
    (further,) = (kind for kind, count in counted.items() if count == 2)
    assert further.endswith(", further page")


class TestMicrosoftsTypes:
    """The checker itself: what Azure really answered has no fault, and a fault is found."""

    def recorded(self):
        folder = azure_types.FOLDER / "recordings" / "azure-cli"
        for path in sorted(folder.glob("test_vm_create_*.yaml")):
            for one in yaml.safe_load(path.read_text())["interactions"]:
                uri = one["request"]["uri"].partition("?")[0].lower()
                if "/microsoft.compute/virtualmachines/" not in uri or "instanceview" in uri:
                    continue
                if one["response"]["status"]["code"] in (200, 201):
                    yield json.loads(one["response"]["body"]["string"])

    def test_have_nothing_against_what_azure_answered_once(self):
        if azure_types.HERE:
            found = list(self.recorded())
            assert len(found) == 10
            wrong = [azure_types.checked(one, azure_types._VM, request=False) for one in found]
            assert wrong == [[]] * 10

    def test_have_nothing_against_microsofts_own_examples(self):
        if azure_types.HERE:
            wrong = [
                f"{path.name}: {one.message}"
                for path, name, body in self.examples()
                for one in azure_types._validator(name).iter_errors(body)
            ]
            assert (len(list(self.examples())), wrong) == (42, [])

    def examples(self):
        folder = azure_types._OPENAPI / "examples" / "compute"
        for path in sorted(folder.glob("*.json")):
            example = json.loads(path.read_text())
            name = "VirtualMachine"
            if "InstanceView" in path.name:
                name = "VirtualMachineInstanceView"
            elif path.name.startswith("List"):
                name = "VirtualMachineListResult"
            elif path.name.startswith(("Update", "Force")):
                continue
            answers = example["responses"]
            body = (answers.get("201") or answers["200"]).get("body")
            yield path, name, body

    def test_find_a_key_in_the_wrong_case_and_one_that_may_not_be_sent(self):
        if azure_types.HERE:
            body = {"location": "x", "properties": {"vmId": "1", "hardwareprofile": {}}}
            assert azure_types.checked(body, azure_types._VM, request=True) == [
                "virtualMachines.properties.vmId is read-only",
                "virtualMachines.properties.hardwareprofile is unknown",
            ]
