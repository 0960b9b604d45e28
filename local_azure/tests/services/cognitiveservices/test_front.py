import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from local_azure.core import ids
from local_azure.core.access import ROLE_ASSIGNMENT_TYPE, ROLE_DEFINITION_TYPE
from local_azure.core.store import DEVELOPER_PRINCIPAL_ID, Resource
from local_azure.core.tokens import ARM_AUDIENCES, MODEL_AUDIENCES
from local_azure.services.cognitiveservices.chat import backend
from local_azure.services.cognitiveservices.chat.front import CONTROL_PATH
from local_azure.tests.services.cognitiveservices.conftest import ACCOUNT, TOKENS, VERSION, Model, chat_path

APP_PRINCIPAL = "11111111-1111-4111-8111-111111111111"
APP = {"Authorization": f"Bearer {TOKENS.issue(APP_PRINCIPAL, MODEL_AUDIENCES[0]).token}"}
OPENAI_USER = "5e0bd9bd-7b93-4f28-af87-19fc36ad61bd"
PARAMETERS: dict[str, Any] = {"type": "object", "properties": {"task": {"type": "string"}}}
ADD_TODO: dict[str, Any] = {"type": "function", "function": {"name": "AddTodo", "parameters": PARAMETERS}}


def bearer(audience: str, **options: Any) -> dict[str, str]:
    token = TOKENS.issue(DEVELOPER_PRINCIPAL_ID, audience, **options).token
    return {"Authorization": f"Bearer {token}"}


async def test_an_account_keeps_its_endpoint_until_it_is_deleted(model: Model) -> None:
    assert model.endpoint.startswith("https://127.0.0.1:")
    assert await model.accounts.open_account(ACCOUNT, "sub") == model.endpoint
    await model.accounts.delete_account(ACCOUNT)
    with pytest.raises(aiohttp.ClientConnectorError):
        await model.ask("hello")


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, (401, "401")),
        ({"api-key": "x"}, (403, "AuthenticationTypeDisabled")),
        ({"Authorization": "Bearer x"}, (401, "Unauthorized")),
        (bearer(ARM_AUDIENCES[0]), (401, "Unauthorized")),
        (bearer(MODEL_AUDIENCES[0], lifetime=-1), (401, "Unauthorized")),
        (bearer(MODEL_AUDIENCES[1]), (404, "404")),
    ],
)
async def test_a_request_is_authenticated_before_its_path_is_read(
    model: Model, headers: dict[str, str], expected: tuple[int, str]
) -> None:
    answer = await model.send("GET", chat_path(), headers=headers)
    assert (answer.status, answer.error["code"]) == expected


async def test_the_role_is_needed_and_is_enough(model: Model) -> None:
    request: dict[str, Any] = {"messages": [{"role": "user", "content": "hello"}]}
    answer = await model.send("POST", chat_path(), request, APP)
    assert (answer.status, answer.error["code"]) == (401, "PermissionDenied")
    assert f"`{APP_PRINCIPAL}` lacks the required data action" in answer.error["message"]
    scope, role = ids.build(ACCOUNT, ROLE_ASSIGNMENT_TYPE, "a"), f"{ROLE_DEFINITION_TYPE}/{OPENAI_USER}"
    properties = {"principalId": APP_PRINCIPAL, "scope": ACCOUNT, "roleDefinitionId": f"/providers/{role}"}
    model.store.put(Resource(id=scope, name="a", type=ROLE_ASSIGNMENT_TYPE, properties=properties))
    assert (await model.send("POST", chat_path(), request, APP)).status == 200
    for method in ("GET", "POST", "DELETE"):
        assert (await model.send(method, CONTROL_PATH, [], APP)).status == 403, "for the developer alone"


