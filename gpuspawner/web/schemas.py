"""What may be sent to the controller, checked before anything else looks at it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from gpuspawner.errors import SpecificationRefused
from gpuspawner.model import Owner, Reason, Specification

Text = Annotated[str, Field(max_length=1024)]
Size = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
_Body = TypeVar("_Body", bound=BaseModel)


class Body(BaseModel):
    """The base: unknown keys are ignored, so that an older program may speak to a newer one."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class OwnerBody(Body):
    """Whose claim it is."""

    user_id: Annotated[str, Field(min_length=1, max_length=64)]
    user_name: Text
    server_name: Text = ""

    def owner(self) -> Owner:
        """As the rest of the program knows it."""
        return Owner(self.user_id, self.user_name, self.server_name)


class SpecificationBody(Body):
    """What the student picked, resolved by the hub."""

    profile: Text
    display_name: Text
    sizes: Annotated[list[Size], Field(min_length=1, max_length=32)]
    image: Annotated[str, Field(max_length=256)] = ""
    disk_gib: Annotated[int, Field(ge=1, strict=True)]
    home_gib: Annotated[int, Field(ge=1, strict=True)]

    def specification(self) -> Specification:
        """As the rest of the program knows it."""
        return Specification.from_json(self.model_dump())


class ClaimBody(Body):
    """`PUT claims/{name}`."""

    owner: OwnerBody
    specification: SpecificationBody
    environment: dict[str, str]
    command: Annotated[list[str], Field(min_length=1)]
    port: Annotated[int, Field(ge=1, le=65535)] = 8888
    start_by: AwareDatetime


class StopBody(Body):
    """`POST claims/{name}/stop`."""

    generation: int | None = None
    reason: Reason = Reason.USER


class ClickBody(Body):
    """`POST claims/{name}/keep`, `lease` and `stop`: the session that somebody looked at."""

    generation: int | None = None


class HoldBody(ClickBody):
    """`POST claims/{name}/hold`. `until` null ends it."""

    until: AwareDatetime | None = None


class RegisterBody(Body):
    """`POST agent/register`."""

    ticket: Annotated[str, Field(max_length=256)]
    key: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class ReportBody(Body):
    """`POST agent/report`. `detail` is cut to its last 8 KiB by the sender."""

    generation: int
    stage: Literal["boot", "home", "server", "up", "failed", "saved"]
    detail: Annotated[str, Field(max_length=16384)] = ""


class GiveBody(Body):
    """`POST homes/{id}/give`."""

    user_name: Text
    server_name: Text = ""


class BrakeBody(Body):
    """`POST stop-everything`. `reason` is for the log, in whoever's own words."""

    reason: Annotated[str, Field(min_length=1, max_length=500)]
    lift: bool = False


class ErrorReply(Body):
    """What every refusal looks like."""

    error: str
    reason: str
    sentence: dict[str, Any]


def parse_query(kind: type[_Body], arguments: Mapping[str, Sequence[bytes]]) -> _Body:
    """The arguments of a URL as a `kind`; the last of an argument that is given twice counts.

    Raises:
        SpecificationRefused: they are not.
    """
    said = {name: values[-1].decode("utf-8", "replace") for name, values in arguments.items()}
    with _refused():
        return kind.model_validate_strings(said)


def parse_values(kind: type[_Body], values: Mapping[str, Any]) -> _Body:
    """The fields of a form as a `kind`.

    Raises:
        SpecificationRefused: they are not.
    """
    with _refused():
        return kind.model_validate(dict(values))


def parse(kind: type[_Body], body: bytes) -> _Body:
    """`body` as a `kind`.

    Raises:
        SpecificationRefused: it is not; the detail names each wrong field, never its value.
    """
    with _refused():
        return kind.model_validate_json(body or b"{}")


@contextmanager
def _refused() -> Iterator[None]:
    try:
        yield
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, one['loc'])) or 'body'}: {one['msg']}"
            for one in error.errors(include_url=False, include_input=False, include_context=False)
        )
        raise SpecificationRefused(f"the request is malformed: {wrong}") from error
