from typing import Any

import pytest

from ops.preview import plan
from ops.preview.report import (
    CHANGES,
    MESSAGE_CHARS,
    NAME_CHARS,
    TEXT_CHARS,
    Change,
    Package,
    Report,
    Resource,
    Value,
)

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
SEALED = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "ciphertext": "v1:x"}
SITE = "azure-native:web:WebApp"
CODE = "pulumi-python:dynamic/infra:DeployedCode"


def urn(kind: str, name: str, parent: str = "") -> str:
    chain = f"{parent}${kind}" if parent else kind
    return f"urn:pulumi:dev::assistant::{chain}::{name}"


def step(
    op: str,
    kind: str = "azure-native:storage:StorageAccount",
    name: str = "one",
    *,
    old: dict[str, Any] | None = None,
    new: dict[str, Any] | None = None,
    **more: Any,
) -> dict[str, Any]:
    states = {"oldState": old, "newState": new}
    return {
        "op": op,
        "urn": urn(kind, name),
        **{key: {"inputs": inputs} for key, inputs in states.items() if inputs is not None},
        **more,
    }


def report(*steps: dict[str, Any], **document: Any) -> Report:
    return plan.report(
        {"steps": list(steps), **document},
        stack="dev",
        commit="",
        made="2026-11-25T10:00:00Z",
        basis="deployed",
    )


def changes(old: dict[str, Any], new: dict[str, Any], kind: str = SITE, **more: Any) -> tuple[Change, ...]:
    (one,) = report(step("update", kind, old=old, new=new, **more)).resources
    return one.changes


def text(value: str) -> Value:
    return Value("text", value)


def test_each_changed_property_is_told_from_its_old_to_its_new_value() -> None:
    old = {"sku": {"name": "a", "tier": "x"}, "count": 1, "on": True, "gone": "g", "list": [1, 2]}
    new = {"sku": {"name": "b", "tier": "x"}, "count": 2, "on": 1, "new": None, "list": [1, 3]}
    assert changes(old, new) == (
        Change("sku.name", text('"a"'), text('"b"')),
        Change("count", text("1"), text("2")),
        Change("on", text("true"), text("1")),
        Change("gone", text('"g"'), Value("absent")),
        Change("list[1]", text("2"), text("3")),
        Change("new", Value("absent"), text("null")),
    )


def test_app_settings_are_told_by_name_wherever_they_stand() -> None:
    def settings(**values: str) -> dict[str, Any]:
        return {"siteConfig": {"appSettings": [{"name": n, "value": v} for n, v in values.items()]}}

    assert changes(settings(A="1", B="2", C="3"), settings(D="4", C="3", B="5")) == (
        Change("A", text('"1"'), Value("absent"), setting=True),
        Change("B", text('"2"'), text('"5"'), setting=True),
        Change("D", Value("absent"), text('"4"'), setting=True),
    )


def test_two_settings_of_one_name_are_not_mixed_up() -> None:
    old = {"siteConfig": {"appSettings": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]}}
    new = {"siteConfig": {"appSettings": [{"name": "A", "value": "1"}, {"name": "A", "value": "3"}]}}
    assert changes(old, new) == (Change("siteConfig.appSettings[1].value", text('"2"'), text('"3"')),)


def test_a_name_that_is_no_identifier_is_quoted() -> None:
    (one,) = changes({"tags": {"a.b c": "1"}}, {"tags": {"a.b c": "2"}})
    assert one.path == 'tags["a.b c"]'