async def test_an_account_without_public_access_answers_nobody(model: Model) -> None:
    account = model.store.require(ACCOUNT)
    model.store.put({**account, "properties": {"publicNetworkAccess": "Disabled"}})
    assert (await model.ask("hello")).error["code"] == "AccessDenied"


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("POST", chat_path(query=""), "404"),
        ("POST", chat_path(query="?api-version=2020-01-01"), "404"),
        ("POST", chat_path("a%2Fb"), "404"),
        ("GET", chat_path(), "404"),
        ("PUT", CONTROL_PATH, "404"),
        ("GET", f"openai/deployments?api-version={VERSION}", "404"),
        *(("POST", chat_path(name), "DeploymentNotFound") for name in ("none", "..%00", "chät")),
    ],
)
async def test_an_unknown_path_version_or_deployment_is_not_found(
    model: Model, method: str, path: str, code: str
) -> None:
    answer = await model.send(method, path, {"messages": [{"role": "user", "content": "hello"}]})
    assert (answer.status, answer.error["code"]) == (404, code)


async def test_a_completion_has_the_members_that_clients_read(model: Model) -> None:
    answer = await model.ask("hello")
    body = answer.body
    assert answer.message["content"].startswith("This is local Azure's stand-in for gpt-5.4-mini-2026-03-17")
    assert answer.message["role"] == "assistant"
    assert (body["object"], body["model"]) == ("chat.completion", "gpt-5.4-mini-2026-03-17")
    assert body["created"] == int(model.clocks.now.timestamp())
    assert (body["id"][:9], len(body["id"])) == ("chatcmpl-", 38)
    assert body["choices"][0]["finish_reason"] == "stop"
    usage = body["usage"]
    assert usage["prompt_tokens"] == 8  # 3 for the message, 1 for its role, 1 for its text, 3 for the answer
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert (await model.ask("hello")).body == body
    assert (await model.ask("hallo")).body["id"] != body["id"]


async def test_a_skill_is_called_and_its_result_repeated(model: Model) -> None:
    choice = (await model.ask("add a todo: buy milk", tools=[ADD_TODO])).body["choices"][0]
    assert (choice["finish_reason"], choice["message"]["content"]) == ("tool_calls", None)
    (call,) = choice["message"]["tool_calls"]
    assert call["type"] == "function"
    assert call["function"] == {"name": "AddTodo", "arguments": '{"task": "buy milk"}'}
    tool_message = {"role": "tool", "tool_call_id": call["id"], "content": "added"}
    answer = await model.ask("add a todo: buy milk", choice["message"], tool_message, tools=[ADD_TODO])
    assert answer.message["content"] == "added"


async def test_a_completion_is_truncated_at_max_tokens(model: Model) -> None:
    text = await model.ask("hello", max_completion_tokens=5)
    assert text.message["content"] == "This is local Azure's"
    assert text.body["choices"][0]["finish_reason"] == "length"
    assert text.body["usage"]["completion_tokens"] == 5
    call = await model.ask("add a todo: buy milk", tools=[ADD_TODO], max_completion_tokens=5)
    arguments = call.message["tool_calls"][0]["function"]["arguments"]
    assert '{"task": "buy milk"}'.startswith(arguments)
    with pytest.raises(json.JSONDecodeError):
        json.loads(arguments)


async def test_a_retired_model_and_a_batch_deployment_do_not_answer(model: Model) -> None:
    model.deploy("batch", "gpt-4.1", "2025-04-14", sku="GlobalBatch")
    assert (await model.ask("hello", deployment="batch")).error["code"] == "OperationNotSupported"
    model.clocks.now = datetime(2027, 9, 20, 23, 59, tzinfo=UTC)
    assert (await model.ask("hello")).status == 200
    model.clocks.now = datetime(2027, 9, 21, tzinfo=UTC)
    answer = await model.ask("hello")
    assert (answer.status, "retired on 2027-09-21" in answer.error["message"]) == (410, True)


