"""AWS's error codes, and the decision that each of them calls for.

Sources: the EC2 API's list of client and server errors; Karpenter's
`unfulfillableCapacityErrorCodes`. What is not listed says nothing about whether the request was
carried out, so it becomes `ProviderUnavailable`: send the same again.

A trap: `InsufficientInstanceCapacity` comes as HTTP 500, which every SDK takes for a passing fault
and sends again. Only the code counts here, never the status.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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

_CODES: Mapping[type[ProviderError], str] = {
    CapacityError: """
        InsufficientInstanceCapacity InsufficientHostCapacity InsufficientCapacity
        InsufficientReservedInstanceCapacity InsufficientVolumeCapacity
        InsufficientFreeAddressesInSubnet ReservationCapacityExceeded UnfulfillableCapacity
        MaxFleetCountExceeded SpotMaxPriceTooLow Unsupported
    """,
    QuotaExceeded: """
        VcpuLimitExceeded InstanceLimitExceeded MaxSpotInstanceCountExceeded
        MaxSpotFleetRequestCountExceeded VolumeLimitExceeded MaxIOPSLimitExceeded
        NetworkInterfaceLimitExceeded PrivateIpAddressLimitExceeded ResourceLimitExceeded
        InstanceTypeLimitExceeded
    """,
    Throttled: """
        RequestLimitExceeded Throttling ThrottlingException ThrottledException
        EC2ThrottledException TooManyRequestsException RequestThrottled
        RequestThrottledException SlowDown RequestResourceCountExceeded BandwidthLimitExceeded
    """,
    NotAuthorized: """
        UnauthorizedOperation AuthFailure AccessDenied AccessDeniedException Blocked
        ExpiredToken ExpiredTokenException IncompleteSignature InvalidClientTokenId
        InvalidSecurity MissingAuthenticationToken NotAuthorized OperationNotPermitted
        OptInRequired PendingVerification RequestExpired SignatureDoesNotMatch
        UnrecognizedClientException UnrecognizedClient
    """,
    MachineNotFound: """
        InvalidInstanceID.NotFound InvalidInstanceID InvalidVolume.NotFound InvalidVolumeID.NotFound
        InvalidAttachment.NotFound IdempotentInstanceTerminated
    """,
    WrongState: """
        IncorrectInstanceState IncorrectState IncorrectSpotRequestState VolumeInUse
        InvalidInstanceState InvalidState InvalidVolume.State InvalidAMIID.Unavailable
        ConcurrentTagAccess DependencyViolation
    """,
    InvalidSpec: """
        IdempotentParameterMismatch InvalidAMIID.NotFound InvalidAMIID.Malformed
        InvalidAMIName.NotFound InvalidBlockDeviceMapping InvalidGroup.NotFound
        InvalidGroupId.Malformed InvalidSecurityGroupID.NotFound InvalidInstanceType
        InvalidInstanceID.Malformed InvalidKeyPair.NotFound InvalidParameter
        InvalidParameterCombination InvalidParameterValue InvalidSnapshot.NotFound InvalidSubnet
        InvalidSubnetID.NotFound InvalidUserData.Malformed InvalidVolume.ZoneMismatch
        InvalidVolumeID.Malformed InvalidVolumeID.ZoneMismatch InvalidZone.NotFound
        MissingParameter UnknownParameter UnknownVolumeType UnsupportedOperation
        UnsupportedInstanceAttribute ValidationError ValidationException ParameterNotFound
        NoSuchResourceException NoSuchEntity TagLimitExceeded AttachmentLimitExceeded
        InvalidAction MalformedQueryString InvalidInput VPCIdNotSpecified
    """,
}

CLASS_OF: Mapping[str, type[ProviderError]] = {
    code: error for error, codes in _CODES.items() for code in codes.split()
}
"""Every code we know, and its class."""

_PREFIXES: Mapping[str, type[ProviderError]] = {"InvalidIamInstanceProfile": InvalidSpec}

_LOCAL: Mapping[str, type[ProviderError]] = {
    **dict.fromkeys(
        [
            "NoCredentialsError",
            "PartialCredentialsError",
            "CredentialRetrievalError",
            "NoAuthTokenError",
            "TokenRetrievalError",
            "SSOTokenLoadError",
            "UnauthorizedSSOTokenError",
            "SSOError",
            "PendingAuthorizationExpiredError",
            "RefreshWithMFAUnsupportedError",
            "ProfileNotFound",
            "ConfigNotFound",
            "ConfigParseError",
            "InfiniteLoopConfigError",
            "InvalidConfigError",
            "LoginError",
            "LoginTokenLoadError",
            "LoginInsufficientPermissions",
        ],
        NotAuthorized,
    ),
    **dict.fromkeys(
        [
            "ParamValidationError",
            "ValidationError",
            "NoRegionError",
            "InvalidRegionError",
            "UnknownServiceError",
            "UnknownRegionError",
            "UnknownEndpointError",
        ],
        InvalidSpec,
    ),
}
"""What the SDK says without having asked AWS. Known by name, so that this module needs no SDK."""

_LONGEST = 600


def code_of(error: BaseException) -> str:
    """The code AWS answered with, or the name of the SDK's own exception."""
    response = getattr(error, "response", None)
    if isinstance(response, dict) and isinstance(response.get("Error"), dict):
        return str(response["Error"].get("Code", ""))
    return type(error).__name__


def translated(error: BaseException, action: str) -> ProviderError:
    """The error of ours that says the same; its detail names `action`, code and request."""
    code = code_of(error)
    detail = f"{action}: {code}: {_text(error)}"[:_LONGEST]
    answered = isinstance(getattr(error, "response", None), dict)
    return (_class_of_code(code) if answered else _LOCAL.get(code, ProviderUnavailable))(detail)


def _class_of_code(code: str) -> type[ProviderError]:
    for prefix, error in _PREFIXES.items():
        if code.startswith(prefix):
            return error
    return CLASS_OF.get(code, ProviderUnavailable)


def _text(error: BaseException) -> str:
    response: Any = getattr(error, "response", None)
    if not isinstance(response, dict):
        return str(error)
    request = (response.get("ResponseMetadata") or {}).get("RequestId", "none")
    return f"{(response.get('Error') or {}).get('Message', '')} (request {request})"
