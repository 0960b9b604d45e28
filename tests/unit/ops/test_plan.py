from typing import Any

import pytest

from ops.preview import plan
from ops.preview.report import Change, Failure, Package, Report, Resource, Value
from ops.preview.values import MESSAGE_CHARS, TEXT_CHARS
from ops.state import DEPLOYED_CODE, SITE, STACK, STORAGE_ACCOUNT, TABLE

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
ENCRYPTED = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "ciphertext": "v1:x"}
UNFILLED = Report("dev", "", "2026-11-25T10:00:00Z", "deployed")
ABSENT = Value("absent")


def urn(kind: str, name: str, parent: str = "") -> str:
    chain = f"{parent}${kind}" if parent else kind
    return f"urn:pulumi:dev::assistant::{chain}::{name}"


def step(
    op: str,
    kind: str = STORAGE_ACCOUNT,
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
    return plan.report(UNFILLED, {"steps": list(steps), **document})


def changes(old: dict[str, Any], new: dict[str, Any], kind: str = SITE, **more: Any) -> tuple[Change, ...]:
    (resource,) = report(step("update", kind, old=old, new=new, **more)).resources
    return resource.changes


def change(path: str, old: str | None, new: str | None, *, app_setting: bool = False) -> Change:
    """A change of JSON texts; None is an absent value."""
    values = [ABSENT if value is None else Value("text", value) for value in (old, new)]
    return Change(path, values[0], values[1], app_setting)


def app_settings(*settings: tuple[str, str]) -> dict[str, Any]:
    return {"siteConfig": {"appSettings": [{"name": name, "value": value} for name, value in settings]}}


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            {"sku": {"name": "a", "tier": "x"}, "count": 1, "on": True, "gone": "g", "list": [1, 2]},
            {"sku": {"name": "b", "tier": "x"}, "count": 2, "on": 1, "new": None, "list": [1, 3]},
            [
                change("sku.name", '"a"', '"b"'),
                change("count", "1", "2"),
                change("on", "true", "1"),
                change("gone", '"g"', None),
                change("list[1]", "2", "3"),
                change("new", None, "null"),
            ],
        ),
        (
            app_settings(("A", "1"), ("B", "2"), ("C", "3")),
            app_settings(("D", "4"), ("C", "3"), ("B", "5")),
            [
                change("A", '"1"', None, app_setting=True),
                change("B", '"2"', '"5"', app_setting=True),
                change("D", None, '"4"', app_setting=True),
            ],
        ),
        (
            app_settings(("A", "1"), ("A", "2")),
            app_settings(("A", "1"), ("A", "3")),
            [change("siteConfig.appSettings[1].value", '"2"', '"3"')],
        ),
        ({"tags": {"a.b c": 1}}, {"tags": {"a.b c": 2}}, [change('tags["a.b c"]', "1", "2")]),
        ({"tags": {"a": "1"}}, {"tags": "none"}, [change("tags", '{"a": "1"}', '"none"')]),
        ({"list": [{"name": "a"}]}, {"list": [1]}, [change("list[0]", '{"name": "a"}', "1")]),
        ({"scope": "/x"}, {"scope": UNKNOWN}, [Change("scope", Value("text", '"/x"'), Value("unknown"))]),
        ({"sharedKey": True}, {"sharedKey": False}, [change("sharedKey", "true", "false")]),
        (
            {"a": "x" * 5_000 + "old"},
            {"a": "x" * 5_000 + "new"},
            [change("a", f'…{"x" * 40}old"', f'…{"x" * 40}new"')],
        ),
        ({}, {"a": "x" * 5_000}, [change("a", None, f'"{"x" * (TEXT_CHARS - 2)}…')]),
        ({"__provider": "a"}, {"__provider": "b"}, []),
    ],
    ids=[
        "leaves", "app settings by name", "one name twice", "quoted name", "other shape", "other elements",
        "known after up", "boolean with the name of a secret", "long texts", "long text", "added by Pulumi",
    ],
)  # fmt: skip
def test_each_changed_property_has_its_old_and_its_new_value(
    old: dict[str, Any], new: dict[str, Any], expected: list[Change]
) -> None:
    assert list(changes(old, new)) == expected


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("anything", ENCRYPTED, {**ENCRYPTED, "ciphertext": "v1:y"}),
        ("anything", "[secret]", "plain"),
        ("nested", {"a": "[secret]"}, {"a": "x"}),
        ("adminPassword", "hunter2", "hunter3"),
        ("clientSecret", "abc", "abd"),
        ("OPENAI_API_KEY", "abc", "abd"),
        ("primaryKey", "abc", "abd"),
        ("GITHUB_TOKEN", "abc", "abd"),
        ("STORAGE_CONNECTION_STRING", "abc", "abd"),
        ("plain", "Protocol=https;AccountKey=abc;", "Protocol=https;AccountKey=x;"),
        ("plain", "https://x.blob.core.windows.net/?sv=1&sig=abc%3D", "https://x/?sig=abd"),
        ("plain", "https://user:pass@example.com", "https://user:word@example.com"),
        ("plain", "eyJhbGciOiJub25l.eyJzdWIiOiJ4In0.x", "eyJhbGciOiJub25l.eyJzdWIiOiJ5In0.x"),
        ("plain", "ghp_" + "a" * 36, "ghp_" + "b" * 36),
        ("plain", "a" * 86 + "==", "b" * 86 + "=="),
        ("plain", "-----BEGIN RSA PRIVATE KEY-----\nabc", "-----BEGIN PRIVATE KEY-----\nabd"),
    ],
)
def test_no_secret_becomes_part_of_the_report(name: str, old: object, new: object) -> None:
    listed = changes({name: old}, {name: new})
    assert [change for change in listed if "hidden" in {change.new.kind, change.old.kind}]
    assert not [change for change in listed if {change.old.kind, change.new.kind} == {"text"}]
    assert "abc" not in repr(listed)


