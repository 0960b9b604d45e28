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
    DYNAMIC,
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


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "project.local.json"


@pytest.fixture
def provider() -> FakeProvider:
    return FakeProvider()


def refusal(file: Path, provider: FakeProvider, *requests: resource_pb2.RegisterResourceRequest) -> str:
    with pytest.raises(CommandError) as refused:
        change(file, provider, *requests)
    return str(refused.value)


def test_a_new_resource_is_created_and_answers_with_the_outputs_of_its_provider(
    file: Path, provider: FakeProvider
) -> None:
    _, answers = change(file, provider, group(location="eastus2"))

    assert answers["rg"].id.endswith("/resourceGroups/rg")
    assert values.decode(answers["rg"].object) == {
        "resourceGroupName": "rg",
        "location": "eastus2",
        "made": True,
    }


def test_a_changed_resource_is_updated_in_place(
    file: Path, provider: FakeProvider, capsys: pytest.CaptureFixture[str]
) -> None:
    change(file, provider, group(tags={"a": "1"}))
    change(file, provider, group(tags={"a": "2"}))

    assert [method for method, _ in provider.calls] == ["Create", "Update"]
    assert [inputs["tags"] for inputs in provider.resources.values()] == [{"a": "2"}]
    assert "  ~ resources:ResourceGroup rg  updated" in capsys.readouterr().err


def test_what_has_not_changed_is_put_again_without_a_line_unless_it_is_dynamic(
    file: Path, provider: FakeProvider, capsys: pytest.CaptureFixture[str]
) -> None:
    change(file, provider, group(), dynamic("code", hash="1"))
    capsys.readouterr()
    provider.calls.clear()

    change(file, provider, group(), dynamic("code", hash="1"))

    assert provider.calls == [("Update", "rg")]
    assert capsys.readouterr().err == ""


def test_a_dynamic_resource_whose_provider_cannot_say_is_updated_when_an_input_differs(
    file: Path, provider: FakeProvider
) -> None:
    change(file, provider, dynamic("code", hash="1"))
    change(file, provider, dynamic("code", hash="2"))

    assert provider.calls == [("Create", "code"), ("Update", "code")]


def test_what_is_no_longer_declared_is_deleted_before_what_it_depends_on(
    file: Path, provider: FakeProvider
) -> None:
    first, second = urn(GROUP, "rg"), urn(ACCOUNT, "a")
    change(file, provider, group(), account("a", first), account("b", second), account("c", first))
    provider.calls.clear()

    change(file, provider, group(), account("c", first))

    assert [call for call in provider.calls if call[0] == "Delete"] == [("Delete", "b"), ("Delete", "a")]


def test_a_child_is_deleted_before_its_parent_through_a_component(file: Path, provider: FakeProvider) -> None:
    component = resource_pb2.RegisterResourceRequest(type="a:b:C", name="part", parent=urn(GROUP, "rg"))
    child = account("a")
    child.parent = f"{urn(GROUP, 'rg').rpartition('::')[0]}$a:b:C::part"
    change(file, provider, group(), component, child)
    provider.calls.clear()

    record, _ = change(file, provider)

    assert provider.calls == [("Delete", "a"), ("Delete", "rg")]
    assert not record.entries


def test_urns_have_the_types_of_all_parents_but_the_stack() -> None:
    monitor = Monitor(Record(Path("/nowhere")), FakeProvider().providers(), checking=True)
    stack = monitor.make_urn("", STACK, "project-local")
    outer = monitor.make_urn(stack, "a:b:Outer", "outer")
    inner = monitor.make_urn(outer, "a:b:Inner", "inner")

    assert monitor.make_urn(inner, GROUP, "rg").split("::")[2:] == [f"a:b:Outer$a:b:Inner${GROUP}", "rg"]


def test_ignored_changes_keep_the_values_that_the_resource_has(file: Path, provider: FakeProvider) -> None:
    ignoring: dict[str, Any] = {"ignoreChanges": ["tags", "sku"]}
    first = registration(GROUP, "rg", {"resourceGroupName": "rg", "tags": {"a": "1"}}, **ignoring)
    second = registration(GROUP, "rg", {"resourceGroupName": "rg", "sku": "x", "note": "y"}, **ignoring)
    change(file, provider, first)
    change(file, provider, second)

    (inputs,) = provider.resources.values()
    assert inputs == {"resourceGroupName": "rg", "tags": {"a": "1"}, "note": "y"}


def test_a_secret_input_reaches_the_provider_as_what_it_holds(file: Path, provider: FakeProvider) -> None:
    secret = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "value": "plain"}
    change(file, provider, dynamic("code", key=secret))

    assert provider.resources == {"code": {"key": "plain"}}


def test_every_refusal_of_a_run_comes_in_one_message_before_anything_changes(
    file: Path, provider: FakeProvider
) -> None:
    change(file, provider, group(location="eastus2"))
    provider.calls.clear()
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

    assert "resources:ResourceGroup rg: the change of location takes a replacement" in message
    assert "`make down`, then `make local`" in message
    assert "storage:StorageAccount bad1: accountName is invalid" in message
    assert "storage:StorageAccount bad2: accountName is invalid" in message
    assert "storage:StorageAccount x: it has the option importId" in message
    assert "index:RandomId r: it needs the package random" in message
    assert "resources:ResourceGroup rg: it is declared twice" in message
    assert "make pulumi" in message
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
def test_an_option_that_it_would_have_to_ignore_is_refused_by_name(options: dict[str, Any]) -> None:
    request = resource_pb2.RegisterResourceRequest(type=GROUP, name="rg", custom=True, **options)

    _, _, problems = plan(Entry(), urn(GROUP, "rg"), request, FakeProvider().providers())

    assert [f"the option {next(iter(options))}" in problem for problem in problems] == [True]


