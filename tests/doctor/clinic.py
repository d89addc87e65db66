"""A configuration that is sound, an emulated EC2 in a process of its own, and a hub that answers."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import boto3

from gpuspawner import identity
from gpuspawner.doctor import examination
from gpuspawner.doctor.lines import Mark, Report
from gpuspawner.store.database import Database
from tests.test_app import ENVIRONMENT, command

NOON = datetime(2026, 11, 21, 12, tzinfo=timezone.utc)

CONFIG = """
import gpuspawner

c = get_config()
gpuspawner.configure(c, public_url={url!r})
c.Authenticator.allowed_users = {{f"student-{{n}}" for n in range(20)}}
c.GPUSpawner.profile_list = [
    {{
        "display_name": "One T4",
        "slug": "t4",
        "gpuspawner_override": {{"sizes": ["g4dn.xlarge"], "home_gib": 20, "disk_gib": 60}},
    }},
]
c.AWS.endpoint_url = {ec2!r}
c.AWS.image = {image!r}
c.AWS.subnets = {subnets!r}
c.AWS.security_groups = [{group!r}]
c.AWS.sizes = ["g4dn.xlarge", "g6.xlarge"]
c.Credit.course_credit, c.Credit.student_credit = 600.0, 20.0
"""


@dataclass
class Cloud:
    """An emulated EC2 in its own process: what it was sown with, and what can be done to it."""

    url: str
    seed: dict[str, Any]
    ec2: Any = field(init=False)
    group: str = ""

    def __post_init__(self) -> None:
        self.ec2 = boto3.client(
            "ec2",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id="any",
            aws_secret_access_key="thing",
        )
        self.group = self.new_group("class", "172.31.0.0/16")

    def fault(self, **rule: Any) -> None:
        self._ask("POST", "faults", rule)

    def mend(self) -> None:
        self._ask("DELETE", "faults")

    def new_group(self, name: str, admits: str, port: int = 8888) -> str:
        """A security group that lets `admits` in on a port, by default that of the servers."""
        id_ = self.ec2.create_security_group(
            GroupName=name, Description=name, VpcId=self.seed["vpc"]
        )["GroupId"]
        self.ec2.authorize_security_group_ingress(
            GroupId=id_, IpProtocol="tcp", FromPort=port, ToPort=port, CidrIp=admits
        )
        return str(id_)

    def small_subnet(self, cidr: str, free: int) -> str:
        """A subnet with so many free addresses; somebody has the others."""
        made = self.ec2.create_subnet(
            VpcId=self.seed["vpc"], CidrBlock=cidr, AvailabilityZone="us-east-1a"
        )["Subnet"]
        for _ in range(made["AvailableIpAddressCount"] - free):
            self.ec2.create_network_interface(SubnetId=made["SubnetId"])
        return str(made["SubnetId"])

    def machines(self) -> list[str]:
        return [
            one["InstanceId"]
            for reservation in self.ec2.describe_instances()["Reservations"]
            for one in reservation["Instances"]
        ]

    def calls(self) -> dict[str, int]:
        calls: dict[str, int] = self._ask("GET", "calls")["calls"]
        return calls

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        data = json.dumps(body).encode() if body is not None else None
        request = Request(f"{self.url}/_emulator/{path}", method=method, data=data)
        with urlopen(request, timeout=30) as answer:
            return json.load(answer)


@contextmanager
def emulated(folder: Path) -> Iterator[Cloud]:
    words = ("emulator", "ec2", "--machines", "none", "--port", 0, "--state", folder / "ec2")
    with subprocess.Popen(command(*words), stdout=subprocess.PIPE, env=ENVIRONMENT) as process:
        try:
            assert process.stdout
            told = json.loads(process.stdout.readline())
            yield Cloud(told["url"], told["seed"])
        finally:
            process.kill()


@contextmanager
def hub(body: str = '{"status": "ok"}', status: int = 200) -> Iterator[str]:
    """Somebody who answers at a URL, as the proxy before the controller does."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            there = self.path.partition("?")[0] == "/services/gpuspawner/health"
            self.send_response(status if there else 404)
            self.end_headers()
            self.wfile.write(body.encode() if there else b"<html>")

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def nobody() -> str:
    """A URL at which nobody answers."""
    with closing(socket.socket()) as one:
        one.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{one.getsockname()[1]}/"


@dataclass
class Clinic:
    """One hub's folder: its configuration, its secret and its database."""

    folder: Path
    cloud: Cloud
    url: str

    @property
    def config(self) -> Path:
        return self.folder / "jupyterhub_config.py"

    @property
    def secret(self) -> Path:
        return self.folder / "gpuspawner_secret"

    @property
    def database(self) -> Path:
        return self.folder / "gpuspawner.sqlite"

    def write(self, more: str = "", **values: Any) -> None:
        """The sound configuration, with some values changed and lines added."""
        zones = list(self.cloud.seed["subnets"].values())[:2]
        given = {
            "url": self.url,
            "ec2": self.cloud.url,
            "image": self.cloud.seed["image"],
            "subnets": zones,
            "group": self.cloud.group,
            **values,
        }
        self.config.write_text(CONFIG.format(**given) + more + "\n")

    def has_run(self) -> None:
        """As after the hub's first start: there are a secret and a database."""
        database = Database(f"sqlite:///{self.database}", identity.load(self.secret).encryption_key)
        database.migrate()
        database.close()

    def examine(self, students: int | None = None, now: datetime = NOON) -> Report:
        return examination.examine(self.config, now, students)


def told(report: Report, *marks: Mark) -> dict[str, list[str]]:
    """What was found of these marks: the subjects, by check."""
    found: dict[str, list[str]] = {}
    for line in report.lines:
        if line.mark in marks:
            found.setdefault(line.check, []).append(line.subject)
    return found


def failures(report: Report) -> dict[str, list[str]]:
    return told(report, Mark.FAILURE)


def dump(report: Report) -> str:
    """The whole report, for whoever reads why a test failed."""
    return "\n".join(
        f"{line.mark.value:11} {line.check:15} {line.subject}: {line.finding}"
        for line in report.lines
    )
