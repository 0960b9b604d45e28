"""The host over HTTP, with one app for all tests, and rows in a real Azurite."""

import gzip
import json
import re
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psutil
import pytest
from azure.data.tables import EntityProperty

from local_azure.tests.functions_host.harness import (
    BLOB_OWNER,
    TABLE_CONTRIBUTOR,
    Answer,
    LocalAzure,
    TestSite,
    host_json,
    until,
)

APP = r"""
import json, os, threading
import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)

def seen(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(
        json.dumps({
            "method": req.method, "url": req.url, "params": dict(req.params), "route": dict(req.route_params),
            "headers": dict(req.headers), "body": req.get_body().decode("latin-1"), "pid": os.getpid(),
        }),
        mimetype="application/json",
    )

@app.route(route="seen/{*rest}", methods=["GET", "POST"])
def Seen(req: func.HttpRequest) -> func.HttpResponse:
    return seen(req)

@app.route(route="any")
def Any(req: func.HttpRequest) -> func.HttpResponse:
    return seen(req)

@app.route(route="status")
def Status(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(status_code=int(req.params["code"]))

@app.route(route="keyed", auth_level=func.AuthLevel.FUNCTION)
def Keyed(req: func.HttpRequest) -> str:
    return "open"

@app.route(route="ruled", auth_level=func.AuthLevel.ADMIN)
def Ruled(req: func.HttpRequest) -> str:
    return "open"

@app.route(route="off")
def Off(req: func.HttpRequest) -> str:
    return "never"

@app.route(route="fails")
def Fails(req: func.HttpRequest) -> str:
    if req.params.get("die"):
        os._exit(5)
    raise ValueError("a secret of the handler")

barrier = threading.Barrier(3, timeout=20)

@app.route(route="meet")
def Meet(req: func.HttpRequest) -> str:
    barrier.wait()
    return "met"

def create(req: func.HttpRequest, requests: func.Out[str]) -> func.HttpResponse:
    body = req.get_json()
    if isinstance(body, dict) and body.get("refuse"):
        return func.HttpResponse(status_code=400)
    requests.set(json.dumps(body))
    return func.HttpResponse(json.dumps({"created": True}), status_code=202, mimetype="application/json")

@app.route(route="assistants/{assistantId:maxlength(64):regex(^[A-Za-z0-9_-]+$)}", methods=["PUT"])
@app.assistant_create_output(arg_name="requests")
def Guarded(req: func.HttpRequest, requests: func.Out[str]) -> func.HttpResponse:
    requests.set(json.dumps({
        "id": req.route_params["assistantId"], "instructions": "Be nice",
        "chatStorageConnectionSetting": "AzureWebJobsStorage", "collectionName": "ChatState",
    }))
    return func.HttpResponse(status_code=202)

@app.route(route="raw", methods=["POST"])
@app.assistant_create_output(arg_name="requests")
def Raw(req: func.HttpRequest, requests: func.Out[str]) -> func.HttpResponse:
    return create(req, requests)

@app.route(route="misnamed")
@app.generic_output_binding(arg_name="my__requests", type="assistantCreate")
def Misnamed(req: func.HttpRequest, my__requests: func.Out[str]) -> str:
    return "never"
"""

CODE = {"host.json": host_json(), "function_app.py": APP}
STORAGE = {"chatStorageConnectionSetting": "AzureWebJobsStorage", "collectionName": "ChatState"}


@pytest.fixture(scope="module")
def site(local_azure: LocalAzure) -> Iterator[TestSite]:
    made = local_azure.new_site(AzureWebJobs_Off_Disabled="true")
    made.cors = {"allowedOrigins": ["https://a.example"]}
    made.configure()
    outcome = made.deploy(CODE)
    assert outcome["status"] == 4, outcome
    yield made
    local_azure.run(local_azure.sites.delete_site(made.id))


def raw(site: TestSite, payload: object) -> Answer:
    return site.send("POST", "/api/raw", json.dumps(payload).encode())