async def test_the_capacity_of_a_deployment_limits_its_requests_and_tokens(model: Model) -> None:
    model.deploy("small", "gpt-4o", "2024-11-20", capacity=1)
    first = await model.ask("hello", deployment="small")
    assert first.headers["x-ratelimit-remaining-requests"] == "5"
    second = await model.ask("hello", deployment="small", max_tokens=100)
    used = first.body["usage"]["total_tokens"] + second.body["usage"]["prompt_tokens"] + 100
    assert second.headers["x-ratelimit-remaining-tokens"] == str(1000 - used), (
        "with the first answer's length"
    )
    model.clocks.advance(15)
    answer = await model.ask("hello", deployment="small", max_tokens=900)
    assert (answer.status, answer.headers["Retry-After"]) == (429, "45")
    assert f"under Azure OpenAI API version {VERSION} have exceeded token rate" in answer.error["message"]
    assert (await model.ask("hello")).status == 200, "another deployment"
    model.deploy("provisioned", "gpt-5.4-mini", "2026-03-17", sku="ProvisionedManaged", capacity=1)
    answers = [await model.ask("hello", deployment="provisioned") for _ in range(2)]
    assert [answer.status for answer in answers] == [200, 200]


async def test_a_script_answers_in_order_and_then_the_stand_in(model: Model) -> None:
    await model.script(
        {"text": "Late.", "delaySeconds": 1},
        {"toolCalls": [{"name": "AddTodo", "arguments": '{"task": "mil'}], "finishReason": "length"},
        {"error": {"status": 429, "code": "429", "message": "Slow."}, "headers": {"Retry-After": "1"}},
    )
    assert (await model.ask("hello", max_tokens=1)).status == 400, "it does not reach the model"
    late = asyncio.create_task(model.ask("hello"))
    async with asyncio.timeout(30):
        while (await model.send("GET", CONTROL_PATH)).body["queued"] == 3:
            pass
    second, third, last = [await model.ask("hello") for _ in range(3)]
    assert second.message["tool_calls"][0]["function"]["arguments"] == '{"task": "mil'
    assert second.body["choices"][0]["finish_reason"] == "length"
    assert (third.status, third.headers["Retry-After"], third.error["message"]) == (429, "1", "Slow.")
    assert last.message["content"].startswith("This is local Azure's stand-in")
    assert (await late).message["content"] == "Late."


async def test_a_script_gives_what_the_stand_in_does_not_but_no_stream(model: Model) -> None:
    json_object: dict[str, Any] = {"response_format": {"type": "json_object"}}
    members: list[dict[str, Any]] = [{"stream": True}, json_object, {"n": 2}, {"tool_choice": "none"}]
    for member in members:
        answer = await model.ask("hello", **member)
        assert (answer.error["code"], answer.error["param"]) == ("local_azure_limit", next(iter(member)))
        assert "model use URL" in answer.error["message"]
        assert "x-ratelimit-remaining-requests" not in answer.headers, "it does not count"
    await model.script({"text": "{}"})
    assert (await model.ask("hello", stream=True)).error["param"] == "stream"
    assert (await model.ask("hello", **json_object)).message["content"] == "{}"
    assert (await model.ask("hello", n=1, tool_choice="auto", stream=False)).status == 200


async def test_a_script_with_a_problem_queues_nothing(model: Model) -> None:
    answer = await model.script({"text": "One."}, {"text": 5})
    assert (answer.status, answer.error["message"]) == (400, "step 2: text: 5 is not of type 'string'.")
    assert (await model.send("POST", CONTROL_PATH, b"{")).status == 400
    assert (await model.send("GET", CONTROL_PATH)).body["queued"] == 0


async def test_requests_are_kept_with_their_answers_until_cleared(model: Model) -> None:
    await model.ask("hello")
    answer = await model.ask("word " * 273_000)
    assert (answer.status, answer.error["code"]) == (400, "context_length_exceeded")
    await model.send("POST", chat_path(), b"{")
    completed, rejected, invalid = (await model.send("GET", CONTROL_PATH)).body["requests"]
    assert completed["request"]["messages"] == [{"role": "user", "content": "hello"}]
    assert (completed["deployment"], completed["status"], completed["scripted"]) == ("chat", 200, False)
    assert completed["answer"]["choices"][0]["message"]["role"] == "assistant"
    assert (rejected["status"], rejected["answer"]["error"]) == (400, answer.error)
    assert (invalid["status"], invalid["request"]) == (400, None)
    await model.script({"text": "One."})
    state = (await model.send("DELETE", CONTROL_PATH)).body
    assert (state["queued"], state["requests"]) == (0, [])


