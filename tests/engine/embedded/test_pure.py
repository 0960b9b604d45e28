"""The engine's pure parts: values, paths, order, aliases, durations, secrets."""

from datetime import UTC, datetime

import pytest

from local_azure.engine.aliases import Alias, Identity, alias_urns
from local_azure.engine.crypto import Crypter, SecretsError
from local_azure.engine.differences import replacing_on
from local_azure.engine.events import Diff, PropertyDiff
from local_azure.engine.graph import delete_waves, dependents, required_by
from local_azure.engine.monitor import seconds
from local_azure.engine.state import Resource, make_urn, referenceable, timestamp
from local_azure.engine.values import (
    UNKNOWN,
    Properties,
    Value,
    changed_keys,
    changes,
    keep_old,
    mark_secrets,
    parse_path,
    path_contains,
    same,
    secret,
)
from local_azure.engine.wire import Accepts, decode, encode


@pytest.mark.parametrize(
    ("left", "right", "equal"),
    [
        (1, 1.0, True),
        (True, 1, False),
        ([1], [True], False),
        ({"a": None}, {}, False),
        ({"a": [1]}, {"a": [1]}, True),
    ],
)
def test_equality_is_that_of_json(left: Value, right: Value, equal: bool) -> None:
    assert same(left, right) is equal


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("a", ("a",)),
        ("a.b[0].c", ("a", "b", 0, "c")),
        ('["a.b"].c', ("a.b", "c")),
        ('a["x y"][*]', ("a", "x y", "*")),
        ("tags.*", ("tags", "*")),
    ],
)
def test_property_paths(text: str, path: tuple[str | int, ...]) -> None:
    assert parse_path(text) == path


@pytest.mark.parametrize("text", ["a[", "a[x]", 'a["b', "a..b", "."])
def test_bad_property_paths_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="property path"):
        parse_path(text)


def test_a_path_contains_what_lies_below_it() -> None:
    assert path_contains(parse_path("a.*"), parse_path("a.b.c"))
    assert path_contains(parse_path("a"), parse_path("a[0]"))
    assert not path_contains(parse_path("a.b"), parse_path("a"))


@pytest.mark.parametrize(
    ("paths", "kept"),
    [
        (["a"], {"a": 1, "c": {"x": 20, "z": 30}, "l": [{"n": 9}, {"n": 8}]}),
        (["c.x"], {"a": 10, "c": {"x": 2, "z": 30}, "l": [{"n": 9}, {"n": 8}]}),
        (["c.y"], {"a": 10, "c": {"x": 20, "z": 30, "y": 3}, "l": [{"n": 9}, {"n": 8}]}),
        (["c.*"], {"a": 10, "c": {"x": 2, "y": 3}, "l": [{"n": 9}, {"n": 8}]}),
        (["l[1].n"], {"a": 10, "c": {"x": 20, "z": 30}, "l": [{"n": 9}, {"n": 2}]}),
        (["l[*].n"], {"a": 10, "c": {"x": 20, "z": 30}, "l": [{"n": 1}, {"n": 2}]}),
        (["gone"], {"a": 10, "c": {"x": 20, "z": 30}, "l": [{"n": 9}, {"n": 8}], "gone": "was"}),
        (["a[", "nothing"], {"a": 10, "c": {"x": 20, "z": 30}, "l": [{"n": 9}, {"n": 8}]}),
    ],
)
def test_ignored_paths_keep_their_old_value(paths: list[str], kept: Properties) -> None:
    old: Properties = {"a": 1, "c": {"x": 2, "y": 3}, "l": [{"n": 1}, {"n": 2}], "gone": "was"}
    new: Properties = {"a": 10, "c": {"x": 20, "z": 30}, "l": [{"n": 9}, {"n": 8}]}

    assert keep_old(old, new, paths) == kept


def test_ignoring_inside_a_secret_keeps_it_a_secret() -> None:
    old: Properties = {"s": secret({"x": 1, "y": 1})}
    new: Properties = {"s": secret({"x": 2, "y": 2})}

    assert keep_old(old, new, ["s.x"]) == {"s": secret({"x": 1, "y": 2})}


def test_differences_are_found_at_the_leaves_and_secret_marks_are_none() -> None:
    old: Properties = {"a": {"b": [1, 2]}, "s": secret("x"), "gone": 1}
    new: Properties = {"a": {"b": [1, 3, 4]}, "s": "x", "new": UNKNOWN}

    assert changed_keys(old, new) == ["a", "gone", "new"]
    assert [(change.path, change.kind) for change in changes(old, new) if change.path != "s"] == [
        ("a.b[1]", "update"),
        ("a.b[2]", "add"),
        ("gone", "delete"),
        ("new", "add"),
    ]


def test_secrecy_of_inputs_comes_back_with_outputs_of_a_provider_that_knows_none() -> None:
    outs: Properties = {"plain": 1, "word": "x", "nested": {"deep": "y", "open": 1}, "list": ["z"]}

    mark_secrets(outs, {"word": secret("x"), "nested": {"deep": secret("y")}, "list": [secret("z")]})

    assert outs == {
        "plain": 1,
        "word": secret("x"),
        "nested": {"deep": secret("y"), "open": 1},
        "list": secret(["z"]),
    }


