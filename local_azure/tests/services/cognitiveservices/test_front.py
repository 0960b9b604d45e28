import asyncio
import json
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from local_azure.core import ids
from local_azure.core.access import ROLE_ASSIGNMENT_TYPE
from local_azure.core.store import Resource
from local_azure.core.tokens import MODEL_AUDIENCES
from local_azure.services.cognitiveservices.chat import backend
from local_azure.services.cognitiveservices.chat.front import CONTROL_PATH
from local_azure.tests.services.cognitiveservices.conftest import (
    ACCOUNT,
    DEVELOPER,
    TOKENS,
    VERSION,
    Model,
)

APP_PRINCIPAL = "11111111-1111-4111-8111-111111111111"
APP = TOKENS.issue(APP_PRINCIPAL, MODEL_AUDIENCES[0]).token
OPENAI_USER = "5e0bd9bd-7b93-4f28-af87-19fc36ad61bd"
ADD_TODO: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "AddTodo",
        "parameters": {"type": "object", "properties": {"task": {"type": "string"}}},
    },
}


async def test_an_answer_has_every_member_that_the_service_sends(model: Model) -> None:
    answer = await model.ask("hello")
    body = answer.body
    assert answer.message["content"].startswith("This is local Azure's stand-in for gpt-5.4-mini-2026-03-17")
    assert answer.message["role"] == "assistant"
    assert body["object"] == "chat.completion"
    assert body["model"] == "gpt-5.4-mini-2026-03-17"
    assert body["created"] == int(model.clocks.now.timestamp())
    assert body["id"].startswith("chatcmpl-")
    assert body["choices"][0]["finish_reason"] == "stop"
    assert body["choices"][0]["content_filter_results"]["hate"] == {"filtered": False, "severity": "safe"}
    assert body["prompt_filter_results"][0]["content_filter_results"]["jailbreak"]["detected"] is False
    usage = body["usage"]
    assert usage["prompt_tokens"] == 8  # 3 for the message, 1 for its role, 1 for its text, 3 for the answer
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert usage["completion_tokens_details"]["reasoning_tokens"] == 0
    assert answer.headers["x-ms-region"] == "eastus2"


async def test_the_same_request_has_the_same_answer_and_another_one_another_id(model: Model) -> None:
    first, again, other = await model.ask("hello"), await model.ask("hello"), await model.ask("hallo")
    assert first.body == again.body
    assert first.body["id"] != other.body["id"]


async def test_a_skill_is_called_and_its_result_told(model: Model) -> None:
    called = (await model.ask("add a todo: buy milk", tools=[ADD_TODO])).body["choices"][0]
    assert called["finish_reason"] == "tool_calls"
    assert called["message"]["content"] is None
    (call,) = called["message"]["tool_calls"]
    assert call["type"] == "function"
    assert call["function"] == {"name": "AddTodo", "arguments": '{"task": "buy milk"}'}
    result = {"role": "tool", "tool_call_id": call["id"], "content": "added"}
    told = await model.ask("add a todo: buy milk", called["message"], result, tools=[ADD_TODO])
    assert told.message["content"] == "added"


async def test_an_answer_is_cut_where_the_request_says_so(model: Model) -> None:
    text = await model.ask("hello", max_completion_tokens=5)
    assert text.message["content"] == "This is local Azure's"
    assert text.body["choices"][0]["finish_reason"] == "length"
    assert text.body["usage"]["completion_tokens"] == 5
    call = await model.ask("add a todo: buy milk", tools=[ADD_TODO], max_completion_tokens=5)
    arguments = call.message["tool_calls"][0]["function"]["arguments"]
    assert '{"task": "buy milk"}'.startswith(arguments)
    with pytest.raises(json.JSONDecodeError):
        json.loads(arguments)


async def test_several_choices(model: Model) -> None:
    body = (await model.ask("hello", n=3)).body
    assert [choice["index"] for choice in body["choices"]] == [0, 1, 2]


async def test_the_v1_route_takes_the_deployment_from_the_body(model: Model) -> None:
    body = {"model": "old", "messages": [{"role": "user", "content": "hello"}]}
    answer = await model.send("POST", "openai/v1/chat/completions", body)
    assert answer.body["model"] == "gpt-4.1-mini-2025-04-14"
    del body["model"]
    answer = await model.send("POST", "openai/v1/chat/completions?api-version=preview", body)
    assert (answer.status, answer.error["param"]) == (400, "model")


@pytest.mark.parametrize("version", [None, "", "2020-01-01", "2024-10-21-preview"])
async def test_an_unknown_api_version_is_a_path_that_is_not_there(model: Model, version: str | None) -> None:
    answer = await model.ask("hello", version=version)
    assert (answer.status, answer.body) == (404, {"error": {"code": "404", "message": "Resource not found"}})


