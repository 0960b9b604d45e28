"""The assistant bindings through the host, with rows in a real Azurite and a scripted model."""

import json
import re
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import quote

import psutil
import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.data.tables import EdmType

from local_azure.core import ids
from local_azure.core.store import Resource
from local_azure.core.tokens import MODEL_AUDIENCES
from local_azure.runtime.ports import Ports
from local_azure.services.cognitiveservices.chat.accounts import ModelAccounts
from local_azure.services.cognitiveservices.chat.front import CONTROL_PATH
from local_azure.tests.functions_host.harness import (
    GROUP,
    Answer,
    LocalAzure,
    TestSite,
    host_json,
    send,
    until,
)
from local_azure.tests.functions_host.model import ScriptedModel, refuses, says, scripted_model

APP = r"""
import json, logging
import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
ID = "assistants/{assistantId:maxlength(64):regex(^[A-Za-z0-9_-]+$)}"
STORAGE = {"chat_storage_connection_setting": "AzureWebJobsStorage", "collection_name": "ChatState"}
POST = {**STORAGE, "chat_model": "%CHAT_MODEL%", "ai_connection_name": "AzureOpenAI"}

@app.route(route=ID, methods=["PUT"])
@app.assistant_create_output(arg_name="requests")
def Create(req: func.HttpRequest, requests: func.Out[str]) -> func.HttpResponse:
    requests.set(json.dumps({
        "id": req.route_params["assistantId"], "chatStorageConnectionSetting": "AzureWebJobsStorage",
        "collectionName": "ChatState", "instructions": req.get_body().decode() or "Be nice",
    }))
    return func.HttpResponse(status_code=202)

@app.route(route=ID, methods=["POST"])
@app.assistant_post_input(arg_name="state", id="{assistantId}", user_message="{Query.message}", **POST)
def Post(req: func.HttpRequest, state: str) -> func.HttpResponse:
    logging.info("handler of Post runs")
    return func.HttpResponse(state, mimetype="application/json")

@app.route(route=ID, methods=["GET"])
@app.assistant_query_input(
    arg_name="state", id="{assistantId}", timestamp_utc="{Query.timestampUTC}", **STORAGE)
def Query(req: func.HttpRequest, state: bytes) -> func.HttpResponse:
    return func.HttpResponse(json.dumps([type(state).__name__, state]), mimetype="application/json")

@app.route(route="body/{assistantId}", methods=["POST"])
@app.assistant_post_input(
    arg_name="state", id="{assistantId}", user_message="{message}", is_reasoning_model=True, **POST)
def FromBody(req: func.HttpRequest, state: str) -> func.HttpResponse:
    return func.HttpResponse(state)

@app.assistant_skill_trigger(arg_name="task", function_description="Create a to-do", function_name="AddTodo")
def RememberTask(task: str) -> None:
    if task == "fail":
        raise ValueError("a skill that fails")
    logging.info("remembered %r", task)

SCHEMA = json.dumps({"type": "object", "properties": {"what": {"type": "string"}}, "required": ["what"]})

@app.assistant_skill_trigger(
    arg_name="what", function_description="Give things back", parameter_description_json=SCHEMA)
def Give(what: str):
    known = {"dict": {"a": 1, "ä": [True, None, 0.5]}, "number": 5, "yes": True, "none": ""}
    return known.get(what, what)

@app.assistant_skill_trigger(arg_name="x", function_description="Never")
def Off(x: str) -> str:
    return "never"

@app.assistant_skill_trigger(arg_name="x", function_description="Again", function_name="ADDTODO")
def Duplicate(x: str) -> str:
    return "never"
"""
CODE = {"host.json": host_json(), "function_app.py": APP}
OPENAI_USER = "5e0bd9bd-7b93-4f28-af87-19fc36ad61bd"
START = "2000-01-01T00:00:00Z"


@pytest.fixture(scope="module")
def model(local_azure: LocalAzure) -> Iterator[ScriptedModel]:
    with scripted_model(local_azure.tls) as found:
        yield found


def settings(model: ScriptedModel, **more: str) -> dict[str, Any]:
    return {
        "AzureOpenAI__endpoint": model.endpoint,
        "AzureOpenAI__credential": "managedidentity",
        "CHAT_MODEL": "chat",
        # One thread: a post that kept it while its skills ran would never end.
        "PYTHON_THREADPOOL_THREAD_COUNT": "1",
        "AzureWebJobs_Off_Disabled": "true",
        **more,
    }


