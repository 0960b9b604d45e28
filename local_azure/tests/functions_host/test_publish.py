"""The publish endpoint, with the storage front and its roles behind it."""

import asyncio
import io
import threading
import uuid
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from azure.storage.blob import ContainerClient

from local_azure.functions_host import deployment_storage
from local_azure.functions_host.deployment_storage import RELEASED_PACKAGE, InaccessibleStorageError
from local_azure.tests.functions_host.harness import (
    BLOB_OWNER,
    DEADLINE,
    LocalAzure,
    TestSite,
    host_json,
    package,
    until,
)

READER = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
WEBSITE_CONTRIBUTOR = "de139f84-1756-47ae-9be6-808fbbe84772"

START = """
import azure.functions as func
app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
"""


def app(answer: str) -> str:
    return f"""{START}
import os, time, urllib.request
@app.route(route="version")
def Version(req: func.HttpRequest) -> str:
    time.sleep(float(req.params.get("sleep", "0")))
    return {answer!r} + os.environ.get("SUFFIX", "")
@app.route(route="direct")
def Direct(req: func.HttpRequest) -> str:
    hosts = ("127.0.0.1", "login.example")
    return ",".join(host for host in hosts if urllib.request.proxy_bypass(host))
"""


def code(answer: str) -> dict[str, str]:
    return {"function_app.py": app(answer)}


def content(answer: str) -> bytes:
    return package({"host.json": host_json(), **code(answer)})


@pytest.fixture(scope="module")
def site(local_azure: LocalAzure) -> Iterator[TestSite]:
    """For all tests that need no site of their own: each deploys what it looks at."""
    site = local_azure.new_site()
    site.configure()
    yield site
    site.delete()


@pytest.fixture
def empty_site(new_site: Callable[..., TestSite]) -> TestSite:
    site = new_site()
    site.configure()
    return site


def version(site: TestSite, query: str = "") -> str:
    response = site.send("GET", f"/api/version{query}")
    assert response.status == 200, response
    return response.body.decode()


def container(site: TestSite) -> ContainerClient:
    return ContainerClient.from_container_url(
        f"{site.azure.endpoints.blob}{site.container}",
        site.azure.storage_credential,
        connection_verify=str(site.azure.tls.ca_file),
    )


def released(site: TestSite) -> bytes:
    with container(site) as client:
        return client.download_blob(RELEASED_PACKAGE).readall()


# Requests that the endpoint refuses


def test_publishing_needs_a_token_and_a_role_that_may_write_the_site(site: TestSite) -> None:
    for token in ("nonsense", site.azure.token(audience="https://storage.azure.com")):
        assert site.publish(package({}), token=token).status == 401
    for target in ("", f"/{uuid.uuid4()}"):
        assert site.scm(f"/api/deployments{target}", token="nonsense").status == 401
    principal = str(uuid.uuid4())
    token = site.azure.token(principal)
    site.azure.assign(principal, READER, site.id)
    assert site.publish(content("one"), token=token).status == 403
    site.azure.assign(principal, WEBSITE_CONTRIBUTOR, site.id)
    assert site.outcome(site.publish(content("one"), token=token))["status"] == 4


@pytest.mark.parametrize(
    ("body", "options", "status", "message"),
    [
        (b"not a zip", {}, 400, b"not a zip file"),
        (b"", {}, 400, b"not a zip file"),
        (package({}, with_libraries=False), {"kind": "application/octet-stream"}, 415, b"application/zip"),
        (package({}, with_libraries=False), {"query": "RemoteBuild=true"}, 400, b"RemoteBuild=false"),
    ],
)
def test_a_request_that_is_no_deployment_is_refused(
    site: TestSite, body: bytes, options: dict[str, str], status: int, message: bytes
) -> None:
    response = site.publish(body, **options)
    assert response.status == status
    assert message in response.body


def test_a_second_deployment_at_the_same_time_conflicts(site: TestSite) -> None:
    slow = {"function_app.py": "import time; time.sleep(1)" + app("slow")}
    first = site.publish(package({"host.json": host_json(), **slow}))
    assert site.publish(content("second")).status == 409
    assert site.scm(f"/api/deployments/{first.json()}").json()["status"] in (0, 2)
    assert site.outcome(first)["status"] == 4