@pytest.mark.parametrize("path", ["", "openai", f"openai/deployments?api-version={VERSION}"])
async def test_any_other_path_is_not_there(model: Model, path: str) -> None:
    assert (await model.send("GET", path)).status == 404


@pytest.mark.parametrize("name", ["none", "..", "a%2Fb", "x" * 70, "chat%00", "chät"])
async def test_a_deployment_that_is_not_there(model: Model, name: str) -> None:
    answer = await model.ask("hello", deployment=name)
    assert answer.status == 404
    assert answer.error["code"] in {"DeploymentNotFound", "404"}


async def test_the_error_of_a_missing_deployment_is_the_service_s(model: Model) -> None:
    assert (await model.ask("hello", deployment="none")).error == {
        "code": "DeploymentNotFound",
        "message": "The API deployment for this resource does not exist. If you created the deployment "
        "within the last 5 minutes, please wait a moment and try again.",
    }


async def test_the_role_is_needed_and_is_enough(model: Model) -> None:
    answer = await model.ask("hello", token=APP)
    assert (answer.status, answer.error["code"]) == (401, "PermissionDenied")
    assert f"`{APP_PRINCIPAL}` lacks the required data action" in answer.error["message"]
    model.store.put(
        Resource(
            id=ids.build(ACCOUNT, ROLE_ASSIGNMENT_TYPE, "a"),
            name="a",
            type=ROLE_ASSIGNMENT_TYPE,
            properties={
                "principalId": APP_PRINCIPAL,
                "scope": ACCOUNT,
                "roleDefinitionId": f"/providers/Microsoft.Authorization/roleDefinitions/{OPENAI_USER}",
            },
        )
    )
    assert (await model.ask("hello", token=APP)).status == 200


async def test_an_account_without_public_access_answers_nobody(model: Model) -> None:
    account = model.store.require(ACCOUNT)
    model.store.put({**account, "properties": {"publicNetworkAccess": "Disabled"}})
    assert (await model.ask("hello")).status == 403


async def test_a_retired_model_answers_410(model: Model) -> None:
    model.clocks.now = datetime(2027, 9, 20, 23, 59, tzinfo=UTC)
    assert (await model.ask("hello")).status == 200
    model.clocks.now = datetime(2027, 9, 21, tzinfo=UTC)
    answer = await model.ask("hello")
    assert (answer.status, "retired on 2027-09-21" in answer.error["message"]) == (410, True)


async def test_a_batch_deployment_has_no_chat(model: Model) -> None:
    model.deploy("batch", "gpt-4.1", "2025-04-14", sku="GlobalBatch")
    assert (await model.ask("hello", deployment="batch")).error["code"] == "OperationNotSupported"


async def test_a_model_s_rules_are_those_of_its_deployment(model: Model) -> None:
    assert (await model.ask("hello", max_tokens=100)).error["param"] == "max_tokens"
    assert (await model.ask("hello", deployment="old", max_tokens=100, temperature=0.5)).status == 200


async def test_capacity_limits_requests_and_the_client_learns_how_long_to_wait(model: Model) -> None:
    model.deploy("small", "gpt-5.4-mini", "2026-03-17", capacity=1)
    assert (await model.ask("hello", deployment="small")).headers["x-ratelimit-remaining-requests"] == "0"
    model.clocks.pass_by(15)
    answer = await model.ask("hello", deployment="small")
    assert answer.status == 429
    assert answer.headers["Retry-After"] == "45"
    assert answer.headers["retry-after-ms"] == "45000"
    assert answer.error["code"] == "429"
    assert "exceeded call rate limit of your current OpenAI S0 pricing tier" in answer.error["message"]
    assert "Please retry after 45 seconds." in answer.error["message"]
    model.clocks.pass_by(45)
    assert (await model.ask("hello", deployment="small")).status == 200


async def test_capacity_limits_tokens_with_max_tokens_counted(model: Model) -> None:
    model.deploy("small", "gpt-4o", "2024-11-20", capacity=1)
    headers = (await model.ask("hello", deployment="small", max_tokens=900)).headers
    assert headers["x-ratelimit-remaining-tokens"] == str(1000 - 900 - 8)
    answer = await model.ask("hello", deployment="small", max_tokens=900)
    assert (answer.status, answer.headers["Retry-After"]) == (429, "60")
    assert "exceeded token rate limit" in answer.error["message"]
    answer = await model.ask("hello", deployment="small", max_tokens=2000)
    assert (answer.status, answer.headers["Retry-After"]) == (429, "86400")


