"""The deployed code as a resource: when it deploys, what it keeps, and how it fails."""

import base64
import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from pulumi.dynamic import Config, ConfigureRequest
from pulumi.dynamic.dynamic import serialize_provider  # pyright: ignore[reportUnknownVariableType] # untyped in pulumi
from pulumi.output import Unknown

from delivery import publish
from delivery.package import PackageError, content_hash, zip_bytes
from delivery.publish import Clock, DeploymentError
from delivery.signin import SignInError
from infra.dynamic import deployed_code as deployment
from infra.dynamic.deployed_code import DeployedCodeProvider
from tests.unit.delivery.loopback import FUNCTIONS, HEALTH, PUBLISH, SITE, SITE_ID, Azure, Reply

PACKAGE = zip_bytes({"function_app.py": b'@bp.function_name("CreateAssistant")\ndef create(): ...\n'})
INPUTS = {
    "site_id": SITE_ID,
    "scm_host": "scm.example",
    "site_host": "app.example",
    "package_path": ".build/function_app.zip",
    "package_hash": "old",
    "python_version": "3.12",
}


@pytest.fixture
def azure(azure: Azure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Azure:
    """A site that takes the package, somebody signed in, and a project folder that holds it."""
    monkeypatch.setattr(deployment, "PROJECT_ROOT", tmp_path)
    path = tmp_path / INPUTS["package_path"]
    path.parent.mkdir()
    path.write_bytes(PACKAGE)
    azure.runs(content_hash(path), "CreateAssistant")
    return azure


def provider(config: dict[str, Any] | None = None) -> DeployedCodeProvider:
    made = DeployedCodeProvider()
    made.configure(ConfigureRequest(Config(config or {}, "assistant")))
    return made


def inputs(azure: Azure, **changed: str) -> dict[str, Any]:
    package_hash = content_hash(io.BytesIO(PACKAGE))
    hosts = {"scm_host": azure.host, "site_host": azure.host, "package_hash": package_hash}
    return {**INPUTS, **hosts, "__provider": "pickle", **changed}


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
    found = provider().diff(SITE_ID, dict(INPUTS), {**INPUTS, **changed})
    assert (found.changes, found.replaces) == (changes, replaces)


def test_creating_deploys_and_keeps_the_inputs_only(azure: Azure) -> None:
    given = inputs(azure)
    created = provider().create(given)
    assert created.id == SITE_ID
    assert created.outs == {key: value for key, value in given.items() if key != "__provider"}
    assert azure.requests(PUBLISH)[0].body == PACKAGE
    assert azure.requests(PUBLISH)[0].headers["Authorization"] == "Bearer tok3n"


def test_creating_says_what_the_package_holds(azure: Azure, capsys: pytest.CaptureFixture[str]) -> None:
    provider().create(inputs(azure))
    size = len(b'@bp.function_name("CreateAssistant")\ndef create(): ...\n')
    assert f": 1 files of function_app/ ({size} bytes), 0 of its dependencies" in capsys.readouterr().err


def test_updating_deploys(azure: Azure) -> None:
    updated = provider().update(SITE_ID, dict(INPUTS), inputs(azure))
    assert updated.outs is not None
    assert updated.outs["package_hash"] == inputs(azure)["package_hash"]
    assert len(azure.requests(PUBLISH)) == 1


def test_no_token_stands_in_the_state(azure: Azure) -> None:
    created = provider().create(inputs(azure))
    assert "tok3n" not in json.dumps(created.outs)


def test_the_state_names_the_provider_and_holds_none_of_its_code() -> None:
    pickled = base64.b64decode(serialize_provider(DeployedCodeProvider()))
    assert b"infra.dynamic\x94" in pickled, "by its package, so that the module may move"
    assert len(pickled) < 100


def test_stack_config_signs_in_where_the_environment_does_not(
    azure: Azure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ARM_USE_MSI")
    monkeypatch.delenv("ARM_METADATA_HOSTNAME")
    config = {"azure-native:useMsi": "true", "azure-native:metadataHost": azure.host}
    assert provider(config).create(inputs(azure)).id == SITE_ID


def test_a_package_that_was_built_again_meanwhile_is_not_pushed(azure: Azure) -> None:
    with pytest.raises(PackageError, match=r"now holds package .* not other as planned.*pulumi up"):
        provider().create(inputs(azure, package_hash="other"))
    assert azure.requests(PUBLISH) == []


@pytest.mark.parametrize(("content", "said"), [(None, "cannot be read"), (b"PK", "cannot be read as a zip")])
def test_a_package_that_cannot_be_read_is_not_pushed(azure: Azure, content: bytes | None, said: str) -> None:
    path = deployment.PROJECT_ROOT / INPUTS["package_path"]
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    with pytest.raises(PackageError, match=said):
        provider().create(inputs(azure))
    assert azure.requests(PUBLISH) == []


def test_a_failure_reaches_the_user_without_a_traceback(azure: Azure) -> None:
    azure.answers(PUBLISH, Reply(400, "The zip is broken"))
    with pytest.raises(DeploymentError, match="The zip is broken") as raised:
        provider().create(inputs(azure))
    assert raised.value.__suppress_context__
    assert sys.tracebacklimit == 0


def test_a_sign_in_that_fails_is_a_plain_failure_too(azure: Azure, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARM_CLIENT_SECRET", "s")
    with pytest.raises(SignInError, match="ARM_CLIENT_ID"):
        provider().create(inputs(azure))


def test_refresh_leaves_alone_what_runs_as_recorded(azure: Azure) -> None:
    given = inputs(azure)
    found = provider().read(SITE_ID, given)
    assert found.id == SITE_ID
    assert found.outs == {key: value for key, value in given.items() if key != "__provider"}


@pytest.mark.parametrize(
    ("health", "running"),
    [(Reply(200, {"package": "drift"}), "drift"), (Reply(404), "")],
    ids=["other", "none"],
)
def test_refresh_finds_other_code_so_that_the_next_up_deploys_again(
    azure: Azure, health: Reply, running: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given = inputs(azure)
    azure.answers(HEALTH, health)
    found = provider().read(SITE_ID, given)
    assert found.outs is not None
    assert found.outs["package_hash"] == running
    assert provider().diff(SITE_ID, found.outs, given).changes
    assert "`up` will deploy again" in capsys.readouterr().err


def test_the_code_is_pushed_again_where_that_is_asked_for_although_the_state_names_it(
    azure: Azure, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = inputs(azure)
    assert not provider().diff(SITE_ID, given, given).changes

    monkeypatch.setenv("ASSISTANT_PUSH_AGAIN", "1")

    assert provider().diff(SITE_ID, given, given).changes


def test_refresh_finds_that_the_site_is_gone(azure: Azure) -> None:
    azure.answers(SITE, Reply(404))
    assert provider().read(SITE_ID, inputs(azure)).id == ""


def test_destroying_asks_nothing_of_azure(azure: Azure) -> None:
    provider().delete(SITE_ID, inputs(azure))
    assert azure.received == []


def test_functions_have_to_be_listed(
    azure: Azure, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    timeless = Clock(now=lambda: 0.0, sleep=lambda _seconds: None)
    monkeypatch.setattr(publish, "Clock", lambda: timeless)
    listed = {"value": [{"name": "app/CreateAssistant"}]}
    azure.answers(FUNCTIONS, Reply(200, {"value": []}), Reply(200, listed))
    provider().create(inputs(azure))
    assert "functions are not listed yet" in capsys.readouterr().err
