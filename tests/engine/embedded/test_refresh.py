"""refresh and destroy with the program, and after a run that was killed."""

import pytest

from tests.engine.embedded.fake_provider import FakeAzure
from tests.engine.embedded.playground import Playground, kill

PROGRAM = """
a = Thing("a", size=1)
Thing("b", above=a.made)
said = pulumi.InvokeOptions(version="3.29.0")
pulumi.log.info(pulumi.runtime.invoke("azure-native:fake:say", {"say": "hello"}, said).value["said"])
a.made.apply(lambda made: pulumi.log.info(f"the program saw {made}"))
"""


@pytest.fixture
def up(play: Playground) -> Playground:
    play.program(PROGRAM)
    play.up()
    return play


def test_refresh_can_run_the_program_first(up: Playground, azure: FakeAzure) -> None:
    made = up.resource("a")["outputs"]["made"]
    azure.things[up.resource("a")["id"]]["size"] = 7

    out = up.engine("refresh", "--yes", "--run-program", "-s", "local")

    assert f"the program saw {made}" in out
    assert up.resource("a")["inputs"]["size"] == 7
    assert azure.names("create") == ["a", "b"]


@pytest.mark.parametrize("verb", ["refresh", "destroy"])
def test_a_program_that_fails_stops_what_was_to_follow(up: Playground, azure: FakeAzure, verb: str) -> None:
    before = up.stack_file.read_bytes()
    up.program(PROGRAM + '\nraise pulumi.RunError("wrong settings")')

    out = up.fails(verb, "--yes", "--run-program", "-s", "local")

    assert "wrong settings" in out
    assert azure.names("delete") == []
    assert azure.names("read") == []
    assert up.stack_file.read_bytes() == before
    assert up.engine(verb, "--yes", "-s", "local")


def test_destroy_can_run_the_program_first(up: Playground, azure: FakeAzure) -> None:
    up.program(PROGRAM + '\nThing("new", above=a.made)')

    up.engine("destroy", "--yes", "--run-program", "--refresh", "--remove", "-s", "local")

    assert sorted(azure.names("delete")) == ["a", "b"]
    assert azure.names("create") == ["a", "b"]
    assert not up.stack_file.exists()


def test_what_a_killed_run_left_unfinished_can_be_forgotten(play: Playground, azure: FakeAzure) -> None:
    azure.hold("create", "a")
    play.program('Thing("a")')
    process = play.start("up", "-y", "-s", "local")
    azure.wait_for("create", "a")
    kill(process)
    azure.release()
    assert play.checkpoint()["pending_operations"]

    play.engine("refresh", "--preview-only", "--clear-pending-creates", "-s", "local")
    assert play.checkpoint()["pending_operations"]
    play.engine("refresh", "--yes", "--clear-pending-creates", "-s", "local")

    assert "pending_operations" not in play.checkpoint()
    play.up()
    assert play.names() == ["a"]
