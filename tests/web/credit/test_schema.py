"""Whatever is sent to the running application: no fault of ours, and no answer that is not described."""

from __future__ import annotations

import asyncio
import os

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks as conformance

from gpuspawner.web.openapi import document
from tests.controllers.stage import IDENTITY
from tests.web.credit.schema_summary import KEY, Summary
from tests.web.credit.school import School

EXAMPLES = int(os.environ.get("SCHEMA_EXAMPLES", "2"))
"""So many cases for each operation, and each of sense and nonsense."""

CHECKS = [
    not_a_server_error,
    conformance.status_code_conformance,
    conformance.content_type_conformance,
    conformance.response_schema_conformance,
]
CALLERS = {"hub": IDENTITY.claims_token, "admin": "admin", "teacher": "teacher", "alice": "alice"}


async def test_no_request_is_answered_in_a_way_that_is_not_described(
    there: School, record_property
):
    summary = Summary()
    schema = schemathesis.openapi.from_dict(document()).exclude(path="/events")  # it never ends
    base = f"{there.house.url}api/v1"
    await asyncio.to_thread(_try_all, schema, base, summary)
    record_property(KEY, summary.to_json())
    assert summary.failures == []
    assert summary.server_errors == 0
    assert {"200", "201", "400", "403", "404"} <= set(summary.statuses)


def _try_all(schema, base: str, summary: Summary) -> None:
    with requests.Session() as session:
        for result in schema.get_all_operations():
            operation = result.ok()
            summary.operations += 1
            for mode in GenerationMode.POSITIVE, GenerationMode.NEGATIVE:
                summary.failures += _failures(operation, mode, session, base, summary)


def _failures(operation, mode, session, base, summary) -> list[str]:
    try:
        _try(operation.as_strategy(generation_mode=mode), session, base, summary)
    except Exception as error:  # noqa: BLE001 - all are to be seen, not the first only
        return [f"{operation.label}: {one}" for one in getattr(error, "exceptions", (error,))]
    return []


def _try(cases, session: requests.Session, base: str, summary: Summary) -> None:
    @settings(
        max_examples=EXAMPLES, deadline=None, database=None, derandomize=True,
        phases=[Phase.generate], suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=cases)
    def check(case):
        summary.cases += 1
        for token in CALLERS.values():
            headers = {"Authorization": f"Bearer {token}"}
            answer = case.call(base_url=base, session=session, headers=headers, timeout=20)
            summary.requests += 1
            summary.statuses[str(answer.status_code)] += 1
            summary.checks += len(CHECKS)
            case.validate_response(answer, checks=CHECKS)

    check()