def typed(row: dict[str, Any]) -> dict[str, tuple[str, Any]]:
    """Type and value of each property: EntityProperty shows what Python types hide."""
    return {
        name: (str(value.edm_type) if isinstance(value, EntityProperty) else type(value).__name__, value)
        for name, value in row.items()
    }


# Acceptance check 1


def test_a_put_writes_exactly_the_two_rows_of_the_extension(site: TestSite) -> None:
    assert site.send("PUT", "/api/assistants/rows").status == 202
    message, state = site.azure.rows("rows")
    assert set(message) == {"PartitionKey", "RowKey", "Content", "Role", "CreatedAt", "ToolCalls"}
    assert (message["RowKey"], message["Content"], message["Role"], message["ToolCalls"]) == (
        "msg-0001",
        "Be nice",
        "System",
        "",
    )
    assert set(state) == {
        "PartitionKey",
        "RowKey",
        "Exists",
        "CreatedAt",
        "LastUpdatedAt",
        "TotalMessages",
        "TotalTokens",
    }
    assert (state["RowKey"], state["Exists"], state["TotalMessages"], state["TotalTokens"]) == (
        "state",
        True,
        1,
        0,
    )
    kinds = {name: kind for name, (kind, _) in typed(state).items()}
    assert kinds["TotalMessages"] == kinds["TotalTokens"] == "int"  # an Int64 comes back as EntityProperty
    assert kinds["CreatedAt"] == "TablesEntityDatetime"
    for written in (message["CreatedAt"], state["CreatedAt"], state["LastUpdatedAt"]):
        assert re.fullmatch(r"[\d-]+T[\d:]+\.\d{7}Z", written.tables_service_value)


def test_a_second_put_replaces_the_rows(site: TestSite) -> None:
    for instructions in ("first", "second"):
        assert raw(site, {"id": "again", "instructions": instructions, **STORAGE}).status == 202
    message, state = site.azure.rows("again")
    assert message["Content"] == "second"
    assert state["TotalMessages"] == 1


def test_a_long_conversation_is_deleted_in_several_transactions(site: TestSite) -> None:
    with site.azure.table() as table:
        for start in range(0, 150, 50):
            table.submit_transaction(  # pyright: ignore[reportUnknownMemberType] # the SDK leaves `**kwargs` open
                [("create", {"PartitionKey": "long", "RowKey": f"msg-{start + n:04X}"}) for n in range(50)]
            )
    assert raw(site, {"id": "long", **STORAGE}).status == 202
    assert [row["RowKey"] for row in site.azure.rows("long")] == ["msg-0001", "state"]


# Acceptance check 2


def test_blank_instructions_write_the_state_only(site: TestSite) -> None:
    assert raw(site, {"id": "blank", "instructions": " ", **STORAGE}).status == 202
    (state,) = site.azure.rows("blank")
    assert (state["RowKey"], state["TotalMessages"]) == ("state", 0)


def test_absent_instructions_are_the_default_of_the_extension(site: TestSite) -> None:
    assert raw(site, {"id": "absent", **STORAGE}).status == 202
    assert site.azure.rows("absent")[0]["Content"] == "You are a helpful assistant."


def test_an_array_creates_several_assistants(site: TestSite) -> None:
    assert raw(site, [{"id": "one", **STORAGE}, {"id": "two", **STORAGE}]).status == 202
    assert len(site.azure.rows("one")) == len(site.azure.rows("two")) == 2


# Acceptance check 3


def test_a_second_collection_goes_to_the_first_with_a_warning(site: TestSite) -> None:
    assert site.send("PUT", "/api/assistants/first").status == 202
    assert raw(site, {"id": "elsewhere", **STORAGE, "collectionName": "Other"}).status == 202
    assert len(site.azure.rows("elsewhere")) == 2
    until(lambda: "[Warning]" in site.log and "'Other' are ignored" in site.log, "warning")


# Acceptance check 4


@pytest.mark.parametrize("hostile", ["a%27b", "a%2Fb", "a%0Ab", "a/b", "x" * 65, "", "%C3%A4", "a%20b"])
def test_a_hostile_id_never_reaches_the_handler(site: TestSite, hostile: str) -> None:
    assert site.send("PUT", f"/api/assistants/{hostile}").status == 404


