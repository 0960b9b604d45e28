"""The host over HTTP, with one app for all tests, and rows in a real Azurite."""

import gzip
import json
import socket
from collections.abc import Callable
from typing import Any

import psutil
import pytest

from local_azure.tests.functions_host import app
from local_azure.tests.functions_host.harness import (
    BLOB_OWNER,
    TABLE_CONTRIBUTOR,
    LocalAzure,
    TestSite,
    host_json,
    until,
)

# The assistantCreate output


def test_an_output_that_is_no_create_request_fails(site: TestSite) -> None:
    response = site.send("POST", "/api/raw", b'{"id": {}}')
    assert (response.status, response.body) == (500, b"")


def test_without_the_table_role_a_put_is_500(new_site: Callable[..., TestSite]) -> None:
    site = new_site(roles=(BLOB_OWNER,)).start(app.SOURCE)
    response = site.send("PUT", "/api/assistants/norole")
    assert (response.status, response.body) == (500, b"")
    site.wait_for_log("AuthorizationPermissionMismatch")
    assert site.azure.rows("norole") == []
    # The role takes effect without a restart.
    site.azure.assign(site.principal_id, TABLE_CONTRIBUTOR, site.azure.account)
    assert site.send("PUT", "/api/assistants/norole").status == 202


# Routes and keys


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("HEAD", "/api/seen/a", 404),
        ("OPTIONS", "/api/seen/a", 404),
        ("PATCH", "/API/any", 200),
        ("GET", "//api/any", 404),
        ("GET", "/api/./any", 200),
        # A hostile id reaches no handler.
        ("PUT", "/api/assistants/a%27b", 404),
        ("PUT", "/api/assistants/a%2Fb", 404),
        ("GET", "/api/off", 404),
        ("GET", "/api/misnamed", 404),
        ("GET", "/api/any%00", 400),
    ],
)
def test_routing(site: TestSite, method: str, target: str, status: int) -> None:
    response = site.send(method, target)
    assert response.status == status
    if status != 200:
        assert response.body == b""


def test_keys_open_functions_by_level_and_the_header_wins(site: TestSite) -> None:
    default, master = site.keys["default"], site.keys["master"]
    for target, header, status in [
        ("/api/keyed", None, 401),
        ("/api/keyed", "wrong", 401),
        ("/api/keyed", default, 200),
        (f"/api/keyed?code={default}", None, 200),
        (f"/api/keyed?code={default}", "wrong", 401),
        ("/api/ruled", default, 401),
        ("/api/ruled", master, 200),
        ("/api/any", "wrong", 200),
        ("/api/keyed/x", "wrong", 404),  # the constraint is checked first
    ]:
        response = site.send("GET", target, headers={"x-functions-key": header} if header else {})
        assert response.status == status, (target, header)
        if status == 401:
            assert response.body == b""
            assert "WWW-Authenticate" not in response.headers


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
    content = send("?Code=a&CODE=b", "x-functions-key: A", "X-Functions-Key: B", route="seen/a")
    received = json.loads(content.partition(b"\r\n\r\n")[2])
    assert (received["headers"]["x-functions-key"], received["params"]) == ("A,B", {"Code": "a,b"})


def test_a_host_without_access_to_its_keys_refuses_every_key(local_azure: LocalAzure) -> None:
    """Recorded: bare 500 where a key is sent, until soon after the role came. Then it keeps them."""
    site = local_azure.new_site(AzureWebJobsStorage__blobServiceUri=local_azure.endpoints.blob)
    # The deployment container names the identity by its id.
    site.settings["AzureWebJobsStorage__clientId"] = "00000000-0000-4000-8000-00000000000f"
    site.start(app.SOURCE)
    key = {"x-functions-key": site.keys["default"]}
    wrong_key = {"x-functions-key": "wrong"}
    assert site.send("GET", "/api/keyed", headers=wrong_key).status == 500
    assert site.send("GET", "/api/any").status == 200

    def remove_blob_role() -> None:
        for assignment in local_azure.store.list("Microsoft.Authorization/roleAssignments"):
            properties: dict[str, str] = assignment.get("properties", {})
            if (
                properties["principalId"] == site.principal_id
                and BLOB_OWNER in properties["roleDefinitionId"]
            ):
                local_azure.store.delete(assignment["id"])

    local_azure.do(remove_blob_role)
    site.settings["AzureWebJobsStorage__clientId"] = site.client_id
    site.configure()
    for target, headers in (
        ("/api/keyed", key),
        ("/api/keyed", wrong_key),
        ("/admin/host/status", wrong_key),
    ):
        response = site.send("GET", target, headers=headers)
        assert (target, response.status, response.body) == (target, 500, b"")
    assert site.send("GET", "/api/any").status == 200
    assert site.send("GET", "/api/keyed").status == 401

    local_azure.assign(site.principal_id, BLOB_OWNER, local_azure.account)
    assert site.send("GET", "/api/keyed", headers=key).status == 200

    local_azure.do(remove_blob_role)
    assert site.send("GET", "/api/keyed", headers=key).status == 200
    site.delete()