@pytest.fixture(scope="module")
def site(local_azure: LocalAzure, model: ScriptedModel) -> Iterator[TestSite]:
    made = deployed(local_azure.new_site(**settings(model)))
    yield made
    local_azure.run(local_azure.sites.delete_site(made.id))


@pytest.fixture(scope="module")
def raw_site(local_azure: LocalAzure, model: ScriptedModel) -> Iterator[TestSite]:
    """The same app without its route constraints."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOCAL_AZURE_RAW_ROUTES", "1")
        made = deployed(local_azure.new_site(**settings(model)))
        yield made
    local_azure.run(local_azure.sites.delete_site(made.id))


def deployed(site: TestSite) -> TestSite:
    site.settings.setdefault("AzureOpenAI__clientId", site.principal.client_id)
    site.configure()
    outcome = site.deploy(CODE)
    assert outcome["status"] == 4, outcome
    return site


def create(site: TestSite, assistant: str, instructions: str = "Be nice") -> None:
    assert site.send("PUT", f"/api/assistants/{assistant}", instructions.encode()).status == 202


def post(site: TestSite, assistant: str, message: str = "hi") -> Answer:
    return site.send("POST", f"/api/assistants/{quote(assistant, safe='')}?message={quote(message)}")


def query(site: TestSite, assistant: str, since: str = START) -> Answer:
    return site.send("GET", f"/api/assistants/{quote(assistant, safe='')}?timestampUTC={quote(since)}")


def state_of(site: TestSite, assistant: str, since: str = START) -> dict[str, Any]:
    answer = query(site, assistant, since)
    assert answer.status == 200, site.log[-2000:]
    kind, state = answer.json()
    assert kind == "str"  # whatever the annotation
    return json.loads(state)


def contents(site: TestSite, assistant: str) -> list[tuple[str, str]]:
    return [(row["Role"], row["Content"]) for row in site.azure.rows(assistant) if "Role" in row]


# Post


def test_a_post_writes_both_messages_and_the_state_and_answers_the_new_ones(
    site: TestSite, model: ScriptedModel
) -> None:
    create(site, "talk")
    model.script(says("Hello ä", tokens=21))
    answer = post(site, "talk", "hi & <you>")
    assert answer.status == 200, site.log[-3000:]
    state = answer.json()
    assert list(state) == [
        "id",
        "exists",
        "createdAt",
        "lastUpdatedAt",
        "totalMessages",
        "totalTokens",
        "recentMessages",
    ]
    assert (state["id"], state["exists"], state["totalMessages"], state["totalTokens"]) == (
        "talk",
        True,
        3,
        21,
    )
    assert state["recentMessages"] == [{"content": "Hello ä", "role": "Assistant", "toolCalls": ""}]
    assert "Hello ä".encode() in answer.body  # Newtonsoft leaves what is beyond ASCII
    assert contents(site, "talk") == [("System", "Be nice"), ("User", "hi & <you>"), ("Assistant", "Hello ä")]
    *_, row, kept = site.azure.rows("talk")
    assert row["RowKey"] == "msg-0003"
    assert set(row) == {"PartitionKey", "RowKey", "Content", "Role", "CreatedAt", "ToolCalls"}
    assert re.fullmatch(r"[\d-]+T[\d:]+\.\d{7}Z", row["CreatedAt"].tables_service_value)
    assert (kept["TotalMessages"], kept["TotalTokens"], kept["Exists"]) == (3, 21, True)
    assert kept["LastUpdatedAt"] > kept["CreatedAt"]


def test_the_model_is_asked_as_the_extensions_client_asks(site: TestSite, model: ScriptedModel) -> None:
    create(site, "wire")
    model.script(says("one"), says("two"))
    post(site, "wire", "first")
    post(site, "wire", "second")
    first, second = model.requests
    assert first.path == "/openai/deployments/chat/chat/completions?api-version=2024-10-21"
    assert first.headers["Authorization"].startswith("Bearer ")
    assert first.body["model"] == "chat"
    assert (first.body["temperature"], first.body["max_tokens"]) == (0.5, 100)
    assert "top_p" not in first.body
    assert "max_completion_tokens" not in first.body
    assert second.body["messages"] == [
        {"role": "system", "content": "Be nice"},
        {"role": "user", "content": "first"},
        {"role": "assistant", "content": "one"},
        {"role": "user", "content": "second"},
    ]


def test_a_reasoning_model_gets_neither_max_tokens_nor_temperature(
    site: TestSite, model: ScriptedModel
) -> None:
    create(site, "reasons")
    model.script(says("ok"))
    assert site.send("POST", "/api/body/reasons", b'{"message": "from the body"}').status == 200
    assert {"temperature", "max_tokens"}.isdisjoint(model.requests[0].body)
    assert contents(site, "reasons")[1] == ("User", "from the body")


def test_a_missing_assistant_is_no_error_and_costs_no_model_call(
    site: TestSite, model: ScriptedModel
) -> None:
    model.script()
    assert post(site, "nobody").body == (
        b'{"id":"nobody","exists":false,"createdAt":"0001-01-01T00:00:00",'
        b'"lastUpdatedAt":"0001-01-01T00:00:00","totalMessages":0,"totalTokens":0,"recentMessages":[]}'
    )
    assert model.requests == []


@pytest.mark.parametrize("target", ["", "?message=", "?other=x"])
def test_a_post_without_a_message_fails_before_the_handler(
    site: TestSite, model: ScriptedModel, target: str
) -> None:
    create(site, "silent")
    model.script()
    before = site.log.count("handler of Post runs")
    answer = site.send("POST", f"/api/assistants/silent{target}")
    assert (answer.status, answer.body) == (500, b"")
    assert model.requests == []
    assert site.log.count("handler of Post runs") == before
    reason = "must have a user message" if target == "?message=" else "Error while accessing 'message'"
    until(lambda: reason in site.log, "reason in the log")


def test_a_blank_message_is_a_message(site: TestSite, model: ScriptedModel) -> None:
    create(site, "blank")
    model.script(says("yes?"))
    assert post(site, "blank", " ").status == 200


def test_half_a_surrogate_pair_is_no_failure(site: TestSite, model: ScriptedModel) -> None:
    create(site, "halves")
    model.script(says("ok"))
    assert site.send("POST", "/api/body/halves", b'{"message": "a\\ud800"}').status == 200
    assert contents(site, "halves")[1] == ("User", "a\ufffd")


def test_a_message_that_no_row_takes_is_lost_after_the_model_was_paid(
    site: TestSite, model: ScriptedModel
) -> None:
    create(site, "long")
    model.script(says("ok"))
    body = json.dumps({"message": "x" * 32_769}).encode()
    assert site.send("POST", "/api/body/long", body).status == 500
    assert len(model.requests) == 1
    assert contents(site, "long") == [("System", "Be nice")]


def test_a_model_that_fails_leaves_no_row(site: TestSite, model: ScriptedModel) -> None:
    create(site, "refused")
    model.script(refuses(400, "content_filter", "not that"))
    assert post(site, "refused").status == 500
    assert len(model.requests) == 1
    assert contents(site, "refused") == [("System", "Be nice")]
    until(lambda: "HTTP 400 (content_filter)\nnot that" in site.log, "reason in the log")


def test_a_busy_model_is_asked_again_after_the_time_that_it_names(
    site: TestSite, model: ScriptedModel
) -> None:
    create(site, "busy")
    busy = {"retry_after_ms": "1"}
    model.script(
        refuses(429, "429", **busy), refuses(503, "503", **busy), refuses(500, "500", **busy), says("now")
    )
    assert post(site, "busy").json()["recentMessages"][0]["content"] == "now"
    assert len(model.requests) == 4
    model.script(*[refuses(429, "429", "slow down", **busy)] * 5)
    assert post(site, "busy").status == 500
    assert len(model.requests) == 4


def test_a_late_reply_is_written_where_the_assistant_was_deleted_meanwhile(
    site: TestSite, model: ScriptedModel
) -> None:
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


def test_a_client_that_leaves_holds_no_row_back_and_the_function_is_not_called(
    site: TestSite, model: ScriptedModel
) -> None:
    """Recording rpc-request/client-leaves-model."""
    create(site, "left")
    runs = site.log.count("handler of Post runs")
    with site.connect() as connection:

        def leave() -> None:
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(1024):
                pass  # the host has noticed when it closes its side

        model.script(says("late", before=leave))
        head = f"POST /api/assistants/left?message=hi HTTP/1.1\r\nHost: {site.hosts.default}\r\n"
        connection.sendall(f"{head}Content-Length: 0\r\n\r\n".encode())
        until(lambda: len(contents(site, "left")) == 3, "rows of the post")
    until(lambda: "the client disconnected" in site.log, "the end of the invocation")
    assert site.log.count("handler of Post runs") == runs


def test_a_worker_that_dies_while_the_model_is_asked_holds_no_row_back(
    site: TestSite, model: ScriptedModel
) -> None:
    create(site, "died")

    def kill_worker() -> None:
        states = site.azure.do(site.azure.sites.states)
        pid = next(state.pid for state in states if state.name == site.name)
        assert pid is not None
        for worker in psutil.Process(pid).children():
            worker.kill()
            worker.wait(10)

    model.script(says("late", before=kill_worker))
    post(site, "died")
    assert contents(site, "died") == [("System", "Be nice"), ("User", "hi"), ("Assistant", "late")]


# Skills


def test_a_skill_runs_and_its_result_goes_back_to_the_model(site: TestSite, model: ScriptedModel) -> None:
    create(site, "todo")
    model.script(
        says(None, ("c1", "addtodo", '{"task": "buy milk", "other": 1}'), tokens=5),
        says("Done.", tokens=9),
    )
    state = post(site, "todo", "remember milk").json()
    assert state["totalTokens"] == 9
    assert [one["content"] for one in state["recentMessages"]] == ["", "Done."]
    assert json.loads(state["recentMessages"][0]["toolCalls"]) == [
        {
            "id": "c1",
            "functionName": "addtodo",
            "functionArguments": '{"task": "buy milk", "other": 1}',
            "kind": "Function",
        }
    ]
    assert contents(site, "todo")[2:] == [
        ("Assistant", ""),
        (
            "Tool",
            "Function Name: 'addtodo' and Function Result: 'The function call succeeded. "
            "Let the user know that you completed the action.'",
        ),
        ("Assistant", "Done."),
    ]
    tool = site.azure.rows("todo")[3]
    assert tool["Name"] == "c1"
    call, result = model.requests[1].body["messages"][-2:]
    assert call == {
        "role": "assistant",
        "tool_calls": [
            {
                "id": "c1",
                "type": "function",
                "function": {"name": "addtodo", "arguments": '{"task": "buy milk", "other": 1}'},
            }
        ],
    }
    assert result == {"role": "tool", "tool_call_id": "c1", "content": tool["Content"]}
    until(lambda: "remembered 'buy milk'" in site.log, "the skill's own log")
    # What was stored is read again.
    assert state_of(site, "todo")["recentMessages"][2] == state["recentMessages"][0]


def test_every_skill_is_offered_but_disabled_ones_and_duplicates(
    site: TestSite, model: ScriptedModel
) -> None:
    create(site, "tools")
    model.script(says("ok"))
    post(site, "tools")
    assert model.requests[0].body["tools"] == [
        {
            "type": "function",
            "function": {
                "name": "AddTodo",
                "description": "Create a to-do",
                "parameters": {"type": "object", "properties": {"task": {"type": "string"}}},
            },
        },
        {
            "type": "function",
            "function": {
                "name": "Give",
                "description": "Give things back",
                "parameters": {
                    "type": "object",
                    "properties": {"what": {"type": "string"}},
                    "required": ["what"],
                },
            },
        },
    ]
    assert any("Key: ADDTODO" in one for one in site.host_status["errors"])
    assert site.send("POST", "/api/RememberTask").status == 404  # a skill has no route


@pytest.mark.parametrize(
    ("arguments", "result"),
    [
        ('{"what": "text"}', '"text"'),
        ('{"what": "say \\"hi\\""}', '"say \\"hi\\""'),
        ('{"what": "dict"}', '{"a":1,"ä":[true,null,0.5]}'),
        ('{"what": "number"}', "5"),
        ('{"what": "yes"}', "1"),
        ('{"what": "none"}', '""'),
        ('{"what": 5.0}', '"5"'),
        ('{"what": true}', '"True"'),
        ('{"what": "2026-11-25T10:00:00Z"}', '"11/25/2026 10:00:00"'),
    ],
)
def test_results_are_json_and_arguments_are_text(
    site: TestSite, model: ScriptedModel, arguments: str, result: str
) -> None:
    create(site, "give")
    model.script(says(None, ("c1", "Give", arguments)), says("Done."))
    assert post(site, "give").status == 200
    assert contents(site, "give")[3][1] == f"Function Name: 'Give' and Function Result: '{result}'"


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("AddTodo", '{"task": "fail"}'),
        ("AddTodo", '{"task": {"a": 1}}'),
        ("AddTodo", '{"task": ["a"]}'),
        ("AddTodo", "[1]"),
        ("AddTodo", '{"task": "cut'),
        ("Off", '{"x": "a"}'),
        ("Unknown", "{}"),
    ],
)
def test_a_skill_that_fails_is_told_to_the_model(
    site: TestSite, model: ScriptedModel, name: str, arguments: str
) -> None:
    create(site, "fails")
    model.script(says(None, ("c1", name, arguments)), says("Sorry."))
    assert post(site, "fails").status == 200
    assert contents(site, "fails")[3][1] == (
        f"Function Name: '{name}' and Function Result: 'The function call failed. "
        f"Let the user know and ask if they'd like you to try again'"
    )


# Query


def test_a_query_answers_every_message_after_a_time_with_the_system_prompt(
    site: TestSite, model: ScriptedModel
) -> None:
    create(site, "ask")
    model.script(says("one"), says("two"))
    middle = post(site, "ask", "first").json()["lastUpdatedAt"]
    post(site, "ask", "second")
    everything = state_of(site, "ask")
    assert [one["role"] for one in everything["recentMessages"]] == [
        "System",
        "User",
        "Assistant",
        "User",
        "Assistant",
    ]
    assert everything["totalMessages"] == 5
    assert [one["content"] for one in state_of(site, "ask", middle)["recentMessages"]] == ["second", "two"]
    last = site.azure.rows("ask")[-2]["CreatedAt"].tables_service_value
    assert state_of(site, "ask", last)["recentMessages"] == []  # later than, not from


def test_a_query_for_a_missing_assistant_says_that_it_does_not_exist(site: TestSite) -> None:
    assert state_of(site, "nobody") == {
        "id": "nobody",
        "exists": False,
        "createdAt": "0001-01-01T00:00:00",
        "lastUpdatedAt": "0001-01-01T00:00:00",
        "totalMessages": 0,
        "totalTokens": 0,
        "recentMessages": [],
    }


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("?timestampUTC=yesterday", "Invalid timestamp 'yesterday'"),
        ("?timestampUTC=", "Invalid timestamp ''"),
        ("", "Error while accessing 'timestampUTC': property doesn't exist."),
        ("?timestampUTC=2026-01-01T00:00:00+02:00", "Invalid timestamp '2026-01-01T00:00:00 02:00'"),
    ],
)
def test_a_bad_timestamp_fails(site: TestSite, target: str, reason: str) -> None:
    answer = site.send("GET", f"/api/assistants/a{target}")
    assert (answer.status, answer.body) == (500, b"")
    until(lambda: reason in site.log, "reason in the log")


def test_an_encoded_offset_is_understood(site: TestSite) -> None:
    assert site.send("GET", "/api/assistants/a?timestampUTC=2026-01-01T00:00:00%2B02:00").status == 200
    assert site.send("GET", "/api/assistants/a?timestampUTC=2026-01-01T00%253A00%253A00Z").status == 200


def test_only_a_create_makes_the_table(
    local_azure: LocalAzure, new_site: Callable[..., TestSite], model: ScriptedModel
) -> None:
    site = new_site(**settings(model))
    site.configure()
    code = {**CODE, "function_app.py": APP.replace('"ChatState"', '"Fresh"')}
    assert site.deploy(code)["status"] == 4
    assert query(site, "a").status == 500
    assert post(site, "a").status == 500
    with pytest.raises(ResourceNotFoundError):
        local_azure.rows("a", "Fresh")
    create(site, "a")
    assert query(site, "a").status == 200


# Section 9 of the facts: what the extension does when nobody guards it


def test_hazard_1_an_injected_filter_reads_the_rows_of_another(
    raw_site: TestSite, model: ScriptedModel
) -> None:
    create(raw_site, "victim", "a secret prompt")
    state = state_of(raw_site, "x' or PartitionKey eq 'victim")
    assert state["exists"] is True
    assert state["recentMessages"][0]["content"] == "a secret prompt"
    # A post sends it all to the model, and fails only when it writes into two partitions.
    model.script(says("leaked"))
    assert post(raw_site, "x' or PartitionKey eq 'victim").status == 500
    assert model.requests[0].body["messages"][0]["content"] == "a secret prompt"
    assert contents(raw_site, "victim") == [("System", "a secret prompt")]


def test_hazard_1_an_injected_filter_deletes_the_rows_of_another(raw_site: TestSite) -> None:
    create(raw_site, "victim")
    raw_site.send("PUT", f"/api/assistants/{quote(INJECTION)}")
    assert raw_site.azure.rows("victim") == []


INJECTION = "x' or PartitionKey eq 'victim"


@pytest.mark.parametrize("method", ["PUT", "POST", "GET"])
@pytest.mark.parametrize("hostile", [INJECTION, "it's", "a%27b", "a\nb", "a/b", "x" * 65, "ä", "a b"])
def test_with_the_constraints_no_hostile_id_reaches_a_binding(
    site: TestSite, model: ScriptedModel, method: str, hostile: str
) -> None:
    create(site, "victim", "kept")
    model.script()
    target = f"/api/assistants/{quote(hostile, safe='')}?message=x&timestampUTC={START}"
    assert site.send(method, target).status == 404
    assert model.requests == []
    assert contents(site, "victim") == [("System", "kept")]


def test_hazard_2_a_quote_in_the_id_fails(raw_site: TestSite) -> None:
    assert query(raw_site, "it's").status == 500
    assert post(raw_site, "it's").status == 500


def test_raw_routes_are_told_in_the_status(raw_site: TestSite, site: TestSite) -> None:
    assert any("LOCAL_AZURE_RAW_ROUTES" in one for one in raw_site.host_status["notices"])
    assert "notices" not in site.host_status


def test_hazard_3_a_create_wipes_the_conversation(site: TestSite, model: ScriptedModel) -> None:
    create(site, "wiped")
    model.script(says("one"))
    post(site, "wiped")
    create(site, "wiped", "anew")
    assert contents(site, "wiped") == [("System", "anew")]


def test_hazard_6_arguments_that_were_cut_make_the_conversation_unreadable(
    site: TestSite, model: ScriptedModel
) -> None:
    create(site, "cut")
    model.script(says(None, ("c1", "AddTodo", '{"task": "a very long')), says("Sorry."))
    assert post(site, "cut").status == 200
    model.script()
    assert post(site, "cut").status == 500
    assert query(site, "cut").status == 500
    assert model.requests == []
    create(site, "cut")
    assert query(site, "cut").status == 200


def test_hazard_7_calls_beyond_the_limit_stay_without_an_answer(site: TestSite, model: ScriptedModel) -> None:
    create(site, "loops")
    calls = [(f"c{number}", "AddTodo", '{"task": "x"}') for number in range(50)]
    model.script(says(None, *calls), says(None, ("last", "AddTodo", '{"task": "x"}')))
    assert post(site, "loops").status == 200
    assert len(model.requests) == 2
    assert contents(site, "loops")[-1] == ("Assistant", "")
    until(lambda: "due to exceeding the limit of 50" in site.log, "warning")
    model.script(refuses(400, "invalid_request_error", "'tool_calls' must be followed by tool messages"))
    assert post(site, "loops").status == 500
    asked, user = model.requests[0].body["messages"][-2:]
    assert asked["tool_calls"][0]["id"] == "last"
    assert user["role"] == "user"


def test_hazard_8_more_rows_than_a_transaction_takes_are_lost_after_the_skills_ran(
    site: TestSite, model: ScriptedModel
) -> None:
    create(site, "many")
    calls = [(f"c{number}", "AddTodo", '{"task": "many rows"}') for number in range(97)]
    model.script(says(None, *calls), says("Done."))
    assert post(site, "many").status == 500
    assert site.log.count("remembered 'many rows'") == 97
    assert contents(site, "many") == [("System", "Be nice")]


def test_hazard_9_posts_at_the_same_time_collide_after_the_model_was_paid(
    site: TestSite, model: ScriptedModel
) -> None:
    create(site, "collide")

    def both_asked() -> None:
        until(lambda: len(model.requests) == 2, "both posts to have reached the model")

    model.script(says("one", before=both_asked), says("two", before=both_asked))
    with ThreadPoolExecutor(2) as pool:
        answers = [pool.submit(post, site, "collide", message) for message in ("first", "second")]
    assert sorted(answer.result().status for answer in answers) == [200, 500]
    assert len(model.requests) == 2
    assert len(contents(site, "collide")) == 3
    until(lambda: "EntityAlreadyExists" in site.log or "already exists" in site.log, "reason in the log")


def test_hazard_10_a_create_during_a_post_leaves_a_wrong_count(site: TestSite, model: ScriptedModel) -> None:
    create(site, "raced")
    model.script(says("one"))
    post(site, "raced")
    model.script(says("two", before=lambda: create(site, "raced", "anew")))
    assert post(site, "raced").status == 200
    rows = site.azure.rows("raced")
    assert [row["RowKey"] for row in rows] == ["msg-0001", "msg-0004", "msg-0005", "state"]
    assert rows[-1]["TotalMessages"] == 5


def test_hazard_11_a_history_that_is_too_long_fails_for_good(site: TestSite, model: ScriptedModel) -> None:
    create(site, "endless")
    for _ in range(2):
        model.script(refuses(400, "context_length_exceeded", "too many tokens"))
        assert post(site, "endless").status == 500
        assert len(model.requests) == 1


def test_hazard_14_a_body_member_takes_the_place_of_the_query(site: TestSite, model: ScriptedModel) -> None:
    create(site, "shadow")
    model.script(says("ok"))
    body = json.dumps({"Query": {"Message": "from the body"}}).encode()
    assert site.send("POST", "/api/assistants/shadow?message=from+the+query", body).status == 200
    assert contents(site, "shadow")[1] == ("User", "from the body")


def test_hazard_15_the_default_model_is_the_name_of_its_enum(
    new_site: Callable[..., TestSite], model: ScriptedModel
) -> None:
    site = new_site(**settings(model))
    site.settings["AzureOpenAI__clientId"] = site.principal.client_id
    site.configure()
    source = APP.replace('"chat_model": "%CHAT_MODEL%", ', "")
    assert site.deploy({**CODE, "function_app.py": source})["status"] == 4
    create(site, "default")
    model.script(refuses(404, "DeploymentNotFound"))
    assert post(site, "default").status == 500
    assert "/deployments/DefaultChatModel/" in model.requests[0].path


# Connections


def test_the_first_model_of_a_connection_serves_later_ones(
    new_site: Callable[..., TestSite], model: ScriptedModel
) -> None:
    site = new_site(**settings(model))
    site.settings["AzureOpenAI__clientId"] = site.principal.client_id
    site.configure()
    source = APP.replace("**POST)\ndef FromBody", '**{**POST, "chat_model": "other"})\ndef FromBody')
    assert source != APP
    assert site.deploy({**CODE, "function_app.py": source})["status"] == 4
    create(site, "models")
    model.script(says("a"), says("b"))
    assert post(site, "models").status == 200
    assert site.send("POST", "/api/body/models", b'{"message": "x"}').status == 200
    assert ["/deployments/chat/" in request.path for request in model.requests] == [True, True]
    until(lambda: "'other' is ignored" in site.log, "warning")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"OPENAI_API_KEY": "sk-x"}, "sends no request to the internet"),
        ({"AzureOpenAI__endpoint": ""}, "'AzureOpenAI' is missing required 'Endpoint'"),
        ({"AzureOpenAI__endpoint": "http://127.0.0.1:1/"}, "not permitted for non TLS protected"),
    ],
)
def test_a_connection_that_leads_nowhere_says_why(
    new_site: Callable[..., TestSite], model: ScriptedModel, changes: dict[str, str], reason: str
) -> None:
    site = deployed(new_site(**settings(model, **changes)))
    create(site, "nowhere")
    model.script()
    assert post(site, "nowhere").status == 500
    until(lambda: reason in site.log, "reason in the log")
    assert model.requests == []


def test_a_key_goes_out_as_a_key(new_site: Callable[..., TestSite], model: ScriptedModel) -> None:
    site = deployed(new_site(**settings(model, AzureOpenAI__key="k1")))
    create(site, "keyed")
    model.script(says("ok"))
    assert post(site, "keyed").status == 200
    assert model.requests[0].headers["api-key"] == "k1"
    assert "Authorization" not in model.requests[0].headers


def test_rows_that_the_extension_of_old_wrote_are_read(site: TestSite, model: ScriptedModel) -> None:
    """Up to 0.18: lower-case roles and no ToolCalls."""
    moment = ("2024-01-01T00:00:00.5Z", EdmType.DATETIME)
    message = {"Content": "old", "Role": "system", "CreatedAt": moment}
    state = {
        "Exists": True,
        "CreatedAt": moment,
        "LastUpdatedAt": moment,
        "TotalMessages": 1,
        "TotalTokens": 0,
    }
    with site.azure.table() as table:
        for key, members in (("msg-0001", message), ("state", state)):
            table.create_entity({"PartitionKey": "old", "RowKey": key, **members})  # pyright: ignore[reportUnknownMemberType] # the SDK leaves `**kwargs` open
    found = state_of(site, "old")
    assert found["createdAt"] == "2024-01-01T00:00:00.5Z"
    assert found["recentMessages"] == [{"content": "old", "role": "system", "toolCalls": ""}]
    model.script(says("ok"))
    assert post(site, "old").status == 200
    assert model.requests[0].body["messages"][0] == {"role": "system", "content": "old"}


# Local Azure's own chat model


@dataclass(frozen=True)
class OpenAI:
    azure: LocalAzure
    account: str
    endpoint: str

    def script(self, *steps: object) -> None:
        content = json.dumps(steps).encode()
        address = self.endpoint.removeprefix("https://").rstrip("/")
        for method, body in (("DELETE", None), ("POST", content)):
            headers = {"Authorization": f"Bearer {self.azure.token(audience=MODEL_AUDIENCES[0])}"}
            answer = send(self.azure.tls, address, method, CONTROL_PATH, headers, body)
            assert answer.status == 200, answer


@pytest.fixture(scope="module")
def openai(local_azure: LocalAzure, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenAI]:
    account = ids.build(GROUP, "Microsoft.CognitiveServices/accounts", "oai")
    deployment = ids.build(GROUP, "Microsoft.CognitiveServices/accounts/deployments", "oai", "chat")
    ports = Ports(tmp_path_factory.mktemp("openai") / "ports.json")
    accounts = ModelAccounts(local_azure.home, local_azure.store, local_azure.tokens, local_azure.tls, ports)
    model = {"format": "OpenAI", "name": "gpt-5.4-mini", "version": "2026-03-17"}
    kind = "Microsoft.CognitiveServices/accounts"
    resources: list[Resource] = [
        {"id": account, "name": "oai", "type": kind, "location": "eastus2", "properties": {}},
        {
            "id": deployment,
            "name": "chat",
            "type": f"{kind}/deployments",
            "sku": {"name": "GlobalStandard", "capacity": 50},
            "properties": {"model": model, "provisioningState": "Succeeded"},
        },
    ]
    for resource in resources:
        local_azure.do(partial(local_azure.store.put, resource))
    yield OpenAI(local_azure, account, local_azure.run(accounts.open_account(account, "oai")))
    local_azure.run(accounts.close())


def test_a_skill_is_called_by_local_azures_model(new_site: Callable[..., TestSite], openai: OpenAI) -> None:
    site = new_site(AzureOpenAI__endpoint=openai.endpoint, CHAT_MODEL="chat")
    deployed(site)
    openai.azure.assign(site.principal.id, OPENAI_USER, openai.account)
    create(site, "local")
    openai.script(
        {"error": {"status": 429, "code": "429", "message": "Slow down."}, "headers": {"Retry-After": "0"}},
        {"toolCalls": [{"name": "AddTodo", "arguments": {"task": "milk"}}]},
        {"text": "Noted."},
    )
    answer = site.send("POST", "/api/body/local", b'{"message": "remember milk"}')
    assert answer.status == 200, site.log[-3000:]
    assert [one["content"] for one in answer.json()["recentMessages"]] == ["", "Noted."]
    assert answer.json()["totalTokens"] > 0
    until(lambda: "remembered 'milk'" in site.log, "the skill's own log")
    # Without a script it answers too, from what has become history.
    assert site.send("POST", "/api/body/local", b'{"message": "and now?"}').status == 200
    # A gpt-5 model refuses max_tokens: the binding without isReasoningModel fails.
    assert post(site, "local").status == 500
    until(lambda: "max_tokens" in site.log, "reason in the log")


def test_without_the_role_the_model_does_not_answer(
    new_site: Callable[..., TestSite], openai: OpenAI
) -> None:
    site = deployed(new_site(AzureOpenAI__endpoint=openai.endpoint, CHAT_MODEL="chat"))
    create(site, "norole")
    assert site.send("POST", "/api/body/norole", b'{"message": "hi"}').status == 500
    until(lambda: "HTTP 401" in site.log or "HTTP 403" in site.log, "reason in the log")
    assert contents(site, "norole") == [("System", "Be nice")]