def test_without_guards_a_quote_in_the_id_deletes_the_rows_of_another(site: TestSite) -> None:
    assert raw(site, {"id": "victim", **STORAGE}).status == 202
    # The insert that follows may work or not; the victim's rows are gone by then.
    raw(site, {"id": "nobody' or PartitionKey eq 'victim", **STORAGE})
    assert site.azure.rows("victim") == []


def test_without_guards_a_lone_quote_fails(site: TestSite) -> None:
    assert raw(site, {"id": "it's", **STORAGE}).status == 500


# Acceptance check 5


def test_without_guards_instructions_that_are_too_long_cost_the_old_rows(site: TestSite) -> None:
    assert raw(site, {"id": "lost", **STORAGE}).status == 202
    assert raw(site, {"id": "lost", "instructions": "x" * 32_769, **STORAGE}).status == 500
    assert site.azure.rows("lost") == []


def test_instructions_of_the_greatest_length_fit(site: TestSite) -> None:
    assert raw(site, {"id": "fits", "instructions": "\U0001f600" * 16_384, **STORAGE}).status == 202
    assert len(site.azure.rows("fits")) == 2


# Acceptance check 6


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("PUT", "/api/seen/a", 404),
        ("HEAD", "/api/seen/a", 404),
        ("OPTIONS", "/api/seen/a", 404),
        ("PATCH", "/api/any", 200),
        ("GET", "/api/nothing", 404),
        ("GET", "/nothing", 404),
        ("GET", "/api/any/", 200),
        ("GET", "/API/ANY", 200),
        ("GET", "/api//any", 404),
        ("GET", "//api/any", 404),
        ("GET", "/api/any//", 404),
        ("GET", "/api/./any", 200),
        ("GET", "/api/off", 404),
        ("GET", "/api/misnamed", 404),
        ("GET", "/api/any%00", 400),
    ],
)
def test_routing(site: TestSite, method: str, target: str, status: int) -> None:
    answer = site.send(method, target)
    assert answer.status == status
    if status != 200:
        assert answer.body == b""


def test_keys_open_functions_by_level_and_the_header_wins(site: TestSite) -> None:
    default, master = site.keys["default"], site.keys["master"]

    def status(path: str, header: str | None = None) -> int:
        return site.send("GET", path, headers={"x-functions-key": header} if header else {}).status

    assert status("/api/keyed") == 401
    assert site.send("GET", "/api/keyed").body == b""
    assert status("/api/keyed", "wrong") == 401
    assert status("/api/keyed", default) == 200
    assert status(f"/api/keyed?code={default}") == 200
    assert status(f"/api/keyed?code={default}", "wrong") == 401
    assert status("/api/keyed", master) == 200
    assert status("/api/ruled", default) == 401
    assert status("/api/ruled", master) == 200
    assert status("/api/any", "wrong") == 200


def test_the_first_of_several_keys_counts_and_the_function_sees_all(site: TestSite) -> None:
    """Recordings auth/code-twice, auth/code-upper-name and http/echo-all-headers."""
    key = site.keys["default"]

    def send(query: str, *headers: str, route: str = "keyed") -> bytes:
        lines = [f"GET /api/{route}{query} HTTP/1.1", f"Host: {site.hosts.default}", "Connection: close"]
        with site.connect() as connection:
            connection.sendall("\r\n".join([*lines, *headers, "", ""]).encode())
            return b"".join(iter(lambda: connection.recv(65536), b""))

    good, wrong = f"x-functions-key: {key}", "X-Functions-Key: wrong"
    for query, headers, status in [
        ("", (good, wrong), b"200"),
        ("", (wrong, good), b"401"),
        (f"?code={key}&code=wrong", (), b"200"),
        (f"?code=wrong&code={key}", (), b"401"),
        (f"?Code={key}&CODE=wrong", (), b"200"),
        # The header counts where it is there at all (AuthenticationLevelHandler of the host).
        (f"?code={key}", ("x-functions-key:",), b"401"),
    ]:
        assert send(query, *headers).split(b" ")[1] == status, (query, headers)
    content = send("?Code=a&CODE=b", "x-functions-key: A", "X-Functions-Key: B", route="any")
    received = json.loads(content.partition(b"\r\n\r\n")[2])
    assert (received["headers"]["x-functions-key"], received["params"]) == ("A,B", {"Code": "a,b"})