@pytest.mark.parametrize(
    ("options", "status"),
    [
        pytest.param({"roles": ()}, b"403", id="no role"),
        pytest.param({"container": "nowhere"}, b"404", id="missing"),
    ],
)
def test_a_container_that_cannot_be_accessed_is_the_error_of_azure(
    new_site: Callable[..., TestSite], options: dict[str, Any], status: bytes
) -> None:
    site = new_site(**options)
    site.configure()
    response = site.publish(content("one"))
    assert response.status == 400
    assert b"InaccessibleStorageException" in response.body
    assert b"BlobUploadFailedException" in response.body
    assert status in response.body
    site.azure.assign(site.principal_id, BLOB_OWNER, site.azure.account)
    site.container = "deployments"
    site.put()
    assert site.outcome(site.publish(content("one")))["status"] == 4


# Deployments


def test_a_package_is_taken_into_service_and_kept_in_the_container(empty_site: TestSite) -> None:
    site = empty_site
    assert [site.send("GET", target).status for target in ("/", "/api/version")] == [200, 404]
    assert (site.functions, site.host_status["state"]) == ([], "Running")
    broken = site.deploy({"function_app.py": "import nothing_of_that_name"})
    assert (broken["status"], site.send("GET", "/api/version").status) == (3, 404)
    package = content("one")
    published = site.publish(package)
    outcome = site.outcome(published)
    assert (outcome["id"], outcome["status"], outcome["complete"]) == (published.json(), 4, True)
    assert (outcome["deployer"], outcome["site_name"]) == ("tests", site.name)
    assert version(site) == "one"
    assert site.functions == ["Version", "Direct"]
    assert released(site) == package
    newest_first = [(made["id"], made["active"]) for made in site.scm("/api/deployments").json()]
    assert newest_first == [(outcome["id"], True), (broken["id"], False)]
    assert site.scm(f"/api/deployments/{outcome['id']}/log").json()[0]["message"] == "Success"
    assert site.scm(f"/api/deployments/{uuid.uuid4()}").status == 404


def test_broken_code_fails_with_its_reason_and_the_old_code_serves_on(site: TestSite) -> None:
    assert site.deploy(code("good"))["status"] == 4
    for broken, message in [
        (package(code("x")), "host.json is missing"),
        (package({"host.json": host_json(), "../evil.py": "", **code("x")}), "outside of the package"),
        (
            package({"host.json": host_json(), "function_app.py": "import os; os._exit(4)"}),
            "ended with code 4",
        ),
        # The venv of this machine has the libraries; Azure does not.
        (package({"host.json": host_json(), **code("x")}, with_libraries=False), "No module named 'azure'"),
    ]:
        outcome = site.outcome(site.publish(broken))
        assert (outcome["status"], outcome["active"]) == (3, False)
        assert message in outcome["status_text"]
        assert version(site) == "good"
    assert site.host_status["errors"] == []
    # What stays in the container is what serves; other tests' sites use it at the same time.
    deployments = {f"{deployment['id']}.zip" for deployment in site.scm("/api/deployments").json()}
    with container(site) as client:
        assert deployments.isdisjoint(blob.name for blob in client.list_blobs())
    with zipfile.ZipFile(io.BytesIO(released(site))) as archive:
        assert b"'good'" in archive.read("function_app.py")


def test_no_request_fails_while_new_code_takes_over(site: TestSite) -> None:
    assert site.deploy(code("old"))["status"] == 4
    answers: list[str] = []
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            response = site.send("GET", "/api/version")
            answers.append(response.body.decode() if response.status == 200 else f"status {response.status}")

    threads = [
        threading.Thread(target=ask),
        threading.Thread(target=lambda: answers.append(version(site, "?sleep=1.5"))),
    ]
    for thread in threads:
        thread.start()
    try:
        assert site.deploy(code("new"))["status"] == 4
        until(lambda: answers[-1:] == ["new"], "the new code answers")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert set(answers) == {"old", "new"}


def hosts(site: TestSite) -> list[int]:
    """Process ids of every host of the site."""
    pids: list[int] = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            command = " ".join(process.cmdline())
            if "local_azure.functions_host.host" in command and f"/{site.name}/" in command:
                pids.append(process.pid)
    return pids


def intercept_release(monkeypatch: pytest.MonkeyPatch, action: Callable[[], None]) -> None:
    """Calls the action in place of the upload of an accepted package."""
    upload = deployment_storage.upload

    def upload_or_act(client: ContainerClient, blob: str, file: Path) -> None:
        action() if blob == RELEASED_PACKAGE else upload(client, blob, file)

    monkeypatch.setattr(deployment_storage, "upload", upload_or_act)


