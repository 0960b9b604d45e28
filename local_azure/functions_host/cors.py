"""Cross-origin requests: on Flex Consumption the platform answers them, not the host."""

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
    """The headers of the 204 that answers a preflight request, or None when it is none.

    A preflight from an origin that is not allowed gets a 204 without headers: the browser refuses it.
    """
    wanted = headers.get("Access-Control-Request-Method")
    if not cors.configured or method != "OPTIONS" or not wanted or "Origin" not in headers:
        return None
    allowed = response_headers(cors, headers)
    if not allowed:
        return {}
    allowed["Access-Control-Allow-Methods"] = wanted
    asked = headers.get("Access-Control-Request-Headers")
    if asked:
        allowed["Access-Control-Allow-Headers"] = asked
    return allowed


def response_headers(cors: Cors, headers: Mapping[str, str]) -> dict[str, str]:
    origin = headers.get("Origin")
    if not origin or not cors.configured:
        return {}
    anyone = "*" in cors.allowed_origins
    if not anyone and origin.lower() not in (one.lower().rstrip("/") for one in cors.allowed_origins):
        return {}
    found = {"Access-Control-Allow-Origin": "*" if anyone else origin}
    if not anyone:
        found["Vary"] = "Origin"
    if cors.support_credentials and not anyone:
        found["Access-Control-Allow-Credentials"] = "true"
    return found