# Requests and responses


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


def test_a_body_arrives_with_content_length_and_not_in_chunks(site: TestSite) -> None:
    """Recordings http/chunked and http/body-101MB-chunked."""
    body = b"\x00\xff" * 50_000
    assert site.send("POST", "/api/seen/a", body).json()["body"].encode("latin-1") == body
    response = site.send("POST", "/api/seen/a", body, {"Transfer-Encoding": "chunked"}, chunked=True)
    assert response.status == 200
    assert response.json()["body"] == ""
    # The header is all that tells the function of a body that it was not given.
    assert response.json()["headers"]["transfer-encoding"] == "chunked"
    assert "content-length" not in response.json()["headers"]


@pytest.mark.parametrize("encoding", ["gzip", "br", "unknown"])
@pytest.mark.parametrize("body", [gzip.compress(b'{"b":1}'), b'{"b":1}'], ids=["gzip", "text"])
def test_a_body_is_handed_on_as_it_was_sent(site: TestSite, encoding: str, body: bytes) -> None:
    """Recording http/gzip-request."""
    received = site.send("POST", "/api/seen/a", body, {"Content-Encoding": encoding}).json()
    assert received["body"].encode("latin-1") == body
    assert received["headers"]["content-encoding"] == encoding
    assert received["headers"]["content-length"] == str(len(body))


def test_a_body_beyond_the_limit_is_refused_unread(site: TestSite) -> None:
    """Recordings http/body-101MB and http/body-101MB-no-key."""
    length = {"Content-Length": "105906176"}
    response = site.send("POST", "/api/seen/a", b"x", length)
    assert (response.status, response.body) == (500, b"")
    assert site.send("POST", "/api/keyed", b"x", length).status == 401


def test_a_large_body_that_waits_for_100_continue_is_asked_for(site: TestSite) -> None:
    with site.connect() as connection:
        head = f"POST /api/seen/a HTTP/1.1\r\nHost: {site.hosts.default}\r\nContent-Length: 2\r\n"
        connection.sendall(f"{head}Expect: 100-continue\r\nConnection: close\r\n\r\n".encode())
        assert connection.recv(1024) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"hi")
        response = b"".join(iter(lambda: connection.recv(65536), b""))
    assert response.startswith(b"HTTP/1.1 200")
    assert b'"body": "hi"' in response


