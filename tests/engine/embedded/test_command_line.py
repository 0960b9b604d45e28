"""Commands, configuration, secrets and output: what a user types and sees."""

import json

import pytest

from local_azure.engine.crypto import Crypter
from tests.engine.embedded.fake_provider import FakeAzure
from tests.engine.embedded.playground import Playground


@pytest.mark.parametrize(
    ("variable", "value", "why"),
    [
        ("PULUMI_BACKEND_URL", "https://api.pulumi.com", "file://"),
        ("PULUMI_BACKEND_URL", "", "file://"),
        ("PULUMI_DEBUG_PROVIDERS", "", "local Azure only"),
        ("PULUMI_DEBUG_PROVIDERS", "aws:99", "local Azure only"),
    ],
)
def test_anything_but_local_azure_is_refused(play: Playground, variable: str, value: str, why: str) -> None:
    result = play.try_engine("up", "-y", "-s", "local", env={variable: value})

    assert result.code == 1
    assert variable in result.err
    assert why in result.err


@pytest.mark.parametrize("arguments", [("up", "--bogus"), ("nonsense",), ("stack", "output", "--wrong"), ()])
def test_what_it_does_not_know_is_a_usage_error(play: Playground, arguments: tuple[str, ...]) -> None:
    out = play.fails(*arguments)

    assert out.startswith("error: ")
    assert "usage:" in out


@pytest.mark.parametrize(
    "verb",
    ["", "preview", "up", "refresh", "destroy", "cancel", "stack", "stack output", "stack ls", "stack rm"],
)
def test_every_command_has_help(play: Playground, verb: str) -> None:
    assert "usage:" in play.engine(*verb.split(), "--help")


def test_without_a_terminal_up_wants_to_be_told_yes(play: Playground, azure: FakeAzure) -> None:
    play.program('Thing("a")')

    assert "--yes or --skip-preview or --preview-only must be passed" in play.fails(
        "up", "-s", "local", code=2
    )
    assert "+ 2 to create" in play.engine("up", "--preview-only", "-s", "local")
    assert azure.names("create") == []


def test_expect_no_changes_fails_where_something_changes(play: Playground) -> None:
    play.program('Thing("a")')

    out = play.fails("preview", "--expect-no-changes", "-s", "local", code=7)

    assert "no changes were expected for preview but changes were proposed" in out


def test_stacks_are_made_selected_listed_and_removed(play: Playground) -> None:
    play.engine("stack", "init", "other")
    assert "other*" in play.engine("stack", "ls")
    play.engine("stack", "select", "local")
    play.program('Thing("a")')
    play.engine("up", "--yes")

    listed = {item["name"]: item for item in json.loads(play.engine("stack", "ls", "--json"))}

    assert listed["local"]["current"] is True
    assert listed["local"]["resourceCount"] == 3
    assert "still has resources" in play.fails("stack", "rm", "local", "--yes")
    play.engine("destroy", "--yes", "--remove")
    play.engine("stack", "rm", "other", "--yes")
    assert json.loads(play.engine("stack", "ls", "--json")) == []
    assert "no stack selected" in play.fails("up", "--yes")
    assert "no stack named 'local' found" in play.fails("up", "--yes", "-s", "local", code=6)
    # Unlike the CLI's `--remove`: the file of a local stack is committed.
    assert (play.root / "Pulumi.local.yaml").exists()


