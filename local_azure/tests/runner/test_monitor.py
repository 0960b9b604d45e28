"""The minimal runner's steps on a provider in memory: what it creates, updates, deletes and refuses."""

from pathlib import Path
from typing import Any

import grpc
import pulumi
import pytest
from pulumi.runtime.proto import alias_pb2, callback_pb2, resource_pb2

from local_azure.cli.output import CommandError
from local_azure.frontends.pulumi import values
from local_azure.runner.monitor import STACK, Monitor, plan
from local_azure.runner.record import Entry, Record
from local_azure.tests.runner.fakes import (
    ACCOUNT,
    GROUP,
    FakeProvider,
    ProviderError,
    account,
    change,
    dynamic,
    group,
    registration,
    urn,
)

IN_GROUP = urn(GROUP, "rg")
SECRET = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "value": "plain"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "project.local.json"


@pytest.fixture
def provider() -> FakeProvider:
    return FakeProvider()


@pytest.fixture
def monitor(file: Path, provider: FakeProvider) -> Any:
    return Monitor(Record(file), provider.providers(), checking=False)


def refusal(file: Path, provider: FakeProvider, *requests: resource_pb2.RegisterResourceRequest) -> str:
    provider.calls.clear()
    with pytest.raises(CommandError) as error:
        change(file, provider, *requests)
    return str(error.value)


def test_a_resource_is_created_then_updated_and_has_the_outputs_of_its_provider(
    file: Path, provider: FakeProvider, capsys: pytest.CaptureFixture[str]
) -> None:
    _, responses = change(file, provider, group(tags={"a": "1"}))
    assert responses["rg"].id.endswith("/resourceGroups/rg")
    outputs = {"resourceGroupName": "rg", "tags": {"a": "1"}, "made": True}
    assert values.decode(responses["rg"].object) == outputs
    assert "  + resources:ResourceGroup rg  created" in capsys.readouterr().err

    change(file, provider, group(tags={"a": "2"}))
    assert [inputs["tags"] for inputs in provider.resources.values()] == [{"a": "2"}]
    assert "  ~ resources:ResourceGroup rg  updated" in capsys.readouterr().err


def test_an_unchanged_resource_is_put_again_without_a_line_unless_it_is_dynamic(
    file: Path, provider: FakeProvider, capsys: pytest.CaptureFixture[str]
) -> None:
    change(file, provider, group(), dynamic("code", hash="1", key=SECRET))
    assert provider.resources["code"] == {"hash": "1", "key": "plain"}
    capsys.readouterr()
    change(file, provider, group(), dynamic("code", hash="1", key=SECRET))
    assert capsys.readouterr().err == ""
    change(file, provider, group(), dynamic("code", hash="2"))
    created, first, second = provider.calls[:2], provider.calls[2:3], provider.calls[3:]
    assert created == [("Create", "rg"), ("Create", "code")]
    assert first == [("Update", "rg")]
    # A dynamic provider that does not report a difference: the inputs decide.
    assert second == [("Update", "rg"), ("Update", "code")]


def test_a_resource_that_is_no_longer_declared_is_deleted_before_its_dependencies(
    file: Path, provider: FakeProvider
) -> None:
    a = urn(ACCOUNT, "a")
    change(file, provider, group(), account("a", IN_GROUP), account("b", a), account("c", IN_GROUP))
    provider.calls.clear()

    change(file, provider, group(), account("c", IN_GROUP))

    assert [call for call in provider.calls if call[0] == "Delete"] == [("Delete", "b"), ("Delete", "a")]


def test_a_child_of_a_component_is_deleted_before_the_components_parent(
    file: Path, provider: FakeProvider
) -> None:
    component = resource_pb2.RegisterResourceRequest(type="a:b:C", name="part", parent=IN_GROUP)
    child = account("a")
    child.parent = f"{IN_GROUP.rpartition('::')[0]}$a:b:C::part"
    change(file, provider, group(), component, child)
    provider.calls.clear()

    record, _ = change(file, provider)

    assert provider.calls == [("Delete", "a"), ("Delete", "rg")]
    assert not record.entries


def test_urns_have_the_types_of_all_parents_but_the_stack(monitor: Monitor) -> None:
    stack = monitor.make_urn("", STACK, "project-local")
    outer = monitor.make_urn(stack, "a:b:Outer", "outer")
    inner = monitor.make_urn(outer, "a:b:Inner", "inner")

    assert monitor.make_urn(inner, GROUP, "rg").split("::")[2:] == [f"a:b:Outer$a:b:Inner${GROUP}", "rg"]


def test_ignored_changes_keep_the_values_of_the_resource(file: Path, provider: FakeProvider) -> None:
    for request in (group(tags={"a": "1"}), group(sku="x", note="y")):
        request.ignoreChanges.extend(["tags", "sku"])
        change(file, provider, request)

    (inputs,) = provider.resources.values()
    assert inputs == {"resourceGroupName": "rg", "tags": {"a": "1"}, "note": "y"}


def test_all_refusals_of_a_run_are_in_one_message_before_anything_changes(
    file: Path, provider: FakeProvider
) -> None:
    change(file, provider, group(location="eastus2"))
    imported = account("x")
    imported.importId = "/subscriptions/1"

    message = refusal(
        file,
        provider,
        group(location="westus2"),
        account("bad1"),
        account("bad2"),
        imported,
        registration("random:index:RandomId", "r", {}),
        group(),
    )

    for text in (
        "resources:ResourceGroup rg: the change of location takes a replacement",
        "`make down`, then `make local`",
        "storage:StorageAccount bad1: accountName is invalid",
        "storage:StorageAccount bad2: accountName is invalid",
        "storage:StorageAccount x: it has the option importId",
        "index:RandomId r: it needs the package random",
        "resources:ResourceGroup rg: it is declared twice",
        "make pulumi",
    ):
        assert text in message
    assert provider.calls == []


