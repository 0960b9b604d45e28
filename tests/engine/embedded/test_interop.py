"""The same stack under both engines: either goes on where the other stopped, and finds nothing to change."""

import json

import pytest

from tests.engine.embedded.fake_provider import FakeAzure
from tests.engine.embedded.playground import Playground, kill

pytestmark = pytest.mark.cli

PROGRAM = """
group = Group("group")
a = Thing("a", size=1, ratio=0.5, big=12345678901, tags={"x": [1, True, None, "y"]}, opts=Opts(parent=group))
word = pulumi.Output.secret({"deep": ["sesame"]})
b = Thing("b", above=a.made, word=word, opts=Opts(depends_on=[a], protect=False))
Thing("c", opts=Opts(deleted_with=a, ignore_changes=["size"], retain_on_delete=False,
                     custom_timeouts=pulumi.CustomTimeouts(create="5m"), additional_secret_outputs=["made"]))
Note("n", "text")
pulumi.export("made", b.made)
pulumi.export("word", word)
"""


def _without_times(play: Playground) -> list[dict[str, object]]:
    """The state's resources but for what differs between any two runs: times, ciphertexts and call stacks."""
    found: list[dict[str, object]] = []
    for item in play.resources():
        kept = {key: value for key, value in item.items() if key not in ("created", "modified", "stackTrace")}
        if item["urn"].endswith("-local") or item["type"] == "pulumi:pulumi:Stack":
            kept.pop("sourcePosition", None)
        found.append(kept)
    return json.loads(json.dumps(found), object_hook=_blind)


def _blind(value: dict[str, object]) -> dict[str, object]:
    return {**value, "ciphertext": "..."} if "ciphertext" in value else value


def test_the_cli_finds_nothing_to_change_after_the_embedded_engine(
    play: Playground, azure: FakeAzure
) -> None:
    play.program(PROGRAM)
    play.up()
    before = _without_times(play)

    play.cli("preview", "--stack", "local", "--expect-no-changes")
    play.cli("up", "--yes", "--stack", "local", "--expect-no-changes")

    assert sorted(before, key=lambda item: str(item["urn"])) == sorted(
        _without_times(play), key=lambda item: str(item["urn"])
    )
    play.cli("refresh", "--yes", "--stack", "local", "--expect-no-changes")
    play.cli("destroy", "--yes", "--stack", "local")
    # Whatever is deleted with another is not deleted itself.
    assert len(azure.things) == 1


def test_the_embedded_engine_finds_nothing_to_change_after_the_cli(
    play: Playground, azure: FakeAzure
) -> None:
    play.program(PROGRAM)
    play.cli("up", "--yes", "--stack", "local")
    before = _without_times(play)

    play.engine("preview", "--stack", "local", "--expect-no-changes")
    play.up("--expect-no-changes")

    assert sorted(before, key=lambda item: str(item["urn"])) == sorted(
        _without_times(play), key=lambda item: str(item["urn"])
    )
    play.engine("refresh", "--yes", "--stack", "local", "--expect-no-changes")
    play.engine("destroy", "--yes", "--stack", "local")
    # Whatever is deleted with another is not deleted itself.
    assert len(azure.things) == 1


def test_the_cli_goes_on_after_a_killed_embedded_engine(play: Playground, azure: FakeAzure) -> None:
    azure.hold("create", "b")
    play.program('a = Thing("a")\nThing("b", above=a.made)')
    process = play.start("up", "-y", "-s", "local")
    azure.wait_for("create", "b")
    kill(process)
    azure.release()
    play.cli("cancel", "--yes", "--stack", "local")

    play.cli("up", "--yes", "--skip-preview", "--stack", "local")

    assert play.names() == ["a", "b"]
    play.up("--expect-no-changes")


def test_the_clis_lock_is_respected_and_the_cli_respects_ours(play: Playground, azure: FakeAzure) -> None:
    azure.hold("create", "a")
    play.program('Thing("a")')
    process = play.start("up", "-y", "-s", "local")
    azure.wait_for("create", "a")

    with pytest.raises(AssertionError, match="currently locked by 1 lock"):
        play.cli("up", "--yes", "--skip-preview", "--stack", "local")
    azure.release()
    process.communicate(timeout=60)
    assert process.returncode == 0


def test_both_see_the_same_outputs_stacks_and_selection(play: Playground) -> None:
    play.program(PROGRAM)
    play.up()

    for arguments in (("--json",), ("--json", "--show-secrets")):
        ours = json.loads(play.engine("stack", "output", "-s", "local", *arguments))
        theirs = json.loads(play.cli("stack", "output", "--stack", "local", *arguments))
        assert ours == theirs
    play.cli("stack", "init", "second")
    assert "second*" in play.engine("stack", "ls")
    play.engine("stack", "select", "local")
    assert "local*" in play.cli("stack", "ls")


def test_both_previews_name_the_same_steps(play: Playground) -> None:
    play.program(PROGRAM)
    play.up()
    play.program(PROGRAM.replace("size=1", "size=2, fixed=1").replace('"text"', '"other"'))

    ours = json.loads(play.engine("preview", "--json", "-s", "local"))
    theirs = json.loads(play.cli("preview", "--json", "--stack", "local"))

    def steps(digest: dict[str, list[dict[str, str]]]) -> set[tuple[str, str]]:
        return {(step["op"], step["urn"]) for step in digest["steps"]}

    assert sorted(steps(ours)) == sorted(steps(theirs))
    assert ours["changeSummary"] == theirs["changeSummary"]
    assert ours["config"] == theirs["config"] if "config" in theirs else "config" not in ours
