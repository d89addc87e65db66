"""What an admin copies for a class on AWS fits together, and fits the code."""

from __future__ import annotations

import configparser
import json
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import botocore.session
import gpuspawner_docs
import pytest
from botocore import xform_name

from gpuspawner import cli, profiles, settings
from gpuspawner.agent.commands import COMMANDS
from gpuspawner.agent.homes import UID
from gpuspawner.configuration import ADMIN_GROUP
from gpuspawner.model import Placement, Specification
from gpuspawner.providers import aws_requests, catalog
from gpuspawner.providers.aws_calls import USED_CALLS
from gpuspawner.providers.base import HomeRequest, MachineRequest
from gpuspawner.selection import visible
from gpuspawner.settings.whole import Settings
from tests.house import sources

FOLDER = sources.ROOT / "hub_config"
CONFIG = FOLDER / "aws" / "jupyterhub_config.py"
POLICY = FOLDER / "aws" / "iam-policy.json"
HOMES_POLICY = FOLDER / "aws" / "iam-policy-homes.json"
SCRIPT = FOLDER / "aws" / "image" / "make-image.sh"
CONTROLLER_UNIT = FOLDER / "systemd" / "gpuspawner-controller.service"
AGENT_UNIT = sources.PACKAGE / "agent" / "gpuspawner-agent.service"

LARGEST_POLICY = 6144
"""Characters, white space not counted (IAM user guide, "IAM and AWS STS quotas")."""

VALUES = {
    "ACCOUNT_ID": "123456789012",
    "REGION": "us-east-1",
    "HUB_ID": "0123abcd",
    "IMAGE_ID": "ami-0123456789abcdef0",
    "SUBNET_ID_1": "subnet-0aaaaaaaaaaaaaaaa",
    "SUBNET_ID_2": "subnet-0bbbbbbbbbbbbbbbb",
    "SECURITY_GROUP_ID": "sg-0cccccccccccccccc",
}
"""What an admin puts in the place of the words in capital letters; the configuration has the same."""