async def test_an_answer_without_max_tokens_counts_as_long_as_it_is(model: Model) -> None:
    model.deploy("small", "gpt-4o", "2024-11-20", capacity=1)
    first = await model.ask("hello", deployment="small")
    second = await model.ask("hello", deployment="small")
    used = first.body["usage"]["total_tokens"] + second.body["usage"]["prompt_tokens"]
    assert second.headers["x-ratelimit-remaining-tokens"] == str(1000 - used)


async def test_one_deployment_s_limit_is_not_another_s(model: Model) -> None:
    model.deploy("small", "gpt-5.4-mini", "2026-03-17", capacity=1)
    await model.ask("hello", deployment="small")
    assert (await model.ask("hello", deployment="small")).status == 429
    assert (await model.ask("hello")).status == 200


async def test_a_script_s_answers_come_in_order_and_then_the_stand_in_s(model: Model) -> None:
    await model.script(
        {"text": "One."},
        {"toolCalls": [{"name": "AddTodo", "arguments": '{"task": "mil'}], "finishReason": "length"},
        {"error": {"status": 429, "code": "429", "message": "Slow."}, "headers": {"Retry-After": "1"}},
    )
    first, second, third, last = [await model.ask("hello") for _ in range(4)]
    assert first.message["content"] == "One."
    assert second.message["tool_calls"][0]["function"]["arguments"] == '{"task": "mil'
    assert second.body["choices"][0]["finish_reason"] == "length"
    assert (third.status, third.headers["Retry-After"], third.error["message"]) == (429, "1", "Slow.")
    assert last.message["content"].startswith("This is local Azure's stand-in")


async def test_a_script_waits_for_a_request_that_reaches_the_model(model: Model) -> None:
    await model.script({"text": "One."})
    assert (await model.ask("hello", max_tokens=1)).status == 400
    assert (await model.ask("hello")).message["content"] == "One."


async def test_a_delay_holds_up_only_its_own_answer(model: Model) -> None:
    await model.script({"text": "Late.", "delaySeconds": 3}, {"text": "Soon."})
    late = asyncio.create_task(model.ask("hello"))
    deadline = asyncio.get_running_loop().time() + 30
    while (await model.send("GET", CONTROL_PATH)).body["queued"] == 2:
        assert asyncio.get_running_loop().time() < deadline
    assert (await model.ask("hello")).message["content"] == "Soon."
    assert not late.done()
    assert (await late).message["content"] == "Late."


async def test_a_wrong_script_queues_nothing(model: Model) -> None:
    answer = await model.script({"text": "One."}, {"text": 5})
    assert (answer.status, answer.error["message"]) == (400, "step 2: text is no string.")
    assert (await model.send("GET", CONTROL_PATH)).body["queued"] == 0
    assert (await model.send("POST", CONTROL_PATH, b"{")).status == 400


async def test_what_was_asked_is_kept_with_its_answer_until_cleared(model: Model) -> None:
    await model.ask("hello")
    await model.ask("hello", max_tokens=1)
    await model.send("POST", f"openai/deployments/chat/chat/completions?api-version={VERSION}", b"{")
    asked, refused, broken = await model.requests()
    assert asked["request"]["messages"] == [{"role": "user", "content": "hello"}]
    assert (asked["deployment"], asked["status"], asked["scripted"]) == ("chat", 200, False)
    assert asked["answer"]["choices"][0]["message"]["role"] == "assistant"
    assert (refused["status"], refused["answer"]["error"]["param"]) == (400, "max_tokens")
    assert (broken["status"], broken["request"]) == (400, None)
    await model.script({"text": "One."})
    state = (await model.send("DELETE", CONTROL_PATH)).body
    assert (state["queued"], state["requests"]) == (0, [])


async def test_only_the_developer_controls_the_model(model: Model) -> None:
    for method in ("GET", "POST", "DELETE"):
        assert (await model.send(method, CONTROL_PATH, [], token=APP)).status == 403
    assert (await model.send("GET", CONTROL_PATH, token="x")).status == 401


async def test_what_the_stand_in_cannot_is_said(model: Model) -> None:
    members: list[dict[str, Any]] = [{"stream": True}, {"response_format": {"type": "json_object"}}]
    for one in members:
        answer = await model.ask("hello", **one)
        assert (answer.status, answer.error["code"]) == (400, "local_azure_limit")
        assert "model use URL" in answer.error["message"]
        assert "x-ratelimit-remaining-requests" not in answer.headers  # it used nothing up


async def test_a_script_may_answer_in_json_but_not_as_a_stream(model: Model) -> None:
    await model.script({"text": "{}"})
    assert (await model.ask("hello", stream=True)).error["param"] == "stream"
    assert (await model.ask("hello", response_format={"type": "json_object"})).message["content"] == "{}"


async def test_a_body_beyond_measure_is_refused(model: Model) -> None:
    path = f"openai/deployments/chat/chat/completions?api-version={VERSION}"
    assert (await model.send("POST", path, b" " * (17 * 1024 * 1024))).status == 413


