"""Every code of AWS calls for one decision, and nothing of the SDK escapes."""

from __future__ import annotations

import inspect

import boto3.exceptions
import botocore.exceptions
import botocore.parsers
import pytest
from botocore.exceptions import ClientError

from gpuspawner.errors import (
    CapacityError,
    InvalidSpec,
    MachineNotFound,
    NotAuthorized,
    ProviderError,
    ProviderUnavailable,
    QuotaExceeded,
    Throttled,
    WrongState,
)
from gpuspawner.providers.aws_errors import CLASS_OF, code_of, translated


def refusal(code, status=400, message="no"):
    return ClientError(
        {
            "Error": {"Code": code, "Message": message},
            "ResponseMetadata": {"HTTPStatusCode": status, "RequestId": "r-1"},
        },
        "RunInstances",
    )


@pytest.mark.parametrize(
    ("codes", "error"),
    [
        (
            (
                "InsufficientInstanceCapacity InsufficientHostCapacity ReservationCapacityExceeded "
                "UnfulfillableCapacity Unsupported InsufficientFreeAddressesInSubnet"
            ),
            CapacityError,
        ),
        ("VcpuLimitExceeded InstanceLimitExceeded MaxSpotInstanceCountExceeded", QuotaExceeded),
        ("RequestLimitExceeded", Throttled),
        (
            (
                "InvalidAMIID.NotFound InvalidSubnetID.NotFound InvalidGroup.NotFound "
                "InvalidKeyPair.NotFound InvalidIamInstanceProfile.NotFound InvalidParameterValue "
                "InvalidUserData.Malformed IdempotentParameterMismatch"
            ),
            InvalidSpec,
        ),
        (
            (
                "UnauthorizedOperation AuthFailure ExpiredToken Blocked PendingVerification "
                "OptInRequired"
            ),
            NotAuthorized,
        ),
        ("IncorrectInstanceState IncorrectSpotRequestState InvalidAMIID.Unavailable", WrongState),
        ("InvalidInstanceID.NotFound InvalidVolume.NotFound", MachineNotFound),
        ("InternalError Unavailable NeverHeardOf ", ProviderUnavailable),
    ],
)
def test_a_code_calls_for_one_decision(codes, error):
    assert {code: type(translated(refusal(code), "X")) for code in codes.split()} == dict.fromkeys(
        codes.split(), error
    )


def test_no_capacity_is_no_capacity_although_it_comes_as_a_server_error():
    assert type(translated(refusal("InsufficientInstanceCapacity", 500), "X")) is CapacityError
    assert type(translated(refusal("InternalError", 500), "X")) is ProviderUnavailable


def test_no_code_stands_for_two_decisions():
    listed = [
        code for code in CLASS_OF if CLASS_OF[code] is not type(translated(refusal(code), "X"))
    ]
    assert listed == []


def every_exception():
    for module in (botocore.exceptions, boto3.exceptions, botocore.parsers):
        for _, kind in inspect.getmembers(module, inspect.isclass):
            if issubclass(kind, Exception) and kind.__module__.startswith(("boto3", "botocore")):
                yield kind


@pytest.mark.parametrize("kind", sorted(set(every_exception()), key=lambda kind: kind.__name__))
def test_no_exception_of_the_sdk_escapes(kind):
    error = kind.__new__(kind)
    Exception.__init__(error, "the SDK's text")
    ours = translated(error, "DescribeInstances")
    assert isinstance(ours, ProviderError)
    assert type(ours) is not ProviderError


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (botocore.exceptions.NoCredentialsError(), NotAuthorized),
        (botocore.exceptions.ParamValidationError(report="x"), InvalidSpec),
        (botocore.exceptions.ReadTimeoutError(endpoint_url="x"), ProviderUnavailable),
        (botocore.exceptions.EndpointConnectionError(endpoint_url="x"), ProviderUnavailable),
        (botocore.parsers.ResponseParserError("<html>"), ProviderUnavailable),
        (ConnectionResetError("reset"), ProviderUnavailable),
        (KeyError("Reservations"), ProviderUnavailable),
    ],
)
def test_what_never_reached_aws_or_never_came_back(error, expected):
    assert type(translated(error, "X")) is expected


def test_the_detail_is_for_the_admin_and_the_sentence_is_ours():
    error = translated(refusal("VcpuLimitExceeded", message="32 vCPU"), "RunInstances")
    assert error.detail == "RunInstances: VcpuLimitExceeded: 32 vCPU (request r-1)"
    assert "VcpuLimitExceeded" not in error.public.text()


def test_a_detail_is_not_endless():
    error = translated(refusal("UnauthorizedOperation", message="x" * 5000), "RunInstances")
    assert len(error.detail) == 600


def test_a_broken_answer_has_no_code_and_does_not_break_us():
    error = ClientError({}, "X")
    error.response = {"Error": None}
    assert code_of(error) == "ClientError"
    assert type(translated(error, "X")) is ProviderUnavailable
