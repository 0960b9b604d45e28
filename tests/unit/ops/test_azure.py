"""Errors of the Azure SDK are errors of the command."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from azure.core.exceptions import AzureError, HttpResponseError
from requests import Response, Session

from ops.azure import Azure, translate_errors
from ops.output import OpsError
from ops.teardown.leftovers import deleted_accounts, group_names, tagged_groups
from tests.unit.ops.world import returns

ARM = {
    "ARM_SUBSCRIPTION_ID": "00000000-0000-4000-8000-000000000000",
    "ARM_USE_OIDC": "true",
    "ARM_OIDC_REQUEST_URL": "https://oidc.example/",
    "ARM_OIDC_REQUEST_TOKEN": "t",
    "ARM_CLIENT_ID": "client",
    "ARM_TENANT_ID": "tenant",
}
REQUESTS: list[Callable[[Azure], object]] = [
    lambda azure: tagged_groups(azure, "assistant"),
    group_names,
    deleted_accounts,
    lambda azure: azure.function_key("group", "app"),
]


@pytest.mark.parametrize("request_", REQUESTS)
def test_a_request_without_a_token_is_an_error_of_the_command(
    request_: Callable[[Azure], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_session: Session, *_args: object, **_options: object) -> Response:
        response = Response()
        response.status_code = 403
        return response

    monkeypatch.setattr(Session, "request", refuse)

    with pytest.raises(OpsError, match=r"cannot be listed: the OIDC token endpoint gave no token"):
        request_(Azure.sign_in(ARM))


@pytest.mark.parametrize("missing", [{}, {"ARM_SUBSCRIPTION_ID": "s", "ARM_USE_OIDC": "true"}])
def test_incomplete_variables_are_named(missing: dict[str, str]) -> None:
    with pytest.raises(OpsError, match="ARM_"):
        Azure.sign_in(missing)


@pytest.mark.parametrize(("keys", "key"), [({"default": "k", "other": "o"}, "k"), ({}, ""), (None, "")])
def test_the_function_key_is_the_default_one(keys: dict[str, str] | None, key: str) -> None:
    azure = Azure.sign_in(ARM)
    list_host_keys = {("group", "app"): SimpleNamespace(function_keys=keys)}.__getitem__
    web_apps = SimpleNamespace(list_host_keys=lambda *names: list_host_keys(names))  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    azure.__dict__["web"] = SimpleNamespace(web_apps=web_apps)

    assert azure.function_key("group", "app") == key


def http_error(status: int, message: str = "(Code) reason\nsecond line") -> HttpResponseError:
    response: Any = SimpleNamespace(status_code=status, reason="", headers={}, text=returns(""))
    return HttpResponseError(message, response)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (http_error(403), "cannot: (Code) reason. This requires the permission p/read"),
        (http_error(409), "cannot: (Code) reason"),
        (AzureError(""), "cannot: AzureError"),
        (AzureError(" \n "), "cannot: AzureError"),
    ],
)
def test_an_error_has_its_first_line_and_a_refusal_the_permission(error: AzureError, message: str) -> None:
    with pytest.raises(OpsError) as translated, translate_errors("cannot", "p/read"):
        raise error

    assert str(translated.value) == message
