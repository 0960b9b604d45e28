"""What the engine does to each resource, seen from the provider and the state."""

import json

import pytest

from tests.engine.embedded.fake_provider import FakeAzure
from tests.engine.embedded.playground import Playground

CHAIN = """
a = Thing("a", size=1)
b = Thing("b", above=a.made)
pulumi.export("last", b.made)
"""


def test_up_creates_in_dependency_order_and_a_second_up_changes_nothing(
    play: Playground, azure: FakeAzure
) -> None:
    play.program(CHAIN)

    first = play.up()
    play.up("--expect-no-changes")

    assert azure.names("create") == ["a", "b"]
    assert play.names() == ["a", "b"]
    assert "+ 3 created" in first
    assert play.resource("b")["dependencies"] == [play.resource("a")["urn"]]
    assert azure.names("update") == azure.names("delete") == []


def test_the_provider_gets_the_engines_own_address_and_the_default_provider_its_configuration(
    play: Playground, azure: FakeAzure
) -> None:
    play.settings("config:\n  azure-native:location: westeurope\n")
    play.program('Thing("a")')

    play.up()

    assert azure.attached[-1].startswith("127.0.0.1:")
    configured = next(call for call in azure.calls if call.method == "configure")
    assert (configured.name, configured.properties) == (
        "default_3_29_0",
        {"location": "westeurope", "version": "3.29.0"},
    )
    provider = play.resource("default_3_29_0")
    assert provider["inputs"] == {"__internal": {}, "location": "westeurope", "version": "3.29.0"}
    assert provider["outputs"] == {"location": "westeurope", "version": "3.29.0"}
    assert play.resource("a")["provider"] == f"{provider['urn']}::{provider['id']}"


def test_a_changed_input_updates_that_resource_and_what_gets_its_value(
    play: Playground, azure: FakeAzure
) -> None:
    play.program(CHAIN)
    play.up()
    play.program(CHAIN.replace("size=1", "size=2"))

    out = play.up()

    assert azure.names("update") == ["a"]
    assert "~ 1 updated" in out
    assert "2 unchanged" in out


def test_a_replacement_is_made_before_the_old_one_is_deleted(play: Playground, azure: FakeAzure) -> None:
    play.program('a = Thing("a", fixed=1)\nThing("b", above=a.made)')
    play.up()
    old = play.resource("a")["id"]
    azure.calls.clear()
    play.program('a = Thing("a", fixed=2)\nThing("b", above=a.made)')

    out = play.up()

    made = [
        (call.method, call.name)
        for call in azure.calls
        if call.method in ("create", "update", "delete") and not call.preview
    ]
    assert made == [("create", "a"), ("update", "b"), ("delete", "a")]
    assert old not in azure.things
    assert play.resource("a")["id"] != old
    assert play.resource("a")["inputs"]["thingName"] != ""
    assert "+-1 replaced" in out


def test_deleting_first_takes_the_dependents_that_would_be_replaced_and_no_others(
    play: Playground, azure: FakeAzure
) -> None:
    program = """
    a = Thing("a", fixedFirst={0})
    Thing("b", fixed=a.made)
    Thing("c", other=a.made)
    Thing("d", opts=Opts(depends_on=[a]))
    """
    play.program(program.replace("{0}", "1"))
    play.up()
    azure.calls.clear()
    play.program(program.replace("{0}", "2"))

    play.up()

    made = [(call.method, call.name) for call in azure.calls if call.method in ("create", "delete")]
    assert made[:3] == [("delete", "b"), ("delete", "a"), ("create", "a")]
    assert made[3:] == [("create", "b")]
    assert azure.names("update") == ["c"]
    assert sorted(play.names()) == ["a", "b", "c", "d"]


def test_the_delete_before_replace_option_wins_over_the_provider(play: Playground, azure: FakeAzure) -> None:
    play.program('Thing("a", fixed=1)')
    play.up()
    azure.calls.clear()
    play.program('Thing("a", fixed=2, opts=Opts(delete_before_replace=True))')

    play.up()

    assert [call.method for call in azure.calls if call.method in ("create", "delete")] == [
        "delete",
        "create",
    ]


