"""The publish endpoint, with the storage front and its roles behind it."""

import shutil
import sys
import threading
import uuid
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from azure.core.credentials import AccessToken
from azure.storage.blob import ContainerClient

from local_azure.functions_host.deployment_storage import (
    RELEASED_PACKAGE,
    DeploymentStorage,
    InaccessibleStorageError,
)
from local_azure.tests.functions_host.harness import (
    BLOB_OWNER,
    DEADLINE,
    WEBSITE_CONTRIBUTOR,
    TestSite,
    host_json,
    package,
    until,
)

READER = "acdd72a7-3385-48ef-bd42-f606fba81ae7"

START = """
import azure.functions as func
app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
"""


def app(answer: str, function: str = "Version") -> str:
    return f"""{START}
import os, time
@app.route(route="version")
def {function}(req: func.HttpRequest) -> str:
    time.sleep(float(req.params.get("sleep", "0")))
    return {answer!r} + os.environ.get("SUFFIX", "")
"""


def code(answer: str) -> dict[str, str]:
    return {"function_app.py": app(answer)}


@pytest.fixture
def site(new_site: Callable[..., TestSite]) -> TestSite:
    made = new_site()
    made.configure()
    return made


def version(site: TestSite, query: str = "") -> str:
    answer = site.send("GET", f"/api/version{query}")
    assert answer.status == 200, answer
    return answer.body.decode()


def container(site: TestSite) -> ContainerClient:
    token = site.azure.token(audience="https://storage.azure.com")

    class Fixed:
        def get_token(self, *_scopes: str, **_options: Any) -> AccessToken:
            return AccessToken(token, 2**31)

    return ContainerClient.from_container_url(
        f"{site.azure.endpoints.blob}{site.container}", Fixed(), connection_verify=str(site.azure.tls.ca_file)
    )


def blobs(site: TestSite) -> list[str]:
    with container(site) as client:
        return [blob.name for blob in client.list_blobs()]


def test_a_site_without_code_shows_the_home_page_and_nothing_else(site: TestSite) -> None:
    assert site.send("GET", "/").status == 200
    assert site.send("GET", "/api/version").status == 404
    assert site.functions == []
    assert site.host_status["state"] == "Running"


def test_a_package_is_taken_into_service_and_kept_in_the_container(site: TestSite) -> None:
    content = package({"host.json": host_json(), **code("one")})
    answer = site.publish(content)
    assert answer.status == 202
    assert str(uuid.UUID(answer.json())) == answer.json()
    outcome = site.outcome(answer)
    assert (outcome["status"], outcome["complete"], outcome["active"]) == (4, True, True)
    assert (outcome["deployer"], outcome["site_name"]) == ("tests", site.name)
    assert version(site) == "one"
    assert site.functions == ["Version"]
    with container(site) as client:
        assert client.download_blob("released-package.zip").readall() == content


def test_deployments_are_listed_newest_first(site: TestSite) -> None:
    made = [site.deploy(code(name))["id"] for name in ("one", "two")]
    assert [one["id"] for one in site.scm("/api/deployments").json()] == made[::-1]
    assert site.scm("/api/deployments/latest").json()["id"] == made[1]
    assert [one["active"] for one in site.scm("/api/deployments").json()] == [True, False]
    assert site.scm(f"/api/deployments/{uuid.uuid4()}").status == 404


def test_nobody_gets_in_without_a_good_token(site: TestSite) -> None:
    content = package({})
    assert site.publish(content, token="nonsense").status == 401
    assert site.publish(content, token=site.azure.token(audience="https://storage.azure.com")).status == 401
    assert site.scm("/api/deployments", token="nonsense").status == 401


def test_publishing_needs_a_role_that_may_write_the_site(site: TestSite) -> None:
    principal = str(uuid.uuid4())
    token = site.azure.token(principal)
    content = package({"host.json": host_json(), **code("one")})
    assert site.publish(content, token=token).status == 403
    site.azure.assign(principal, READER, site.id)
    assert site.publish(content, token=token).status == 403
    site.azure.assign(principal, WEBSITE_CONTRIBUTOR, site.id)
    assert site.outcome(site.publish(content, token=token))["status"] == 4


def test_what_is_no_zip_is_refused(site: TestSite) -> None:
    assert site.publish(b"not a zip").status == 400
    assert site.publish(b"").status == 400
    assert site.publish(package({}), kind="application/octet-stream").status == 415


def test_a_remote_build_is_refused_with_what_to_do_instead(site: TestSite) -> None:
    answer = site.publish(package({}), query="RemoteBuild=true")
    assert answer.status == 400
    assert b"RemoteBuild=false" in answer.body


