"""Every call we make to AWS, on one page, and the one way to make it.

`USED_CALLS` is what the IAM policy has to allow; a test holds it to what the code asks. boto3 is
synchronous and stays in four threads of its own: with one listing for all students there is less
than one call a second, so an asynchronous SDK would buy nothing (and aiobotocore pins botocore).
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from gpuspawner.clock import Clock
from gpuspawner.errors import ConfigurationError, ProviderError, Throttled
from gpuspawner.providers.aws_errors import code_of, translated
from gpuspawner.providers.aws_limits import Limits
from gpuspawner.settings.aws_record import AWSRecord


@dataclass(frozen=True, slots=True)
class Use:
    """A call we make: the SDK's name of the service and method, whether it changes anything, why."""

    service: str
    method: str
    changes: bool
    why: str

    @property
    def permission(self) -> str:
        """The IAM action's service prefix."""
        return {"service-quotas": "servicequotas"}.get(self.service, self.service)


def _changes(method: str, why: str) -> Use:
    return Use("ec2", method, changes=True, why=why)


def _reads(method: str, why: str) -> Use:
    return Use("ec2", method, changes=False, why=why)


USED_CALLS: Mapping[str, Use] = {
    "RunInstances": _changes("run_instances", "create a machine"),
    "StartInstances": _changes("start_instances", "start machines"),
    "StopInstances": _changes("stop_instances", "stop machines"),
    "TerminateInstances": _changes("terminate_instances", "delete a machine"),
    "ModifyInstanceAttribute": _changes("modify_instance_attribute", "resize a stopped machine"),
    "CreateVolume": _changes("create_volume", "create a home"),
    "AttachVolume": _changes("attach_volume", "attach a home"),
    "DeleteVolume": _changes("delete_volume", "delete a leftover disk; for an admin, a home"),
    "DescribeInstances": _reads("describe_instances", "list the machines"),
    "DescribeVolumes": _reads("describe_volumes", "list the homes and leftover disks"),
    "DescribeInstanceTypes": _reads("describe_instance_types", "what a size is made of"),
    "DescribeInstanceTypeOfferings": _reads(
        "describe_instance_type_offerings", "which zones have a size"
    ),
    "DescribeSubnets": _reads("describe_subnets", "the zones, and how many addresses are free"),
    "DescribeSecurityGroups": _reads("describe_security_groups", "names to ids, open groups"),
    "DescribeImages": _reads("describe_images", "the image's root device"),
    "GetConsoleOutput": _reads("get_console_output", "why a machine did not boot"),
    "GetParameter": Use("ssm", "get_parameter", changes=False, why="the newest public image"),
    "GetServiceQuota": Use(
        "service-quotas", "get_service_quota", changes=False, why="how many vCPUs are allowed"
    ),
    "GetProducts": Use("pricing", "get_products", changes=False, why="what things cost"),
}
"""Action to use. Tags are given in the create calls, for which IAM wants `ec2:CreateTags` as well."""

_ELSEWHERE = {"pricing": "us-east-1"}
"""Services that are not in every region, and where they are asked about all of them."""

PAGE = 1000
"""The most that EC2 gives at once; smaller pages only make more calls."""

_PLACES = 4
_CONNECT_SECONDS = 5
_READ_SECONDS = 30
_READ_ATTEMPTS = 5

Answer = dict[str, Any]


class Calls:
    """Asks AWS: within the limits, in threads, with our errors."""

    def __init__(self, record: AWSRecord, clock: Clock) -> None:
        self._record = record
        self._limits = Limits(clock, _PLACES)
        self._threads = ThreadPoolExecutor(_PLACES, thread_name_prefix="aws")
        self._making = threading.Lock()
        self._session: Any = None
        self._clients: dict[tuple[str, bool], Any] = {}

    async def ask(self, action: str, *, resources: int = 0, **request: Any) -> Answer:
        """Make one call of `USED_CALLS`. `resources` is how many machines it is about.

        Raises:
            ProviderError: one of its subclasses, never an exception of the SDK.
        """
        async with self._limits.turn(action, resources):
            result = await asyncio.get_running_loop().run_in_executor(
                self._threads, self._send, action, request
            )
        if isinstance(result, BaseException):
            error = self._error(result, action)
            raise error from result
        self._limits.bucket(action).accepted()
        return result

    async def all_of(self, action: str, key: str, *, page: int = PAGE, **request: Any) -> list[Any]:
        """Everything in the list `key`, over all pages: whole, or an error."""
        found: list[Any] = []
        token: str | None = None
        while True:
            more: Answer = {"NextToken": token} if token else {}
            answer = await self.ask(action, **request, MaxResults=page, **more)
            found += answer.get(key, [])
            token = answer.get("NextToken")
            if not token:
                return found

    async def may(self, action: str, **request: Any) -> None:
        """Find out whether we may make this very call, without making it.

        Raises:
            ProviderError: we may not, or the request is wrong.
        """
        async with self._limits.turn(action):
            result = await asyncio.get_running_loop().run_in_executor(
                self._threads, self._send, action, {**request, "DryRun": True}
            )
        if isinstance(result, BaseException) and code_of(result) != "DryRunOperation":
            raise self._error(result, action) from result

    def close(self) -> None:
        """Give threads and connections back; a call that is under way ends by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        with self._making:
            clients, self._clients = list(self._clients.values()), {}
        for client in clients:
            client.close()

    def _error(self, error: BaseException, action: str) -> ProviderError:
        ours = translated(error, action)
        if isinstance(ours, Throttled):
            bucket = self._limits.bucket(action)
            bucket.refused()
            ours.retry_after = 1 / bucket.rate
        return ours

    def _send(self, action: str, request: Mapping[str, Any]) -> Answer | Exception:
        """In a thread. An error is returned, since StopIteration and its like cannot cross."""
        use = USED_CALLS[action]
        try:
            answer: Answer = getattr(self._client(use), use.method)(**request)
        except ConfigurationError:
            raise
        except Exception as error:  # noqa: BLE001 - nothing of an SDK escapes, whatever it is
            return error
        return answer

    def _client(self, use: Use) -> Any:
        """A client is thread-safe and dear to make (half a second, 25 MiB for the session)."""
        with self._making:
            key = (use.service, use.changes)
            if key not in self._clients:
                self._clients[key] = self._make(use)
            return self._clients[key]

    def _make(self, use: Use) -> Any:
        try:
            import boto3  # noqa: PLC0415 - a hub on another cloud needs no boto3
            from botocore.config import Config  # noqa: PLC0415
        except ImportError as error:
            raise ConfigurationError(
                "boto3 is not installed: pip install 'gpuspawner[aws]'"
            ) from error
        self._session = self._session or boto3.Session(region_name=self._record.region)
        # A change is sent once: botocore takes "no capacity" (HTTP 500) for a passing fault and
        # would send it three times, and what was sent into a time-out is for the plan to repeat.
        attempts = 1 if use.changes else _READ_ATTEMPTS
        config = Config(
            connect_timeout=_CONNECT_SECONDS,
            read_timeout=_READ_SECONDS,
            max_pool_connections=_PLACES,
            retries={"mode": "standard", "total_max_attempts": attempts},
        )
        return self._session.client(
            use.service,
            region_name=_ELSEWHERE.get(use.service),
            endpoint_url=self._record.endpoint_url,
            config=config,
        )
