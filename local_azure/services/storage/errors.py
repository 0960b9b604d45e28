"""The error responses of Azure Storage: XML for blobs and queues, OData JSON for tables."""

import json
import uuid
from datetime import UTC, datetime
from xml.sax.saxutils import escape

from aiohttp import web

from local_azure.core.store import TENANT_ID
from local_azure.services.storage.permissions import Service

_CHALLENGE = (
    f"Bearer authorization_uri=https://login.microsoftonline.com/{TENANT_ID}/oauth2/authorize "
    "resource_id=https://storage.azure.com"
)


class StorageError(Exception):
    """Docs: Common REST API error codes."""

    def __init__(self, status: int, code: str, message: str, detail: str = "") -> None:
        super().__init__(message)
        self._status = status
        self._code = code
        self._message = message
        self._detail = detail

    def response(self, service: Service) -> web.Response:
        request_id = str(uuid.uuid4())
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f0Z")
        message = f"{self._message}\nRequestId:{request_id}\nTime:{now}"
        if service == "table":
            if self._detail:
                message = f"{message}\nAuthenticationErrorDetail:{self._detail}"
            content_type = "application/json;odata=minimalmetadata;streaming=true;charset=utf-8"
            error = {"code": self._code, "message": {"lang": "en-US", "value": message}}
            body = json.dumps({"odata.error": error})
        else:
            content_type = "application/xml"
            detail = f"<AuthenticationErrorDetail>{escape(self._detail)}</AuthenticationErrorDetail>"
            body = (
                f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{self._code}</Code>'
                f"<Message>{escape(message)}</Message>{detail if self._detail else ''}</Error>"
            )
        headers = {"x-ms-request-id": request_id, "x-ms-error-code": self._code, "Content-Type": content_type}
        if self._status == 401:
            headers["WWW-Authenticate"] = _CHALLENGE
        return web.Response(status=self._status, headers=headers, body=body.encode())