def test_a_host_whose_package_cannot_be_kept_ends(site: TestSite, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise InaccessibleStorageError("403")

    intercept_release(monkeypatch, refuse)
    before = hosts(site)
    assert site.deploy(code("new"))["status"] == 3
    assert (len(before), hosts(site)) == (1, before)


def test_a_site_deleted_during_a_deployment_leaves_nothing(
    empty_site: TestSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached, end = threading.Event(), threading.Event()

    def wait() -> None:
        reached.set()
        end.wait(DEADLINE)

    intercept_release(monkeypatch, wait)
    home = empty_site.azure.home
    try:
        assert empty_site.publish(content("new")).status == 202
        assert reached.wait(DEADLINE)
        assert len(hosts(empty_site)) == 2
        empty_site.delete()
    finally:
        end.set()
    assert hosts(empty_site) == []
    assert not (home.sites / empty_site.name).exists()
    assert empty_site.name not in home.ports_file.read_text()
    with pytest.raises(OSError, match="refused"):
        empty_site.send("GET", "/")


def test_a_site_that_is_opened_while_it_is_deleted_gets_its_ports(new_site: Callable[..., TestSite]) -> None:
    site = new_site()
    sites = site.azure.sites

    async def delete_and_open() -> None:
        deletion = asyncio.create_task(sites.delete_site(site.id))
        await asyncio.sleep(0)  # it has begun
        await sites.open_site(site.id)
        await deletion

    site.azure.run(delete_and_open())
    assert [state["name"] for state in sites.states()].count(site.name) == 1


# Settings and restarts


def test_only_new_settings_restart_the_host(site: TestSite) -> None:
    assert site.deploy(code("v"))["status"] == 4
    port, instance = site.hosts.default, site.host_status["instanceId"]
    site.configure()
    assert site.host_status["instanceId"] == instance
    # Also: a proxy in the app settings is not for local Azure itself.
    site.settings |= {"SUFFIX": "-set", "HTTPS_PROXY": "http://127.0.0.1:9"}
    site.configure()
    assert version(site) == "v-set"
    assert site.send("GET", "/api/direct").body == b"127.0.0.1"
    assert site.azure.run(site.azure.sites.open_site(site.id)).default == port
    del site.settings["SUFFIX"], site.settings["HTTPS_PROXY"]
    site.configure()


def test_settings_that_break_the_app_are_an_error_until_they_are_fixed(empty_site: TestSite) -> None:
    """Azure restarts the app with whatever settings ARM holds: there is no old host to fall back on."""
    site = empty_site
    site.settings["NEEDED"] = "1"
    site.configure()
    assert site.deploy({"function_app.py": f"import os\nos.environ['NEEDED']\n{app('v')}"})["status"] == 4
    del site.settings["NEEDED"]
    site.configure()
    assert site.send("GET", "/api/version").status == 404
    assert "KeyError: 'NEEDED'" in str(site.host_status["errors"])
    master = {"x-functions-key": site.keys["master"]}
    over_http = site.send("GET", "/admin/host/status", headers=master).json()
    assert over_http["state"] == "Running"
    assert "errors" not in over_http
    assert site.functions == []
    site.settings["NEEDED"] = "2"
    site.configure()
    assert version(site) == "v"


def test_a_new_start_restores_the_site(site: TestSite) -> None:
    made = site.deploy(code("kept"))["id"]
    hosts, keys, azure = site.hosts, site.keys, site.azure
    azure.run(azure.sites.close())
    assert (site.host_status["state"], site.functions) == ("Offline", [])
    assert azure.run(azure.sites.open_site(site.id)) == hosts
    azure.run(azure.sites.configure_site(site.id))
    assert version(site) == "kept"
    assert (site.keys, site.state["deployment"]) == (keys, made)


def test_a_python_that_is_not_there_is_replaced_with_a_notice(site: TestSite) -> None:
    site.python = "3.99"
    site.configure()
    broken = site.deploy({"function_app.py": "import compiled_for_another_python"})
    assert broken["status"] == 3
    assert "No module named 'compiled_for_another_python'" in broken["status_text"]
    outcome = site.deploy(code("v"))
    assert (outcome["status"], version(site)) == (4, "v")
    (notice,) = site.host_status["notices"]
    for text in (notice, outcome["status_text"], broken["status_text"], site.log):
        assert "uv python install 3.99" in text
    site.python = ""
    site.configure()
