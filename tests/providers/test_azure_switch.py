"""The second switch: what is shipped is carried out, before an emulated Azure and a hub that is gone."""

from __future__ import annotations

import json
import re
import ssl
from datetime import timedelta

import pytest

from gpuspawner.model import Power, Severity
from gpuspawner.providers import azure_switch
from gpuspawner.providers.base import Expected
from tests.doctor.clinic import hub, nobody
from tests.providers.azure_cloud import wish
from tests.providers.logic_app import FAILED, SUCCEEDED, LogicApp

pytestmark = pytest.mark.emulator

HUB, OTHER = "0badcafe", "deadbeef"
WAITS = timedelta(minutes=30)


def app(azure, url: str) -> LogicApp:
    seed = azure.seed
    given = azure_switch.parameters(seed.subscription, seed.group, HUB, url)
    trust = ssl.create_default_context(cafile=str(azure.emulator.authority))
    return LogicApp(azure_switch.definition(WAITS), given, azure.emulator.url, trust)


async def powers(provider) -> list[Power]:
    return sorted(machine.power for machine in (await provider.list()).machines)


class TestACrowdWithoutAController:
    async def test_is_deallocated_and_nobody_elses_is(self, azure, monkeypatch):
        monkeypatch.setattr("gpuspawner.emulator.arm_pages.PAGE", 2)
        ours, theirs = azure.provider(HUB), azure.provider(OTHER)
        machines = [await ours.create(wish()) for _ in range(5)]
        await theirs.create(wish())
        await azure.settle()
        await azure.post(f"machines/{machines[0].id}/power", {"action": "off"})
        assert await powers(ours) == sorted([Power.HALTED, *[Power.RUNNING] * 4])
        switch = app(azure, nobody())
        assert set(switch.run().values()) - {FAILED} == {SUCCEEDED}
        await azure.settle()
        assert await powers(ours) == [Power.STOPPED] * 5
        assert await powers(theirs) == [Power.RUNNING]
        billed = (await azure.bill())["totals"]["machine"]
        await theirs.stop([one.id for one in (await theirs.list()).machines])
        await azure.settle(3600)
        assert (await azure.bill())["totals"]["machine"] - billed < 526_000 / 10

    async def test_is_left_alone_while_the_controller_acts(self, azure):
        provider = azure.provider(HUB)
        await provider.create(wish())
        await azure.settle()
        with hub('{"status": "ok"}') as url:
            switch = app(azure, url)
            switch.run()
        assert switch.waited == 0
        assert switch.asked == [("GET", f"{url}services/gpuspawner/health?acts")]
        assert await powers(provider) == [Power.RUNNING]

    async def test_is_deallocated_when_the_controller_answers_and_cannot_act(self, azure):
        provider = azure.provider(HUB)
        await provider.create(wish())
        await azure.settle()
        with hub('{"status": "degraded"}', 503) as url:
            app(azure, url).run()
        await azure.settle()
        assert await powers(provider) == [Power.STOPPED]

    async def test_is_left_alone_when_a_proxy_without_routes_answers_for_a_while(self, azure):
        provider = azure.provider(HUB)
        await provider.create(wish())
        await azure.settle()
        with hub('{"status": "ok"}', 404) as lost, hub('{"status": "ok"}') as url:
            switch = app(azure, lost)
            switch.after(2, url)
            switch.run()
        assert switch.waited == 10
        assert await powers(provider) == [Power.RUNNING]

    async def test_one_that_cannot_be_deallocated_keeps_no_other_from_it(self, azure):
        provider = azure.provider(HUB)
        for _ in range(3):
            await provider.create(wish())
        await azure.settle()
        await azure.fault(action="VirtualMachines_Deallocate", code="Conflict", count=1)
        app(azure, nobody()).run()
        await azure.settle()
        assert await powers(provider) == sorted([Power.RUNNING, *[Power.STOPPED] * 2])


class TestWhatItMayDo:
    async def test_is_what_it_does_and_nothing_else(self, azure):
        provider = azure.provider(HUB)
        await provider.create(wish())
        await azure.settle()
        switch = app(azure, nobody())
        switch.run()
        permissions = {
            ("GET", ""): "Microsoft.Compute/virtualMachines/read",
            ("POST", "/deallocate"): "Microsoft.Compute/virtualMachines/deallocate/action",
        }
        pattern = re.compile(r".*/virtualMachines(?:/[^/?]+)?(/deallocate)?\?.*")
        used = {
            permissions[method, (found[1] or "")]
            for method, uri in switch.asked
            if (found := pattern.fullmatch(uri))
        }
        assert used == set(azure_switch.role("s", "g")["Actions"])
        assert timedelta(minutes=switch.waited) >= WAITS + azure_switch.MARGIN

    def test_machines_have_saved_and_gone_off_by_themselves_before_it_is_pulled(self):
        for minutes in (5, 30, 120):
            waits = timedelta(minutes=minutes)
            asked_for = azure_switch.retries(waits) * azure_switch.RETRY
            assert asked_for >= waits + azure_switch.MARGIN


class TestTheDoctor:
    async def deployed(self, azure, url="https://hub.example.org/", **changes):
        """The switch as its template makes it."""
        seed = azure.seed
        given = azure_switch.parameters(seed.subscription, seed.group, HUB, url)
        (made,) = azure_switch.template(given, WAITS)["resources"]
        body = {"location": "eastus", "properties": {**made["properties"], **changes}}
        provider = azure.provider(HUB)
        path = f"/subscriptions/{seed.subscription}/resourceGroups/{seed.group}/providers/"
        await self.put(
            provider, f"{path}{made['type']}/{made['name']}?api-version=2019-05-01", body
        )
        return provider

    async def put(self, provider, path, body):
        from azure.core.rest import HttpRequest  # noqa: PLC0415

        client = await provider._calls._made()
        answer = await client.send_request(HttpRequest("PUT", path, json=body))
        assert answer.status_code == 201, answer.text()

    async def found(self, provider):
        expected = Expected(public_url="https://hub.example.org/")
        (one,) = [one for one in await provider.check(expected) if one.check == "switch"]
        return one.severity, one.message.text()

    async def test_says_that_there_is_none(self, azure):
        severity, message = await self.found(azure.provider(HUB))
        assert severity is Severity.WARNING
        assert message.startswith("There is no second switch")

    async def test_says_within_how_long_it_acts(self, azure):
        provider = await self.deployed(azure)
        await azure.settle(700)
        severity, message = await self.found(provider)
        assert (severity, "it ran 1 minutes ago" in message) == (Severity.OK, True), message
        assert "55 minutes after the controller's last answer" in message

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"state": "Disabled"}, "The second switch is disabled."),
            ({"parameters": {"health": {"value": "x"}}}, "it asks x"),
            ({"definition": {}}, "something else than this version's"),
        ],
    )
    async def test_finds_one_that_would_not_act(self, azure, changes, said):
        severity, message = await self.found(await self.deployed(azure, **changes))
        assert (severity, said in message) == (Severity.ERROR, True), message


def test_the_template_is_json_and_names_nothing_but_what_it_was_given():
    given = azure_switch.parameters("SUB", "GROUP", HUB, "https://hub.example.org/")
    text = json.dumps(azure_switch.template(given, WAITS))
    assert sorted(set(re.findall(r"https://[^/\"?' ]+", text))) == [
        "https://hub.example.org",
        "https://management.azure.com",
        "https://schema.management.azure.com",
    ]
