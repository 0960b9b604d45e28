import json
from pathlib import Path

import pytest
from requests import Session

from delivery.signin import CLOUDS, token_source

SUBSCRIPTION = "11111111-2222-4333-8444-555555555555"


def test_the_token_of_the_azure_cli_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    output = json.dumps({"accessToken": "cli-t0ken", "expires_on": 4102444800, "tokenType": "Bearer"})
    az = tmp_path / "az"
    az.write_text(f"#!/bin/sh\nprintf '%s' \"$*\" > {tmp_path}/arguments\necho '{output}'\n")
    az.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    settings = {"subscriptionId": SUBSCRIPTION, "tenantId": "the-tenant"}
    token = token_source(settings, CLOUDS["public"], Session())
    assert token() == "cli-t0ken"
    arguments = (tmp_path / "arguments").read_text()
    assert "account get-access-token" in arguments
    assert "https://management.azure.com" in arguments
    assert SUBSCRIPTION in arguments
    assert "--tenant the-tenant" in arguments