def test_a_constraint_is_checked_before_the_key(site: TestSite) -> None:
    assert site.send("PUT", "/api/assistants/a%27b", headers={"x-functions-key": "wrong"}).status == 404


# Acceptance check 7


def test_a_handler_that_raises_answers_an_empty_500_and_the_log_says_why(site: TestSite) -> None:
    answer = site.send("GET", "/api/fails")
    assert (answer.status, answer.body) == (500, b"")
    until(lambda: "ValueError: a secret of the handler" in site.log, "traceback in the log")


def test_a_refusal_by_the_handler_writes_nothing(site: TestSite) -> None:
    assert raw(site, {"id": "refused", "refuse": True}).status == 400
    assert site.azure.rows("refused") == []


@pytest.mark.parametrize("payload", ["text", None, [None], {"id": {}}, 5])
def test_an_output_that_is_no_create_request_fails(site: TestSite, payload: object) -> None:
    assert (answer := raw(site, payload)).status == 500
    assert answer.body == b""


# Acceptance check 8


def test_a_body_arrives_with_content_length_and_not_in_chunks(site: TestSite) -> None:
    """Recordings http/chunked and http/body-101MB-chunked."""
    body = b"\x00\xff" * 50_000
    assert site.send("POST", "/api/any", body).json()["body"].encode("latin-1") == body
    answer = site.send("POST", "/api/any", body, {"Transfer-Encoding": "chunked"}, chunked=True)
    assert answer.status == 200
    assert answer.json()["body"] == ""
    # The header is all that tells the function of a body that it was not given.
    assert answer.json()["headers"]["transfer-encoding"] == "chunked"
    assert "content-length" not in answer.json()["headers"]


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "unknown"])
@pytest.mark.parametrize("body", [gzip.compress(b'{"b":1}'), b'{"b":1}'], ids=["gzip", "text"])
def test_a_body_is_handed_on_as_it_was_sent(site: TestSite, encoding: str, body: bytes) -> None:
    """Recording http/gzip-request."""
    answer = site.send("POST", "/api/any", body, {"Content-Encoding": encoding})
    assert answer.status == 200
    received = answer.json()
    assert received["body"].encode("latin-1") == body
    assert received["headers"]["content-encoding"] == encoding
    assert received["headers"]["content-length"] == str(len(body))


def test_a_body_beyond_the_limit_is_refused_unread(site: TestSite) -> None:
    """Recordings http/body-101MB and http/body-101MB-no-key."""
    length = {"Content-Length": "105906176"}
    answer = site.send("POST", "/api/any", b"x", length)
    assert (answer.status, answer.body) == (500, b"")
    assert site.send("POST", "/api/keyed", b"x", length).status == 401


# Requests and answers


def test_the_handler_sees_what_was_sent(site: TestSite) -> None:
    """Recording http/echo-all-headers."""
    headers = {"X-One": "1", "Content-Type": "text/weird"}
    received = site.send("POST", "/api/seen/a%20b+c?a=1&a=2&B=x%2By+z&empty=&code=k", b"hi", headers).json()
    assert received["method"] == "POST"
    assert received["url"] == f"https://{site.hosts.default}/api/seen/a%20b+c?a=1&a=2&B=x%2By+z&empty=&code=k"
    assert received["params"] == {"a": "1,2", "B": "x+y z", "code": "k"}
    assert received["route"] == {"rest": "a b+c"}
    assert (received["headers"]["x-one"], received["headers"]["content-type"]) == ("1", "text/weird")
    assert received["body"] == "hi"


