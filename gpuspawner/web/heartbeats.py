"""What a heartbeat may say: checked and bounded before anything else looks at it.

The student may be root on the machine. So there is a bound for every number, text and list, unknown
keys are ignored, and what cannot be is refused as a whole and counted by its kind.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gpuspawner.errors import HeartbeatRefused
from gpuspawner.policy.observed import Facts

LARGEST = 128 << 10
"""Bytes: the sensors' file may have 64 KiB."""

KINDS = ("wrong", "future", "giant", "replayed", "forged")
"""Why heartbeats are refused."""

_LONGEST = 10 * 365 * 86_400.0
_Age: TypeAlias = Annotated[float, Field(ge=0, le=_LONGEST)]
_Percent: TypeAlias = Annotated[float, Field(ge=0, le=100)]
_Count: TypeAlias = Annotated[int, Field(ge=0, le=100_000)]
_Size: TypeAlias = Annotated[float, Field(ge=0, le=1e9)]
_Name: TypeAlias = Annotated[str, Field(max_length=128)]


class _Strict(BaseModel):
    """A number is a number: neither a text, nor infinite."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True, allow_inf_nan=False)


class _Kernels(_Strict):
    count: _Count | None = None
    busy: _Count | None = None
    busy_age: _Age | None = None


class _Tabs(_Strict):
    open: _Count | None = None
    visible: _Count | None = None
    closed_age: _Age | None = None


class _Saved(_Strict):
    request: _Name | None = None
    documents: _Count | None = None
    failed: Annotated[list[Annotated[str, Field(max_length=1024)]], Field(max_length=64)] = []


class ServerFacts(_Strict):
    """What the Jupyter server sees."""

    version: _Count | None = None
    server: _Name | None = None
    sequence: Annotated[int, Field(ge=0, le=2**53)] | None = None
    human_age: _Age | None = None
    human_kind: _Name | None = None
    kernels: _Kernels | None = None
    output_age: _Age | None = None
    terminals: _Count | None = None
    tabs: _Tabs | None = None
    unsaved: _Count | None = None
    saved: _Saved | None = None


class GpuFacts(_Strict):
    """One GPU, each field apart."""

    name: _Name | None = None
    percent: _Percent | None = None
    mean_5min: _Percent | None = None
    max_5min: _Percent | None = None
    memory_mib: _Size | None = None
    memory_total_mib: _Size | None = None


class _Processor(_Strict):
    student_percent_5min: Annotated[float, Field(ge=0, le=1e6)] | None = None
    terminal_child: bool | None = None


class _Ssh(_Strict):
    sessions: _Count | None = None
    input_age: _Age | None = None


class FactsBody(_Strict):
    """What the agent measures, and what the server has written."""

    cpu_percent: _Percent | None = None
    memory_percent: _Percent | None = None
    home_percent: _Percent | None = None
    disk_percent: _Percent | None = None
    gpus: Annotated[list[GpuFacts], Field(max_length=64)] | None = None
    processor: _Processor | None = None
    ssh: _Ssh | None = None
    server: ServerFacts | None = None
    server_age: _Age | None = None

    def facts(self) -> Facts:
        """What the rule about idle machines is told of it."""
        server = self.server or ServerFacts()
        kernels, tabs = server.kernels or _Kernels(), server.tabs or _Tabs()
        processor, ssh = self.processor or _Processor(), self.ssh or _Ssh()
        gpus = self.gpus
        return Facts(
            server_age=self.server_age if self.server else None,
            human_age=server.human_age,
            busy=kernels.busy,
            tabs=tabs.open,
            closed_age=tabs.closed_age,
            gpus=None
            if gpus is None
            else tuple(_first(one.mean_5min, one.percent) for one in gpus),
            processor=processor.student_percent_5min,
            child=processor.terminal_child,
            typed_age=ssh.input_age,
        )


class HeartbeatBody(_Strict):
    """`POST agent/heartbeat`. `facts` only ever move decisions within limits set by the hub."""

    generation: Annotated[int, Field(ge=0, le=2**31 - 1)]
    boot_id: _Name = ""
    sequence: Annotated[int, Field(ge=0, le=2**53)] = 0
    server: Annotated[str, Field(max_length=32)] = ""
    facts: FactsBody = FactsBody()


def parse(body: bytes) -> HeartbeatBody:
    """The heartbeat in `body`.

    Raises:
        HeartbeatRefused: it is none; the detail names each wrong field, never its value.
    """
    if len(body) > LARGEST:
        raise HeartbeatRefused(f"a heartbeat of {len(body)} bytes", kind="giant")
    try:
        return HeartbeatBody.model_validate_json(body)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)
        # An age below zero is a moment that is still to come.
        ahead = [
            one for one in found
            if one["type"] == "greater_than_equal" and str(one["loc"][-1]).endswith("_age")
        ]  # fmt: skip
        wrong = "; ".join(
            f"{'.'.join(map(str, one['loc'])) or 'body'}: {one['msg']}" for one in found[:5]
        )
        kind = "future" if ahead else "wrong"
        raise HeartbeatRefused(f"a heartbeat is malformed: {wrong}", kind=kind) from error


def _first(*values: float | None) -> float | None:
    return next((one for one in values if one is not None), None)