@pytest.mark.parametrize(
    "options",
    [
        {"retainOnDelete": True},
        {"deletedWith": "urn"},
        {"importId": "id"},
        {"provider": "urn::id"},
        {"replaceOnChanges": ["a"]},
        {"customTimeouts": {"create": "5m"}},
        {"aliasURNs": ["urn"]},
        {"aliases": [alias_pb2.Alias(urn="urn")]},
        {"aliases": [alias_pb2.Alias(spec=alias_pb2.Alias.Spec(name="old"))]},
        {"hooks": {"after_create": ["hook"]}},
        {"packageRef": "a parameterized package"},
        {"additionalSecretOutputs": ["a"]},
        {"remote": True},
        {"ignoreChanges": ["a.b"]},
        {"ignoreChanges": ["*"]},
    ],
)
def test_an_option_that_it_would_ignore_is_refused_by_name(
    provider: FakeProvider, options: dict[str, Any]
) -> None:
    request = resource_pb2.RegisterResourceRequest(type=GROUP, name="rg", custom=True, **options)

    _, _, problems = plan(Entry(), IN_GROUP, request, provider.providers())

    assert [f"the option {next(iter(options))}" in problem for problem in problems] == [True]


def test_the_aliases_that_azure_native_gives_its_own_types_are_accepted(provider: FakeProvider) -> None:
    spec = alias_pb2.Alias.Spec(type="azure-native:resources/v20200101:ResourceGroup", noParent=False)
    inputs = {"resourceGroupName": "rg"}
    request = registration(GROUP, "rg", inputs, aliases=[alias_pb2.Alias(spec=spec)])

    assert plan(Entry(), IN_GROUP, request, provider.providers())[2] == []


@pytest.mark.parametrize(
    ("method", "request_type"),
    [
        ("ReadResource", resource_pb2.ReadResourceRequest),
        ("RegisterStackTransform", callback_pb2.Callback),
        ("RegisterStackInvokeTransform", callback_pb2.Callback),
        ("Call", resource_pb2.ResourceCallRequest),
    ],
)
def test_an_unsupported_call_is_refused_by_name(monitor: Monitor, method: str, request_type: Any) -> None:
    with pytest.raises(pulumi.RunError, match=f"{request_type.__name__}.*make pulumi"):
        getattr(monitor, method)(request_type())


def test_a_protected_resource_is_not_deleted_and_nothing_else_changes(
    file: Path, provider: FakeProvider
) -> None:
    kept = account("kept")
    kept.protect = True
    change(file, provider, group(), kept, account("free"))

    for program in ([group(tags={"a": "1"})], []):
        message = refusal(file, provider, *program)
        assert "nothing was deleted: storage:StorageAccount kept: protected" in message
        assert provider.calls == []

    change(file, provider, group(), account("kept"), account("free"))
    record, _ = change(file, provider)
    assert not record.entries
    assert not provider.resources


def test_a_refused_create_leaves_no_record(file: Path, provider: FakeProvider) -> None:
    provider.errors["Create"] = ProviderError("QuotaExceeded: no")
    message = refusal(file, provider, group(location="nowhere"))
    assert "resources:ResourceGroup rg: QuotaExceeded: no" in message
    assert "run the command again" in message
    assert not Record(file).entries
    provider.errors.clear()

    record, _ = change(file, provider, group(location="eastus2"))

    assert list(record.entries) == [IN_GROUP]


@pytest.mark.parametrize(
    ("method", "error", "message"),
    [
        (
            "Create",
            ProviderError("failed to start", metadata=(("grpc-status-details-bin", b""),)),
            "failed to start",
        ),
        ("Create", ProviderError("gone", grpc.StatusCode.UNAVAILABLE), "its provider stopped: see `python"),
        ("Update", ProviderError("half deployed"), "half deployed"),
    ],
)
def test_a_step_that_may_have_changed_something_is_repeated_by_the_next_run(
    file: Path, provider: FakeProvider, method: str, error: ProviderError, message: str
) -> None:
    before, failed = ([], group()) if method == "Create" else ([dynamic("code", hash="1")], dynamic("code"))
    change(file, provider, *before)
    provider.errors[method] = error
    assert message in refusal(file, provider, failed)
    provider.errors.clear()

    change(file, provider, *(before or [failed]))

    assert provider.calls == [("Update", "code" if before else "rg")]


def test_a_failed_delete_keeps_the_dependencies(file: Path, provider: FakeProvider) -> None:
    change(file, provider, group(), account("a", IN_GROUP))
    provider.errors["Delete"] = ProviderError("ScopeLocked")

    assert "storage:StorageAccount a: ScopeLocked" in refusal(file, provider)
    assert Record(file).entries.keys() == {IN_GROUP, urn(ACCOUNT, "a")}


def test_the_exports_are_recorded_without_secrets(file: Path, monitor: Monitor) -> None:
    outputs = values.encode({"url": "https://x", "count": 3, "key": SECRET})
    stack = monitor.make_urn("", STACK, "project-local")
    monitor.RegisterResourceOutputs(resource_pb2.RegisterResourceOutputsRequest(urn=stack, outputs=outputs))

    assert Record(file).entries[stack].outputs == {"url": "https://x", "count": 3, "key": "[secret]"}


def test_the_record_of_a_home_that_was_removed_is_not_written(tmp_path: Path, provider: FakeProvider) -> None:
    file = tmp_path / "removed" / "project.local.json"

    message = refusal(file, provider, dynamic("code"))

    assert "dynamic:Resource code" in message
    assert str(file.parent) in message
    assert not file.parent.exists()