@pytest.mark.parametrize(
    ("inputs", "outputs", "path", "change"),
    [
        (
            {"siteConfig": "[secret]"},
            {},
            "siteConfig.appSettings[3].value",
            Change("siteConfig.appSettings[3].value", ABSENT, Value("hidden")),
        ),
        ({"tls": "1.2"}, {"tls": "1.0"}, "tls", change("tls", '"1.0"', '"1.2"')),
        (
            {"tags": {"a.b": ["1"]}},
            {"tags": {"a.b": ["2"]}},
            'tags["a.b"][0]',
            change('tags["a.b"][0]', '"2"', '"1"'),
        ),
    ],
    ids=["masked on both sides", "changed in Azure", "quoted name and index"],
)
def test_a_property_with_equal_inputs_that_pulumi_lists_is_reported(
    inputs: dict[str, Any], outputs: dict[str, Any], path: str, change: Change
) -> None:
    update = step("update", old=inputs, new=inputs, detailedDiff={path: {"kind": "update"}, "__x": {}})
    update["oldState"]["outputs"] = outputs
    assert report(update).resources[0].changes == (change,)


def test_a_new_resource_has_its_inputs_and_its_parent() -> None:
    create = step("create", TABLE, "chat-state", new={"tableName": "ChatState", "acl": []})
    create["urn"] = urn(TABLE, "chat-state", "assistant:storage:ChatStorage")
    create["newState"]["parent"] = urn("assistant:storage:ChatStorage", "storage")
    listed = (change("tableName", None, '"ChatState"'), change("acl", None, "[]"))
    assert report(create).resources == (
        Resource("create", TABLE, "chat-state", "assistant:storage:ChatStorage::storage", changes=listed),
    )


@pytest.mark.parametrize("changes", [(), (change("a", '"x"', '"y"'),)])
def test_the_steps_of_a_replacement_are_one_resource_with_its_reasons(changes: tuple[Change, ...]) -> None:
    sides: dict[str, Any] = {
        "old": {"a": "x"},
        "new": {"a": "y" if changes else "x"},
        "replaceReasons": ["a"],
    }
    steps = [
        step("create-replacement", **sides),
        step("replace", **sides),
        step("delete-replaced", old={"a": 1}),
    ]
    expected = Resource("replace", STORAGE_ACCOUNT, "one", reasons=("a",), changes=changes)
    assert report(*steps).resources == (expected,)
    assert report(*reversed(steps)).resources == (expected,)


def test_the_stack_and_its_providers_and_reads_are_not_listed() -> None:
    filled = report(
        step("create", STACK, "assistant-dev"),
        step("create", "pulumi:providers:azure-native", "default"),
        step("read", name="read"),
    )
    assert filled.resources == ()


def test_unchanged_resources_come_from_the_state() -> None:
    entries: list[dict[str, Any]] = [
        {"urn": urn(STACK, "assistant-dev")},
        {"urn": urn("pulumi:providers:azure-native", "default")},
        {"urn": urn(STORAGE_ACCOUNT, "one")},
        {"urn": urn(TABLE, "two"), "parent": urn(STACK, "assistant-dev")},
        {"urn": urn(TABLE, "three"), "delete": True},
    ]
    document = {"steps": [step("update", old={"a": 1}, new={"a": 2})]}
    filled = plan.report(UNFILLED, document, {"deployment": {"resources": entries}})
    assert [(resource.op, resource.name, resource.parent) for resource in filled.resources] == [
        ("update", "one", ""),
        ("same", "two", ""),
    ]


@pytest.mark.parametrize(
    ("before", "after", "package"),
    [
        ("a" * 64, "b" * 64, Package("a" * 64, "b" * 64, 5)),
        (None, "b" * 64, Package("", "b" * 64, 5)),
        ("a" * 64, "a" * 64, None),
        ("a" * 64, UNKNOWN, None),
    ],
)
def test_a_new_package_has_its_hashes_and_its_size(
    before: str | None, after: str, package: Package | None
) -> None:
    old, new = ({"package_hash": value, "package_path": ".build/x.zip"} for value in (before, after))
    update = step("update", DEPLOYED_CODE, old=old, new=new)
    assert plan.report(UNFILLED, {"steps": [update]}, None, {".build/x.zip": 5}.get).package == package
    assert report(step("delete", DEPLOYED_CODE, old=old), {**update, "urn": urn(SITE, "one")}).package is None


@pytest.mark.parametrize(
    ("diagnostic", "failures"),
    [
        ({"severity": "warning", "message": "w"}, ()),
        (
            {
                "severity": "error",
                "message": "error: AccountKey=abc is wrong\n",
                "urn": urn(SITE, "function-app"),
            },
            (Failure("function-app", "[hidden] is wrong"),),
        ),
        ({"severity": "error", "message": " \n"}, (Failure("", "Pulumi gave no message."),)),
        ({"severity": "error"}, (Failure("", "Pulumi gave no message."),)),
    ],
)
def test_an_error_has_its_resource_and_its_message_without_secrets(
    diagnostic: dict[str, str], failures: tuple[Failure, ...]
) -> None:
    assert report(diagnostics=[diagnostic]).failures == failures


def test_a_long_message_keeps_its_beginning_and_its_end() -> None:
    assert plan.clean("x" * MESSAGE_CHARS) == "x" * MESSAGE_CHARS
    message = plan.clean(f"first{'x' * 20_000}last")
    assert (message[:6], message[-5:]) == ("firstx", "xlast")
    assert len(message) <= MESSAGE_CHARS
