"""The host over HTTP, with rows in a real Azurite and a scripted model: of which there is no recording."""

import socket
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import pytest

from local_azure.tests.functions_host.harness import (
    BLOB_OWNER,
    PREVIEW_BUNDLE,
    TABLE_CONTRIBUTOR,
    LocalAzure,
    TestSite,
    host_json,
    until,
)
from local_azure.tests.functions_host.model import ScriptedModel, says

APP = r"""
import json, logging, os
import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
STORAGE = {"chat_storage_connection_setting": "AzureWebJobsStorage", "collection_name": "ChatState"}

@app.route(route="seen", methods=["GET", "POST"])
def Seen(req: func.HttpRequest) -> str:
    return json.dumps({"headers": dict(req.headers), "pid": os.getpid()})

@app.route(route="keyed", auth_level=func.AuthLevel.FUNCTION)
def Keyed(req: func.HttpRequest) -> str:
    return "open"

@app.route(route="off")
def Off(req: func.HttpRequest) -> str:
    return "never"

@app.route(route="named", binding_arg_name="response")
def Named(req: func.HttpRequest, response: func.Out[func.HttpResponse]) -> None:
    response.set(func.HttpResponse("by its name", status_code=201))

@app.route(route="misnamed")
@app.generic_output_binding(arg_name="my__requests", type="assistantCreate")
def Misnamed(req: func.HttpRequest, my__requests: func.Out[str]) -> str:
    return "never"

@app.route(route="assistants/{id}", methods=["PUT"])
@app.assistant_create_output(arg_name="requests")
def Create(req: func.HttpRequest, requests: func.Out[str]) -> func.HttpResponse:
    requests.set(json.dumps({
        "id": req.route_params["id"], "chatStorageConnectionSetting": "AzureWebJobsStorage",
        "collectionName": "ChatState", "instructions": "Be nice",
    }))
    return func.HttpResponse(status_code=202)

@app.route(route="assistants/{id}", methods=["POST"])
@app.assistant_post_input(
    arg_name="state", id="{id}", user_message="{message}", is_reasoning_model=True,
    chat_model="%CHAT_MODEL%", ai_connection_name="AzureOpenAI", **STORAGE)
def Post(req: func.HttpRequest, state: str) -> func.HttpResponse:
    return func.HttpResponse(state)

@app.assistant_skill_trigger(arg_name="task", function_description="Create a to-do", function_name="AddTodo")
def RememberTask(task: str) -> None:
    if task == "fail":
        raise ValueError("a skill that fails")
    logging.info("remembered %r", task)

@app.assistant_skill_trigger(arg_name="what", function_description="Give things back")
def Give(what: str):
    return {"dict": {"a": 1}}.get(what, what)

@app.assistant_skill_trigger(arg_name="x", function_description="Never")
def Silent(x: str) -> str:
    return "never"
"""


@pytest.fixture(scope="module")
def site(local_azure: LocalAzure, model: ScriptedModel) -> Iterator[TestSite]:
    """One of its routes and one of its skills are disabled."""
    site = local_azure.new_site(
        AzureOpenAI__endpoint=model.endpoint,
        CHAT_MODEL="chat",
        # One thread: a post that kept it while its skills ran would never end.
        PYTHON_THREADPOOL_THREAD_COUNT="1",
        AzureWebJobs_Off_Disabled="true",
        AzureWebJobs_Silent_Disabled="true",
    )
    site.cors = {"allowedOrigins": ["https://a.example"]}
    yield site.start(APP)
    site.delete()


def test_a_route_that_is_disabled_is_404(site: TestSite) -> None:
    assert [site.send("GET", target).status for target in ("/api/off", "/api/seen")] == [404, 200]


def test_a_response_may_be_an_output_with_a_name(site: TestSite) -> None:
    response = site.send("GET", "/api/named")
    assert (response.status, response.body) == (201, b"by its name")


def test_a_key_header_counts_even_if_it_is_empty(site: TestSite) -> None:
    """AuthenticationLevelHandler of the host."""
    target = f"/api/keyed?code={site.keys['default']}"
    assert site.send("GET", target).status == 200
    assert site.send("GET", target, headers={"x-functions-key": ""}).status == 401


