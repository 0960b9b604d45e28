"""CORS, which on Flex Consumption the platform handles, not the host."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Cors:
    """`properties.siteConfig.cors` of a site."""

    allowed_origins: tuple[str, ...] = ()
    support_credentials: bool = False

    @property
    def configured(self) -> bool:
        return bool(self.allowed_origins)


def preflight(cors: Cors, method: str, headers: Mapping[str, str]) -> dict[str, str] | None:
    """The headers of the 204 response to a preflight request; None for any other request.

    A preflight request of an origin that is not allowed gets a 204 without headers.
    """
    requested_method = headers.get("Access-Control-Request-Method")
    if not cors.configured or method != "OPTIONS" or not requested_method or "Origin" not in headers:
        return None
    allowed = response_headers(cors, headers)
    if not allowed:
        return {}
    allowed["Access-Control-Allow-Methods"] = requested_method
    requested_headers = headers.get("Access-Control-Request-Headers")
    if requested_headers:
        allowed["Access-Control-Allow-Headers"] = requested_headers
    return allowed


def response_headers(cors: Cors, headers: Mapping[str, str]) -> dict[str, str]:
    origin = headers.get("Origin")
    if not origin or not cors.configured:
        return {}
    if "*" in cors.allowed_origins:
        return {"Access-Control-Allow-Origin": "*"}
    if origin.lower() not in (allowed.lower().rstrip("/") for allowed in cors.allowed_origins):
        return {}
    credentials = {"Access-Control-Allow-Credentials": "true"} if cors.support_credentials else {}
    return {"Access-Control-Allow-Origin": origin, "Vary": "Origin", **credentials}