def test_a_value_that_only_up_knows_is_told_as_such() -> None:
    assert changes({"scope": "/x"}, {"scope": UNKNOWN}) == (Change("scope", text('"/x"'), Value("unknown")),)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("anything", SEALED, {**SEALED, "ciphertext": "v1:y"}),
        ("anything", "[secret]", "plain"),
        ("nested", {"a": "[secret]"}, {"a": "x"}),
        ("adminPassword", "hunter2", "hunter3"),
        ("clientSecret", "abc", "abd"),
        ("OPENAI_API_KEY", "abc", "abd"),
        ("primaryKey", "abc", "abd"),
        ("GITHUB_TOKEN", "abc", "abd"),
        ("STORAGE_CONNECTION_STRING", "abc", "abd"),
        (
            "plain",
            "DefaultEndpointsProtocol=https;AccountKey=abc;",
            "DefaultEndpointsProtocol=https;AccountKey=x;",
        ),
        ("plain", "https://x.blob.core.windows.net/?sv=1&sig=abc%3D", "https://x/?sig=abd"),
        ("plain", "https://user:pass@example.com", "https://user:word@example.com"),
        ("plain", "eyJhbGciOiJub25l.eyJzdWIiOiJ4In0.x", "eyJhbGciOiJub25l.eyJzdWIiOiJ5In0.x"),
        ("plain", "ghp_" + "a" * 36, "ghp_" + "b" * 36),
        ("plain", "a" * 86 + "==", "b" * 86 + "=="),
        ("plain", "-----BEGIN RSA PRIVATE KEY-----\nabc", "-----BEGIN PRIVATE KEY-----\nabd"),
    ],
)
def test_nothing_secret_becomes_part_of_the_report(name: str, old: object, new: object) -> None:
    found = changes({name: old}, {name: new})
    assert [one for one in found if one.new.kind == "hidden" or one.old.kind == "hidden"]
    assert not [one for one in found if {one.old.kind, one.new.kind} == {"text"}]
    assert "abc" not in repr(found)


def test_a_switch_with_a_secrets_name_is_told() -> None:
    assert changes({"allowSharedKeyAccess": True}, {"allowSharedKeyAccess": False}) == (
        Change("allowSharedKeyAccess", text("true"), text("false")),
    )


def test_a_secret_that_changed_is_told_though_both_sides_are_blinded() -> None:
    found = changes(
        {"siteConfig": "[secret]"},
        {"siteConfig": "[secret]"},
        detailedDiff={"siteConfig.appSettings[3].value": {"kind": "update", "inputDiff": True}},
    )
    assert [(one.path, one.new) for one in found] == [("siteConfig.appSettings[3].value", Value("hidden"))]


def test_what_a_refresh_found_changed_is_told_with_its_value_in_azure() -> None:
    one = step("update", old={"tls": "1.2"}, new={"tls": "1.2"}, detailedDiff={"tls": {"kind": "update"}})
    one["oldState"]["outputs"] = {"tls": "1.0"}
    assert report(one).resources[0].changes == (Change("tls", text('"1.0"'), text('"1.2"')),)


def test_long_texts_are_told_where_they_part() -> None:
    (one,) = changes({"a": "x" * 5_000 + "old"}, {"a": "x" * 5_000 + "new"})
    assert one.old.text.endswith('old"')
    assert one.new.text.endswith('new"')
    assert len(one.old.text) < 100


def test_one_long_text_is_cut() -> None:
    (one,) = changes({}, {"a": "x" * 5_000})
    assert len(one.new.text) == TEXT_CHARS


def test_a_new_resource_is_told_with_what_it_gets_and_its_parent() -> None:
    one = step(
        "create", "azure-native:storage:Table", "chat-state", new={"tableName": "ChatState", "acl": []}
    )
    one["urn"] = urn("azure-native:storage:Table", "chat-state", "assistant:storage:ChatStorage")
    one["newState"]["parent"] = urn("assistant:storage:ChatStorage", "storage")
    assert report(one).resources == (
        Resource(
            "create",
            "azure-native:storage:Table",
            "chat-state",
            "assistant:storage:ChatStorage::storage",
            changes=(
                Change("tableName", Value("absent"), text('"ChatState"')),
                Change("acl", Value("absent"), text("[]")),
            ),
        ),
    )


