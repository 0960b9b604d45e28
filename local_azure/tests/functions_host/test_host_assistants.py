"""The assistant bindings through the host, with rows in a real Azurite and a scripted model."""

import json
from functools import partial
from typing import Any
from urllib.parse import quote

import psutil
import pytest

from local_azure.core import ids
from local_azure.core.store import Resource
from local_azure.core.tokens import MODEL_AUDIENCES
from local_azure.runtime.ports import Ports
from local_azure.services.cognitiveservices.chat.accounts import ModelAccounts
from local_azure.services.cognitiveservices.chat.front import CONTROL_PATH
from local_azure.tests.functions_host import app
from local_azure.tests.functions_host.harness import GROUP, Answer, LocalAzure, TestSite, send
from local_azure.tests.functions_host.model import Reply, ScriptedModel, says

OPENAI_USER = "5e0bd9bd-7b93-4f28-af87-19fc36ad61bd"
START = "2000-01-01T00:00:00Z"
CREATED = [("System", "Be nice")]


def create(site: TestSite, assistant: str) -> None:
    assert site.send("PUT", f"/api/assistants/{quote(assistant)}").status == 202


def post(site: TestSite, assistant: str, message: str = "hi") -> Answer:
    return site.send("POST", f"/api/assistants/{quote(assistant, safe='')}?message={quote(message)}")


def post_body(site: TestSite, assistant: str, body: bytes = b'{"message": "hi"}') -> Answer:
    return site.send("POST", f"/api/body/{assistant}", body)


def talk(site: TestSite, model: ScriptedModel, assistant: str, *replies: Reply) -> Answer:
    """A post to a new assistant."""
    create(site, assistant)
    model.script(*replies)
    return post(site, assistant)


def query(site: TestSite, assistant: str, since: str = START) -> Answer:
    return site.send("GET", f"/api/assistants/{quote(assistant, safe='')}?timestampUTC={quote(since)}")


def state_of(site: TestSite, assistant: str, since: str = START) -> dict[str, Any]:
    response = query(site, assistant, since)
    assert response.status == 200, site.log[-2000:]
    kind, state = response.json()
    assert kind == "str"  # whatever the annotation
    return json.loads(state)


def contents(site: TestSite, assistant: str) -> list[tuple[str, str]]:
    return [(row["Role"], row["Content"]) for row in site.azure.rows(assistant) if "Role" in row]


# Post


def test_a_post_gives_the_function_the_new_messages(site: TestSite, model: ScriptedModel) -> None:
    response = talk(site, model, "talk", says("Hello ä"))
    assert response.status == 200, site.log[-3000:]
    assert response.json()["recentMessages"] == [{"content": "Hello ä", "role": "Assistant", "toolCalls": ""}]
    assert "Hello ä".encode() in response.body  # Newtonsoft leaves what is beyond ASCII
    assert contents(site, "talk") == [*CREATED, ("User", "hi"), ("Assistant", "Hello ä")]
    assert model.requests[0].path.startswith("/openai/deployments/chat/")
    assert model.requests[0].headers["Authorization"].startswith("Bearer ")


def test_a_message_of_the_body_goes_to_a_reasoning_model(site: TestSite, model: ScriptedModel) -> None:
    """With half a surrogate pair, which is replaced (`dotnet.well_formed`)."""
    create(site, "reasons")
    model.script(says("ok"))
    assert post_body(site, "reasons", b'{"message": "a\\ud800"}').status == 200
    assert {"temperature", "max_tokens"}.isdisjoint(model.requests[0].body)
    assert contents(site, "reasons")[1] == ("User", "a\ufffd")


def test_a_post_without_a_message_fails_before_the_handler(site: TestSite, model: ScriptedModel) -> None:
    create(site, "silent")
    model.script()
    runs = site.log.count("handler of Post runs")
    response = site.send("POST", "/api/assistants/silent?message=")
    assert (response.status, response.body) == (500, b"")
    assert model.requests == []
    site.wait_for_log("must have a user message")
    assert site.log.count("handler of Post runs") == runs


def test_a_post_without_its_worker_writes_its_rows(site: TestSite, model: ScriptedModel) -> None:
    create(site, "died")

    def kill_worker() -> None:
        assert site.state.pid is not None
        for worker in psutil.Process(site.state.pid).children():
            worker.kill()
            worker.wait(10)

    model.script(says("late", before=kill_worker))
    post(site, "died")
    assert contents(site, "died") == [*CREATED, ("User", "hi"), ("Assistant", "late")]


# Skills


