"""Several runs at once: on stacks of one folder, of several folders, and on one and the same stack."""

import json
from pathlib import Path

from tests.engine.embedded.fake_provider import FakeAzure
from tests.engine.embedded.playground import DEADLINE, Playground

STACKS = [f"pr-{number}" for number in range(1, 6)]
PROGRAM = """
a = Thing("a", where=pulumi.get_stack())
Thing("b", above=a.made)
pulumi.export("where", pulumi.get_stack())
"""


def test_stacks_of_one_backend_come_up_and_go_side_by_side(
    play: Playground, azure: FakeAzure, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    other = Playground.make(tmp_path / "other", azure.port)
    # A second clone of the project on the same backend, as two jobs on one machine have.
    second = Playground(other.root, play.backend, play.environment)
    places = {stack: (play, second)[number % 2] for number, stack in enumerate(STACKS)}
    for place in (play, second):
        place.program(PROGRAM)

    def each(*words: str) -> None:
        running = [place.start(*words, "--stack", stack) for stack, place in places.items()]
        ended = [(process.communicate(timeout=DEADLINE * 2), process.returncode) for process in running]
        assert [code for _, code in ended] == [0] * len(STACKS), ended

    each("stack", "init")
    each("up", "--yes")
    listed = json.loads(play.engine("stack", "ls", "--json"))
    assert [item["name"] for item in listed if item.get("resourceCount")] == STACKS
    for stack in STACKS:
        assert play.engine("stack", "output", "where", "--stack", stack) == f"{stack}\n"
        assert len(json.loads(play.engine("stack", "history", "--json", "--stack", stack))) == 1
    assert len(azure.things) == 2 * len(STACKS)
    each("destroy", "--yes", "--remove")
    assert azure.things == {}
    assert [item["name"] for item in json.loads(play.engine("stack", "ls", "--json"))] == ["local"]
    assert (play.backend / ".pulumi" / "meta.yaml").read_text() == "version: 1\n"
    assert list(play.backend.rglob("*.tmp")) == []


def test_of_two_runs_on_one_stack_one_is_refused_and_the_other_undisturbed(
    play: Playground, azure: FakeAzure
) -> None:
    azure.hold("create", "a")
    play.program('Thing("a")')
    first = play.start("up", "-y", "-s", "local")
    azure.wait_for("create", "a")

    out = play.fails("up", "-y", "-s", "local")
    seen = play.engine("preview", "--json", "-s", "local")
    azure.release()
    first.communicate(timeout=DEADLINE)

    assert f"pid {first.pid}" in out
    assert json.loads(seen)["changeSummary"]["create"] >= 1
    assert first.returncode == 0
    assert play.names() == ["a"]
