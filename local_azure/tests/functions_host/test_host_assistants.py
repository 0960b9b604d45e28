"""The assistant bindings through the host, with rows in a real Azurite and a scripted model."""

import json
import re
from collections.abc import Iterator
from functools import partial
from typing import Any
from urllib.parse import quote

import psutil
import pytest
from azure.core.exceptions import ResourceNotFoundError

from local_azure.core import ids
from local_azure.core.store import Resource
from local_azure.core.tokens import MODEL_AUDIENCES
from local_azure.runtime.ports import Ports
from local_azure.services.cognitiveservices.chat.accounts import ModelAccounts
from local_azure.services.cognitiveservices.chat.front import CONTROL_PATH
from local_azure.tests.functions_host import app
from local_azure.tests.functions_host.harness import GROUP, Answer, LocalAzure, TestSite, send
from local_azure.tests.functions_host.model import Reply, ScriptedModel, refuses, says

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


def test_a_post_writes_rows_and_returns_new_messages(site: TestSite, model: ScriptedModel) -> None:
    create(site, "talk")
    model.script(says("Hello ä", tokens=21))
    response = post(site, "talk", "hi & <you>")
    assert response.status == 200, site.log[-3000:]
    state = response.json()
    dates = (state.pop("createdAt"), state.pop("lastUpdatedAt"))
    assert state == {
        "id": "talk",
        "exists": True,
        "totalMessages": 3,
        "totalTokens": 21,
        "recentMessages": [{"content": "Hello ä", "role": "Assistant", "toolCalls": ""}],
    }
    assert "Hello ä".encode() in response.body  # Newtonsoft leaves what is beyond ASCII
    assert contents(site, "talk") == [*CREATED, ("User", "hi & <you>"), ("Assistant", "Hello ä")]
    *_, row, kept = site.azure.rows("talk")
    assert row["RowKey"] == "msg-0003"
    assert set(row) == {"PartitionKey", "RowKey", "Content", "Role", "CreatedAt", "ToolCalls"}
    assert re.fullmatch(r"[\d-]+T[\d:]+\.\d{7}Z", row["CreatedAt"].tables_service_value)
    assert (kept["TotalMessages"], kept["TotalTokens"], kept["Exists"]) == (3, 21, True)
    assert dates[1] > dates[0]


def test_the_model_is_asked_as_the_extensions_client_asks(site: TestSite, model: ScriptedModel) -> None:
    create(site, "wire")
    model.script(says("one"), says("two"))
    post(site, "wire", "first")
    post(site, "wire", "second")
    first, second = model.requests
    assert first.path == "/openai/deployments/chat/chat/completions?api-version=2024-10-21"
    assert first.headers["Authorization"].startswith("Bearer ")
    assert set(first.body) == {"messages", "model", "temperature", "max_tokens", "tools"}
    assert first.body["model"] == "chat"
    assert second.body["messages"] == [
        {"role": "system", "content": "Be nice"},
        {"role": "user", "content": "first"},
        {"role": "assistant", "content": "one"},
        {"role": "user", "content": "second"},
    ]


def test_a_message_of_the_body_goes_to_a_reasoning_model(site: TestSite, model: ScriptedModel) -> None:
    """With half a surrogate pair, which is replaced (`dotnet.well_formed`)."""
    create(site, "reasons")
    model.script(says("ok"))
    assert post_body(site, "reasons", b'{"message": "a\\ud800"}').status == 200
    assert {"temperature", "max_tokens"}.isdisjoint(model.requests[0].body)
    assert contents(site, "reasons")[1] == ("User", "a\ufffd")


def test_a_missing_assistant_costs_no_model_call(site: TestSite, model: ScriptedModel) -> None:
    model.script()
    nobody = (
        b'{"id":"nobody","exists":false,"createdAt":"0001-01-01T00:00:00",'
        b'"lastUpdatedAt":"0001-01-01T00:00:00","totalMessages":0,"totalTokens":0,"recentMessages":[]}'
    )
    assert post(site, "nobody").body == nobody
    assert model.requests == []
    assert state_of(site, "nobody") == json.loads(nobody)


