"""What a failure of the table service, or of the app's identity at it, means."""

import logging

_IDENTITY_UNAVAILABLE = "The app gets no token: the platform's token endpoint does not answer just now."
_IDENTITY_REFUSED = (
    "The app's identity is refused: the function app must have the identity that its app setting"
    " AzureWebJobsStorage__clientId names."
)
_FORBIDDEN = (
    "The app's identity may not use the tables: it lacks the role Storage Table Data Contributor, or"
    " the account's network rules refuse it. A new role takes up to 10 minutes to arrive."
)
_UNAVAILABLE = "Storage does not answer just now. Send the request again."


def explain(error: Exception) -> tuple[str, int, int] | None:
    """What is wrong, after how many seconds a retry may succeed, and a log level; None for other errors."""
    # Whatever the SDK raises has loaded these modules.
    from azure.core import exceptions  # noqa: PLC0415 # clients.py says why

    # A role and an identity that are late or were taken away count as soon as they are there again.
    if isinstance(error, exceptions.ClientAuthenticationError):
        passes = getattr(error, "passes", False)
        return _IDENTITY_UNAVAILABLE if passes else _IDENTITY_REFUSED, 30, logging.ERROR
    if isinstance(error, exceptions.HttpResponseError):
        status = error.status_code or 0
        if status == 403:
            return _FORBIDDEN, 30, logging.ERROR
        return (_UNAVAILABLE, 5, logging.WARNING) if status in (408, 429) or status >= 500 else None
    unanswered = isinstance(error, (exceptions.ServiceRequestError, exceptions.ServiceResponseError))
    return (_UNAVAILABLE, 5, logging.WARNING) if unanswered else None
