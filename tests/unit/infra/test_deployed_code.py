"""The deployed code as a resource: when it is deployed, its state, and its failures."""

import base64
import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from pulumi.dynamic import Config, ConfigureRequest, ResourceProvider
from pulumi.dynamic.dynamic import serialize_provider  # pyright: ignore[reportUnknownVariableType] # untyped in pulumi
from pulumi.output import Unknown

from delivery.package import PackageError, content_hash, zip_bytes
from delivery.publish import DeploymentError
from delivery.signin import SignInError
from infra import dynamic
from infra.dynamic import deployed_code
from infra.dynamic.deployed_code import DeployedCodeProvider
from tests.fake_azure import HEALTH, PUBLISH, SITE, SITE_ID, Azure, Reply

SOURCE = b'@bp.function_name("CreateAssistant")\ndef create(): ...\n'
PACKAGE = zip_bytes({"function_app.py": SOURCE})
HASH = content_hash(io.BytesIO(PACKAGE))
PATH = ".build/function_app.zip"
INPUTS: dict[str, Any] = {
    "site_id": SITE_ID,
    "scm_host": "azure.test",
    "site_host": "azure.test",
    "package_path": PATH,
    "package_hash": HASH,
    "python_version": "3.12",
}
PROVIDERS = [
    "DeletionGuardProvider",
    "DeployedCodeProvider",
    "PurgedAccountProvider",
    "ReplacementGuardProvider",
]
WITH_PROVIDER = {**INPUTS, "__provider": "pickle"}