def test_a_post_without_a_message_fails_before_the_handler(site: TestSite, model: ScriptedModel) -> None:
    create(site, "silent")
    model.script()
    runs = site.log.count("handler of Post runs")
    response = site.send("POST", "/api/assistants/silent?message=")
    assert (response.status, response.body) == (500, b"")
    assert model.requests == []
    site.wait_for_log("must have a user message")
    assert site.log.count("handler of Post runs") == runs


def test_a_model_that_fails_leaves_no_row(site: TestSite, model: ScriptedModel) -> None:
    assert talk(site, model, "refused", refuses(400, "content_filter", "not that")).status == 500
    assert len(model.requests) == 1
    assert contents(site, "refused") == CREATED
    site.wait_for_log("HTTP 400 (content_filter)\nnot that")


def test_a_late_reply_is_written_after_a_deletion(site: TestSite, model: ScriptedModel) -> None:
    """Recording post/plain: the last PATCH has no If-Match, and so it is insert-or-merge."""
    create(site, "deleted")

    def delete() -> None:
        with site.azure.table() as table:
            for row in site.azure.rows("deleted"):
                table.delete_entity(row)  # pyright: ignore[reportUnknownMemberType] # the SDK leaves `**kwargs` open

    model.script(says("late", before=delete))
    assert post(site, "deleted").status == 200
    rows = site.azure.rows("deleted")
    assert [row["RowKey"] for row in rows] == ["msg-0002", "msg-0003", "state"]
    assert (rows[-1]["Exists"], rows[-1]["TotalMessages"]) == (True, 3)


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


def test_a_skill_runs_and_its_return_value_goes_to_the_model(site: TestSite, model: ScriptedModel) -> None:
    arguments = '{"task": "buy milk", "other": 1}'
    call_reply = says(None, ("c1", "addtodo", arguments), tokens=5)
    state = talk(site, model, "todo", call_reply, says("Done.", tokens=9)).json()
    assert state["totalTokens"] == 9
    assert [message["content"] for message in state["recentMessages"]] == ["", "Done."]
    call = {"id": "c1", "functionName": "addtodo", "functionArguments": arguments, "kind": "Function"}
    assert json.loads(state["recentMessages"][0]["toolCalls"]) == [call]
    output = (
        "Function Name: 'addtodo' and Function Result: 'The function call succeeded. "
        "Let the user know that you completed the action.'"
    )
    assert contents(site, "todo")[2:] == [("Assistant", ""), ("Tool", output), ("Assistant", "Done.")]
    assert site.azure.rows("todo")[3]["Name"] == "c1"
    function = {"name": "addtodo", "arguments": arguments}
    assert model.requests[1].body["messages"][-2:] == [
        {"role": "assistant", "tool_calls": [{"id": "c1", "type": "function", "function": function}]},
        {"role": "tool", "tool_call_id": "c1", "content": output},
    ]
    site.wait_for_log("remembered 'buy milk'")
    # What was stored is read again.
    assert state_of(site, "todo")["recentMessages"][2] == state["recentMessages"][0]


def test_enabled_skills_are_tools_without_a_route(site: TestSite, model: ScriptedModel) -> None:
    talk(site, model, "tools", says("ok"))
    assert [tool["function"]["name"] for tool in model.requests[0].body["tools"]] == ["AddTodo", "Give"]
    assert site.send("POST", "/api/RememberTask").status == 404


FAILED = "The function call failed. Let the user know and ask if they'd like you to try again"


def test_the_model_gets_the_output_or_the_failure_of_every_call(site: TestSite, model: ScriptedModel) -> None:
    calls = [
        ("Give", '{"what": "text"}', '"text"'),
        ("Give", '{"what": "dict"}', '{"a":1}'),
        ("AddTodo", '{"task": "fail"}', FAILED),
        ("AddTodo", '{"task": "cut', FAILED),
        ("Off", '{"x": "a"}', FAILED),
        ("Unknown", "{}", FAILED),
    ]
    assert (
        talk(
            site,
            model,
            "give",
            says(None, *((f"c{at}", *call[:2]) for at, call in enumerate(calls))),
            says("Done."),
        ).status
        == 200
    )
    assert [content for role, content in contents(site, "give") if role == "Tool"] == [
        f"Function Name: '{name}' and Function Result: '{output}'" for name, _, output in calls
    ]


# Query