def test_another_folder_can_be_named(play: Playground, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    play.program('Thing("a")')

    play.engine("up", "-y", "-s", "local", "-C", str(play.root))

    assert play.names() == ["a"]
    assert "no Pulumi.yaml project file found" in play.fails("up", "-y", "-C", str(elsewhere))


def test_the_stack_file_is_never_written(play: Playground) -> None:
    before = (play.root / "Pulumi.local.yaml").read_bytes()
    play.program('pulumi.export("word", pulumi.Output.secret("sesame"))')

    play.up()

    assert (play.root / "Pulumi.local.yaml").read_bytes() == before
    assert play.checkpoint()["secrets_providers"]["type"] == "passphrase"


def test_secrets_are_encrypted_in_the_state_and_hidden_in_every_output(
    play: Playground, azure: FakeAzure
) -> None:
    program = """
    word = pulumi.Output.secret("sesame{0}")
    Thing("a", word=word, hidden="cloak{0}", opts=Opts(additional_secret_outputs=["hidden"]))
    pulumi.export("word", word)
    pulumi.export("nested", {"inside": pulumi.Output.secret("sesame{0}")})
    """
    play.program(program.replace("{0}", ""))

    shown = play.engine("up", "-y", "--diff", "-s", "local")
    play.program(program.replace("{0}", "2"))
    shown += play.engine("preview", "--diff", "-s", "local")
    shown += play.engine("preview", "--json", "-s", "local")
    shown += play.up()
    shown += play.engine("stack", "output", "-s", "local")

    assert "sesame" not in shown
    assert "[secret]" in shown
    state = "".join(path.read_text() for path in play.backend.rglob("*.json"))
    assert "sesame" not in state
    assert play.resource("a")["outputs"]["hidden"].keys() == {
        "4dabf18193072939515e22adb298388d",
        "ciphertext",
    }
    assert play.engine("stack", "output", "word", "--show-secrets", "-s", "local").strip() == "sesame2"
    assert azure.things[play.resource("a")["id"]]["word"]["value"] == "sesame2"


def test_an_unchanged_secret_keeps_its_ciphertext(play: Playground) -> None:
    play.program('Thing("a", word=pulumi.Output.secret("sesame"))')
    play.up()
    before = play.resource("a")["inputs"]["word"]

    play.up()

    assert play.resource("a")["inputs"]["word"] == before


def test_a_wrong_passphrase_is_said(play: Playground) -> None:
    result = play.try_engine("up", "-y", "-s", "local", env={"PULUMI_CONFIG_PASSPHRASE": "wrong"})

    assert result.code == 1
    assert "incorrect passphrase" in result.err


def test_configuration_reaches_the_program_with_defaults_types_and_secrets(play: Playground) -> None:
    crypter = Crypter.create("local")
    play.project(
        "  size: {type: integer, default: 3}\n  when: {type: string}\n"
        "  tags: {type: object}\n  azure-native:location: north\n"
    )
    play.settings(
        f"""
        encryptionsalt: {crypter.salt}
        config:
          tiny:when: 2026-03-17
          tiny:tags: {{a: 1, b: true}}
          tiny:word:
            secure: {crypter.encrypt("sesame")}
        """
    )
    play.program(
        """
        config = pulumi.Config()
        pulumi.export("size", config.require_int("size"))
        pulumi.export("when", config.require("when"))
        pulumi.export("tags", config.require_object("tags"))
        pulumi.export("word", config.require_secret("word"))
        pulumi.export("location", pulumi.Config("azure-native").require("location"))
        """
    )

    play.up()

    assert json.loads(play.engine("stack", "output", "--json", "--show-secrets", "-s", "local")) == {
        "location": "north",
        "size": 3,
        "tags": {"a": 1, "b": True},
        "when": "2026-03-17",
        "word": "sesame",
    }
    assert "sesame" not in play.stack_file.read_text()


def test_wrong_and_missing_configuration_is_said_before_the_program_runs(play: Playground) -> None:
    play.project(
        "  size: {type: integer}\n  on: {type: boolean}\n  names: {type: array, items: {type: string}}\n"
    )
    play.program('raise Exception("the program ran")')
    missing = play.fails("preview", "-s", "local")
    play.settings("config:\n  tiny:size: many\n  tiny:on: perhaps\n  tiny:names: [1]\n")
    wrong = play.fails("preview", "-s", "local")

    assert "Stack 'local' is missing configuration values 'names', 'on' and 'size'" in missing
    for key, kind in (("size", "integer"), ("on", "boolean"), ("names", "array<string>")):
        assert f"Stack 'local' with configuration key '{key}' must be of type '{kind}'" in wrong
    assert "the program ran" not in missing + wrong


def test_the_json_preview_has_the_clis_schema(play: Playground) -> None:
    play.program('a = Thing("a", size=1, fixed=1)')
    play.up()
    play.program('a = Thing("a", size=2, fixed=1)\nThing("b")\npulumi.log.warn("careful")')

    digest = json.loads(play.engine("preview", "--json", "-s", "local"))

    steps = {step["urn"].rpartition("::")[2]: step for step in digest["steps"]}
    assert steps["a"]["op"] == "update"
    assert steps["a"]["diffReasons"] == ["size"]
    assert steps["a"]["detailedDiff"] == {"size": {"kind": "update", "inputDiff": True}}
    assert steps["a"]["oldState"]["inputs"]["size"] == 1
    assert steps["a"]["newState"]["inputs"]["size"] == 2
    assert steps["b"]["op"] == "create"
    assert "oldState" not in steps["b"]
    assert digest["changeSummary"] == {"create": 1, "same": 1, "update": 1}
    assert any(
        item["message"] == "warning: careful\n" and item["severity"] == "warning"
        for item in digest["diagnostics"]
    )


def test_what_the_program_prints_stands_under_diagnostics(play: Playground) -> None:
    play.program('print("hello from the program")\npulumi.log.warn("careful", Thing("a"))')

    out = play.up()

    diagnostics = out[out.index("Diagnostics:") :]
    assert "hello from the program" in diagnostics
    assert "azure-native:fake:Thing (a):\n    warning: careful" in diagnostics


def test_colour_only_where_it_is_wanted(play: Playground) -> None:
    play.program('Thing("a")')

    assert "\033[" not in play.engine("preview", "-s", "local")
    assert "\033[32m" in play.engine("preview", "-s", "local", "--color", "always")


def test_the_engine_says_what_it_is(play: Playground) -> None:
    assert "local Azure's embedded engine" in play.engine("preview", "-s", "local")
    assert "local Azure's embedded engine" in play.engine("--help")
