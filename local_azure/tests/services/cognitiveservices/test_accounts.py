import aiohttp
import pytest

from local_azure.core.tokens import ARM_AUDIENCES, MODEL_AUDIENCES
from local_azure.tests.services.cognitiveservices.conftest import (
    ACCOUNT,
    DEVELOPER_PRINCIPAL_ID,
    TOKENS,
    Model,
)

EXPIRED = TOKENS.issue(DEVELOPER_PRINCIPAL_ID, MODEL_AUDIENCES[0], lifetime=-1).token
PATH = "openai/deployments/chat/chat/completions"


async def test_an_account_keeps_its_own_local_endpoint(model: Model) -> None:
    assert model.endpoint.startswith("https://127.0.0.1:")
    assert await model.accounts.open_account(ACCOUNT, "sub") == model.endpoint


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, (401, "401")),
        ({"api-key": "x"}, (403, "AuthenticationTypeDisabled")),
        ({"Authorization": "Bearer x"}, (401, "Unauthorized")),
        (
            {"Authorization": f"Bearer {TOKENS.issue(DEVELOPER_PRINCIPAL_ID, ARM_AUDIENCES[0]).token}"},
            (401, "Unauthorized"),
        ),
        (
            {"Authorization": f"Bearer {EXPIRED}"},
            (401, "Unauthorized"),
        ),
        (
            {"Authorization": f"Bearer {TOKENS.issue(DEVELOPER_PRINCIPAL_ID, MODEL_AUDIENCES[1]).token}"},
            (404, "404"),
        ),
    ],
)
async def test_a_request_without_a_good_token_is_refused_before_anything_is_read(
    model: Model, headers: dict[str, str], expected: tuple[int, str]
) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.get(model.endpoint + PATH, headers=headers, ssl=model.tls.client_context()) as answer,
    ):
        body = await answer.json()
    assert (answer.status, body["error"]["code"]) == expected


async def test_a_deleted_account_answers_no_more(model: Model) -> None:
    await model.accounts.delete_account(ACCOUNT)
    with pytest.raises(aiohttp.ClientConnectorError):
        await model.ask("hello")