def test_what_the_program_no_longer_has_is_deleted_dependents_first(
    play: Playground, azure: FakeAzure
) -> None:
    play.program(
        """
        group = Group("group")
        a = Thing("a", opts=Opts(parent=group))
        b = Thing("b", above=a.made)
        c = Thing("c", above=b.made)
        Thing("free")
        """
    )
    play.up()
    play.program('Thing("free")')

    out = play.up()

    assert azure.names("delete") == ["c", "b", "a"]
    assert play.names() == ["free"]
    assert "- 4 deleted" in out


def test_destroy_leaves_nothing_and_runs_no_program(play: Playground, azure: FakeAzure) -> None:
    play.program(CHAIN)
    play.up()
    play.program('raise Exception("the program ran")')

    play.engine("destroy", "--yes", "-s", "local")

    assert azure.names("delete") == ["b", "a"]
    assert azure.things == {}
    assert play.resources() == []


def test_a_preview_changes_nothing_and_shows_what_is_not_known_yet(
    play: Playground, azure: FakeAzure
) -> None:
    play.program(CHAIN)
    before = play.stack_file.read_bytes()

    out = play.engine("preview", "--diff", "-s", "local")

    assert "+ above: output<string>" in out
    assert "+ 3 to create" in out
    assert azure.names("create") == []
    assert play.stack_file.read_bytes() == before


def test_applies_run_in_a_preview_only_where_the_value_is_known(play: Playground) -> None:
    play.program(
        """
        a = Thing("a", size=5)
        a.made.apply(lambda made: pulumi.log.info(f"made is {made}"))
        pulumi.Output.from_input(3).apply(lambda n: pulumi.log.info(f"n is {n}"))
        """
    )

    out = play.engine("preview", "-s", "local")

    assert "n is 3" in out
    assert "made is" not in out
    assert "made is made-" in play.up()


def test_ignored_changes_stay_as_they_were(play: Playground, azure: FakeAzure) -> None:
    play.program('Thing("a", size=1, tags={"x": 1, "y": 1})')
    play.up()
    play.program('Thing("a", size=2, tags={"x": 2, "y": 2}, opts=Opts(ignore_changes=["size", "tags.x"]))')

    play.up()

    assert azure.names("update") == ["a"]
    assert play.resource("a")["inputs"]["size"] == 1
    assert play.resource("a")["inputs"]["tags"] == {"x": 1, "y": 2}


def test_replace_on_changes_turns_an_update_into_a_replacement(play: Playground, azure: FakeAzure) -> None:
    play.program('Thing("a", size=1)')
    play.up()
    play.program('Thing("a", size=2, opts=Opts(replace_on_changes=["size"]))')

    play.up()

    assert azure.names("create") == ["a", "a"]
    assert len(azure.things) == 1


def test_an_alias_keeps_a_renamed_resource_and_its_children_and_moves_references(
    play: Playground, azure: FakeAzure
) -> None:
    play.program('g = Group("old")\na = Thing("a", opts=Opts(parent=g))\nThing("b", above=a.made)')
    play.up()
    play.program(
        'g = Group("new", Opts(aliases=[pulumi.Alias(name="old")]))\n'
        'a = Thing("a", opts=Opts(parent=g))\nThing("b", above=a.made)'
    )

    out = play.up()

    assert azure.names("create") == ["a", "b"]
    assert azure.names("delete") == []
    assert "4 unchanged" in out
    assert "::old" not in play.stack_file.read_text()
    play.up("--expect-no-changes")


def test_a_retained_resource_leaves_the_state_and_stays_in_azure(play: Playground, azure: FakeAzure) -> None:
    play.program('Thing("a", opts=Opts(retain_on_delete=True))')
    play.up()

    play.engine("destroy", "-y", "-s", "local")

    assert play.resources() == []
    assert len(azure.things) == 1


def test_what_is_deleted_with_another_is_not_deleted_itself(play: Playground, azure: FakeAzure) -> None:
    play.program('a = Thing("a")\nThing("b", opts=Opts(deleted_with=a))')
    play.up()

    play.engine("destroy", "-y", "-s", "local")

    assert azure.names("delete") == ["a"]
    assert play.resources() == []


def test_check_failures_name_the_resource_and_the_property(play: Playground, azure: FakeAzure) -> None:
    play.program('Thing("a", invalid=1)')

    out = play.fails("preview", "-s", "local")

    assert "azure-native:fake:Thing resource 'a': property invalid" in out
    assert "no thing may be invalid" in out
    assert azure.names("create") == []