def test_the_url_tells_bytes_that_are_not_utf8_from_an_escaped_percent_sign(site: TestSite) -> None:
    for message in ("caf%E9", "caf%25E9"):
        received = site.send("GET", f"/api/seen/a?message={message}").json()
        assert received["params"] == {"message": "caf%E9"}
        assert received["url"].endswith(f"/api/seen/a?message={message}")


def test_an_encoded_slash_is_a_separator_as_on_azure(site: TestSite) -> None:
    assert site.send("GET", "/api/seen/a%2Fb").json()["route"] == {"rest": "a/b"}


def test_content_types_are_those_of_the_library(site: TestSite) -> None:
    answer = site.send("GET", "/api/any")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json"), site.log[-3000:]
    answer = site.send("GET", "/api/keyed", headers={"x-functions-key": site.keys["default"]})
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize("status", [204, 304, 412])
def test_an_answer_without_a_body_has_the_content_type_of_the_library(site: TestSite, status: int) -> None:
    """Recordings rpc-response/204-empty-bytes, 304-empty-bytes and 412-empty-bytes."""
    answer = site.send("GET", f"/api/status?code={status}")
    assert (answer.status, answer.body) == (status, b"")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"


def test_the_home_page_and_the_ping_need_no_key(site: TestSite) -> None:
    home = site.send("GET", "/")
    assert (home.status, home.headers["Content-Type"]) == (200, "text/html")
    for method in ("GET", "POST"):  # recording admin/get_admin_host_ping
        ping = site.send(method, "/admin/host/ping")
        assert (ping.status, ping.body) == (200, b"")
        assert (ping.headers["Cache-Control"], ping.headers["Pragma"]) == ("no-store,no-cache", "no-cache")


def test_a_host_whose_identity_lacks_the_blob_role_cannot_read_its_keys(local_azure: LocalAzure) -> None:
    """Recorded: bare 500 where a key is sent, until soon after the role came. Then it keeps them."""
    site = local_azure.new_site(AzureWebJobsStorage__blobServiceUri=local_azure.endpoints.blob)
    site.configure()
    assert site.deploy(CODE)["status"] == 4
    key = {"x-functions-key": site.keys["default"]}

    def remove_blob_role() -> None:
        (assignment,) = (
            one["id"]
            for one in local_azure.store.list("Microsoft.Authorization/roleAssignments")
            if (properties := one.get("properties", {}))["principalId"] == site.principal.id
            and properties["roleDefinitionId"].endswith(BLOB_OWNER)
        )
        local_azure.store.delete(assignment)

    local_azure.do(remove_blob_role)
    site.settings["RESTART"] = "1"
    site.configure()

    for target, headers in (
        ("/api/keyed", key),
        ("/api/keyed", {"x-functions-key": "wrong"}),
        ("/admin/host/status", {"x-functions-key": "wrong"}),
    ):
        refused = site.send("GET", target, headers=headers)
        assert (target, refused.status, refused.body) == (target, 500, b"")
    assert site.send("GET", "/api/any").status == 200
    assert site.send("GET", "/api/keyed").status == 401

    local_azure.assign(site.principal.id, BLOB_OWNER, local_azure.account)
    assert site.send("GET", "/api/keyed", headers=key).status == 200

    local_azure.do(remove_blob_role)
    assert site.send("GET", "/api/keyed", headers=key).status == 200
    local_azure.run(local_azure.sites.delete_site(site.id))


def test_a_wrong_client_id_leaves_the_host_without_its_keys(local_azure: LocalAzure) -> None:
    site = local_azure.new_site(
        AzureWebJobsStorage__blobServiceUri=local_azure.endpoints.blob,
        AzureWebJobsStorage__clientId="00000000-0000-4000-8000-00000000000f",
    )
    site.configure()
    assert site.deploy(CODE)["status"] == 4, "the deployment container names the identity by its id"

    assert site.send("GET", "/api/keyed", headers={"x-functions-key": "wrong"}).status == 500
    assert site.send("GET", "/api/any").status == 200
    local_azure.run(local_azure.sites.delete_site(site.id))


