"""The account's check in the face of a whole class: who is let through, and whether there is enough."""

from __future__ import annotations

import pytest

from gpuspawner.model import Severity
from gpuspawner.providers import aws_check_network as network
from gpuspawner.providers.aws_calls import USED_CALLS
from gpuspawner.providers.base import Expected
from tests.providers.aws_cloud import wish

HUB = Expected(port=8888, hub=(("192.0.2.7", 443),))


def rule(cidr: str = "10.0.0.0/8", low: int = 8888, high: int = 8888, protocol: str = "tcp"):
    ranges = "Ipv6Ranges" if ":" in cidr else "IpRanges"
    name = "CidrIpv6" if ":" in cidr else "CidrIp"
    return {"IpProtocol": protocol, "FromPort": low, "ToPort": high, ranges: [{name: cidr}]}


ANYWHERE = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}


def group(inward=(), outward=(ANYWHERE,)):
    return {"GroupId": "sg-1", "IpPermissions": [*inward], "IpPermissionsEgress": [*outward]}


def messages(found) -> list[str]:
    return [one.message.text() for one in found if one.severity is not Severity.OK]


class TestAGroup:
    @pytest.mark.parametrize("cidr", ["0.0.0.0/0", "::/0", "128.0.0.0/1"])
    def test_that_lets_in_the_world_is_an_error(self, cidr):
        found = network._group(group([rule(cidr)]))
        assert (found.severity, found.subject) == (Severity.ERROR, "sg-1")

    @pytest.mark.parametrize("cidr", ["10.0.0.0/8", "192.0.2.1/32", "2001:db8::/32"])
    def test_that_lets_in_a_network_is_not(self, cidr):
        assert network._group(group([rule(cidr)])).severity is Severity.OK

    @pytest.mark.parametrize(
        "inward",
        [
            rule(),
            rule(low=8000, high=9000),
            rule(protocol="-1", low=0, high=0),
            {**rule(), "IpRanges": [], "UserIdGroupPairs": [{"GroupId": "sg-hub"}]},
        ],
    )
    def test_that_admits_somebody_on_the_servers_port_is_sound(self, inward):
        assert messages(network._through([group([inward])], HUB)) == []

    @pytest.mark.parametrize("inward", [[], [rule(low=22, high=22)], [rule(protocol="udp")]])
    def test_that_admits_nobody_there_is_not(self, inward):
        assert messages(network._through([group(inward)], HUB)) == [
            "Nobody is let in on port 8888, where the servers listen."
        ]

    @pytest.mark.parametrize(
        "outward",
        [
            ANYWHERE,
            rule("192.0.2.0/24", 443, 443),
            {**rule(low=443, high=443), "IpRanges": [], "PrefixListIds": [{"PrefixListId": "pl"}]},
        ],
    )
    def test_that_lets_machines_out_to_the_hub_is_sound(self, outward):
        assert messages(network._through([group([rule()], [outward])], HUB)) == []

    @pytest.mark.parametrize(
        "outward",
        [[], [rule("198.51.100.0/24", 443, 443)], [rule("0.0.0.0/0", 80, 80)]],
    )
    def test_that_does_not_is_not(self, outward):
        assert messages(network._through([group([rule()], outward)], HUB)) == [
            "The machines are not let out to the hub, 192.0.2.7 on port 443."
        ]

    def test_is_helped_by_another_one(self):
        assert messages(network._through([group(), group([rule()])], HUB)) == []

    def test_is_not_asked_about_what_nobody_knows(self):
        assert messages(network._through([group(outward=[])], Expected())) == []


@pytest.mark.emulator
class TestTheWhole:
    async def test_makes_every_call_that_a_class_will_need(self, cloud):
        provider = cloud.provider()
        await cloud.calls()
        await provider.check()
        assert set(await cloud.calls()) == set(USED_CALLS)

    async def test_leaves_machines_and_homes_as_they_were(self, cloud):
        provider = cloud.provider()
        await provider.create(wish())
        await cloud.settle()
        before = await provider.list()
        await provider.check(Expected(30, {"g4dn.xlarge": 30}))
        await cloud.settle()
        after = await provider.list()
        assert (after.machines, after.homes) == (before.machines, before.homes)

    @pytest.mark.parametrize(
        ("count", "severity"), [(128, Severity.OK), (129, Severity.ERROR), (0, Severity.OK)]
    )
    async def test_holds_the_quota_against_the_class(self, cloud, count, severity):
        expected = Expected(count, {"g4dn.xlarge": count})
        found = {one.subject: one for one in await cloud.provider().check(expected)}
        assert found["quota L-DB2E81BA"].severity is severity, found

    async def test_that_needs_a_machine_is_not_said_to_be_allowed_without_one(self, cloud):
        found = {one.subject: one.severity for one in await cloud.provider().check()}
        assert found["StopInstances"] is Severity.SKIPPED

    async def test_a_refusal_without_a_machine_is_only_a_warning(self, cloud):
        await cloud.fault(action="StopInstances", code="UnauthorizedOperation")
        found = {one.subject: one.severity for one in await cloud.provider().check()}
        assert found["StopInstances"] is Severity.WARNING