@pytest.fixture
def site(azure: Azure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Azure:
    """A project that has built the package, and a site that accepts it."""
    monkeypatch.setattr(deployed_code, "PROJECT_ROOT", tmp_path)
    (tmp_path / PATH).parent.mkdir()
    (tmp_path / PATH).write_bytes(PACKAGE)
    azure.runs(HASH, "CreateAssistant")
    return azure


def provider(config: dict[str, Any] | None = None) -> DeployedCodeProvider:
    provider = DeployedCodeProvider()
    provider.configure(ConfigureRequest(Config(config or {}, "assistant")))
    return provider


@pytest.mark.parametrize(
    ("changed", "changes", "replaces"),
    [
        ({}, False, None),
        ({"package_hash": "new"}, True, None),
        ({"python_version": "3.11"}, True, None),
        ({"site_host": "other.example"}, True, None),
        ({"scm_host": "other.example"}, True, None),
        ({"package_path": "elsewhere.zip"}, False, None),
        ({"site_id": "/other"}, True, ["site_id"]),
        ({"site_id": Unknown()}, True, ["site_id"]),
        ({"site_host": Unknown(), "scm_host": Unknown()}, False, None),
        ({"site_host": Unknown(), "package_hash": "new"}, True, None),
    ],
)
def test_a_new_package_updates_and_a_new_site_replaces(
    changed: dict[str, object], changes: bool, replaces: list[str] | None
) -> None:
    diff = provider().diff(SITE_ID, INPUTS, {**INPUTS, **changed})
    assert (diff.changes, diff.replaces) == (changes, replaces)


def test_a_preview_says_what_a_change_of_the_python_version_means(capsys: pytest.CaptureFixture[str]) -> None:
    provider().diff(SITE_ID, INPUTS, {**INPUTS, "python_version": "3.13"})
    message = capsys.readouterr().err
    assert "from Python 3.12 to 3.13 first" in message
    assert "run it again, or `python -m ops rollback`" in message


def test_the_same_package_is_pushed_again_if_the_variable_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSISTANT_PUSH_AGAIN", "1")
    assert provider().diff(SITE_ID, INPUTS, INPUTS).changes


def test_creating_deploys_and_records_the_inputs_only(
    site: Azure, capsys: pytest.CaptureFixture[str]
) -> None:
    created = provider().create(WITH_PROVIDER)
    assert (created.id, created.outs) == (SITE_ID, INPUTS)
    (push,) = site.requests(PUBLISH)
    assert (push.body, push.headers["Authorization"]) == (PACKAGE, "Bearer tok3n")
    assert "tok3n" not in json.dumps(created.outs)
    contents = f"1 files of function_app/ ({len(SOURCE)} bytes), 0 of its dependencies (0 bytes)."
    assert f"Package {HASH[:12]}: {contents}\n" in capsys.readouterr().err


@pytest.mark.parametrize("name", PROVIDERS)
def test_the_state_names_the_provider_and_contains_none_of_its_code(name: str) -> None:
    provider_class: type[ResourceProvider] = getattr(dynamic, name)
    pickled = base64.b64decode(serialize_provider(provider_class()))
    assert b"infra.dynamic\x94" in pickled, "by its package, so that the module may move"
    assert len(pickled) < 100
    assert not provider_class.serialize_as_secret_always


def test_updating_deploys_signed_in_by_the_config_of_the_stack(
    site: Azure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ARM_USE_MSI")
    monkeypatch.delenv("ARM_METADATA_HOSTNAME")
    config = {"azure-native:useMsi": "true", "azure-native:metadataHost": site.host}
    updated = provider(config).update(SITE_ID, {**INPUTS, "package_hash": "old"}, WITH_PROVIDER)
    assert updated.outs == INPUTS
    assert len(site.requests(PUBLISH)) == 1


@pytest.mark.parametrize(
    ("content", "package_hash", "message"),
    [
        (PACKAGE, "other", r"now holds package .* not other as planned.*Deploy again"),
        (None, HASH, r"cannot be read: No such file or directory\. Deploy again"),
        (b"PK", HASH, "cannot be read as a zip"),
    ],
)
def test_another_package_than_the_planned_one_is_not_pushed(
    site: Azure, content: bytes | None, package_hash: str, message: str
) -> None:
    path = deployed_code.PROJECT_ROOT / PATH
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PackageError, match=message):
        provider().create({**INPUTS, "package_hash": package_hash})
    assert site.requests(PUBLISH) == []


@pytest.mark.parametrize(
    ("variable", "error", "message"),
    [("ARM_X", DeploymentError, "The zip is broken"), ("ARM_CLIENT_SECRET", SignInError, "ARM_CLIENT_ID")],
)
def test_a_failure_reaches_the_user_without_a_traceback(
    site: Azure, monkeypatch: pytest.MonkeyPatch, variable: str, error: type[Exception], message: str
) -> None:
    site.answers(PUBLISH, Reply(400, "The zip is broken"))
    monkeypatch.setenv(variable, "s")  # a secret needs the application that it is for
    with pytest.raises(error, match=message) as raised:
        provider().create(INPUTS)
    assert raised.value.__suppress_context__
    assert sys.tracebacklimit == 0


@pytest.mark.usefixtures("site")
def test_refresh_changes_nothing_if_the_recorded_package_runs(capsys: pytest.CaptureFixture[str]) -> None:
    refreshed = provider().read(SITE_ID, WITH_PROVIDER)
    assert (refreshed.id, refreshed.outs, refreshed.inputs) == (SITE_ID, INPUTS, INPUTS)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("health", "running", "displayed"),
    [(Reply(200, {"package": "drift"}), "drift", "drift"), (Reply(404), "", "no package that answers")],
)
def test_refresh_records_other_code_so_that_the_next_up_deploys(
    site: Azure, health: Reply, running: str, displayed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    site.answers(HEALTH, health)
    state = {**INPUTS, "package_hash": running}
    assert provider().read(SITE_ID, INPUTS).outs == state
    assert provider().diff(SITE_ID, state, INPUTS).changes
    assert f"azure.test runs {displayed}: `up` will deploy again." in capsys.readouterr().err


def test_refresh_records_that_the_site_is_gone(site: Azure) -> None:
    site.answers(SITE, Reply(404))
    assert provider().read(SITE_ID, INPUTS).id == ""


def test_destroying_sends_no_request(azure: Azure) -> None:
    provider().delete(SITE_ID, INPUTS)
    assert azure.received == []
