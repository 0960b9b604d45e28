"""`config`: what it writes reads the same on both engines, and comments stay."""

import json

import pytest
import yaml

from tests.engine.embedded.playground import Playground

ENGINES = ["embedded", pytest.param("cli", marks=pytest.mark.cli)]
FILE = """\
config:
  tiny:kept: v # why it is
  # about tags
  tiny:tags:
    a: 1
# below the settings
encryptionsalt: v1:kEzo5GaBYSQ=:v1:aWW34e+ncZldSyEQ:/CgNDM9jRPcJna8BPT6N6pXHkpN3PQ==
"""


@pytest.mark.parametrize("engine", ENGINES)
def test_settings_are_set_read_and_removed(play: Playground, engine: str) -> None:
    run = play.engine if engine == "embedded" else play.cli
    play.settings(FILE.partition("# below")[0])
    for words in (
        ("size", "7"),
        ("on", "true"),
        ("text", "a: b # c"),
        ("azure-native:location", "north"),
        ("--path", "tags.b", "x"),
        ("--path", "tags.c", "12"),
        ("--path", "names[0]", "first"),
    ):
        run("config", "set", *words, "--stack", "local")
    run("config", "rm", "--path", "tags.a", "--stack", "local")
    run("config", "rm", "never-there", "--stack", "local")

    text = (play.root / "Pulumi.local.yaml").read_text()
    assert yaml.safe_load(text)["config"] == {
        "azure-native:location": "north",
        "tiny:kept": "v",
        "tiny:names": ["first"],
        "tiny:on": "true",
        "tiny:size": "7",
        "tiny:tags": {"b": "x", "c": 12},
        "tiny:text": "a: b # c",
    }
    for reader in (play.engine,) if engine == "embedded" else (play.engine, play.cli):
        assert reader("config", "get", "size", "--stack", "local") == "7\n"
        assert reader("config", "get", "--path", "tags.c", "--stack", "local") == "12\n"
    assert "v # why it is" in text
    assert "# about tags" in text


def test_comments_below_the_settings_stay_there(play: Playground) -> None:
    play.settings(FILE)

    play.engine("config", "set", "size", "7", "--stack", "local")

    text = (play.root / "Pulumi.local.yaml").read_text()
    assert text == FILE.replace("config:\n", 'config:\n  tiny:size: "7"\n')


def test_a_secret_is_encrypted_and_hidden(play: Playground) -> None:
    play.engine("config", "set", "--secret", "word", "sesame", "--stack", "local")

    assert "sesame" not in (play.root / "Pulumi.local.yaml").read_text()
    assert "sesame" not in play.engine("config") + play.engine("config", "--json")
    assert play.engine("config", "get", "word") == "sesame\n"
    play.program('pulumi.export("word", pulumi.Config().require_secret("word"))')
    play.up()
    assert json.loads(play.engine("stack", "output", "--json", "--show-secrets"))["word"] == "sesame"


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("get", "nope"), "configuration key 'nope' not found for stack 'local'"),
        (("set", "a:b:c", "1"), "invalid configuration key"),
        (("set", "--path", "names[5]", "x"), "array index out of range"),
        (("set", "--path", "names[", "x"), "invalid configuration key"),
    ],
)
def test_what_cannot_be_is_said_and_the_file_stays(
    play: Playground, words: tuple[str, ...], why: str
) -> None:
    play.settings(FILE)
    before = (play.root / "Pulumi.local.yaml").read_bytes()

    assert why in play.fails("config", *words, "--stack", "local")

    assert (play.root / "Pulumi.local.yaml").read_bytes() == before
