"""Stacks and their states from the command line: the same words, and the same JSON, as the CLI's."""

import json
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from tests.engine.embedded.fake_provider import FakeAzure
from tests.engine.embedded.playground import DEADLINE, Playground

ENGINES = ["embedded", pytest.param("cli", marks=pytest.mark.cli)]
Run = Callable[..., str]
PROGRAM = """
a = Thing("a", size=1, word=pulumi.Output.secret("sesame"))
Thing("b", above=a.made, opts=Opts(protect=True))
pulumi.export("made", a.made)
"""


def runner(play: Playground, engine: str) -> Run:
    return play.engine if engine == "embedded" else play.cli


@pytest.fixture
def run(request: pytest.FixtureRequest, play: Playground) -> Run:
    play.program(PROGRAM)
    play.settings("config:\n  tiny:plain: text\n  tiny:tags: {a: 1}\n")
    play.up("-m", "the first")
    return runner(play, request.param)


@pytest.mark.parametrize("run", ENGINES, indirect=True)
def test_stacks_are_listed_with_the_clis_fields(run: Run) -> None:
    run("stack", "init", "second", "--no-select")

    first, second = json.loads(run("stack", "ls", "--json"))

    assert first.keys() == {"name", "current", "lastUpdate", "resourceCount"}
    assert (first["name"], first["current"], first["resourceCount"]) == ("local", True, 4)
    assert len(first["lastUpdate"]) == len("2026-11-25T02:06:00.131Z")
    assert (second["name"], second["current"]) == ("second", False)


@pytest.mark.parametrize("run", ENGINES, indirect=True)
def test_the_history_tells_each_run(run: Run) -> None:
    newest, *_ = json.loads(run("stack", "history", "--json", "--stack", "local"))

    assert (newest["kind"], newest["message"], newest["result"]) == ("update", "the first", "succeeded")
    assert newest["resourceChanges"] == {"create": 3}
    assert newest["config"] == {
        "tiny:plain": {"value": "text", "secret": False},
        "tiny:tags": {"value": '{"a":1}', "objectValue": {"a": 1}, "secret": False},
    }
    assert newest["startTime"].endswith(".000Z")


@pytest.mark.parametrize("importer", ENGINES)
@pytest.mark.parametrize("run", ENGINES, indirect=True)
@pytest.mark.parametrize("flags", [(), ("--show-secrets",)])
def test_an_exported_state_can_be_imported(
    run: Run, importer: str, play: Playground, flags: tuple[str, ...]
) -> None:
    text = run("stack", "export", "--stack", "local", *flags)
    (play.root / "state.json").write_text(text)
    play.engine("stack", "rm", "local", "--yes", "--force")
    play.engine("stack", "init", "local")

    runner(play, importer)("stack", "import", "--stack", "local", "--file", "state.json")

    assert ("sesame" in text) == bool(flags)
    assert "sesame" not in play.stack_file.read_text()
    play.engine("preview", "--expect-no-changes", "--stack", "local")
    assert play.resource("b")["protect"] is True


def _exported(play: Playground) -> dict[str, Any]:
    return json.loads(play.engine("stack", "export", "-s", "local"))


def test_both_engines_export_the_same(play: Playground) -> None:
    play.program(PROGRAM)
    play.up()
    found = _exported(play)

    assert found["version"] == 3
    assert found["deployment"] == play.checkpoint()


@pytest.mark.cli
def test_the_cli_exports_what_the_embedded_engine_does(play: Playground) -> None:
    play.program(PROGRAM)
    play.up()

    assert json.loads(play.cli("stack", "export", "--stack", "local")) == _exported(play)


def _other_stack(text: str) -> str:
    return text.replace("urn:pulumi:local::", "urn:pulumi:other::")


