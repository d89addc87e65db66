"""Azure's error codes, and the decision that each of them calls for.

Sources: Microsoft's pages "Troubleshoot common Azure deployment errors", "Troubleshoot allocation
failures", "Error codes for Spot VMs", "Compute throttling limits"; recorded answers of azure-cli.
What is not listed says nothing about whether the request was carried out, so it becomes
`ProviderUnavailable`: send the same again.

Two traps. The SDK makes one class of every 409, so only the code counts here. And one code,
`OperationNotAllowed`, means three things: too many requests (HTTP 429), a quota that would be
passed, and a resource in a state that does not allow it.
"""

from __future__ import annotations

import re
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

AMBIGUOUS = "OperationNotAllowed"

_CODES: Mapping[type[ProviderError], str] = {
    CapacityError: """
        AllocationFailed ZonalAllocationFailed OverconstrainedAllocationRequest
        OverconstrainedZonalAllocationRequest SkuNotAvailable
        SpotPriceGreaterThanProvidedMaxPrice
    """,
    QuotaExceeded: "QuotaExceeded ResourceQuotaExceeded PublicIPCountLimitReached",
    Throttled: """
        TooManyRequests SubscriptionRequestsThrottled ResourceRequestsThrottled
        TenantRequestsThrottled
    """,
    NotAuthorized: """
        AuthorizationFailed AuthenticationFailed AuthenticationFailedInvalidHeader
        InvalidAuthenticationToken InvalidAuthenticationTokenTenant ExpiredAuthenticationToken
        LinkedAuthorizationFailed RequestDisallowedByPolicy SubscriptionNotFound
        SubscriptionNotRegistered MissingSubscriptionRegistration ReadOnlyDisabledSubscription
        DisallowedByPolicy ScopeLocked HttpsRequired
    """,
    MachineNotFound: "ResourceNotFound NotFound ParentResourceNotFound",
    WrongState: """
        Conflict AnotherOperationInProgress RetryableErrorDueToAnotherOperation
        OperationPreempted OperationPreemptedByAnotherOperation PreconditionFailed
        ConflictingUserInput AttachDiskWhileBeingDetached DiskBlobPendingCopyToVM NicInUse
        CanceledAndSupersededDueToAnotherOperation ResourceGroupBeingDeleted
    """,
    InvalidSpec: """
        ResourceGroupNotFound InvalidParameter InvalidParameterValue InvalidRequestContent
        InvalidRequestFormat InvalidResourceReference InvalidTemplateDeployment BadRequest
        PlatformImageNotFound ImageNotFound GalleryImageNotFound ImageVersionNotFound
        PropertyChangeNotAllowed LocationRequired LocationNotAvailableForResourceType
        InvalidResourceLocation AvailabilityZoneNotSupported MissingApiVersionParameter
        InvalidResourceName ResizeDiskError SubnetIsFull InvalidApiVersionParameter
        MarketplacePurchaseEligibilityFailed VMMarketplaceInvalidInput
        AzureSpotIsNotSupportedForThisVMSize BadRequestDiskTooSmall
    """,
}

CLASS_OF: Mapping[str, type[ProviderError]] = {
    code: error for error, codes in _CODES.items() for code in codes.split()
}
"""Every code with one meaning, and its class."""

CAPACITY = frozenset(_CODES[CapacityError].split())

_STATUS: Mapping[int, type[ProviderError]] = {
    401: NotAuthorized,
    403: NotAuthorized,
    404: MachineNotFound,
    429: Throttled,
}
"""What an answer without a code that we know says all the same."""

_LOCAL: Mapping[str, type[ProviderError]] = {
    "ClientAuthenticationError": NotAuthorized,
    "CredentialUnavailableError": NotAuthorized,
    "SerializationError": InvalidSpec,
    "ValueError": InvalidSpec,
}
"""What the SDK says without having asked Azure. Known by name, so that this module needs no SDK."""

_QUOTA = re.compile(r"\bquota\b", re.IGNORECASE)
_LONGEST = 600


def code_of(error: BaseException) -> str:
    """The code Azure answered with, or the name of the SDK's own exception."""
    said = getattr(error, "error", None)
    return str(getattr(said, "code", None) or type(error).__name__)


def translated(error: BaseException, action: str) -> ProviderError:
    """The error of ours that says the same; its detail names `action`, code and request."""
    status = getattr(error, "status_code", None)
    code, message = code_of(error), _text(error)
    if status is None:
        kind = _LOCAL.get(code, ProviderUnavailable)
        return kind(f"{action}: {code}: {message}"[:_LONGEST])
    headers = getattr(getattr(error, "response", None), "headers", {})
    request = headers.get("x-ms-request-id", "none")
    detail = f"{action}: {code} (HTTP {status}): {message}"[:_LONGEST] + f" (request {request})"
    ours = class_of(code, message, status)(detail)
    if isinstance(ours, Throttled):
        ours.retry_after = seconds(headers.get("Retry-After")) or ours.retry_after
    return ours


def failed(code: str, message: str, action: str) -> ProviderError:
    """The error of ours for an operation that was accepted and failed afterwards, with HTTP 200."""
    return class_of(code, message, 200)(f"{action}: {code}: {message}"[:_LONGEST])


def class_of(code: str, message: str, status: int) -> type[ProviderError]:
    """The class of one answer."""
    if code == AMBIGUOUS:
        if status == 429:
            return Throttled
        return QuotaExceeded if _QUOTA.search(message) else WrongState
    if code in CLASS_OF:
        return CLASS_OF[code]
    return _STATUS.get(status, ProviderUnavailable)


def seconds(text: Any) -> float | None:
    """A `Retry-After` in seconds, None when it says nothing of use."""
    try:
        return max(0.0, float(text))
    except (TypeError, ValueError):
        return None


def _text(error: BaseException) -> str:
    said = getattr(error, "error", None)
    return str(getattr(said, "message", None) or error)