def test_skills_run_in_the_worker(site: TestSite, model: ScriptedModel) -> None:
    calls = [
        ("addtodo", '{"task": "buy milk"}', "The function call succeeded."),
        ("Give", '{"what": "text"}', '"text"'),
        ("Give", '{"what": "dict"}', '{"a":1}'),
        ("AddTodo", '{"task": "fail"}', "The function call failed."),
        ("Silent", '{"x": "a"}', "The function call failed."),
    ]
    reply = says(None, *((f"c{number}", *call[:2]) for number, call in enumerate(calls)))
    assert talk(site, model, "give", reply, says("Done.")).status == 200
    outputs = [content for role, content in contents(site, "give") if role == "Tool"]
    for (name, _, output), content in zip(calls, outputs, strict=True):
        assert content.startswith(f"Function Name: '{name}' and Function Result: '{output}")
    site.wait_for_log("remembered 'buy milk'")
    assert state_of(site, "give")["totalMessages"] == 9


def test_enabled_skills_are_tools_without_a_route(site: TestSite, model: ScriptedModel) -> None:
    talk(site, model, "tools", says("ok"))
    assert [tool["function"]["name"] for tool in model.requests[0].body["tools"]] == ["AddTodo", "Give"]
    assert site.send("POST", "/api/RememberTask").status == 404


# Query


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("", "Error while accessing 'timestampUTC': property doesn't exist."),
        ("?timestampUTC=", "Invalid timestamp ''"),
        ("?timestampUTC=2026-01-01T00:00:00+02:00", "Invalid timestamp '2026-01-01T00:00:00 02:00'"),
        ("?timestampUTC=2026-01-01T00:00:00%2B02:00", None),
        ("?timestampUTC=2026-01-01T00%253A00%253A00Z", None),
    ],
)
def test_a_timestamp_is_decoded_twice(site: TestSite, target: str, reason: str | None) -> None:
    response = site.send("GET", f"/api/assistants/a{target}")
    if reason is None:
        assert response.status == 200
    else:
        assert (response.status, response.body) == (500, b"")
        site.wait_for_log(reason)


def test_the_default_model_is_the_name_of_its_enums_member(
    local_azure: LocalAzure, model: ScriptedModel
) -> None:
    """Hazard 15."""
    code = app.SOURCE.replace('"chat_model": "%CHAT_MODEL%", ', "")
    site = app.new_site(local_azure, model.endpoint, code)
    try:
        assert talk(site, model, "default", says("a")).status == 200
    finally:
        site.delete()
    assert "/deployments/DefaultChatModel/" in model.requests[0].path


# Local Azure's own chat model


def test_a_skill_is_called_by_local_azures_model(
    local_azure: LocalAzure, tmp_path_factory: pytest.TempPathFactory
) -> None:
    kind = "Microsoft.CognitiveServices/accounts"
    account = ids.build(GROUP, kind, "oai")
    model = {"format": "OpenAI", "name": "gpt-5.4-mini", "version": "2026-03-17"}
    resources: list[Resource] = [
        {"id": account, "name": "oai", "type": kind, "location": "eastus2", "properties": {}},
        {
            "id": ids.build(GROUP, f"{kind}/deployments", "oai", "chat"),
            "name": "chat",
            "type": f"{kind}/deployments",
            "sku": {"name": "GlobalStandard", "capacity": 50},
            "properties": {"model": model, "provisioningState": "Succeeded"},
        },
    ]
    for resource in resources:
        local_azure.do(partial(local_azure.store.put, resource))
    ports = Ports(tmp_path_factory.mktemp("openai") / "ports.json")
    accounts = ModelAccounts(local_azure.home, local_azure.store, local_azure.tokens, local_azure.tls, ports)
    endpoint = local_azure.run(accounts.open_account(account, "oai"))
    site = app.new_site(local_azure, endpoint)
    try:
        create(site, "local")
        assert post_body(site, "local").status == 500
        site.wait_for_log("HTTP 401")
        local_azure.assign(site.principal_id, OPENAI_USER, account)
        steps = [
            {"error": {"status": 429, "code": "429", "message": "Slow."}, "headers": {"Retry-After": "0"}},
            {"toolCalls": [{"name": "AddTodo", "arguments": {"task": "milk"}}]},
            {"text": "Noted."},
        ]
        headers = {"Authorization": f"Bearer {local_azure.token(audience=MODEL_AUDIENCES[0])}"}
        address = endpoint.removeprefix("https://").rstrip("/")
        script = send(local_azure.tls, address, "POST", CONTROL_PATH, headers, json.dumps(steps).encode())
        assert script.status == 200, script
        response = post_body(site, "local")
        assert response.status == 200, site.log[-3000:]
        assert [message["content"] for message in response.json()["recentMessages"]] == ["", "Noted."]
        assert response.json()["totalTokens"] > 0
        site.wait_for_log("remembered 'milk'")
        # Without a script it answers too, from what has become history.
        assert post_body(site, "local").status == 200
        # A gpt-5 model refuses max_tokens: the binding without isReasoningModel fails.
        assert post(site, "local").status == 500
        site.wait_for_log("max_tokens")
    finally:
        site.delete()
        local_azure.run(accounts.close())