def test_a_query_returns_the_messages_after_a_time(site: TestSite, model: ScriptedModel) -> None:
    create(site, "ask")
    model.script(says("one"), says("two"))
    middle = post(site, "ask", "first").json()["lastUpdatedAt"]
    post(site, "ask", "second")
    everything = state_of(site, "ask")
    roles = [message["role"] for message in everything["recentMessages"]]
    assert roles == ["System", "User", "Assistant", "User", "Assistant"]
    assert everything["totalMessages"] == 5
    later = state_of(site, "ask", middle)["recentMessages"]
    assert [message["content"] for message in later] == ["second", "two"]
    last = site.azure.rows("ask")[-2]["CreatedAt"].tables_service_value
    assert state_of(site, "ask", last)["recentMessages"] == []  # later than, not from


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


# Section 9 of the facts: what the extension does when nobody guards it


def test_hazard_6_cut_arguments_cannot_be_read_again(site: TestSite, model: ScriptedModel) -> None:
    assert (
        talk(
            site, model, "cut", says(None, ("c1", "AddTodo", '{"task": "a very long')), says("Sorry.")
        ).status
        == 200
    )
    model.script()
    assert post(site, "cut").status == 500
    assert query(site, "cut").status == 500
    assert model.requests == []
    create(site, "cut")
    assert query(site, "cut").status == 200


def test_hazard_7_calls_beyond_the_limit_get_no_answer(site: TestSite, model: ScriptedModel) -> None:
    calls = [(f"c{number}", "AddTodo", '{"task": "x"}') for number in range(50)]
    last = says(None, ("last", "AddTodo", '{"task": "x"}'))
    assert talk(site, model, "loops", says(None, *calls), last).status == 200
    assert len(model.requests) == 2
    assert contents(site, "loops")[-1] == ("Assistant", "")
    site.wait_for_log("due to exceeding the limit of 50")
    model.script(refuses(400, "invalid_request_error", "'tool_calls' must be followed by tool messages"))
    assert post(site, "loops").status == 500
    call, user = model.requests[0].body["messages"][-2:]
    assert call["tool_calls"][0]["id"] == "last"
    assert user["role"] == "user"


def test_hazard_8_too_many_rows_are_lost(site: TestSite, model: ScriptedModel) -> None:
    calls = [(f"c{number}", "AddTodo", '{"task": "many rows"}') for number in range(97)]
    assert talk(site, model, "many", says(None, *calls), says("Done.")).status == 500
    assert site.log.count("remembered 'many rows'") == 97
    assert contents(site, "many") == CREATED


def test_hazard_10_a_create_during_a_post_leaves_a_wrong_count(site: TestSite, model: ScriptedModel) -> None:
    talk(site, model, "raced", says("one"))
    model.script(says("two", before=lambda: create(site, "raced")))
    assert post(site, "raced").status == 200
    rows = site.azure.rows("raced")
    assert [row["RowKey"] for row in rows] == ["msg-0001", "msg-0004", "msg-0005", "state"]
    assert rows[-1]["TotalMessages"] == 5


# A host has one table client and one model for each connection


@pytest.fixture
def other_site(local_azure: LocalAzure, model: ScriptedModel) -> Iterator[TestSite]:
    """Another table, no model in one function and another model in the other."""
    code = app.SOURCE.replace('"ChatState"', '"Fresh"').replace('"chat_model": "%CHAT_MODEL%", ', "")
    code = code.replace("**POST)\ndef FromBody", 'chat_model="other", **POST)\ndef FromBody')
    site = app.new_site(local_azure, model.endpoint, code)
    yield site
    site.delete()


def test_a_host_keeps_its_first_table_and_model(other_site: TestSite, model: ScriptedModel) -> None:
    """Hazard 15: the default model is the name of its enum's member."""
    assert query(other_site, "a").status == 500
    assert post(other_site, "a").status == 500
    with pytest.raises(ResourceNotFoundError):
        other_site.azure.rows("a", "Fresh")
    create(other_site, "a")
    model.script(says("a"), says("b"))
    assert post(other_site, "a").status == 200
    assert post_body(other_site, "a").status == 200
    assert ["/deployments/DefaultChatModel/" in request.path for request in model.requests] == [True, True]
    other_site.wait_for_log("'other' is ignored")


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
