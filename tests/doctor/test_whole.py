"""The doctor before a real emulated EC2: sound once, then broken in one place at a time."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import stat
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from datetime import timedelta
from typing import Any

import pytest

from gpuspawner import cli, identity
from gpuspawner.doctor.checks import CHECKS
from gpuspawner.doctor.lines import Mark
from tests.doctor.clinic import NOON, Clinic, dump, failures, hub, nobody, told
from tests.test_app import ENVIRONMENT, command

pytestmark = pytest.mark.emulator


def contents(clinic: Clinic) -> dict[str, tuple[int, bytes]]:
    """Every file of the hub's folder but Python's own, with its mode."""
    return {
        path.name: (path.stat().st_mode, path.read_bytes())
        for path in clinic.folder.iterdir()
        if path.is_file()
    }


class TestASoundConfiguration:
    def test_is_fit_for_class(self, clinic: Clinic):
        report = clinic.examine()
        assert (report.exit_code, failures(report)) == (0, {}), dump(report)
        assert (report.students, report.hub_id) == (20, identity.load(clinic.secret).hub_id)

    def test_has_a_line_for_every_check_in_their_order(self, clinic: Clinic):
        report = clinic.examine()
        seen = list(dict.fromkeys(line.check for line in report.lines))
        here = [check for check, one in CHECKS.items() if "aws" in one.clouds]
        assert seen == here, dump(report)

    def test_is_warned_of_what_is_only_for_a_cloud_on_this_computer(self, clinic: Clinic):
        report = clinic.examine()
        assert told(report, Mark.WARNING) == {"hub-url": [clinic.url, clinic.url]}, dump(report)

    def test_says_what_it_did_not_check(self, clinic: Clinic):
        unchecked = told(clinic.examine(), Mark.NOT_CHECKED)
        assert set(unchecked) == {"permissions", "beyond"}
        assert unchecked["beyond"] == ["image-contents", "route", "capacity", "login"]
        assert "StartInstances" in unchecked["permissions"]

    def test_changes_nothing_in_the_cloud_or_here(self, clinic: Clinic):
        before = contents(clinic), clinic.cloud.machines()
        clinic.examine()
        assert (contents(clinic), clinic.cloud.machines()) == before

    def test_makes_no_secret_and_no_database_where_there_are_none_yet(self, clinic: Clinic):
        clinic.secret.unlink()
        clinic.database.unlink()
        report = clinic.examine()
        assert (report.exit_code, report.hub_id) == (0, None), dump(report)
        assert {*contents(clinic)} == {clinic.config.name}

    def test_tries_permissions_on_a_machine_once_there_is_one(self, clinic: Clinic):
        clinic.cloud.ec2.run_instances(
            ImageId=clinic.cloud.seed["image"],
            InstanceType="g4dn.xlarge",
            MinCount=1,
            MaxCount=1,
            TagSpecifications=[
                {
                    "ResourceType": "instance",
                    "Tags": [
                        {"Key": "gpuspawner:hub", "Value": identity.load(clinic.secret).hub_id}
                    ],
                }
            ],
        )
        report = clinic.examine()
        tried = told(report, Mark.OK)["permissions"]
        assert {"TerminateInstances", "GetConsoleOutput"} <= {*tried}, dump(report)
        clinic.cloud.fault(action="TerminateInstances", code="UnauthorizedOperation")
        assert failures(clinic.examine()) == {"permissions": ["TerminateInstances"]}

    def test_is_fit_for_as_many_students_as_are_said(self, clinic: Clinic):
        assert clinic.examine(students=100).exit_code == 0


# -- broken in one place

Break = Callable[[Clinic, pytest.MonkeyPatch], Any]


def lines(*more: str) -> Break:
    """The configuration with these lines below it."""
    return lambda clinic, _: clinic.write("\n".join(more))


def value(**changes: Any) -> Break:
    return lambda clinic, _: clinic.write(**changes)


def fault(**rule: Any) -> Break:
    return lambda clinic, _: clinic.cloud.fault(**rule)


def open_group(clinic: Clinic, _: Any) -> dict[str, list[str]]:
    group = clinic.cloud.new_group("open to all", "0.0.0.0/0")
    clinic.write(group=group)
    return {"security-groups": [group]}


def closed_group(clinic: Clinic, _: Any) -> dict[str, list[str]]:
    group = clinic.cloud.new_group("for administrators", "172.31.0.0/16", port=22)
    clinic.write(group=group)
    return {"security-groups": [group]}


def full_subnet(clinic: Clinic, _: Any) -> dict[str, list[str]]:
    subnet = clinic.cloud.small_subnet("172.31.255.240/28", 0)
    clinic.write(subnets=[subnet])
    return {"subnets": [subnet]}


def narrow_subnet(clinic: Clinic, _: Any) -> None:
    clinic.write(subnets=[clinic.cloud.small_subnet("172.31.255.208/28", 4)])


def no_hub(clinic: Clinic, _: Any) -> dict[str, list[str]]:
    clinic.write(url=(url := nobody()))
    return {"hub-url": [url]}


def no_name(clinic: Clinic, _: Any) -> dict[str, list[str]]:
    url = "https://hub.invalid/"
    clinic.write(url=url)
    return {"hub-url": [url]}


def open_secret(clinic: Clinic, _: Any) -> dict[str, list[str]]:
    clinic.secret.chmod(0o644)
    return {"secret": [str(clinic.secret)]}


def torn_secret(clinic: Clinic, _: Any) -> dict[str, list[str]]:
    clinic.secret.write_text("30" * 5)
    return {"secret": [str(clinic.secret)]}


def other_secret(clinic: Clinic, _: Any) -> dict[str, list[str]]:
    clinic.secret.write_text("31" * 32)
    return {"database": [str(clinic.database)]}


def newer_database(clinic: Clinic, _: Any) -> dict[str, list[str]]:
    with closing(sqlite3.connect(clinic.database)) as one:
        one.execute("UPDATE alembic_version SET version_num = '9999'")
        one.commit()
    return {"database": [str(clinic.database)]}


def torn_database(clinic: Clinic, _: Any) -> None:
    clinic.database.write_bytes(b"no database at all" * 1000)


@contextmanager
def _locked(clinic: Clinic) -> Iterator[None]:
    with closing(sqlite3.connect(clinic.database)) as one:
        one.execute("PRAGMA locking_mode=EXCLUSIVE")
        one.execute("BEGIN EXCLUSIVE")
        yield


def locked_database(clinic: Clinic, _: Any) -> Any:
    return _locked(clinic)


def full_disk(_clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=10 * 1024 * 1024))


BROKEN: dict[str, tuple[Break, dict[str, list[str]] | None]] = {
    "a mistyped setting": (
        lines("c.Controller.save_timout = 30"),
        {"settings": ["c.Controller.save_timout"]},
    ),
    "a mistyped class": (lines("c.Controler.save_timeout = 30"), {"settings": ["c.Controler"]}),
    "a mistyped setting of the spawner": (
        lines("c.GPUSpawner.start_timout = 900"),
        {"settings": ["c.GPUSpawner.start_timout"]},
    ),
    "a value of another kind": (
        lines("c.Controller.fast_interval = 'soon'"),
        {"values": ["c.Controller.fast_interval"]},
    ),
    "a contradiction": (
        lines("c.Controller.fast_interval = 90.0"),
        {"contradictions": ["c.Controller.fast_interval"]},
    ),
    "two contradictions": (
        lines("c.Controller.fast_interval = 90.0", "c.Agent.disowned_timeout = 5.0"),
        {"contradictions": ["c.Controller.fast_interval", "c.Agent.disowned_timeout"]},
    ),
    "two addresses of the controller": (
        lines("c.Controller.bind_url = 'http://127.0.0.1:8011'"),
        {"contradictions": ["c.GPUSpawner.controller_url"]},
    ),
    "a machine that stops with the hub": (
        lines("c.JupyterHub.cleanup_servers = True"),
        {"hub-settings": ["c.JupyterHub.cleanup_servers"]},
    ),
    "services that were replaced": (
        lines("c.JupyterHub.services = []"),
        {"hub-settings": ["c.JupyterHub.services"]},
    ),
    "another spawner": (
        lines("c.JupyterHub.spawner_class = 'simple'"),
        {"hub-settings": ["c.JupyterHub.spawner_class"]},
    ),
    "a profile of no form": (
        lines("c.GPUSpawner.profile_list[0]['sise'] = 1"),
        {"profiles": ["c.GPUSpawner.profile_list"]},
    ),
    "a profile of a size that may not be used": (
        lines("c.GPUSpawner.profile_list[0]['gpuspawner_override']['sizes'] = ['g5.xlarge']"),
        {"profiles": ["profile t4"]},
    ),
    "a home that is too large": (
        lines("c.Controller.max_home_gib = 10"),
        {"profiles": ["profile t4"]},
    ),
    "fewer starts than students": (
        lines("c.JupyterHub.concurrent_spawn_limit = 5"),
        {"roster": ["c.JupyterHub.concurrent_spawn_limit"]},
    ),
    "a size without a price": (
        lines("c.AWS.sizes = ['g4dn.xlarge', 'g4dn.16xlarge']"),
        {"prices": ["g4dn.16xlarge"]},
    ),
    "a secret that others can read": (open_secret, None),
    "a secret that is torn": (torn_secret, None),
    "a database of another secret": (other_secret, None),
    "a database of a newer version": (newer_database, None),
    "a database that is none": (torn_database, {"database": ["c.Controller.database_url"]}),
    "a database that another program holds": (
        locked_database,
        {"database": ["c.Controller.database_url"]},
    ),
    "a full disk": (full_disk, {"disk": ["disk"]}),
    "a hub that does not answer": (no_hub, None),
    "a hub whose name does not exist": (no_name, None),
    "wrong credentials": (fault(action="*", code="AuthFailure"), {"account": ["account"]}),
    "a permission to start that is missing": (
        fault(action="RunInstances", code="UnauthorizedOperation"),
        {"permissions": ["RunInstances"]},
    ),
    "a permission to make homes that is missing": (
        fault(action="CreateVolume", code="UnauthorizedOperation"),
        {"permissions": ["CreateVolume"]},
    ),
    "a permission for one size only": (
        fault(action="RunInstances", match={"InstanceType": "g6.*"}, code="UnauthorizedOperation"),
        {"permissions": ["RunInstances"]},
    ),
    "a permission to look that is missing": (
        fault(action="DescribeVolumes", code="UnauthorizedOperation"),
        {"permissions": ["DescribeVolumes"]},
    ),
    "an image that is gone": (value(image="ami-00000000000000000"), {"image": ["image"]}),
    "the image of a profile that is gone": (
        lines("c.GPUSpawner.profile_list[0]['gpuspawner_override']['image'] = 'gone'"),
        {"image": ["image gone"]},
    ),
    "a subnet that is gone": (value(subnets=["subnet-00000000"]), {"subnets": ["subnets"]}),
    "a subnet that is full": (full_subnet, None),
    "a subnet that is too small for the class": (narrow_subnet, {"subnets": ["subnets"]}),
    "a security group that is gone": (
        value(group="gone"),
        {"security-groups": ["security groups"]},
    ),
    "a security group that is open to the world": (open_group, None),
    "a security group that lets the hub not in": (closed_group, None),
    "a size that no zone has": (
        lines("c.AWS.sizes = ['g4dn.xlarge', 'x9.huge']", "c.Prices.cost = {'x9.huge': 1.0}"),
        {"sizes": ["x9.huge"]},
    ),
    "a quota of nothing": (
        fault(kind="quota", code="L-DB2E81BA", limit=0),
        {"quota": ["quota L-DB2E81BA"]},
    ),
    "a quota that is too small for the class": (
        fault(kind="quota", code="L-DB2E81BA", limit=79),
        {"quota": ["quota L-DB2E81BA"]},
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_is_broken_is_named_and_nothing_else(clinic: Clinic, monkeypatch, what):
    breaking, expected = BROKEN[what]
    done = breaking(clinic, monkeypatch)
    wanted = expected if expected is not None else done
    with done if hasattr(done, "__enter__") else nullcontext():
        report = clinic.examine()
    assert (report.exit_code, failures(report)) == (1, wanted), dump(report)
    said = [line for line in report.lines if line.mark is Mark.FAILURE]
    assert all(line.finding.text("ko") and line.remedy for line in said), said


def test_old_prices_are_a_warning_that_lets_the_class_begin(clinic: Clinic):
    report = clinic.examine(now=NOON + timedelta(days=365))
    assert (report.exit_code, told(report, Mark.WARNING).get("prices")) == (0, ["c.Prices.cost"])


def test_one_full_subnet_among_others_is_a_warning(clinic: Clinic):
    full = clinic.cloud.small_subnet("172.31.254.240/28", 0)
    other = clinic.cloud.seed["subnets"]["us-east-1b"]
    clinic.write(subnets=[full, other])
    report = clinic.examine()
    assert (report.exit_code, told(report, Mark.WARNING)["subnets"]) == (0, [full]), dump(report)


def test_all_that_is_broken_is_named_at_once(clinic: Clinic):
    clinic.cloud.fault(action="RunInstances", code="UnauthorizedOperation")
    clinic.cloud.fault(kind="quota", code="L-DB2E81BA", limit=4)
    clinic.write(
        "c.Controller.save_timout = 1\nc.Agent.heartbeat_interval = 'often'\n"
        "c.JupyterHub.cleanup_servers = True",
        url=(url := nobody()),
    )
    clinic.secret.chmod(0o604)
    assert failures(clinic.examine()) == {
        "settings": ["c.Controller.save_timout"],
        "values": ["c.Agent.heartbeat_interval"],
        "hub-settings": ["c.JupyterHub.cleanup_servers"],
        "secret": [str(clinic.secret)],
        "hub-url": [url],
        "quota": ["quota L-DB2E81BA"],
        "permissions": ["RunInstances"],
    }


class TestWhoeverAnswersAtTheUrl:
    def test_may_be_the_hub_alone_while_no_controller_runs(self, clinic: Clinic):
        with hub("<html>", 503) as url:
            clinic.write(url=url)
            report = clinic.examine()
        assert report.exit_code == 0, dump(report)
        assert len(told(report, Mark.WARNING)["hub-url"]) == 3

    def test_may_not_be_the_hub_alone_while_one_does(self, clinic: Clinic):
        lock = _leads(clinic)
        with hub("<html>", 503) as url:
            clinic.write(url=url)
            report = clinic.examine()
        lock.release()
        assert failures(report) == {"hub-url": [url]}, dump(report)

    def test_may_not_be_a_controller_that_stands_by(self, clinic: Clinic):
        with hub('{"status": "standby"}') as url:
            clinic.write(url=url)
            assert failures(clinic.examine()) == {"hub-url": [url]}


def _leads(clinic: Clinic):
    from gpuspawner.store.database import Database  # noqa: PLC0415

    database = Database(f"sqlite:///{clinic.database}", identity.load(clinic.secret).encryption_key)
    lock = database.lock()
    assert lock.acquire()
    database.close()
    return lock


class TestTheLock:
    def test_is_looked_at_and_not_taken_from_whoever_holds_it(self, clinic: Clinic):
        lock = _leads(clinic)
        report = clinic.examine()
        assert not lock.lost()
        lock.release()
        [line] = [one for one in report.lines if one.check == "lock"]
        assert f"process {os.getpid()}" in line.finding.text(), dump(report)

    def test_is_nobodys_when_nobody_runs_and_stays_so(self, clinic: Clinic):
        report = clinic.examine()
        [line] = [one for one in report.lines if one.check == "lock"]
        assert (line.mark, "Nobody holds it" in line.finding.text()) == (Mark.OK, True)
        assert _leads(clinic).acquire()


class TestTheCommand:
    """As it is typed."""

    def types(self, clinic: Clinic, capsys, *words: str) -> tuple[int, str]:
        code = cli.main(["doctor", "--config", str(clinic.config), *words])
        out, err = capsys.readouterr()
        assert err == ""
        return code, out

    def test_ends_with_0_when_all_is_well(self, clinic: Clinic, capsys):
        code, out = self.types(clinic, capsys, "--language", "en")
        assert (code, out.splitlines()[-1].startswith("Ready, as far as can be seen.")) == (0, True)

    def test_ends_with_1_when_something_is_broken(self, clinic: Clinic, capsys):
        clinic.write("c.JupyterHub.cleanup_servers = True")
        code, out = self.types(clinic, capsys, "--language", "en")
        assert (code, out.splitlines()[-1].startswith("Not ready. Failures: 1,")) == (1, True)

    @pytest.mark.parametrize("text", ["c = get_config(\n", "raise SystemExit(3)", "1 / 0"])
    def test_ends_with_2_when_the_file_cannot_be_read(self, clinic: Clinic, capsys, text):
        clinic.config.write_text(text)
        code, out = self.types(clinic, capsys, "--json")
        lines_ = json.loads(out)["lines"]
        assert (code, [(one["check"], one["mark"]) for one in lines_]) == (2, [("file", "failure")])

    def test_ends_with_2_when_there_is_no_file(self, clinic: Clinic, capsys):
        clinic.config.unlink()
        assert self.types(clinic, capsys)[0] == 2

    @pytest.mark.parametrize("count", ["0", "-3", "many"])
    def test_takes_no_number_of_students_that_is_none(self, clinic: Clinic, capsys, count):
        with pytest.raises(SystemExit) as ended:
            cli.main(["doctor", f"--students={count}"])
        assert ended.value.code == 2
        assert "is not a number of students" in capsys.readouterr().err

    def test_prints_json_as_it_is_documented(self, clinic: Clinic, capsys):
        code, out = self.types(clinic, capsys, "--json", "--language", "ko", "--students", "200")
        said = json.loads(out)
        assert list(said) == [
            "schema", "version", "language", "config", "checked_at", "hub_id", "students",
            "exit_code", "summary", "lines",
        ]  # fmt: skip
        assert (code, said["schema"], said["language"], said["students"]) == (1, 1, "ko", 200)
        assert sum(said["summary"].values()) == len(said["lines"])
        keys = {tuple(one) for one in said["lines"]}
        assert keys == {("check", "mark", "subject", "finding", "remedy", "values")}
        [quota] = [one for one in said["lines"] if one["check"] == "quota"]
        assert (quota["mark"], quota["values"]["needed"]) == ("failure", "800")

    def test_runs_as_a_process_of_its_own(self, clinic: Clinic):
        done = subprocess.run(
            command("doctor", "--config", clinic.config),
            capture_output=True,
            check=False,
            cwd="/",
            env=ENVIRONMENT | {"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0"},
        )
        assert (done.returncode, done.stderr) == (0, b""), done.stdout.decode()
        assert stat.S_IMODE(clinic.secret.stat().st_mode) == 0o600


class TestSecrets:
    def test_are_never_shown_whatever_is_broken(self, clinic: Clinic, capsys):
        secret = clinic.secret.read_text().strip()
        clinic.write(
            "c.Controller.database_url = 'postgresql://hub:hunter2hunter2@127.0.0.1:1/x'\n"
            f"c.Controller.public_url = {secret!r}\n"
            f"c.AWS.region = ['{secret}']\n"
        )
        clinic.cloud.fault(
            action="*", code="AuthFailure", message="with thing-that-is-secret you may not"
        )
        for words in ([], ["--json"]):
            cli.main(["doctor", "--config", str(clinic.config), *words])
            out, err = capsys.readouterr()
            who = identity.load(clinic.secret)
            for hidden in (
                secret,
                who.claims_token,
                who.service_token,
                "hunter2",
                "thing-that-is-secret",
            ):
                assert hidden not in out + err
