"""What every path of the REST interface does, who may call it, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel

from gpuspawner.web import benchmarks, heartbeats, schemas


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path. `replies` are the statuses beside 400, 403 and 503.

    `query` is checked against what stands in the URL, `reply` is what success answers; with `media`
    it is a text of that type. `keyed` says that an `Idempotency-Key` is needed.
    """

    path: str
    method: str
    summary: str
    security: str
    body: type[BaseModel] | None = None
    replies: tuple[int, ...] = (200,)
    query: type[BaseModel] | None = None
    reply: type[BaseModel] | None = None
    media: str = "application/json"
    keyed: bool = False


_CLAIM, _HOME = "/claims/{name}", "/homes/{id}"

MACHINES = (
    Operation("/claims", "get", "All claims; with watch=1, a stream of their changes.", "hub"),
    Operation(_CLAIM, "get", "One claim.", "hub", None, (200, 404)),
    Operation(_CLAIM, "put", "Want the machine running.", "hub", schemas.ClaimBody, (200, 402, 409)),
    Operation(_CLAIM, "delete", "Want the machine deleted.", "hub", None, (202, 404)),
    Operation(f"{_CLAIM}/stop", "post", "Want it stopped; a person wants the own one stopped.", "hub", schemas.StopBody, (200, 404, 409)),
    Operation(f"{_CLAIM}/keep", "post", "Keep one's machine running for a while.", "person", schemas.ClickBody, (200, 404, 409)),
    Operation(f"{_CLAIM}/lease", "post", "Let it go on until its work is done.", "person", schemas.ClickBody, (200, 404, 409)),
    Operation(f"{_CLAIM}/hold", "post", "Keep a machine running until a moment; for admins.", "person", schemas.HoldBody, (200, 404, 409)),
    Operation(f"{_CLAIM}/benchmark", "post", "Compare what one's own machine measured with the class.", "person", benchmarks.BenchmarkBody, (200, 404), reply=benchmarks.BenchmarkReply),
    Operation("/benchmarks", "get", "The class's medians of what its students' machines measured.", "person", query=benchmarks.BenchmarksQuery, reply=benchmarks.MediansReply),
    Operation("/agent/register", "post", "A machine's first word.", "ticket", schemas.RegisterBody, (200, 401, 409, 410)),
    Operation("/agent/environment", "get", "What to start the server with.", "machine", None, (200, 401, 409)),
    Operation("/agent/report", "post", "How far a start is.", "machine", schemas.ReportBody, (200, 401)),
    Operation("/agent/heartbeat", "post", "The machine lives.", "machine", heartbeats.HeartbeatBody, (200, 401)),
    Operation("/machines", "get", "One's own machines; all for an admin.", "person"),
    Operation("/machines/{name}", "get", "One machine.", "person", None, (200, 404)),
    Operation("/machines/{name}", "delete", "Delete a machine for good; the home stays.", "person", None, (202, 404)),
    Operation("/machines/{name}/stop", "post", "Stop a machine.", "person", schemas.StopBody, (200, 404, 409)),
    Operation("/status", "get", "Claims, homes and problems.", "hub"),
    Operation("/stop-everything", "get", "Whether everything is stopped, and what runs; for admins.", "admin"),
    Operation("/stop-everything", "post", "Stop everything, or lift that; for admins.", "admin", schemas.BrakeBody),
    Operation("/homes", "get", "All homes.", "hub"),
    Operation(f"{_HOME}/give", "post", "Hand a home to another server.", "hub", schemas.GiveBody, (200, 404)),
    Operation(_HOME, "delete", "Delete a home for good.", "hub", None, (200, 404, 502)),
)  # fmt: skip
