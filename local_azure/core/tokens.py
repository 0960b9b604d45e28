"""Access tokens, and the identity header, which states whose identities a process may use.

Both are signed with a key that the home keeps, so that they are valid after a restart, too.
"""

import hashlib
import hmac
import secrets
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import jwt

from local_azure import whole_file
from local_azure.core.store import TENANT_ID

DEVELOPER = "developer"
"""The owner of the person at the laptop, beside the resource ids of sites."""

ARM_AUDIENCES = ("https://management.azure.com", "https://management.core.windows.net")
STORAGE_AUDIENCES = ("https://storage.azure.com",)
MODEL_AUDIENCES = ("https://cognitiveservices.azure.com", "https://ai.azure.com")

# Azurite takes only issuers that it knows: those of Azure's clouds and this test cloud's.
ISSUER = f"https://sts.windows-ppe.net/{TENANT_ID}/"
# A managed identity's token lives for 24 hours on Azure.
LIFETIME = 24 * 3600
_ALGORITHM = "HS256"


class TokenError(Exception):
    """The token is refused; the text is fit for a response body."""


@dataclass(frozen=True)
class AccessToken:
    token: str
    expires_on: int
    """Seconds since 1970."""


def normal_audience(audience: str) -> str:
    """`https://storage.azure.com/.default` and the like, without scope suffix and closing slash."""
    return audience.removesuffix(".default").rstrip("/").lower()


class Tokens:
    def __init__(self, key: bytes) -> None:
        self._key = key
        self._header_key = hmac.digest(key, b"identity header", "sha256")

    def issue(
        self,
        principal_id: str,
        audience: str,
        *,
        client_id: str | None = None,
        lifetime: int = LIFETIME,
    ) -> AccessToken:
        """A token for the principal; `lifetime` in seconds (one in the past makes an expired token)."""
        now = int(time.time())
        expires = now + lifetime
        claims: dict[str, object] = {
            "aud": normal_audience(audience),
            "iss": ISSUER,
            # Five minutes back, as Entra does, for clocks that differ.
            "nbf": min(now, expires) - 300,
            "iat": min(now, expires),
            "exp": expires,
            "ver": "1.0",
            "oid": principal_id,
            "sub": principal_id,
            "tid": TENANT_ID,
        }
        if client_id is not None:
            claims["appid"] = client_id
        return AccessToken(jwt.encode(claims, self._key, algorithm=_ALGORITHM), expires)

    def verify(self, token: str, audiences: Collection[str]) -> str:
        """The principal id of a token made here for one of the audiences. Raises TokenError."""
        try:
            claims = cast(
                "dict[str, object]",
                jwt.decode(  # pyright: ignore[reportUnknownMemberType] # PyJWT leaves a dict bare
                    token,
                    self._key,
                    algorithms=[_ALGORITHM],
                    audience=[normal_audience(audience) for audience in audiences],
                    issuer=ISSUER,
                    options={"require": ["exp", "nbf", "aud", "iss", "oid"]},
                ),
            )
        except jwt.ExpiredSignatureError as error:
            raise TokenError("the token has expired") from error
        except jwt.InvalidAudienceError as error:
            raise TokenError("the token is for another audience") from error
        except (jwt.InvalidTokenError, UnicodeEncodeError) as error:
            raise TokenError(f"the token is not valid: {error}") from error
        return str(claims["oid"])

    def header_for(self, owner: str) -> str:
        """The `IDENTITY_HEADER` of `developer` or of a site's resource id."""
        text = urlsafe_b64encode(owner.lower().encode()).decode()
        return f"{text}.{self._signature(owner)}"

    def owner_of(self, header: str) -> str | None:
        """The owner in the header (a resource id in lower case); None where the signature is wrong."""
        text, _, signature = header.partition(".")
        try:
            owner = urlsafe_b64decode(text.encode()).decode()
            # Raises for a lone surrogate, which aiohttp makes of a byte that is not UTF-8.
            given = signature.encode()
        except ValueError:
            return None
        return owner if hmac.compare_digest(given, self._signature(owner).encode()) else None

    def _signature(self, owner: str) -> str:
        return hmac.new(self._header_key, owner.lower().encode(), hashlib.sha256).hexdigest()


def load_key(file: Path) -> bytes:
    """The signing key in `file` (mode 0600), which is created if it does not exist."""
    if file.exists():
        return file.read_bytes()
    key = secrets.token_bytes(32)
    whole_file.write(file, key, 0o600)
    return key