def test_a_second_deployment_at_the_same_time_conflicts(site: TestSite) -> None:
    slow = package({"host.json": host_json(), "function_app.py": "import time; time.sleep(1)" + app("slow")})
    first = site.publish(slow)
    second = site.publish(slow)
    assert second.status == 409
    assert site.scm(f"/api/deployments/{first.json()}").json()["status"] in (0, 2)
    assert site.outcome(first)["status"] == 4


def test_without_the_blob_role_the_answer_is_that_of_azure_until_the_role_is_there(
    new_site: Callable[..., TestSite],
) -> None:
    site = new_site(roles=())
    site.configure()
    content = package({"host.json": host_json(), **code("one")})
    answer = site.publish(content)
    assert answer.status == 400
    assert b"InaccessibleStorageException" in answer.body
    assert b"BlobUploadFailedException" in answer.body
    assert b"403" in answer.body
    site.azure.assign(site.principal.id, BLOB_OWNER, site.azure.account)
    assert site.outcome(site.publish(content))["status"] == 4


def test_a_missing_container_is_inaccessible_storage(new_site: Callable[..., TestSite]) -> None:
    site = new_site(container="nowhere")
    site.configure()
    answer = site.publish(package({"host.json": host_json()}))
    assert answer.status == 400
    assert b"InaccessibleStorageException" in answer.body
    assert b"404" in answer.body


BROKEN: dict[str, tuple[dict[str, str], str]] = {
    "syntax error": ({"function_app.py": "def broken(:"}, "SyntaxError"),
    "missing dependency": ({"function_app.py": "import aiohttp\n" + app("x")}, "No module named 'aiohttp'"),
    "no functions": ({"function_app.py": START}, "has no functions"),
    "no function_app": ({"other.py": ""}, "function_app.py is missing"),
    "host.json invalid": ({"host.json": "{", **code("x")}, "host.json is not valid JSON"),
    "zip slip": ({"../evil.py": "", **code("x")}, "outside of the package"),
    "worker dies": ({"function_app.py": "import os; os._exit(4)"}, "ended with code 4"),
}


def test_broken_code_fails_with_its_reason_and_the_old_code_serves_on(site: TestSite) -> None:
    assert site.deploy(code("good"))["status"] == 4
    for name, (files, says) in BROKEN.items():
        outcome = site.deploy(files)
        assert (name, outcome["status"], outcome["active"]) == (name, 3, False)
        assert says in outcome["status_text"], name
        assert version(site) == "good"
    outcome = site.outcome(site.publish(package(code("x"))))
    assert outcome["status"] == 3
    assert "host.json is missing" in outcome["status_text"]
    assert version(site) == "good"
    assert site.host_status["errors"] == []
    # What stays in the container is what serves; other tests' sites use it at the same time.
    deployments = {f"{one['id']}.zip" for one in site.scm("/api/deployments").json()}
    assert deployments.isdisjoint(blobs(site))
    with container(site) as client, zipfile_of(client) as released:
        assert b"'good'" in released.read("function_app.py")


def zipfile_of(client: ContainerClient) -> zipfile.ZipFile:
    import io

    return zipfile.ZipFile(io.BytesIO(client.download_blob("released-package.zip").readall()))


def test_the_first_package_of_a_site_may_be_broken_too(site: TestSite) -> None:
    assert site.deploy({"function_app.py": "import nothing_of_that_name"})["status"] == 3
    assert site.send("GET", "/api/version").status == 404
    assert site.send("GET", "/").status == 200
    assert site.deploy(code("mended"))["status"] == 4
    assert version(site) == "mended"


def test_no_request_fails_while_new_code_takes_over(site: TestSite) -> None:
    assert site.deploy(code("old"))["status"] == 4
    answers: list[str] = []
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            answer = site.send("GET", "/api/version")
            answers.append(answer.body.decode() if answer.status == 200 else f"status {answer.status}")

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
    found: list[int] = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            command = " ".join(process.cmdline())
            if "local_azure.functions_host.host" in command and f"/{site.name}/" in command:
                found.append(process.pid)
    return found