def test_the_aliases_that_azure_native_gives_its_own_types_are_no_option_of_the_program() -> None:
    spec = alias_pb2.Alias.Spec(type="azure-native:resources/v20200101:ResourceGroup", noParent=False)
    request = registration(GROUP, "rg", {"resourceGroupName": "rg"}, aliases=[alias_pb2.Alias(spec=spec)])

    assert plan(Entry(), urn(GROUP, "rg"), request, FakeProvider().providers())[2] == []


def test_calls_that_it_does_not_know_are_refused_by_name() -> None:
    monitor: Any = Monitor(Record(Path("/nowhere")), FakeProvider().providers(), checking=True)
    for method, request in (
        ("ReadResource", resource_pb2.ReadResourceRequest()),
        ("RegisterStackTransform", callback_pb2.Callback()),
        ("Call", resource_pb2.ResourceCallRequest()),
    ):
        with pytest.raises(pulumi.RunError, match=f"{type(request).__name__}.*make pulumi"):
            getattr(monitor, method)(request)


def test_a_protected_resource_that_is_no_longer_declared_is_refused_before_anything_changes(
    file: Path, provider: FakeProvider
) -> None:
    kept = account("kept")
    kept.protect = True
    change(file, provider, group(), kept)
    provider.calls.clear()

    message = refusal(file, provider, group(tags={"a": "1"}))

    assert "nothing was deleted: storage:StorageAccount kept: protected" in message
    assert provider.calls == []


def test_a_stack_with_a_protected_resource_is_not_taken_down_at_all(
    file: Path, provider: FakeProvider
) -> None:
    kept = account("kept")
    kept.protect = True
    change(file, provider, group(), kept, account("free"))
    provider.calls.clear()

    assert "storage:StorageAccount kept: protected" in refusal(file, provider)
    assert provider.calls == []

    change(file, provider, group(), account("kept"), account("free"))
    record, _ = change(file, provider)
    assert not record.entries
    assert not provider.resources


def test_a_refused_create_leaves_no_record_so_that_a_corrected_one_is_a_new_resource(
    file: Path, provider: FakeProvider
) -> None:
    provider.errors["Create"] = ProviderError("QuotaExceeded: no")
    message = refusal(file, provider, group(location="nowhere"))
    assert "resources:ResourceGroup rg: QuotaExceeded: no" in message
    assert "run the command again" in message
    provider.errors.clear()

    record, _ = change(file, provider, group(location="eastus2"))

    assert list(record.entries) == [urn(GROUP, "rg")]


def test_a_resource_that_exists_and_is_not_of_this_stack_is_refused_and_never_deleted(
    file: Path, provider: FakeProvider
) -> None:
    change(file.with_name("another.json"), provider, group())

    assert "cannot create already existing resource" in refusal(file, provider, group())

    assert not Record(file).entries


@pytest.mark.parametrize(
    "error",
    [
        ProviderError("failed to start", metadata=(("grpc-status-details-bin", b""),)),
        ProviderError("gone", grpc.StatusCode.UNAVAILABLE),
    ],
)
def test_a_resource_that_exists_half_made_or_may_exist_is_put_by_the_next_run(
    file: Path, provider: FakeProvider, error: ProviderError
) -> None:
    provider.errors["Create"] = error
    refusal(file, provider, group())
    provider.errors.clear()

    change(file, provider, group())

    assert provider.calls == [("Update", "rg")]


def test_a_dynamic_update_that_failed_is_done_again_although_nothing_differs(
    file: Path, provider: FakeProvider
) -> None:
    change(file, provider, dynamic("code", hash="1"))
    provider.errors["Update"] = ProviderError("half deployed")
    refusal(file, provider, dynamic("code", hash="2"))
    provider.errors.clear()
    provider.calls.clear()

    change(file, provider, dynamic("code", hash="1"))

    assert provider.calls == [("Update", "code")]


def test_a_resource_that_does_not_go_keeps_what_it_depends_on(file: Path, provider: FakeProvider) -> None:
    change(file, provider, group(), account("a", urn(GROUP, "rg")))
    provider.errors["Delete"] = ProviderError("ScopeLocked")

    assert "storage:StorageAccount a: ScopeLocked" in refusal(file, provider)
    assert Record(file).entries.keys() == {urn(GROUP, "rg"), urn(ACCOUNT, "a")}


def test_the_exports_are_recorded_and_a_secret_one_is_not_shown(file: Path, provider: FakeProvider) -> None:
    record = Record(file)
    monitor = Monitor(record, provider.providers(), checking=False)
    secret = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "value": "plain"}
    outputs = values.encode({"url": "https://x", "count": 3, "key": secret})
    stack = monitor.make_urn("", STACK, "project-local")
    monitor.RegisterResourceOutputs(resource_pb2.RegisterResourceOutputsRequest(urn=stack, outputs=outputs))

    assert Record(file).entries[stack].outputs == {"url": "https://x", "count": 3, "key": "[secret]"}


def test_a_record_that_cannot_be_written_is_one_clear_failure(tmp_path: Path) -> None:
    missing = tmp_path / "removed" / "project.local.json"
    message = refusal(missing, FakeProvider(), dynamic("code"))

    assert str(missing.parent) in message
    assert not missing.parent.exists()
    assert DYNAMIC.partition(":")[2] in message