@pytest.mark.parametrize(
    ("accepts", "received"),
    [
        (
            Accepts(secrets=True, unknowns=True),
            {"n": 1, "f": 0.5, "s": secret("x"), "u": UNKNOWN, "l": [None, UNKNOWN]},
        ),
        (Accepts(), {"n": 1, "f": 0.5, "s": "x", "l": [None]}),
    ],
)
def test_a_receiver_gets_only_what_it_understands(accepts: Accepts, received: Properties) -> None:
    sent: Properties = {"n": 1, "f": 0.5, "s": secret("x"), "u": UNKNOWN, "l": [None, UNKNOWN]}

    assert decode(encode(sent, accepts)) == received


def thing(name: str, *needs: Resource, parent: str = "", custom: bool = True) -> Resource:
    urn = make_urn("local", "tiny", "", "t:t:T", name)
    return Resource(urn, "t:t:T", custom, id=name, parent=parent, dependencies=[item.urn for item in needs])


def test_deletes_go_in_waves_dependents_first() -> None:
    a = thing("a")
    b = thing("b", a)
    c = thing("c", a)
    d = thing("d", b, c)
    free = thing("free")

    waves = delete_waves([a, b, c, d, free], [a, b, c, d, free])

    assert [sorted(item.id for item in wave) for wave in waves] == [["d"], ["b", "c"], ["a", "free"]]


def test_what_depends_on_a_component_goes_before_all_that_the_component_holds() -> None:
    group = thing("group", custom=False)
    inside = thing("inside", parent=group.urn)
    outside = thing("outside", group)

    waves = delete_waves([group, inside, outside], [group, inside, outside])

    assert [[item.id for item in wave] for wave in waves] == [["outside"], ["inside"], ["group"]]


def test_dependents_and_what_a_kept_resource_needs() -> None:
    a = thing("a")
    b = thing("b", a)
    child = thing("child", parent=a.urn)
    c = thing("c", b)
    resources = [a, b, child, c]

    assert [item.id for item in dependents(resources, a, set())] == ["b", "c"]
    assert [item.id for item in dependents(resources, a, {b.urn})] == []
    assert required_by(resources, [c]) == {id(a), id(b)}


def test_references_to_what_is_gone_are_dropped() -> None:
    a, gone = thing("a"), thing("gone")
    b = thing("b", a, gone)

    kept = referenceable([a, b])

    assert kept[1].dependencies == [a.urn]


def test_children_are_found_under_the_former_name_of_their_parent() -> None:
    parent = make_urn("local", "tiny", "", "c:c:C", "new")
    former = make_urn("local", "tiny", "", "c:c:C", "old")
    identity = Identity("local", "tiny", parent, "t:t:T", "new-child")

    assert alias_urns(identity, [], {parent: former}) == [
        make_urn("local", "tiny", former, "t:t:T", "old-child")
    ]
    assert alias_urns(identity, [Alias(name="x", no_parent=True)], {})[0] == make_urn(
        "local", "tiny", "", "t:t:T", "x"
    )


def test_replace_on_changes_acts_on_the_detail_and_the_keys() -> None:
    diff = Diff(
        True,
        changed=["tags", "size"],
        detailed={"tags.x": PropertyDiff("update"), "size": PropertyDiff("add")},
    )

    found = replacing_on(diff, ["tags"], unwell=False)

    assert list(found.replaces) == ["tags"]
    assert found.detailed == {"tags.x": PropertyDiff("update-replace"), "size": PropertyDiff("add")}
    assert not replacing_on(diff, ["other"], unwell=False).replace


@pytest.mark.parametrize(("text", "value"), [("90s", 90), ("1h30m", 5400), ("1.5m", 90), ("500ms", 0.5)])
def test_durations(text: str, value: float) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["soon", "5", "5 m", "m5"])
def test_bad_durations_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="customTimeout"):
        seconds(text)


def test_secrets_come_back_only_with_the_right_passphrase() -> None:
    made = Crypter.create("right")
    sealed = made.encrypt("sesame")

    assert Crypter.unlock("right", made.salt).decrypt(sealed) == "sesame"
    with pytest.raises(SecretsError, match="incorrect passphrase"):
        Crypter.unlock("wrong", made.salt)
    with pytest.raises(SecretsError, match="malformed"):
        Crypter.unlock("right", "v1")


@pytest.mark.parametrize(
    ("microsecond", "text"),
    [(123456, "07:00:50.123456Z"), (120, "07:00:50.00012Z"), (500000, "07:00:50.5Z"), (0, "07:00:50Z")],
)
def test_a_timestamp_is_written_as_the_cli_writes_it(microsecond: int, text: str) -> None:
    moment = datetime(2026, 11, 25, 7, 0, 50, microsecond, tzinfo=UTC)
    assert timestamp(moment) == f"2026-11-25T{text}"
