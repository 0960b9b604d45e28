"""How Azure Storage says no: XML for blobs and queues, OData JSON for tables."""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from xml.sax.saxutils import escape

from local_azure.core.store import TENANT_ID
from local_azure.services.storage.rights import Service

_CHALLENGE = (
    f"Bearer authorization_uri=https://login.microsoftonline.com/{TENANT_ID}/oauth2/authorize "
    "resource_id=https://storage.azure.com"
)


@dataclass(frozen=True)
class Refusal:
    """An answer of the service itself, as in its page "Common REST API error codes"."""

    status: int
    code: str
    message: str
    detail: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


NO_AUTHENTICATION = Refusal(
    401,
    "NoAuthenticationInformation",
    "Server failed to authenticate the request. "
    "Please refer to the information in the www-authenticate header.",
    headers={"WWW-Authenticate": _CHALLENGE},
)
KEYS_OFF = Refusal(
    403,
    "KeyBasedAuthenticationNotPermitted",
    "Key based authentication is not permitted on this storage account.",
)
# Keys are on for the account, but local Azure hands none out, so this one is wrong.
WRONG_KEY = Refusal(
    403,
    "AuthenticationFailed",
    "Server failed to authenticate the request. "
    "Make sure the value of Authorization header is formed correctly including the signature.",
    detail="Local Azure issues no account keys and no SAS: sign in with Microsoft Entra ID.",
)
NO_ROLE = Refusal(
    403,
    "AuthorizationPermissionMismatch",
    "This request is not authorized to perform this operation using this permission.",
)
NO_NETWORK = Refusal(403, "AuthorizationFailure", "This request is not authorized to perform this operation.")
BUSY = Refusal(
    503, "ServerBusy", "The server is currently unable to receive requests. Please retry your request."
)
TOO_LARGE = Refusal(
    413, "RequestBodyTooLarge", "The request body is too large and exceeds the maximum permissible limit."
)


def bad_token(detail: str) -> Refusal:
    return Refusal(
        401, "InvalidAuthenticationInfo", NO_AUTHENTICATION.message, detail, NO_AUTHENTICATION.headers
    )


def bad_path(detail: str) -> Refusal:
    return Refusal(
        400, "InvalidUri", "The requested URI does not represent any resource on the server.", detail
    )


def answer(service: Service, refusal: Refusal) -> tuple[dict[str, str], bytes]:
    """Headers and body of the refusal."""
    request_id = str(uuid.uuid4())
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f0Z")
    message = f"{refusal.message}\nRequestId:{request_id}\nTime:{now}"
    headers = {"x-ms-request-id": request_id, "x-ms-error-code": refusal.code, **refusal.headers}
    if service == "table":
        if refusal.detail:
            message = f"{message}\nAuthenticationErrorDetail:{refusal.detail}"
        error = {"odata.error": {"code": refusal.code, "message": {"lang": "en-US", "value": message}}}
        headers["Content-Type"] = "application/json;odata=minimalmetadata;streaming=true;charset=utf-8"
        return headers, json.dumps(error).encode()
    detail = (
        f"<AuthenticationErrorDetail>{escape(refusal.detail)}</AuthenticationErrorDetail>"
        if refusal.detail
        else ""
    )
    headers["Content-Type"] = "application/xml"
    body = (
        f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{refusal.code}</Code>'
        f"<Message>{escape(message)}</Message>{detail}</Error>"
    )
    return headers, body.encode()