def test_the_host_status_needs_the_master_key(site: TestSite) -> None:
    target = "/admin/host/status"
    refusal = site.send("GET", target)
    assert (refusal.status, refusal.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert site.send("GET", target, headers={"x-functions-key": site.keys["default"]}).status == 401
    status = site.send("GET", target, headers={"x-functions-key": site.keys["master"]}).json()
    assert status["state"] == "Running"
    assert status["extensionBundle"] == {
        "id": "Microsoft.Azure.Functions.ExtensionBundle.Preview",
        "version": "4.45.0",
    }
    assert {"id", "version", "versionDetails", "platformVersion", "instanceId", "computerName"} <= set(status)
    assert status["processUptime"] > 0
    # As on Azure: only the developer's side of local Azure says that a function is in error.
    assert "errors" not in status
    assert ["my__requests" in error for error in site.host_status["errors"]] == [True]
    assert set(site.host_status) == {*status, "errors"}


def test_functions_in_error_are_not_listed(site: TestSite) -> None:
    assert site.functions == [
        "Seen",
        "Any",
        "Status",
        "Keyed",
        "Ruled",
        "Off",
        "Fails",
        "Meet",
        "Guarded",
        "Raw",
    ]


def test_cors_is_answered_by_the_platform(site: TestSite) -> None:
    origin = {"Origin": "https://a.example"}
    preflight = site.send("OPTIONS", "/api/any", headers={**origin, "Access-Control-Request-Method": "PUT"})
    assert preflight.status == 204
    assert preflight.headers["Access-Control-Allow-Methods"] == "PUT"
    answer = site.send("GET", "/api/any", headers=origin)
    assert answer.headers["Access-Control-Allow-Origin"] == "https://a.example"
    stranger = site.send("GET", "/api/any", headers={"Origin": "https://b.example"})
    assert "Access-Control-Allow-Origin" not in stranger.headers


def test_the_app_sees_its_settings_and_the_platform_and_nothing_else(
    site: TestSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OF_THE_DAEMON", "1")
    process = psutil.Process(site.send("GET", "/api/any").json()["pid"])
    environment = process.environ()
    assert environment["AzureWebJobsStorage__clientId"] == site.principal.client_id
    assert environment["WEBSITE_SITE_NAME"] == site.name
    assert environment["WEBSITE_HOSTNAME"] == site.hosts.default
    assert environment["FUNCTIONS_WORKER_RUNTIME"] == "python"
    assert {"OF_THE_DAEMON", "VIRTUAL_ENV", "PYTEST_CURRENT_TEST", "USER"}.isdisjoint(environment)


def test_requests_are_handled_side_by_side(site: TestSite) -> None:
    with ThreadPoolExecutor(3) as pool:
        answers = [pool.submit(site.send, "GET", "/api/meet") for _ in range(3)]
    assert [answer.result().body for answer in answers] == [b"met"] * 3


def test_a_worker_that_dies_answers_500_and_the_next_request_waits_for_a_new_one(site: TestSite) -> None:
    before = site.send("GET", "/api/any").json()["pid"]
    assert site.send("GET", "/api/fails?die=1").status == 500
    after = site.send("GET", "/api/any")
    assert after.status == 200
    assert after.json()["pid"] != before


def test_a_host_that_dies_is_started_again_on_the_same_port(site: TestSite) -> None:
    (state,) = [one for one in site.azure.do(site.azure.sites.states) if one.name == site.name]
    assert state.pid is not None
    psutil.Process(state.pid).kill()
    assert site.send("GET", "/api/any").status == 200
    restarted = until(
        lambda: next(
            (one for one in site.azure.do(site.azure.sites.states) if one.name == site.name and one.alive),
            None,
        ),
        "host runs again",
    )
    assert restarted.restarts == state.restarts + 1
    assert restarted.pid != state.pid


# Sites of their own


def test_without_the_table_role_the_put_fails_and_202_is_never_sent(
    new_site: Callable[..., TestSite],
) -> None:
    site = new_site(roles=("b7e6dc6d-f1e8-4753-8033-0f276bb0955b",))
    site.configure()
    assert site.deploy(CODE)["status"] == 4
    answer = site.send("PUT", "/api/assistants/norole")
    assert (answer.status, answer.body) == (500, b"")
    until(lambda: "AuthorizationPermissionMismatch" in site.log, "reason in the log")
    assert site.azure.rows("norole") == []
    # The role takes effect without a restart.
    site.azure.assign(site.principal.id, TABLE_CONTRIBUTOR, site.azure.account)
    assert site.send("PUT", "/api/assistants/norole").status == 202


def test_a_connection_string_is_refused_with_the_reason_in_the_log(new_site: Callable[..., TestSite]) -> None:
    site = new_site()
    site.settings = {"AzureWebJobsStorage": "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=aw=="}
    site.configure()
    assert site.deploy(CODE)["status"] == 4
    assert site.send("PUT", "/api/assistants/a").status == 500
    until(lambda: "refuses shared keys" in site.log, "reason in the log")


def test_under_the_general_bundle_the_function_is_in_error_and_its_route_404(
    new_site: Callable[..., TestSite],
) -> None:
    site = new_site()
    site.configure()
    general = {"id": "Microsoft.Azure.Functions.ExtensionBundle", "version": "[4.*, 5.0.0)"}
    quiet = {"logLevel": {"default": "Warning"}}
    host = host_json(extensionBundle=general, logging=quiet, extensions={"http": {"routePrefix": "v1"}})
    assert site.deploy({**CODE, "host.json": host})["status"] == 4
    assert site.send("PUT", "/v1/assistants/a").status == 404
    assert site.send("GET", "/v1/any").status == 200
    assert site.send("GET", "/api/any").status == 404
    assert "Guarded" not in site.functions
    assert any("'assistantCreate' are not registered" in one for one in site.host_status["errors"])
    assert "[Information] Function" not in site.log


def test_a_bundle_with_a_newer_extension_is_run_with_a_notice(new_site: Callable[..., TestSite]) -> None:
    site = new_site()
    site.configure()
    newer = {"id": "Microsoft.Azure.Functions.ExtensionBundle.Preview", "version": "[4.*, 5.0.0)"}
    assert site.deploy({**CODE, "host.json": host_json(extensionBundle=newer)})["status"] == 4
    assert site.send("PUT", "/api/assistants/newer").status == 202
    assert any("0.21.0-alpha" in notice for notice in site.host_status["notices"])


def test_a_large_body_that_waits_for_100_continue_is_asked_for(site: TestSite) -> None:
    with site.connect() as connection:
        head = f"POST /api/any HTTP/1.1\r\nHost: {site.hosts.default}\r\nContent-Length: 2\r\n"
        connection.sendall(f"{head}Expect: 100-continue\r\nConnection: close\r\n\r\n".encode())
        assert connection.recv(1024) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"hi")
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 200")
    assert b'"body": "hi"' in answer


def test_a_client_that_hangs_up_in_its_body_leaves_no_traceback(site: TestSite) -> None:
    before = site.log.count("Traceback")
    with site.connect() as connection:
        head = f"POST /api/any HTTP/1.1\r\nHost: {site.hosts.default}\r\nContent-Length: 9\r\n\r\n"
        connection.sendall(f"{head}hi".encode())
        connection.settimeout(0.2)
        with pytest.raises(TimeoutError):  # the request has arrived, and waits for the rest
            connection.recv(1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset
    assert site.send("GET", "/api/any").status == 200
    assert site.log.count("Traceback") == before


def test_log_levels_of_host_json_keep_prompts_out(new_site: Callable[..., TestSite]) -> None:
    site = new_site()
    site.configure()
    for level, shown in (("Warning", False), ("Information", True)):
        levels = {"logLevel": {"default": "Information", "Microsoft.Azure.WebJobs.Extensions.OpenAI": level}}
        assert site.deploy({**CODE, "host.json": host_json(logging=levels)})["status"] == 4
        assert raw(site, {"id": "quiet", "instructions": "a private prompt", **STORAGE}).status == 202
        assert ("a private prompt" in site.log) is shown