def test_a_replacement_is_one_resource_with_its_reasons() -> None:
    more: dict[str, Any] = {"replaceReasons": ["location"]}
    found = report(
        step("create-replacement", old={"location": "a"}, new={"location": "b"}, **more),
        step("replace", old={"location": "a"}, new={"location": "b"}, **more),
        step("delete-replaced", old={"location": "a"}),
    )
    assert found.resources == (
        Resource(
            "replace",
            "azure-native:storage:StorageAccount",
            "one",
            reasons=("location",),
            changes=(Change("location", text('"a"'), text('"b"')),),
        ),
    )


def test_the_stack_providers_and_mere_reads_are_no_resources() -> None:
    found = report(
        step("create", "pulumi:pulumi:Stack", "assistant-dev"),
        step("create", "pulumi:providers:azure-native", "default"),
        step("read", "azure-native:storage:StorageAccount", "read"),
        changeSummary={"create": 2, "read": 1, "same": 3},
    )
    assert found.resources == ()
    assert found.counts == {"create": 2, "same": 3}


def test_what_stays_comes_from_the_state() -> None:
    entries: list[dict[str, Any]] = [
        {"urn": urn("pulumi:pulumi:Stack", "assistant-dev")},
        {"urn": urn("pulumi:providers:azure-native", "default")},
        {"urn": urn("azure-native:storage:StorageAccount", "one")},
        {
            "urn": urn("azure-native:storage:Table", "two"),
            "parent": urn("pulumi:pulumi:Stack", "assistant-dev"),
        },
        {"urn": urn("azure-native:storage:Table", "three"), "delete": True},
    ]
    found = plan.report(
        {"steps": [step("update", old={"a": 1}, new={"a": 2})]},
        stack="dev",
        commit="",
        made="2026-11-25T10:00:00Z",
        basis="deployed",
        state={"deployment": {"resources": entries}},
    )
    assert [(one.op, one.name, one.parent) for one in found.resources] == [
        ("update", "one", ""),
        ("same", "two", ""),
    ]


def test_new_code_is_told_by_hash_and_size() -> None:
    one = step(
        "update",
        CODE,
        old={"package_hash": "a" * 64, "package_path": ".build/x.zip", "__provider": "gASV"},
        new={"package_hash": "b" * 64, "package_path": ".build/x.zip", "__provider": "gASW"},
    )
    found = plan.report(
        {"steps": [one]},
        stack="dev",
        commit="",
        made="2026-11-25T10:00:00Z",
        basis="deployed",
        size_of={".build/x.zip": 5}.get,
    )
    assert found.package == Package("a" * 64, "b" * 64, 5)
    assert [change.path for change in found.resources[0].changes] == ["package_hash"]


def test_code_that_is_deployed_again_is_no_new_code() -> None:
    same = {"package_hash": "a" * 64, "site_host": "x"}
    assert report(step("update", CODE, old=same, new={**same, "site_host": "y"})).package is None


def test_errors_are_told_with_their_resource_and_without_secrets() -> None:
    found = report(
        diagnostics=[
            {"severity": "warning", "message": "w"},
            {
                "severity": "error",
                "message": "error: AccountKey=abc is wrong\n",
                "urn": urn(SITE, "function-app"),
            },
            {"severity": "error", "message": "x" * 20_000},
        ]
    )
    assert [(one.resource, one.message[:30]) for one in found.failures] == [
        ("function-app", "[hidden] is wrong"),
        ("", "x" * 30),
    ]
    assert len(found.failures[1].message) <= MESSAGE_CHARS


def test_a_document_that_is_huge_stays_within_the_reports_limits() -> None:
    many = {f"p{number}": number for number in range(CHANGES + 7)}
    (one,) = report(step("create", "t:t:T", "n" * 1_000, new=many)).resources
    assert (len(one.name), len(one.changes), one.left_out) == (NAME_CHARS, CHANGES, 7)
