"""What a failure of the table service or of the app's identity means."""

from enum import Enum


class StorageFailure(Enum):
    """Failures that pass, or that pass once somebody has given the identity its role."""

    IDENTITY_UNAVAILABLE = "the token endpoint does not answer"
    IDENTITY_REFUSED = "the token endpoint knows no such identity"
    FORBIDDEN = "the identity lacks the role, or the network rules refuse it"
    UNAVAILABLE = "the table service does not answer"


def classify(error: Exception) -> StorageFailure | None:
    """None for a failure that is not known to pass."""
    # Whatever the SDK raises has loaded these modules.
    from azure.core import exceptions  # noqa: PLC0415 # clients.py says why

    if isinstance(error, exceptions.ClientAuthenticationError):
        passes = getattr(error, "passes", False)
        return StorageFailure.IDENTITY_UNAVAILABLE if passes else StorageFailure.IDENTITY_REFUSED
    if isinstance(error, exceptions.HttpResponseError):
        status = error.status_code or 0
        if status == 403:
            return StorageFailure.FORBIDDEN
        return StorageFailure.UNAVAILABLE if status in (408, 429) or status >= 500 else None
    if isinstance(error, (exceptions.ServiceRequestError, exceptions.ServiceResponseError)):
        return StorageFailure.UNAVAILABLE
    return None
