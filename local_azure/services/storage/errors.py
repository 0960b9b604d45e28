"""The error responses of Azure Storage: XML for blobs and queues, OData JSON for tables."""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from xml.sax.saxutils import escape

from local_azure.core.store import TENANT_ID
from local_azure.services.storage.permissions import Service

_CHALLENGE = (
    f"Bearer authorization_uri=https://login.microsoftonline.com/{TENANT_ID}/oauth2/authorize "
    "resource_id=https://storage.azure.com"
)


@dataclass(frozen=True)
class ErrorResponse:
    """Docs: Common REST API error codes."""

    status: int
    code: str
    message: str
    detail: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


NOT_AUTHENTICATED = ErrorResponse(
    401,
    "NoAuthenticationInformation",
    "Server failed to authenticate the request. "
    "Please refer to the information in the www-authenticate header.",
    headers={"WWW-Authenticate": _CHALLENGE},
)
KEY_AUTHENTICATION_NOT_PERMITTED = ErrorResponse(
    403,
    "KeyBasedAuthenticationNotPermitted",
    "Key based authentication is not permitted on this storage account.",
)
# The account permits keys, but local Azure issues none, so no key can be right.
AUTHENTICATION_FAILED = ErrorResponse(
    403,
    "AuthenticationFailed",
    "Server failed to authenticate the request. "
    "Make sure the value of Authorization header is formed correctly including the signature.",
    detail="Local Azure issues no account keys and no SAS: sign in with Microsoft Entra ID.",
)
PERMISSION_MISMATCH = ErrorResponse(
    403,
    "AuthorizationPermissionMismatch",
    "This request is not authorized to perform this operation using this permission.",
)
PUBLIC_ACCESS_DISABLED = ErrorResponse(
    403, "AuthorizationFailure", "This request is not authorized to perform this operation."
)
SERVER_BUSY = ErrorResponse(
    503, "ServerBusy", "The server is currently unable to receive requests. Please retry your request."
)
TOO_LARGE = ErrorResponse(
    413, "RequestBodyTooLarge", "The request body is too large and exceeds the maximum permissible limit."
)


def invalid_token(detail: str) -> ErrorResponse:
    return ErrorResponse(
        401,
        "InvalidAuthenticationInfo",
        NOT_AUTHENTICATED.message,
        detail,
        NOT_AUTHENTICATED.headers,
    )


def invalid_uri(detail: str) -> ErrorResponse:
    return ErrorResponse(
        400, "InvalidUri", "The requested URI does not represent any resource on the server.", detail
    )


def headers_and_body(service: Service, error: ErrorResponse) -> tuple[dict[str, str], bytes]:
    request_id = str(uuid.uuid4())
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f0Z")
    message = f"{error.message}\nRequestId:{request_id}\nTime:{now}"
    headers = {"x-ms-request-id": request_id, "x-ms-error-code": error.code, **error.headers}
    if service == "table":
        if error.detail:
            message = f"{message}\nAuthenticationErrorDetail:{error.detail}"
        body = {"odata.error": {"code": error.code, "message": {"lang": "en-US", "value": message}}}
        headers["Content-Type"] = "application/json;odata=minimalmetadata;streaming=true;charset=utf-8"
        return headers, json.dumps(body).encode()
    detail = (
        f"<AuthenticationErrorDetail>{escape(error.detail)}</AuthenticationErrorDetail>"
        if error.detail
        else ""
    )
    headers["Content-Type"] = "application/xml"
    xml = (
        f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{error.code}</Code>'
        f"<Message>{escape(message)}</Message>{detail}</Error>"
    )
    return headers, xml.encode()
