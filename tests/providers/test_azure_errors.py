"""Each of Azure's codes leads to one decision, and one code means three things."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from azure.core.exceptions import HttpResponseError
from azure.mgmt.core.exceptions import ARMErrorFormat

from gpuspawner.errors import (
    CapacityError,
    InvalidSpec,
    MachineNotFound,
    NotAuthorized,
    ProviderUnavailable,
    QuotaExceeded,
    Throttled,
    WrongState,
)
from gpuspawner.providers.azure_errors import class_of, failed, translated

QUOTA = (
    "Operation could not be completed as it results in exceeding approved standardNCASv3_T4Family "
    "Cores quota. Current Limit: 8, Current Usage: 8, Additional Required: 4"
)


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (429, "too many requests have been received", Throttled),
        (409, QUOTA, QuotaExceeded),
        (409, "Disk x is attached to VM y.", WrongState),
    ],
    ids=["throttled", "quota", "state"],
)
def test_one_code_means_three_things(status, message, kind):
    assert class_of("OperationNotAllowed", message, status) is kind


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("SkuNotAvailable", 409, CapacityError),
        ("ZonalAllocationFailed", 200, CapacityError),
        ("AuthorizationFailed", 403, NotAuthorized),
        ("SubscriptionNotFound", 404, NotAuthorized),
        ("ResourceNotFound", 404, MachineNotFound),
        ("ResourceGroupNotFound", 404, InvalidSpec),
        ("Conflict", 409, WrongState),
        ("AnotherOperationInProgress", 429, WrongState),
        ("SomethingNew", 429, Throttled),
        ("SomethingNew", 403, NotAuthorized),
        ("SomethingNew", 409, ProviderUnavailable),
        ("InternalServerError", 500, ProviderUnavailable),
    ],
)
def test_a_code_comes_before_the_status_and_what_is_unknown_is_asked_again(code, status, kind):
    assert class_of(code, "", status) is kind


def test_a_refusal_for_requests_says_when_to_come_again():
    error = SimpleNamespace(
        status_code=429,
        error=SimpleNamespace(code="TooManyRequests", message="slowly"),
        response=SimpleNamespace(headers={"Retry-After": "1200", "x-ms-request-id": "r-1"}),
    )
    ours = translated(error, "StartMachine")
    assert (type(ours), ours.retry_after) == (Throttled, 1200.0)
    assert ours.detail == "StartMachine: TooManyRequests (HTTP 429): slowly (request r-1)"


def test_what_failed_after_it_was_accepted_is_told_by_its_code():
    ours = failed("AllocationFailed", "no room", "StartMachine")
    assert (type(ours), ours.detail) == (CapacityError, "StartMachine: AllocationFailed: no room")


def test_a_lost_connection_leaves_the_outcome_open():
    assert type(translated(ConnectionError("reset"), "StartMachine")) is ProviderUnavailable


def test_a_real_answer_of_the_sdk_is_understood_with_and_without_its_wrapper():
    for wrap in (lambda one: {"error": one}, lambda one: one):
        content = json.dumps(wrap({"code": "OperationNotAllowed", "message": QUOTA}))
        response = SimpleNamespace(
            status_code=409, reason="Conflict", headers={}, text=lambda *_, said=content: said
        )
        error = HttpResponseError(response=response, error_format=ARMErrorFormat)
        assert type(translated(error, "CreateMachine")) is QuotaExceeded