@pytest.fixture
def clean(tmp_path, monkeypatch):
    """No environment of ours, and the secret in a folder of the test."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "JUPYTERHUB_", "GPUSPAWNER_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("GPUSPAWNER_SECRET_FILE", str(tmp_path / "secret"))
    return tmp_path


@pytest.fixture
def config(clean):
    """The file as the hub reads it."""
    return settings.load(CONFIG)


@pytest.fixture
def loaded(clean):
    """The file as the controller reads it."""
    return Settings.load(CONFIG)


def statements(path: Path = POLICY, effect: str = "Allow") -> list[dict]:
    text = path.read_text()
    for word in sorted(VALUES, key=len, reverse=True):
        text = text.replace(word, VALUES[word])
    found = json.loads(text)
    return [
        {**one, "Action": many(one["Action"]), "Resource": many(one["Resource"])}
        for one in found["Statement"]
        if one["Effect"] == effect
    ]


def many(value):
    return [value] if isinstance(value, str) else value


def actions(effect: str) -> set[str]:
    return {action for one in statements(effect=effect) for action in one["Action"]}


def allows(action: str, resource: str, context: dict[str, str]) -> bool:
    """Whether a statement of the policy allows `action` on `resource`, as IAM would say."""
    return any(
        action in one["Action"]
        and any(fits(pattern, resource) for pattern in one["Resource"])
        and all(
            holds(operator, key, many(wanted), context)
            for operator, tests in one.get("Condition", {}).items()
            for key, wanted in tests.items()
        )
        for one in statements()
    )


def fits(pattern: str, resource: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), resource) is not None


def holds(operator: str, key: str, wanted: list[str], context: dict[str, str]) -> bool:
    if operator == "Null":
        return (key not in context) == (wanted == ["true"])
    if key not in context:
        return operator.endswith("IfExists")
    if operator == "NumericLessThanEquals":
        return int(context[key]) <= int(wanted[0])
    assert operator in ("StringEquals", "Bool", "BoolIfExists")
    return context[key] in wanted


def arn(kind: str, name: str = "1") -> str:
    account = "" if kind in ("image", "snapshot") else VALUES["ACCOUNT_ID"]
    return f"arn:aws:ec2:{VALUES['REGION']}:{account}:{kind}/{name}"


class TestTheConfiguration:
    def test_is_read_by_the_controller(self, loaded, clean):
        assert loaded.controller.public_url.startswith("https://")
        assert loaded.controller.database_url == f"sqlite:///{CONFIG.parent}/gpuspawner.sqlite"
        assert loaded.aws.image == VALUES["IMAGE_ID"]
        assert [path.name for path in clean.iterdir()] == ["secret"]

    def test_lets_nobody_in_before_a_login_is_chosen(self, config):
        assert config.JupyterHub.authenticator_class == "null"

    def test_has_three_machines_one_of_them_for_everybody(self, config):
        found = profiles.load(config.GPUSpawner.profile_list)
        assert [one.slug for one in found] == ["course", "project", "large"]
        assert [one.slug for one in visible(found, ())] == ["course"]

    def test_makes_the_groups_that_it_asks_for(self, config):
        found = profiles.load(config.GPUSpawner.profile_list)
        asked = {group for one in found for group in one.groups or ()}
        assert {*config.JupyterHub.load_groups} == {*asked, ADMIN_GROUP}

    def test_offers_only_sizes_that_may_be_started_and_have_a_price(self, config, loaded):
        found = profiles.load(config.GPUSpawner.profile_list)
        sizes = {size for one in found for size in one.override["sizes"]}
        assert sizes == {*loaded.aws.sizes}
        assert sizes - {*catalog.machines("aws", loaded.aws.region)} == set()

    def test_says_honestly_what_the_machines_cost_beside_each_other(self, config):
        t4, l4, a10g, l40s = (
            catalog.machines("aws", "us-east-1")[size].rate.num
            for size in ("g4dn.xlarge", "g6.xlarge", "g5.xlarge", "g6e.xlarge")
        )
        course, project, large = (one["description"] for one in config.GPUSpawner.profile_list)
        assert "half as much again" in course["en"]
        assert "1.5배" in course["ko"]
        assert l4 / t4 == pytest.approx(1.5, abs=0.05)
        assert "twice the price" in project
        assert a10g / t4 == pytest.approx(2, abs=0.1)
        assert "Three and a half times" in large
        assert l40s / t4 == pytest.approx(3.5, abs=0.1)

    def test_no_profile_asks_for_a_larger_disk_than_it_allows(self, config, loaded):
        for one in profiles.load(config.GPUSpawner.profile_list):
            asked = Specification(one.slug, one.display_name, **one.override)
            assert asked.home_gib <= loaded.controller.max_home_gib
            assert asked.disk_gib <= loaded.controller.max_disk_gib

    def test_takes_the_database_from_the_environment(self, clean, monkeypatch):
        monkeypatch.setenv("GPUSPAWNER_DATABASE_URL", "postgresql://hub@db/gpuspawner")
        assert Settings.load(CONFIG).controller.database_url == "postgresql://hub@db/gpuspawner"


class TestThePolicy:
    def test_allows_exactly_the_calls_that_are_made(self):
        session = botocore.session.get_session()
        used = set()
        for action, use in USED_CALLS.items():
            model = session.get_service_model(use.service)
            assert xform_name(action) == use.method
            assert model.signing_name == use.permission
            used.add(f"{model.signing_name}:{action}")
        assert actions("Allow") == {*used, "ec2:CreateTags"}

    def test_and_the_documentation_name_the_same_calls(self):
        page = gpuspawner_docs.aws_calls()
        assert {*re.findall(r"`(\w+:\w+)`", page)} == actions("Allow") - {"ec2:CreateTags"}
        assert [use.why for use in USED_CALLS.values() if use.why not in page] == []

    def test_denies_none_of_them(self):
        assert actions("Deny") & actions("Allow") == set()

    def test_has_no_wildcard_action(self):
        assert [one for one in actions("Allow") | actions("Deny") if "*" in one] == []

    @pytest.mark.parametrize("path", [POLICY, HOMES_POLICY], ids=lambda path: path.name)
    def test_is_json_that_iam_takes(self, path):
        found = json.loads(path.read_text())
        assert len(json.dumps(found, separators=(",", ":"))) < LARGEST_POLICY
        names = [one["Sid"] for one in found["Statement"]]
        assert len({*names}) == len(names)
        assert all(name.isalnum() for name in names)

    def test_has_only_placeholders_that_are_explained(self):
        words = {*re.findall(r"\b[A-Z]+(?:_[A-Z0-9]+)+\b|\bREGION\b", POLICY.read_text())}
        assert words == {*VALUES}
        readme = (FOLDER / "aws" / "README.md").read_text()
        assert [word for word in words if f"`{word}`" not in readme] == []

    def test_has_the_same_sizes_and_limits_as_the_configuration(self, loaded):
        conditions = {one["Sid"]: one.get("Condition", {}) for one in statements()}
        run = conditions["RunMarkedAndListedSizes"]["StringEquals"]["ec2:InstanceType"]
        resize = conditions["ResizeOurMachinesAndNothingElse"]["StringEquals"]
        assert run == resize["ec2:Attribute/InstanceType"] == list(loaded.aws.sizes)
        largest = {
            name: int(conditions[name]["NumericLessThanEquals"]["ec2:VolumeSize"])
            for name in ("RunWithAMarkedDisk", "CreateMarkedHomes")
        }
        assert largest == {
            "RunWithAMarkedDisk": loaded.controller.max_disk_gib,
            "CreateMarkedHomes": loaded.controller.max_home_gib,
        }

    def test_allows_the_very_request_that_starts_a_machine(self, loaded):
        request = self._run_instances(loaded)
        [interface] = request["NetworkInterfaces"]
        [disk] = request["BlockDeviceMappings"]
        tags = {one["ResourceType"]: one["Tags"] for one in request["TagSpecifications"]}
        assert allows("ec2:RunInstances", arn("image", request["ImageId"]), {})
        assert allows("ec2:RunInstances", arn("subnet", interface["SubnetId"]), {})
        assert allows("ec2:RunInstances", arn("security-group", interface["Groups"][0]), {})
        public = str(interface["AssociatePublicIpAddress"]).lower()
        contexts = {
            "network-interface": {"ec2:AssociatePublicIpAddress": public},
            "instance": {
                "ec2:InstanceType": request["InstanceType"],
                "ec2:MetadataHttpTokens": request["MetadataOptions"]["HttpTokens"],
            },
            "volume": {"ec2:VolumeSize": str(disk["Ebs"]["VolumeSize"])},
        }
        for kind, beside in contexts.items():
            context = beside | asked(tags[kind])
            assert allows("ec2:RunInstances", arn(kind), context), kind
            made = {**context, "ec2:CreateAction": "RunInstances"}
            assert allows("ec2:CreateTags", arn(kind), made), kind

    def test_refuses_another_size_a_profile_and_a_machine_without_the_mark(self, loaded):
        request = self._run_instances(loaded)
        tags = {one["ResourceType"]: one["Tags"] for one in request["TagSpecifications"]}
        good = {
            "ec2:InstanceType": "g4dn.xlarge",
            "ec2:MetadataHttpTokens": "required",
            **asked(tags["instance"]),
        }
        assert allows("ec2:RunInstances", arn("instance"), good)
        for wrong in (
            {"ec2:InstanceType": "p5.48xlarge"},
            {"ec2:MetadataHttpTokens": "optional"},
            {"ec2:InstanceProfile": "arn:aws:iam::1:instance-profile/any"},
            {"aws:RequestTag/gpuspawner:hub": "another"},
        ):
            assert not allows("ec2:RunInstances", arn("instance"), good | wrong), wrong

    def test_allows_the_very_request_that_makes_a_home_and_refuses_an_open_one(self, loaded):
        home = HomeRequest("1", "gs-a", "t", "us-east-1", "us-east-1a", 50)
        request = aws_requests.create_volume(home, loaded.aws, VALUES["HUB_ID"])
        [tags] = request["TagSpecifications"]
        context = {
            "ec2:Encrypted": str(request["Encrypted"]).lower(),
            "ec2:VolumeSize": str(request["Size"]),
            **asked(tags["Tags"]),
        }
        assert allows("ec2:CreateVolume", arn("volume"), context)
        made = {**context, "ec2:CreateAction": "CreateVolume"}
        assert allows("ec2:CreateTags", arn("volume"), made)
        assert not allows("ec2:CreateVolume", arn("volume"), context | {"ec2:Encrypted": "false"})
        assert not allows("ec2:CreateVolume", arn("volume"), context | {"ec2:VolumeSize": "51"})

    @pytest.mark.parametrize(
        "action", ["StartInstances", "StopInstances", "TerminateInstances", "GetConsoleOutput"]
    )
    def test_touches_this_hubs_machines_and_no_others(self, action):
        ours, theirs = ({"aws:ResourceTag/gpuspawner:hub": hub} for hub in ("0123abcd", "other"))
        assert allows(f"ec2:{action}", arn("instance"), ours)
        assert not allows(f"ec2:{action}", arn("instance"), theirs)
        assert not allows(f"ec2:{action}", arn("instance"), {})

    def test_changes_a_machines_size_and_nothing_else_of_it(self):
        ours = {"aws:ResourceTag/gpuspawner:hub": "0123abcd"}
        size = {"ec2:Attribute": "InstanceType", "ec2:Attribute/InstanceType": "g5.xlarge"}
        huge = {"ec2:Attribute": "InstanceType", "ec2:Attribute/InstanceType": "p5.48xlarge"}
        data = {"ec2:Attribute": "UserData"}
        may = [
            allows("ec2:ModifyInstanceAttribute", arn("instance"), ours | one)
            for one in (size, huge, data)
        ]
        assert may == [True, False, False]

    def test_deletes_leftovers_and_no_home_which_takes_the_second_policy(self):
        def volume(role):
            return {
                "aws:ResourceTag/gpuspawner:hub": "0123abcd",
                "aws:ResourceTag/gpuspawner:role": role,
            }

        assert allows("ec2:DeleteVolume", arn("volume"), volume("os-disk"))
        assert not allows("ec2:DeleteVolume", arn("volume"), volume("home"))
        [homes] = statements(HOMES_POLICY)
        assert homes["Action"] == ["ec2:DeleteVolume"]
        assert homes["Condition"] == {"StringEquals": volume("home")}

    def test_is_about_the_cloud_that_the_configuration_names(self, loaded):
        aws = loaded.aws
        assert (aws.region, aws.image) == (VALUES["REGION"], VALUES["IMAGE_ID"])
        assert list(aws.subnets) == [VALUES["SUBNET_ID_1"], VALUES["SUBNET_ID_2"]]
        assert list(aws.security_groups) == [VALUES["SECURITY_GROUP_ID"]]

    def _run_instances(self, loaded):
        request = MachineRequest(
            intent="11111111-1111-1111-1111-111111111111",
            claim="gs-a",
            owner_id="1",
            generation=1,
            placement=Placement("us-east-1", "us-east-1a", "g6e.xlarge"),
            image=loaded.aws.image,
            disk_gib=100,
            user_data=b"#cloud-config\n{}\n",
        )
        image = aws_requests.Image(loaded.aws.image, "/dev/sda1", 60)
        return aws_requests.run_instances(
            request,
            loaded.aws,
            VALUES["HUB_ID"],
            image,
            loaded.aws.subnets[0],
            loaded.aws.security_groups,
        )


def asked(tags: list[dict[str, str]]) -> dict[str, str]:
    """The tags of a request, as a policy sees them."""
    return {f"aws:RequestTag/{one['Key']}": one["Value"] for one in tags}


class TestTheImage:
    def test_is_a_script_that_bash_understands(self):
        subprocess.run(["bash", "-n", SCRIPT], check=True)

    def test_has_no_fault_that_shellcheck_knows(self):
        if shutil.which("shellcheck") is None:
            if os.environ.get("CI"):
                pytest.fail("shellcheck is not installed: run 'apt-get install shellcheck'")
            pytest.skip("shellcheck is not installed: run 'apt-get install shellcheck'")
        done = subprocess.run(["shellcheck", SCRIPT], capture_output=True, text=True, check=False)
        assert done.stdout == ""

    def test_refuses_to_run_as_anybody_but_root(self):
        user = ["setpriv", "--reuid=65534", "--clear-groups"] if os.geteuid() == 0 else []
        done = subprocess.run(
            [*user, "bash", "-s"],
            input=SCRIPT.read_text(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1
        assert "run it as root" in done.stderr

    def test_puts_everything_where_the_agents_unit_looks_for_it(self):
        text, unit = SCRIPT.read_text(), lines(AGENT_UNIT)
        [start] = unit["ExecStart"]
        venv = Path(shlex.split(start)[0]).parents[1]
        assert f"venv={venv}\n" in text
        assert f"/etc/systemd/system/{AGENT_UNIT.name}" in text
        assert f"number={UID} " in text
        assert {"setpriv", "mkfs.ext4"} <= {*COMMANDS}

    def test_frees_the_number_of_the_student_also_while_its_holder_is_logged_in(self, tmp_path):
        passwd, group = tmp_path / "passwd", tmp_path / "group"
        passwd.write_text("root:x:0:0::/root:/bin/sh\nubuntu:x:1000:1000::/home/ubuntu:/bin/sh\n")
        group.write_text("root:x:0:\nubuntu:x:1000:\ndocker:x:1001:ubuntu\n")
        for line in SCRIPT.read_text().splitlines():
            if line.lstrip().startswith("sed -i"):
                here = line.replace("/etc/", f"{tmp_path}/")
                wanted = f"holder=ubuntu number=1000 new=1999\n{here}"
                subprocess.run(["bash", "-euc", wanted], check=True)
        assert "ubuntu:x:1999:1999::/home/ubuntu:/bin/sh\n" in passwd.read_text()
        assert group.read_text() == "root:x:0:\nubuntu:x:1999:\ndocker:x:1001:ubuntu\n"


def lines(unit: Path) -> dict[str, list[str]]:
    """The settings of a unit file, each with all its values."""
    found: dict[str, list[str]] = {}
    for line in unit.read_text().splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith(("#", "[")):
            found.setdefault(key, []).append(value)
    return found


class TestTheUnits:
    def test_the_controllers_runs_a_command_that_exists(self):
        [start] = lines(CONTROLLER_UNIT)["ExecStart"]
        program, *arguments = shlex.split(start)
        parsed = cli.parser().parse_args(arguments)
        assert Path(program).name == "gpuspawner"
        assert parsed.run.__name__ == "_run_controller"

    @pytest.mark.parametrize("unit", [CONTROLLER_UNIT, AGENT_UNIT], ids=lambda path: path.stem)
    def test_runs_a_program_that_is_installed(self, unit):
        setup = configparser.ConfigParser()
        setup.read(sources.ROOT / "setup.cfg")
        scripts = setup["options.entry_points"]["console_scripts"].split("\n")
        names = {line.partition("=")[0].strip() for line in scripts}
        [start] = lines(unit)["ExecStart"]
        assert Path(shlex.split(start)[0]).name in names

    def test_the_controllers_gives_the_configuration_what_it_reads(self, clean, monkeypatch):
        given = dict(one.split("=", 1) for one in lines(CONTROLLER_UNIT)["Environment"])
        read = {*re.findall(r'environ\.get\(\s*"(GPUSPAWNER_\w+)"', CONFIG.read_text())}
        assert read == {name for name in given if name.startswith("GPUSPAWNER_")}
        monkeypatch.setenv("GPUSPAWNER_DATABASE_URL", given["GPUSPAWNER_DATABASE_URL"])
        database = Settings.load(CONFIG).controller.database_url
        assert database == "sqlite:////var/lib/gpuspawner/gpuspawner.sqlite"
        assert lines(CONTROLLER_UNIT)["StateDirectory"] == ["gpuspawner"]

    def test_systemd_knows_every_setting_of_the_controllers(self, tmp_path):
        if shutil.which("systemd-analyze") is None:
            pytest.skip("systemd-analyze is not installed")
        # Its program and its user are not on this computer.
        text = re.sub(r"(?m)^(User|Group)=.*\n", "", CONTROLLER_UNIT.read_text())
        unit = tmp_path / CONTROLLER_UNIT.name
        unit.write_text(text.replace("/opt/hub/bin/gpuspawner", "/bin/true"))
        done = subprocess.run(
            ["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False
        )
        assert [line for line in done.stderr.splitlines() if unit.name in line] == []