def test_a_host_without_access_to_its_keys_refuses_every_key(local_azure: LocalAzure) -> None:
    """Recorded: bare 500 where a key is sent, until soon after the role came. Then it keeps them."""
    site = local_azure.new_site(
        AzureWebJobsStorage__blobServiceUri=local_azure.endpoints.blob,
        # The deployment container names the identity by its id.
        AzureWebJobsStorage__clientId="00000000-0000-4000-8000-00000000000f",
    ).start(APP)
    key, wrong_key = ({"x-functions-key": text} for text in (site.keys["default"], "wrong"))

    def remove_blob_role() -> None:
        for assignment in local_azure.store.list("Microsoft.Authorization/roleAssignments"):
            role: dict[str, str] = assignment.get("properties", {})
            if role["principalId"] == site.principal_id and BLOB_OWNER in role["roleDefinitionId"]:
                local_azure.store.delete(assignment["id"])

    local_azure.do(remove_blob_role)
    assert site.send("GET", "/api/keyed", headers=wrong_key).status == 500
    site.settings["AzureWebJobsStorage__clientId"] = site.client_id
    site.configure()
    for target, headers in (("/api/keyed", key), ("/admin/host/status", wrong_key)):
        response = site.send("GET", target, headers=headers)
        assert (target, response.status, response.body) == (target, 500, b"")
    assert [site.send("GET", target).status for target in ("/api/seen", "/api/keyed")] == [200, 401]
    local_azure.assign(site.principal_id, BLOB_OWNER, local_azure.account)
    assert site.send("GET", "/api/keyed", headers=key).status == 200
    local_azure.do(remove_blob_role)
    assert site.send("GET", "/api/keyed", headers=key).status == 200
    site.delete()


def test_the_function_sees_that_a_body_was_sent_in_chunks(site: TestSite) -> None:
    """The header is all that tells it of a body that it was not given; the recordings leave it out."""
    response = site.send("POST", "/api/seen", b"x", {"Transfer-Encoding": "chunked"}, chunked=True)
    assert response.json()["headers"]["transfer-encoding"] == "chunked"