@dataclass
class OpenAiServer:
    """A server with OpenAI's API."""

    url: str = ""
    requests: list[tuple[dict[str, str], Any]] = field(default_factory=list[tuple[dict[str, str], Any]])

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.requests.append((dict(request.headers), body))
        if body.get("seed"):
            return web.json_response({}, status=307, headers={"Location": "/v1/chat/completions"})
        if body.get("stream"):
            return web.Response(text="data: [DONE]\n\n", content_type="text/event-stream")
        return web.json_response({"object": "chat.completion", "choices": [], "model": body["model"]})


@pytest.fixture
async def server() -> AsyncIterator[OpenAiServer]:
    server, app = OpenAiServer(), web.Application()
    app.router.add_post("/v1/chat/completions", server.answer)
    async with TestServer(app) as running:
        server.url = str(running.make_url("/v1"))
        yield server


async def test_another_server_answers_with_its_model_and_key(
    model: Model, server: OpenAiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERVER_KEY", "not-for-files")
    backend.write(model.home.model_file, backend.remote(server.url + "/", "llama", "SERVER_KEY"))
    answer = await model.ask("hello")
    assert (answer.status, answer.body["model"]) == (200, "llama")
    ((headers, body),) = server.requests
    assert headers["Authorization"] == "Bearer not-for-files"
    assert body == {"messages": [{"role": "user", "content": "hello"}], "model": "llama"}
    assert (await model.send("GET", CONTROL_PATH)).body["requests"][0]["answer"]["model"] == "llama"
    assert "not-for-files" not in model.home.model_file.read_text()
    backend.write(model.home.model_file, None)
    assert (await model.ask("hello")).body["model"] == "gpt-5.4-mini-2026-03-17"


async def test_azures_checks_and_scripts_come_before_another_server(
    model: Model, server: OpenAiServer
) -> None:
    backend.write(model.home.model_file, backend.remote(server.url, None, None))
    assert (await model.ask("hello", max_tokens=5)).status == 400
    await model.script({"text": "One."})
    assert (await model.ask("hello")).message["content"] == "One."
    assert server.requests == []
    assert (await model.ask("hello")).body["model"] == "gpt-5.4-mini"
    assert "Authorization" not in server.requests[0][0]
    assert (await model.ask("x", seed=1)).status == 307, "redirects are not followed"
    answer = await model.ask("x", stream=True)
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    assert answer.body.endswith("data: [DONE]\n\n")


@pytest.mark.parametrize(
    ("setting", "problem"),
    [
        ({"url": "http://127.0.0.1:9/v1", "model": None, "key_variable": None}, "does not answer"),
        ({"url": "http://127.0.0.1:9/v1", "model": None, "key_variable": "NO_SUCH_KEY"}, "NO_SUCH_KEY"),
        ({}, "model use local"),
    ],
)
async def test_a_server_that_cannot_be_used_is_a_502_with_the_problem(
    model: Model, setting: dict[str, str | None], problem: str
) -> None:
    model.home.model_file.write_text(json.dumps(setting))
    answer = await model.ask("hello")
    assert (answer.status, answer.error["code"], problem in answer.error["message"]) == (502, "502", True)


@pytest.mark.parametrize(
    ("url", "key_variable"),
    [
        ("ftp://x/v1", None),
        ("http://u:p@h/v1", None),
        ("http://h/v1?key=sk-abc", None),
        ("http://h/v1", "sk-abc"),
    ],
)
def test_a_url_that_is_not_http_and_a_secret_are_rejected(url: str, key_variable: str | None) -> None:
    with pytest.raises(backend.BackendError) as caught:
        backend.remote(url, None, key_variable)
    assert "sk-abc" not in str(caught.value)
