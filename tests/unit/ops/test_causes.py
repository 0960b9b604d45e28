"""Which resources change for themselves, and which with another one."""

import pytest

from ops.preview.causes import changed_settings, with_causes
from ops.preview.report import Change, Op, Resource, Value

KNOWN, UNKNOWN = Value("text", "1"), Value("unknown")


def change(path: str = "a", new: Value = KNOWN, follows: str = "") -> Change:
    return Change(path, Value("text", "0"), new, follows=follows)


def resource(name: str, op: Op, *changes: Change) -> Resource:
    return Resource(op, "t", name, changes=changes)


def causes(*resources: Resource, above: dict[str, list[str]], minor: tuple[str, ...] = ()) -> dict[str, str]:
    """The logical name of the cause of each resource that has one."""
    by_key = {resource.key: resource for resource in resources}
    dependencies = {f"t::{name}": {f"t::{other}" for other in others} for name, others in above.items()}
    caused = with_causes(by_key, dependencies, {f"t::{name}" for name in minor})
    return {
        resource.name: resource.cause.removeprefix("t::") for resource in caused.values() if resource.cause
    }


@pytest.mark.parametrize("op", ["create", "replace", "delete"])
def test_what_goes_or_comes_with_what_it_depends_on_has_one_root(op: Op) -> None:
    resources = (resource("group", op, change()), resource("account", op, change()), resource("table", op))
    above = {"account": ["group"], "table": ["account", "unchanged"]}
    assert causes(*resources, above=above) == {"account": "group", "table": "group"}


@pytest.mark.parametrize(
    ("below", "is_caused"),
    [
        (resource("b", "update", change(new=UNKNOWN)), True),
        (resource("b", "replace", change(new=UNKNOWN)), True),
        (resource("b", "update", change(follows="tags")), True),
        (resource("b", "update", change(follows="tags"), change(new=UNKNOWN)), True),
        (resource("b", "update", change(follows="location")), False),
        (resource("b", "update", change(new=UNKNOWN), change()), False),
        (resource("b", "update"), False),
    ],
)
def test_an_update_has_a_cause_if_nothing_in_it_is_its_own(below: Resource, is_caused: bool) -> None:
    root = resource("a", "update", change(follows="tags"))
    assert causes(root, below, above={"b": ["a"]}) == ({"b": "a"} if is_caused else {})


def test_independent_changes_have_no_cause_and_a_cycle_ends() -> None:
    first, second = resource("a", "replace", change()), resource("b", "replace", change())
    assert causes(first, second, above={}) == {}
    assert len(causes(first, second, above={"a": ["b"], "b": ["a"]})) == 1


def test_a_guard_causes_nothing_and_goes_with_what_changes_for_the_same_setting() -> None:
    guard = resource("guard", "update", change(follows="nameSuffix"))
    plan, group = (
        resource("plan", "update", change()),
        resource("group", "replace", change(follows="nameSuffix")),
    )
    above = {"group": ["guard"], "plan": ["guard"]}
    assert causes(guard, plan, group, above=above, minor=("guard",)) == {"guard": "group"}
    assert causes(guard, above={}, minor=("guard",)) == {}


def test_settings_are_compared_by_their_values_without_secrets() -> None:
    deployed = {
        "p:a": "1",
        "p:b": "x",
        "p:gone": "{}",
        "p:key": None,
        "p:was": None,
        "azure-native:location": "w",
    }
    current = {
        "p:a": "1",
        "p:b": '{"c": 1}',
        "p:key": "[secret]",
        "p:was": "text",
        "azure-native:location": "e",
    }
    assert changed_settings(deployed, current, "p") == (
        Change("azure-native:location", Value("text", '"w"'), Value("text", '"e"')),
        Change("b", Value("text", '"x"'), Value("text", '{"c": 1}')),
        Change("gone", Value("text", "{}"), Value("absent")),
        Change("was", Value("hidden"), Value("text", '"text"')),
    )
    assert changed_settings({}, current, "p") == ()  # nothing is known of the last `up`


@pytest.mark.parametrize(
    ("key", "old", "new"),
    [
        ("apiKey", "abc", "abd"),
        ("tags", '{"apiKey": "abc"}', '{"apiKey": "abc", "a": "x", "password": "y"}'),
        ("origins", '["https://user:abc@a.example"]', '[{"password": "abc"}]'),
    ],
)
def test_no_secret_of_a_setting_is_shown(key: str, old: str, new: str) -> None:
    changed = changed_settings({f"p:{key}": old}, {f"p:{key}": new}, "p")
    assert changed == (Change(key, Value("hidden"), Value("hidden")),)