def test_a_client_that_hangs_up_in_its_body_leaves_no_traceback(site: TestSite) -> None:
    before = site.log.count("Traceback")
    with site.connect() as connection:
        head = f"POST /api/seen/a HTTP/1.1\r\nHost: {site.hosts.default}\r\nContent-Length: 9\r\n\r\n"
        connection.sendall(f"{head}hi".encode())
        connection.settimeout(0.2)
        with pytest.raises(TimeoutError):  # the request has arrived, and waits for the rest
            connection.recv(1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset
    assert site.send("GET", "/api/any").status == 200
    assert site.log.count("Traceback") == before


@pytest.mark.parametrize(
    ("target", "status", "content_type"),
    [
        ("/", 200, "text/html"),
        ("/api/seen/a", 200, "application/json"),
        # Recordings rpc-response/204-empty-bytes, 304-empty-bytes and 412-empty-bytes.
        ("/api/status?code=204", 204, "text/plain; charset=utf-8"),
        ("/api/status?code=304", 304, "text/plain; charset=utf-8"),
        ("/api/status?code=412", 412, "text/plain; charset=utf-8"),
    ],
)
def test_content_types_of_responses(site: TestSite, target: str, status: int, content_type: str) -> None:
    response = site.send("GET", target)
    assert (response.status, response.headers["Content-Type"]) == (status, content_type)
    assert bool(response.body) is (status == 200)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_ping_needs_no_key(site: TestSite, method: str) -> None:
    """Recording admin/get_admin_host_ping."""
    ping = site.send(method, "/admin/host/ping")
    assert (ping.status, ping.body) == (200, b"")
    assert (ping.headers["Cache-Control"], ping.headers["Pragma"]) == ("no-store,no-cache", "no-cache")


def test_the_host_status_needs_the_master_key(site: TestSite) -> None:
    target = "/admin/host/status"
    response = site.send("GET", target)
    assert (response.status, response.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert site.send("GET", target, headers={"x-functions-key": site.keys["default"]}).status == 401
    status = site.send("GET", target, headers={"x-functions-key": site.keys["master"]}).json()
    assert status["state"] == "Running"
    preview = "Microsoft.Azure.Functions.ExtensionBundle.Preview"
    assert status["extensionBundle"] == {"id": preview, "version": "4.45.0"}
    assert {"id", "version", "versionDetails", "platformVersion", "instanceId", "computerName"} <= set(status)
    assert status["processUptime"] > 0
    # As on Azure: only the developer's side of local Azure says that a function is in error.
    assert "errors" not in status
    assert ["my__requests" in error for error in site.host_status["errors"]] == [True]
    assert set(site.host_status) == {*status, "errors"}
    assert "Misnamed" not in site.functions
    assert "Create" in site.functions


def test_cors_is_answered_by_the_platform(site: TestSite) -> None:
    origin = {"Origin": "https://a.example"}
    preflight = site.send("OPTIONS", "/api/any", headers={**origin, "Access-Control-Request-Method": "PUT"})
    assert preflight.status == 204
    assert preflight.headers["Access-Control-Allow-Methods"] == "PUT"
    response = site.send("GET", "/api/any", headers=origin)
    assert response.headers["Access-Control-Allow-Origin"] == "https://a.example"


def test_the_app_sees_its_settings_and_the_platform_and_nothing_else(site: TestSite) -> None:
    process = psutil.Process(site.send("GET", "/api/seen/a").json()["pid"])
    environment = process.environ()
    assert environment["AzureWebJobsStorage__clientId"] == site.client_id
    assert environment["WEBSITE_SITE_NAME"] == site.name
    assert environment["WEBSITE_HOSTNAME"] == site.hosts.default
    assert environment["FUNCTIONS_WORKER_RUNTIME"] == "python"
    assert {"VIRTUAL_ENV", "PYTEST_CURRENT_TEST", "USER"}.isdisjoint(environment)


# Failures


def test_a_handler_that_raises_answers_an_empty_500_and_the_log_says_why(site: TestSite) -> None:
    response = site.send("GET", "/api/fails")
    assert (response.status, response.body) == (500, b"")
    site.wait_for_log("ValueError: a secret of the handler")


def test_a_worker_that_dies_answers_500_and_the_next_request_waits_for_a_new_one(site: TestSite) -> None:
    before = site.send("GET", "/api/seen/a").json()["pid"]
    assert site.send("GET", "/api/fails?die=1").status == 500
    after = site.send("GET", "/api/seen/a")
    assert after.status == 200
    assert after.json()["pid"] != before


def test_a_host_that_dies_is_started_again_on_the_same_port(site: TestSite) -> None:
    before = site.state
    assert before.pid is not None
    psutil.Process(before.pid).kill()
    assert site.send("GET", "/api/any").status == 200
    until(lambda: site.state.alive, "host runs again")
    assert site.state.restarts == before.restarts + 1
    assert site.state.pid != before.pid


# host.json


def test_host_json_is_applied(site: TestSite, new_site: Callable[..., TestSite]) -> None:
    host: dict[str, Any] = {
        "extensions": {"http": {"routePrefix": "v1"}},
        "extensionBundle": {
            "id": "Microsoft.Azure.Functions.ExtensionBundle.Preview",
            "version": "[4.*, 5.0.0)",
        },
        "logging": {
            "logLevel": {"default": "Information", "Microsoft.Azure.WebJobs.Extensions.OpenAI": "Warning"}
        },
    }
    changed = new_site().start(app.SOURCE, **{"host.json": host_json(**host)})
    assert changed.send("GET", "/api/any").status == 404
    assert changed.send("PUT", "/v1/assistants/quiet").status == 202
    assert any("0.21.0-alpha" in notice for notice in changed.host_status["notices"])
    changed.wait_for_log("[Information] Function.Create: Executed")
    assert "Be nice" not in changed.log
    site.send("PUT", "/api/assistants/loud")
    site.wait_for_log("Be nice")