def test_refresh_forgets_what_is_gone_and_the_next_up_makes_it_again(
    play: Playground, azure: FakeAzure
) -> None:
    play.program(CHAIN)
    play.up()
    azure.things.pop(play.resource("a")["id"])

    out = play.engine("refresh", "--yes", "-s", "local")

    assert play.names() == ["b"]
    assert play.resource("b").get("dependencies", []) == []
    assert "- 1 deleted" in out
    play.up()
    assert azure.names("create") == ["a", "b", "a"]


def test_refresh_takes_over_what_was_changed_outside_and_up_changes_it_back(
    play: Playground, azure: FakeAzure
) -> None:
    play.program('Thing("a", size=1)')
    play.up()
    azure.things[play.resource("a")["id"]]["size"] = 7

    play.engine("refresh", "-y", "-s", "local")

    assert play.resource("a")["outputs"]["size"] == 7
    out = play.engine("up", "-y", "--diff", "-s", "local")
    assert "~ size: 7 => 1" in out
    assert azure.things[play.resource("a")["id"]]["size"] == 1


def test_up_with_refresh_does_both(play: Playground, azure: FakeAzure) -> None:
    play.program('Thing("a", size=1)')
    play.up()
    azure.things.clear()

    out = play.up("--refresh")

    assert azure.names("create") == ["a", "a"]
    assert "+ 1 created" in out
    assert "deleted" not in out.partition("Resources:")[2], "the CLI counts only what the update itself does"


def test_up_with_refresh_counts_each_resource_once(play: Playground) -> None:
    play.program(CHAIN)
    play.up()

    # The stack, a and b: the summary that the CLI prints.
    assert "    3 unchanged\n" in play.up("--refresh", "--expect-no-changes")
    assert "    3 unchanged\n" in play.engine("refresh", "--yes", "-s", "local")


def test_explicit_providers_are_resources_and_are_used(play: Playground, azure: FakeAzure) -> None:
    play.program(
        """
        class Azure(pulumi.ProviderResource):
            def __init__(self, name, **inputs):
                super().__init__("azure-native", name, inputs, Opts(version="3.29.0"))

        Thing("a", opts=Opts(provider=Azure("mine", location="northeurope")))
        """
    )

    play.up()
    play.up("--expect-no-changes")
    play.engine("destroy", "-y", "-s", "local")

    assert {call.name for call in azure.calls if call.method == "configure"} == {"mine"}
    assert azure.names("delete") == ["a"]
    assert play.resources() == []


def test_functions_and_lookups_reach_the_provider(play: Playground, azure: FakeAzure) -> None:
    azure.things["/things/theirs"] = {"thingName": "theirs", "made": "by hand"}
    play.program(
        """
        options = pulumi.InvokeOptions(version="3.29.0")
        said = pulumi.runtime.invoke("azure-native:fake:say", {"say": "hello"}, options)
        pulumi.export("said", said.value["said"])
        theirs = Thing("theirs", opts=Opts(id="/things/theirs"))
        pulumi.export("made", theirs.made)
        """
    )

    play.up()

    assert json.loads(play.engine("stack", "output", "--json", "-s", "local")) == {
        "made": "by hand",
        "said": "hello",
    }
    assert play.resource("theirs")["external"] is True
    play.engine("destroy", "-y", "-s", "local")
    assert azure.names("delete") == []


def test_dynamic_resources_live_as_long_as_others(play: Playground) -> None:
    play.program('Note("n", "one")')
    play.up()
    play.up("--expect-no-changes")
    play.program('Note("n", "two")')

    out = play.up()

    assert "~ 1 updated" in out
    assert play.resource("n")["outputs"]["text"] == "two"
    play.engine("destroy", "-y", "-s", "local")
    assert play.resources() == []


def test_custom_timeouts_are_kept_in_seconds(play: Playground) -> None:
    play.program('Thing("a", opts=Opts(custom_timeouts=pulumi.CustomTimeouts(create="1h30m", delete="90s")))')

    play.up()

    assert play.resource("a")["customTimeouts"] == {"create": 5400.0, "delete": 90.0}


@pytest.mark.parametrize(
    ("program", "what"),
    [
        ('pulumi.StackReference("other/stack/here")', "stack references"),
        ('Thing("a", blob=pulumi.FileArchive("."))', "archives"),
    ],
)
def test_what_the_engine_cannot_do_it_says(play: Playground, program: str, what: str) -> None:
    play.program(program)

    out = play.fails("preview", "-s", "local")

    assert what in out
    assert "install the Pulumi CLI" in out
