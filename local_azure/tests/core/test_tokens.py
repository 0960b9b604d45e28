import stat
from pathlib import Path

import jwt
import pytest

from local_azure.core.tokens import (
    ARM_AUDIENCES,
    DEVELOPER,
    STORAGE_AUDIENCES,
    TokenError,
    Tokens,
    load_key,
)

PRINCIPAL = "11111111-1111-4111-8111-111111111111"
SITE = "/subscriptions/s/resourceGroups/G/providers/Microsoft.Web/sites/App"
KEY = b"k" * 32


@pytest.mark.parametrize(
    "audience",
    ["https://storage.azure.com", "https://storage.azure.com/", "https://storage.azure.com/.default"],
)
def test_a_token_is_good_for_its_audience_however_that_is_written(audience: str) -> None:
    token = Tokens(KEY).issue(PRINCIPAL, audience)
    assert Tokens(KEY).verify(token.token, STORAGE_AUDIENCES) == PRINCIPAL


def test_a_token_for_another_audience_is_refused() -> None:
    token = Tokens(KEY).issue(PRINCIPAL, ARM_AUDIENCES[0])
    with pytest.raises(TokenError, match="another audience"):
        Tokens(KEY).verify(token.token, STORAGE_AUDIENCES)


def test_an_expired_token_is_refused() -> None:
    token = Tokens(KEY).issue(PRINCIPAL, STORAGE_AUDIENCES[0], lifetime=-1)
    with pytest.raises(TokenError, match="expired"):
        Tokens(KEY).verify(token.token, STORAGE_AUDIENCES)


def test_a_token_of_another_local_azure_is_refused() -> None:
    token = Tokens(b"x" * 32).issue(PRINCIPAL, STORAGE_AUDIENCES[0])
    with pytest.raises(TokenError, match="not valid"):
        Tokens(KEY).verify(token.token, STORAGE_AUDIENCES)


def test_an_unsigned_token_is_refused() -> None:
    claims = jwt.decode(  # pyright: ignore[reportUnknownMemberType] # PyJWT leaves a dict bare
        Tokens(KEY).issue(PRINCIPAL, STORAGE_AUDIENCES[0]).token, options={"verify_signature": False}
    )
    unsigned = jwt.encode(claims, None, algorithm="none")  # pyright: ignore[reportArgumentType] # as a forger would
    with pytest.raises(TokenError, match="not valid"):
        Tokens(KEY).verify(unsigned, STORAGE_AUDIENCES)


@pytest.mark.parametrize("token", ["", "nonsense", "ä.b.c", "a.b.\udce4"])
def test_a_made_up_token_is_refused(token: str) -> None:
    with pytest.raises(TokenError, match="not valid"):
        Tokens(KEY).verify(token, STORAGE_AUDIENCES)


def test_a_header_names_its_owner_and_survives_a_restart() -> None:
    assert Tokens(KEY).owner_of(Tokens(KEY).header_for(DEVELOPER)) == DEVELOPER
    assert Tokens(KEY).owner_of(Tokens(KEY).header_for(SITE)) == SITE.lower()


@pytest.mark.parametrize("header", ["", "nonsense", "ä.b", "%%%.1", "ZGV2ZWxvcGVy.ä", "ZGV2ZWxvcGVy.\udce4"])
def test_a_made_up_header_has_no_owner(header: str) -> None:
    assert Tokens(KEY).owner_of(header) is None


def test_a_header_cannot_be_given_another_owner() -> None:
    text, _, _ = Tokens(KEY).header_for(DEVELOPER).partition(".")
    _, _, signature = Tokens(KEY).header_for(SITE).partition(".")
    assert Tokens(KEY).owner_of(f"{text}.{signature}") is None


def test_the_key_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    file = tmp_path / "tls" / "token.key"
    assert load_key(file) == load_key(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