def test_a_host_whose_package_cannot_be_kept_ends(site: TestSite, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = DeploymentStorage.upload

    def without_the_role(storage: DeploymentStorage, blob: str, file: Path) -> None:
        if blob == RELEASED_PACKAGE:
            raise InaccessibleStorageError("403")
        upload(storage, blob, file)

    monkeypatch.setattr(DeploymentStorage, "upload", without_the_role)
    before = hosts(site)
    assert site.deploy(code("new"))["status"] == 3
    assert (len(before), hosts(site)) == (1, before)


def test_a_site_that_is_deleted_while_its_package_is_kept_leaves_no_host(
    site: TestSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = DeploymentStorage.upload
    reached, end = threading.Event(), threading.Event()

    def slow(storage: DeploymentStorage, blob: str, file: Path) -> None:
        if blob == RELEASED_PACKAGE:
            reached.set()
            end.wait(DEADLINE)
        else:
            upload(storage, blob, file)

    monkeypatch.setattr(DeploymentStorage, "upload", slow)
    try:
        assert site.publish(package({"host.json": host_json(), **code("new")})).status == 202
        assert reached.wait(DEADLINE)
        assert len(hosts(site)) == 2
        site.azure.run(site.azure.sites.delete_site(site.id))
    finally:
        end.set()
    assert hosts(site) == []


def test_new_settings_reach_the_app_on_the_same_port(site: TestSite) -> None:
    assert site.deploy(code("v"))["status"] == 4
    port = site.hosts.default
    site.settings["SUFFIX"] = "-set"
    site.configure()
    assert version(site) == "v-set"
    assert site.azure.run(site.azure.sites.open_site(site.id)).default == port


def test_settings_that_did_not_change_restart_nothing(site: TestSite) -> None:
    before = site.host_status["instanceId"]
    site.configure()
    assert site.host_status["instanceId"] == before


def test_settings_that_break_the_app_are_told_and_mended_again(site: TestSite) -> None:
    """Azure restarts the app with whatever settings ARM holds: there is no old host to fall back on."""
    needy = f"import os\nos.environ['NEEDED']\n{app('v')}"
    site.settings["NEEDED"] = "1"
    site.configure()
    assert site.deploy({"function_app.py": needy})["status"] == 4
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


def test_a_stop_and_a_new_start_keep_port_keys_code_and_deployments(site: TestSite) -> None:
    assert site.deploy(code("kept"))["status"] == 4
    hosts, keys, azure = site.hosts, site.keys, site.azure
    azure.run(azure.sites.close())
    assert site.host_status["state"] == "Offline"
    assert azure.run(azure.sites.open_site(site.id)) == hosts
    azure.run(azure.sites.configure_site(site.id))
    assert version(site) == "kept"
    assert site.keys == keys
    assert [one["status"] for one in site.scm("/api/deployments").json()] == [4]


def test_code_that_is_gone_from_disk_comes_again_from_the_container(site: TestSite) -> None:
    assert site.deploy(code("restored"))["status"] == 4
    azure = site.azure
    azure.run(azure.sites.close())
    shutil.rmtree(azure.home.sites / site.name / "code")
    azure.run(azure.sites.configure_site(site.id))
    assert version(site) == "restored"


def test_a_deleted_site_leaves_no_files_and_no_port(site: TestSite) -> None:
    assert site.deploy(code("gone"))["status"] == 4
    azure = site.azure
    azure.run(azure.sites.delete_site(site.id))
    assert not (azure.home.sites / site.name).exists()
    assert site.name not in azure.home.ports_file.read_text()
    with pytest.raises(OSError, match="refused"):
        site.send("GET", "/")


def test_a_python_that_is_not_there_is_replaced_with_a_notice(site: TestSite) -> None:
    site.python = "3.99"
    site.configure()
    outcome = site.deploy(code("v"))
    assert outcome["status"] == 4
    assert "uv python install 3.99" in outcome["status_text"]
    assert version(site) == "v"
    (notice,) = site.host_status["notices"]
    assert "3.99" in notice
    assert f"{sys.version_info.major}.{sys.version_info.minor}" in notice
    assert notice in site.log


def test_code_that_fails_on_another_python_is_refused_with_the_cure(site: TestSite) -> None:
    site.python = "3.99"
    site.configure()
    outcome = site.deploy({"function_app.py": "import compiled_for_another_python"})
    assert outcome["status"] == 3
    assert "No module named 'compiled_for_another_python'" in outcome["status_text"]
    assert "uv python install 3.99" in outcome["status_text"]


def test_the_zip_brings_its_libraries_or_the_import_fails(site: TestSite) -> None:
    """The venv of this machine has them; Azure does not."""
    import io

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("host.json", host_json())
        archive.writestr("function_app.py", app("v"))
    outcome = site.outcome(site.publish(buffer.getvalue()))
    assert outcome["status"] == 3
    assert "No module named 'azure'" in outcome["status_text"]
