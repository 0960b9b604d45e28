"""The host over HTTP, with one app for all tests, and rows in a real Azurite."""

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
    ("method", "target"),
    [
        ("GET", "//api/any"),
        # Azure's front end decodes the escape, so that the id has two segments.
        ("PUT", "/api/assistants/a%2Fb"),
        ("GET", "/api/off"),
        ("GET", "/api/misnamed"),
    ],
)
def test_routes_that_serve_nothing(site: TestSite, method: str, target: str) -> None:
    response = site.send(method, target)
    assert (response.status, response.body) == (404, b"")


def test_the_first_of_several_key_headers_counts_even_if_it_is_empty(site: TestSite) -> None:
    """AuthenticationLevelHandler of the host."""
    key = site.keys["default"]
    good, wrong = f"x-functions-key: {key}", "X-Functions-Key: wrong"
    for query, headers, status in [
        ("", (good, wrong), b"200"),
        ("", (wrong, good), b"401"),
        (f"?code={key}", ("x-functions-key:",), b"401"),
    ]:
        lines = [f"GET /api/keyed{query} HTTP/1.1", f"Host: {site.hosts.default}", "Connection: close"]
        with site.connect() as connection:
            connection.sendall("\r\n".join([*lines, *headers, "", ""]).encode())
            response = b"".join(iter(lambda: connection.recv(65536), b""))
        assert response.split(b" ")[1] == status, (query, headers)


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


def test_the_function_sees_that_a_body_was_sent_in_chunks(site: TestSite) -> None:
    """The header is all that tells it of a body that it was not given; the recordings leave it out."""
    response = site.send("POST", "/api/seen/a", b"x", {"Transfer-Encoding": "chunked"}, chunked=True)
    assert response.json()["headers"]["transfer-encoding"] == "chunked"


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


def test_the_host_status_and_an_admin_route(site: TestSite) -> None:
    target = "/admin/host/status"
    assert site.send("GET", target, headers={"x-functions-key": site.keys["default"]}).status == 403
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
