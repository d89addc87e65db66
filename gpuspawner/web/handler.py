"""What all our HTTP handlers share: JSON in, JSON out, refusals as sentences, never a traceback."""

from __future__ import annotations

import hmac
import json
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel
from tornado.web import HTTPError, RequestHandler

from gpuspawner.errors import (
    ClaimNotFound,
    ControllerUnavailable,
    GenerationMismatch,
    GpuspawnerError,
    HeartbeatRefused,
    HomeInUse,
    KeyConflict,
    MachineUnknown,
    NotAllowed,
    NotTheLeader,
    NotTheOwner,
    NotWanted,
    ProviderError,
    SpecificationRefused,
    TicketExpired,
)
from gpuspawner.language import _, say
from gpuspawner.policy.money_errors import (
    EverythingStopped,
    IdempotencyMismatch,
    InsufficientCredit,
    LimitReached,
    NotReversible,
    PersonInUse,
    PersonUnknown,
    PriceUnknown,
)
from gpuspawner.policy.session_errors import NoMoreTime
from gpuspawner.web import schemas
from gpuspawner.web.credit.errors import CreditHidden, KeyMissing, TooManyWatchers
from gpuspawner.web.services import Services

_Body = TypeVar("_Body", bound=BaseModel)

STATUS: dict[type[GpuspawnerError], int] = {
    ClaimNotFound: 404,
    GenerationMismatch: 409,
    NotTheOwner: 409,
    HomeInUse: 409,
    HeartbeatRefused: 400,
    NoMoreTime: 409,
    KeyConflict: 409,
    NotWanted: 409,
    TicketExpired: 410,
    MachineUnknown: 401,
    NotAllowed: 403,
    ProviderError: 502,
    SpecificationRefused: 400,
    ControllerUnavailable: 503,
    NotTheLeader: 503,
    InsufficientCredit: 402,
    PriceUnknown: 409,
    LimitReached: 409,
    EverythingStopped: 409,
    IdempotencyMismatch: 409,
    NotReversible: 409,
    PersonUnknown: 404,
    PersonInUse: 409,
    KeyMissing: 400,
    CreditHidden: 403,
    TooManyWatchers: 503,
}
_UNKNOWN = say(_("This request is not understood or not allowed here."))


def status_of(error: GpuspawnerError) -> int:
    """The HTTP status of a refusal; 500 for what nobody has thought of."""
    return next((code for kind, code in STATUS.items() if isinstance(error, kind)), 500)


class ApiHandler(RequestHandler):
    """The base of all that answers in JSON."""

    SUPPORTED_METHODS = ("GET", "POST", "PUT", "DELETE")
    services: Services
    public: ClassVar[bool] = False

    def initialize(self, services: Services) -> None:
        """Take what the handlers work with."""
        self.services = services

    def set_default_headers(self) -> None:
        """JSON that nobody stores."""
        self.set_header("Content-Type", "application/json; charset=utf-8")
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Content-Type-Options", "nosniff")

    def check_xsrf_cookie(self) -> None:
        """These requests carry their own token in a header, which no other site can make them send."""

    def parse(self, kind: type[_Body]) -> _Body:
        """The body as a `kind`, or a refusal that names what is wrong."""
        return schemas.parse(kind, self.request.body)

    def reply(self, data: Any, status: int = 200) -> None:
        """Answer with `data` as JSON."""
        self.set_status(status)
        self.finish(json.dumps(data))

    def bearer(self) -> str:
        """The token of the request, "" when there is none."""
        kind, _space, token = self.request.headers.get("Authorization", "").partition(" ")
        return token.strip() if kind.lower() in ("bearer", "token") else ""

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """A refusal as a code and a sentence; what went wrong inside stays in the log."""
        error = kwargs.get("exc_info", (None, None, None))[1]
        if isinstance(error, GpuspawnerError):
            self.set_status(status_of(error))
            code, reason, sentence = error.code, error.reason.value, error.public
            self.services.refusals[code] += 1
        elif isinstance(error, HTTPError) or status_code < 500:
            code, reason, sentence = f"http-{status_code}", "options", _UNKNOWN
        else:
            code, reason, sentence = "internal", "unavailable", GpuspawnerError.sentence
        self.finish(json.dumps({"error": code, "reason": reason, "sentence": sentence.to_json()}))

    def log_exception(self, *exc_info: Any) -> None:
        """A refusal is no fault of ours; anything else is, and its traceback goes to the log."""
        if not isinstance(exc_info[1], GpuspawnerError):
            super().log_exception(*exc_info)


class HubHandler(ApiHandler):
    """For the spawner, the command line and nobody else: the token derives from the secret file."""

    def prepare(self) -> None:
        """Refuse everybody who does not show the token."""
        wanted = self.services.identity.claims_token
        if not hmac.compare_digest(self.bearer().encode(), wanted.encode()):
            raise HTTPError(403)
