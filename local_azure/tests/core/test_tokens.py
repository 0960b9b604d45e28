import stat
from pathlib import Path

import jwt
import pytest

from local_azure.core.tokens import ARM_AUDIENCES, DEVELOPER, STORAGE_AUDIENCES, TokenError, Tokens, load_key

PRINCIPAL = "11111111-1111-4111-8111-111111111111"
SITE = "/subscriptions/s/resourceGroups/G/providers/Microsoft.Web/sites/App"
TOKENS = Tokens(b"k" * 32)
TOKEN = TOKENS.issue(PRINCIPAL, STORAGE_AUDIENCES[0]).token


def unsigned() -> str:
    claims = jwt.decode(TOKEN, options={"verify_signature": False})  # pyright: ignore[reportUnknownMemberType] # PyJWT leaves a dict bare
    return jwt.encode(claims, None, algorithm="none")  # pyright: ignore[reportArgumentType] # as a forger would


@pytest.mark.parametrize(
    "audience",
    ["https://storage.azure.com", "https://storage.azure.com/", "https://storage.azure.com/.default"],
)
def test_a_token_is_valid_for_its_audience_in_any_form(audience: str) -> None:
    assert TOKENS.verify(TOKENS.issue(PRINCIPAL, audience).token, STORAGE_AUDIENCES) == PRINCIPAL


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        (TOKENS.issue(PRINCIPAL, ARM_AUDIENCES[0]).token, "another audience"),
        (TOKENS.issue(PRINCIPAL, STORAGE_AUDIENCES[0], lifetime=-1).token, "expired"),
        (Tokens(b"x" * 32).issue(PRINCIPAL, STORAGE_AUDIENCES[0]).token, "not valid"),
        (unsigned(), "not valid"),
        ("", "not valid"),
        ("nonsense", "not valid"),
        ("ä.b.c", "not valid"),
        ("a.b.\udce4", "not valid"),
    ],
    ids=["audience", "expired", "other key", "unsigned", "empty", "no token", "umlaut", "surrogate"],
)
def test_any_other_token_is_refused(token: str, reason: str) -> None:
    with pytest.raises(TokenError, match=reason):
        TOKENS.verify(token, STORAGE_AUDIENCES)


def test_an_identity_header_names_its_owner() -> None:
    assert TOKENS.owner_of(TOKENS.header_for(DEVELOPER)) == DEVELOPER
    assert TOKENS.owner_of(TOKENS.header_for(SITE)) == SITE.lower()


@pytest.mark.parametrize(
    "header",
    [
        "",
        "nonsense",
        "ä.b",
        "%%%.1",
        "ZGV2ZWxvcGVy.ä",
        "ZGV2ZWxvcGVy.\udce4",
        TOKENS.header_for(DEVELOPER).partition(".")[0] + "." + TOKENS.header_for(SITE).partition(".")[2],
    ],
    ids=range(7),
)
def test_a_forged_identity_header_has_no_owner(header: str) -> None:
    assert TOKENS.owner_of(header) is None


def test_the_key_is_created_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    file = tmp_path / "tls" / "token.key"
    assert load_key(file) == load_key(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
