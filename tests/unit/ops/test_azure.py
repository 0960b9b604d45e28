"""Signing in that fails in the middle of a request is told by whoever made it, without a traceback."""

from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from ops.azure import Azure
from ops.output import OpsError
from ops.release.smoke import ChatStateTable
from ops.teardown.leftovers import deleted_accounts, tagged_groups
from tests.unit.delivery.loopback import OIDC, Reply, loopback


@pytest.fixture
def refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Azure]:
    """Signed in by a token endpoint that gives none."""
    with loopback(tmp_path) as server:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(server.ca_file))
        server.answers(OIDC, Reply(403, "no"))
        yield Azure.sign_in(
            {
                "ARM_SUBSCRIPTION_ID": "00000000-0000-4000-8000-000000000000",
                "ARM_USE_OIDC": "true",
                "ARM_OIDC_REQUEST_URL": f"https://{server.host}/oidc",
                "ARM_OIDC_REQUEST_TOKEN": "t",
                "ARM_CLIENT_ID": "client",
                "ARM_TENANT_ID": "tenant",
            }
        )


ASKED: dict[str, Callable[[Azure], object]] = {
    "groups": lambda azure: tagged_groups(azure, "assistant"),
    "accounts": deleted_accounts,
    "rows": lambda azure: ChatStateTable("https://t.example", azure.credential).rows("a"),
    "remove": lambda azure: ChatStateTable("https://t.example", azure.credential).remove("a"),
}


@pytest.mark.parametrize("what", ASKED)
def test_a_request_without_a_token_is_an_error_of_the_command(refused: Azure, what: str) -> None:
    with pytest.raises(OpsError, match=r"(listed|read|changed): .*the OIDC token endpoint gave no token"):
        ASKED[what](refused)
