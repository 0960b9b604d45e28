"""Explains errors of the table service and of the app's identity."""

import logging

_IDENTITY_UNAVAILABLE = (
    "The app cannot get a token: the platform's token endpoint is temporarily unavailable."
)
_IDENTITY_REFUSED = (
    "The platform rejects the app's identity: the function app must have the identity whose client ID is the"
    " app setting AzureWebJobsStorage__clientId."
)
_FORBIDDEN = (
    "Access to the tables is denied: the app's identity lacks the role Storage Table Data Contributor, or the"
    " account's network rules block the app. A new role assignment takes up to 10 minutes to take effect."
)
_UNAVAILABLE = "The storage is temporarily unavailable. Retry the request."


def explain(error: Exception) -> tuple[str, int, int] | None:
    """Detail, seconds until a retry may succeed, and log level; None for any other error."""
    # Already loaded if the SDK has raised the error.
    from azure.core import exceptions  # noqa: PLC0415 # clients.py says why

    # Retryable: a role or an identity that is missing takes effect as soon as it is assigned.
    if isinstance(error, exceptions.ClientAuthenticationError):
        passes = getattr(error, "passes", False)
        return _IDENTITY_UNAVAILABLE if passes else _IDENTITY_REFUSED, 30, logging.ERROR
    if isinstance(error, exceptions.HttpResponseError):
        status = error.status_code or 0
        if status == 403:
            return _FORBIDDEN, 30, logging.ERROR
        return (_UNAVAILABLE, 5, logging.WARNING) if status in (408, 429) or status >= 500 else None
    is_connection_error = isinstance(error, (exceptions.ServiceRequestError, exceptions.ServiceResponseError))
    return (_UNAVAILABLE, 5, logging.WARNING) if is_connection_error else None