async def test_a_conversation_longer_than_the_context_is_refused(model: Model) -> None:
    answer = await model.ask("word " * 273_000)
    assert (answer.status, answer.error["code"]) == (400, "context_length_exceeded")


async def test_prompts_stay_out_of_the_daemon_s_log(model: Model, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        await model.ask("a secret of mine")
        await model.ask("a secret of mine", max_tokens=1)
    assert "secret" not in caplog.text


@dataclass
class Home:
    """A model at home: a server with OpenAI's API."""

    url: str
    seen: list[tuple[dict[str, str], Any]] = field(default_factory=list[tuple[dict[str, str], Any]])


@pytest.fixture
async def at_home() -> AsyncIterator[Home]:
    async def answer(request: web.Request) -> web.StreamResponse:
        body = await request.json()
        home.seen.append((dict(request.headers), body))
        if body.get("stream"):
            response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
            await response.prepare(request)
            await response.write(b'data: {"choices": []}\n\n')
            await response.write(b"data: [DONE]\n\n")
            await response.write_eof()
            return response
        return web.json_response({"object": "chat.completion", "choices": [], "model": body["model"]})

    app = web.Application()
    app.router.add_post("/v1/chat/completions", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    home = Home(f"http://{host}:{port}/v1")
    try:
        yield home
    finally:
        await runner.cleanup()


async def test_a_model_at_home_answers_instead(
    model: Model, at_home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME_KEY", "not-for-files")
    backend.write(model.home.model_file, backend.remote(at_home.url + "/", "llama", "HOME_KEY"))
    answer = await model.ask("hello")
    assert (answer.status, answer.body["model"]) == (200, "llama")
    ((headers, body),) = at_home.seen
    assert headers["Authorization"] == "Bearer not-for-files"
    assert body == {"messages": [{"role": "user", "content": "hello"}], "model": "llama"}
    assert (await model.requests())[0]["answer"]["model"] == "llama"
    assert "not-for-files" not in model.home.model_file.read_text()
    backend.write(model.home.model_file, None)
    assert (await model.ask("hello")).body["model"] == "gpt-5.4-mini-2026-03-17"


async def test_azure_s_rules_and_scripts_stand_before_a_model_at_home(model: Model, at_home: Home) -> None:
    backend.write(model.home.model_file, backend.remote(at_home.url, None, None))
    assert (await model.ask("hello", max_tokens=5)).status == 400
    await model.script({"text": "One."})
    assert (await model.ask("hello")).message["content"] == "One."
    assert at_home.seen == []
    assert (await model.ask("hello")).body["model"] == "gpt-5.4-mini"
    assert "Authorization" not in at_home.seen[0][0]


async def test_a_model_at_home_may_stream(model: Model, at_home: Home) -> None:
    backend.write(model.home.model_file, backend.remote(at_home.url, None, None))
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            f"{model.endpoint}openai/deployments/chat/chat/completions?api-version={VERSION}",
            json={"messages": [{"role": "user", "content": "x"}], "stream": True},
            headers={"Authorization": f"Bearer {DEVELOPER}"},
            ssl=model.tls.client_context(),
        ) as answer,
    ):
        assert answer.headers["Content-Type"] == "text/event-stream"
        assert (await answer.text()).endswith("data: [DONE]\n\n")


@pytest.mark.parametrize(
    ("url", "key_variable", "said"),
    [
        ("http://127.0.0.1:9/v1", None, "does not answer"),
        ("http://127.0.0.1:9/v1", "NO_SUCH_KEY", "NO_SUCH_KEY"),
    ],
)
async def test_a_model_at_home_that_cannot_be_asked_is_a_502_with_the_cure(
    model: Model, url: str, key_variable: str | None, said: str
) -> None:
    backend.write(model.home.model_file, backend.remote(url, None, key_variable))
    answer = await model.ask("hello")
    assert answer.status == 502
    assert said in answer.error["message"]


async def test_a_damaged_setting_is_said_and_not_guessed(model: Model) -> None:
    model.home.model_file.write_text("{")
    answer = await model.ask("hello")
    assert (answer.status, "model use local" in answer.error["message"]) == (502, True)


@pytest.mark.parametrize("url", ["ftp://x/v1", "localhost:1/v1", "http://u:p@h/v1", "http://h/v1?key=x", ""])
def test_a_url_that_is_none_or_holds_a_secret_is_refused(url: str) -> None:
    with pytest.raises(backend.BackendError):
        backend.remote(url, None, None)


def test_a_key_is_never_taken_for_a_name() -> None:
    with pytest.raises(backend.BackendError, match="never itself") as caught:
        backend.remote("http://h/v1", None, "sk-abc")
    assert "sk-abc" not in str(caught.value)