def test_a_client_that_hangs_up_in_its_body_leaves_no_traceback(site: TestSite) -> None:
    before = site.log.count("Traceback")
    with site.connect() as connection:
        head = f"POST /api/seen HTTP/1.1\r\nHost: {site.hosts.default}\r\nContent-Length: 9\r\n\r\n"
        connection.sendall(f"{head}hi".encode())
        connection.settimeout(0.2)
        with pytest.raises(TimeoutError):  # the request has arrived, and waits for the rest
            connection.recv(1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset
    assert site.send("GET", "/api/seen").status == 200
    assert site.log.count("Traceback") == before


def test_the_host_status_tells_errors_only_to_the_developer(site: TestSite) -> None:
    target = "/admin/host/status"
    assert site.send("GET", target, headers={"x-functions-key": site.keys["default"]}).status == 403
    status = site.send("GET", target, headers={"x-functions-key": site.keys["master"]}).json()
    assert (status["state"], status["id"]) == ("Running", site.name)
    assert status["extensionBundle"] == {"id": PREVIEW_BUNDLE["id"], "version": "4.45.0"}
    assert status["processUptime"] > 0
    assert ["my__requests" in error for error in site.host_status["errors"]] == [True]
    assert set(site.host_status) == {*status, "errors"}
    assert "Misnamed" not in site.functions
    assert "Create" in site.functions


def test_cors_is_answered_by_the_platform(site: TestSite) -> None:
    origin = {"Origin": "https://a.example"}
    preflight = site.send("OPTIONS", "/api/seen", headers={**origin, "Access-Control-Request-Method": "PUT"})
    assert (preflight.status, preflight.headers["Access-Control-Allow-Methods"]) == (204, "PUT")
    response = site.send("GET", "/api/seen", headers=origin)
    assert response.headers["Access-Control-Allow-Origin"] == "https://a.example"


def test_the_app_sees_its_settings_and_the_platform_and_nothing_else(site: TestSite) -> None:
    environment = psutil.Process(site.send("GET", "/api/seen").json()["pid"]).environ()
    assert environment["AzureWebJobsStorage__clientId"] == site.client_id
    assert environment["WEBSITE_SITE_NAME"] == site.name
    assert environment["WEBSITE_HOSTNAME"] == site.hosts.default
    assert environment["FUNCTIONS_WORKER_RUNTIME"] == "python"
    assert {"VIRTUAL_ENV", "PYTEST_CURRENT_TEST", "USER"}.isdisjoint(environment)


def test_a_host_that_dies_is_started_again_on_the_same_port(site: TestSite) -> None:
    before = site.state
    psutil.Process(before["pid"]).kill()
    assert site.send("GET", "/api/seen").status == 200
    until(lambda: site.state["alive"], "host runs again")
    assert site.state["restarts"] == before["restarts"] + 1
    assert site.state["pid"] != before["pid"]


def test_host_json_is_applied(site: TestSite, new_site: Callable[..., TestSite]) -> None:
    """Here without the role for tables, which takes effect without a restart."""
    host: dict[str, Any] = {
        "extensions": {"http": {"routePrefix": "v1"}},
        "extensionBundle": {**PREVIEW_BUNDLE, "version": "[4.*, 5.0.0)"},
        "logging": {"logLevel": {"Microsoft.Azure.WebJobs.Extensions.OpenAI": "Warning"}},
    }
    changed = new_site(roles=(BLOB_OWNER,)).start(APP, **{"host.json": host_json(**host)})
    response = changed.send("PUT", "/v1/assistants/quiet")
    assert (response.status, response.body) == (500, b"")
    changed.wait_for_log("AuthorizationPermissionMismatch")
    changed.azure.assign(changed.principal_id, TABLE_CONTRIBUTOR, changed.azure.account)
    assert changed.send("PUT", "/v1/assistants/quiet").status == 202
    assert any("0.21.0-alpha" in notice for notice in changed.host_status["notices"])
    changed.wait_for_log("[Information] Function.Create: Executed")
    assert "Be nice" not in changed.log
    assert site.send("PUT", "/api/assistants/loud").status == 202
    site.wait_for_log("Be nice")


# The assistant bindings


def post(site: TestSite, assistant: str, body: bytes = b'{"message": "hi"}') -> int:
    assert site.send("PUT", f"/api/assistants/{assistant}").status == 202
    return site.send("POST", f"/api/assistants/{assistant}", body).status


def contents(site: TestSite, assistant: str) -> list[tuple[str, str]]:
    return [(row["Role"], row["Content"]) for row in site.azure.rows(assistant) if "Role" in row]


def test_a_message_of_the_body_goes_to_a_reasoning_model_with_a_token(
    site: TestSite, model: ScriptedModel
) -> None:
    """With half a surrogate pair, which is replaced (`dotnet.well_formed`)."""
    model.script(says("ok"))
    assert post(site, "reasons", b'{"message": "a\\ud800"}') == 200
    assert {"temperature", "max_tokens"}.isdisjoint(model.requests[0].body)
    assert model.requests[0].path.startswith("/openai/deployments/chat/")
    assert model.requests[0].headers["Authorization"].startswith("Bearer ")
    assert contents(site, "reasons")[1] == ("User", "a\ufffd")


def test_a_post_without_its_worker_writes_its_rows(site: TestSite, model: ScriptedModel) -> None:
    def kill_worker() -> None:
        for worker in psutil.Process(site.state["pid"]).children():
            worker.kill()
            worker.wait(10)

    model.script(says("late", before=kill_worker))
    post(site, "died")
    assert contents(site, "died") == [("System", "Be nice"), ("User", "hi"), ("Assistant", "late")]


def test_skills_run_in_the_worker(site: TestSite, model: ScriptedModel) -> None:
    calls = [
        ("addtodo", '{"task": "buy milk"}', "The function call succeeded."),
        ("Give", '{"what": "text"}', '"text"'),
        ("Give", '{"what": "dict"}', '{"a":1}'),
        ("AddTodo", '{"task": "fail"}', "The function call failed."),
        ("Silent", '{"x": "a"}', "The function call failed."),
    ]
    reply = says(None, *((f"c{number}", *call[:2]) for number, call in enumerate(calls)))
    model.script(reply, says("Done."))
    assert post(site, "give") == 200, site.log[-3000:]
    outputs = [content for role, content in contents(site, "give") if role == "Tool"]
    for (name, _, output), content in zip(calls, outputs, strict=True):
        assert content.startswith(f"Function Name: '{name}' and Function Result: '{output}")
    site.wait_for_log("remembered 'buy milk'")
    site.wait_for_log("ValueError: a skill that fails")