SPOILED: dict[str, Callable[[str], str]] = {
    "is from a different stack (other != local)": _other_stack,
    "refers to urn:pulumi:local::t::t::gone": lambda text: text.replace(
        '"dependencies": [', '"dependencies": ["urn:pulumi:local::t::t::gone",'
    ),
    "is not JSON": lambda text: text[:100],
    "schema version None": lambda _: "[1]",
    "is no exported state": lambda _: '{"version": 3, "deployment": {"resources": [{}]}}',
}


@pytest.mark.parametrize("why", SPOILED)
def test_a_state_that_does_not_fit_is_refused_and_nothing_is_lost(play: Playground, why: str) -> None:
    play.program(PROGRAM)
    play.up()
    (play.root / "state.json").write_text(SPOILED[why](play.engine("stack", "export", "-s", "local")))
    before = play.stack_file.read_bytes()

    out = play.fails("stack", "import", "-s", "local", "--file", "state.json")

    assert why in out
    assert play.stack_file.read_bytes() == before


def test_force_imports_what_is_not_whole(play: Playground) -> None:
    play.program(PROGRAM)
    play.up()
    (play.root / "state.json").write_text(_other_stack(play.engine("stack", "export", "-s", "local")))

    play.engine("stack", "import", "-s", "local", "--file", "state.json", "--force")

    assert "urn:pulumi:other::" in play.stack_file.read_text()


def test_a_locked_stack_takes_no_state(play: Playground, azure: FakeAzure) -> None:
    play.program("")
    play.up()
    (play.root / "state.json").write_text(play.engine("stack", "export", "-s", "local"))
    azure.hold("create", "a")
    play.program('Thing("a")')
    process = play.start("up", "-y", "-s", "local")
    azure.wait_for("create", "a")

    out = play.fails("stack", "import", "-s", "local", "--file", "state.json")
    azure.release()
    process.communicate(timeout=DEADLINE)

    assert "currently locked" in out
    assert play.names() == ["a"]


def test_a_state_comes_and_goes_through_pipes(play: Playground) -> None:
    play.program(PROGRAM)
    play.up()
    process = subprocess.Popen(
        play.command("stack", "import", "-s", "local"),
        cwd=play.root,
        env=dict(play.environment),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    out, _ = process.communicate(json.dumps(_exported(play)), timeout=DEADLINE)

    assert process.returncode == 0
    assert "Import complete." in out


def test_a_stacks_name_and_urns_are_shown(play: Playground) -> None:
    play.program(PROGRAM)
    play.up()

    assert play.engine("stack", "--show-name") == "local\n"
    shown = play.engine("stack", "--show-urns")
    assert play.resource("b")["urn"] in shown
    assert "b  (protected)" in shown


def test_only_a_passphrase_can_be_the_secrets_provider(play: Playground) -> None:
    play.engine("stack", "init", "two", "--secrets-provider", "passphrase", "--no-select")

    out = play.fails("stack", "init", "three", "--secrets-provider", "azurekeyvault://v/keys/k")

    assert "azurekeyvault" in out
    assert [item["name"] for item in json.loads(play.engine("stack", "ls", "--json"))] == ["local", "two"]


def test_every_flag_has_a_variable(play: Playground) -> None:
    play.program('Thing("a")')

    result = play.try_engine("preview", env={"PULUMI_OPTION_JSON": "true", "PULUMI_OPTION_STACK": "local"})
    refused = play.try_engine(
        "preview", "-s", "local", env={"PULUMI_OPTION_EXPECT_NO_CHANGES": "1", "PULUMI_OPTION_PARALLEL": "1"}
    )

    assert json.loads(result.out)["changeSummary"] == {"create": 2}
    assert refused.code == 7


def test_other_settings_can_be_named(play: Playground) -> None:
    play.program('pulumi.export("who", pulumi.Config().require("who"))')
    (play.root / "pulls.yaml").write_text("config:\n  tiny:who: everybody\n")

    play.up("--config-file", "pulls.yaml")

    assert json.loads(play.engine("stack", "output", "--json"))["who"] == "everybody"
    assert "'--config-file'" not in play.fails("preview", "-s", "local")
