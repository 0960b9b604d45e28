import sys
from io import StringIO

import pytest

from tests.unit.ops.world import World, returns


@pytest.mark.parametrize(
    ("words", "typed", "code", "message"),
    [
        (["--dry-run"], None, 1, "unknown   ada@h (process 4242)"),
        ([], None, 1, "to remove 1 lock(s) of stack dev without a terminal, add --yes"),
        ([], "prod\n", 1, "Nothing was removed."),
        ([], "dev\n", 0, "Type dev to remove the lock(s): "),
        (["--yes"], None, 0, "removed   .pulumi/locks/organization/assistant/dev/x.json"),
    ],
)
def test_unlock_removes_the_locks_after_confirmation(
    world: World, words: list[str], typed: str | None, code: int, message: str
) -> None:
    name = world.lock("dev")
    stdin = StringIO(typed)
    world.patch.setattr(stdin, "isatty", lambda: typed is not None)
    world.patch.setattr(sys, "stdin", stdin)

    actual, output, errors = world.ops("unlock", "--stack", "dev", *words)

    assert (actual, world.files.exists(name)) == (code, code == 1)
    assert message in output + errors
    assert "still running" not in errors


def test_a_lock_that_was_taken_during_the_question_stays(world: World) -> None:
    def answer(*_: str) -> bool:
        world.lock("dev", pid=1)
        return True

    name = world.lock("dev")
    world.patch.setattr("ops.commands.unlock.is_confirmed", answer)

    world.ops("unlock", "--stack", "dev")

    assert world.files.exists(name)


def test_unlock_warns_about_a_holder_that_runs(world: World) -> None:
    world.lock("dev")
    world.patch.setattr("ops.locks.locks.socket.gethostname", returns("h"))
    world.patch.setattr("local_azure.process_ids.runs", returns(True))

    _, output, errors = world.ops("unlock", "--stack", "dev")

    assert output.startswith("alive ")
    assert "Its state will be damaged" in errors


def test_unlock_names_pending_operations(world: World) -> None:
    pending = [{"type": "creating", "resource": {"urn": "urn:pulumi:dev::assistant::a:b:C::table"}}]
    world.cli.states["dev"] = {"deployment": {"pending_operations": pending}}

    code, output, _ = world.ops("unlock", "--stack", "dev")

    assert code == 0
    assert "Stack dev is not locked." in output
    assert "pending operations: creating table" in output
    assert "pulumi refresh --clear-pending-creates --yes --stack dev" in output


def test_a_stack_that_neither_exists_nor_is_locked_is_refused(world: World) -> None:
    code, output, errors = world.ops("unlock", "--stack", "dve")
    assert (code, output) == (1, "")
    assert "no stack named 'dve' found" in errors


@pytest.mark.parametrize(("failures", "code"), [([], 0), ([(255, "error: no passphrase")], 1)])
def test_the_lock_of_a_stack_that_was_not_created_yet_is_removed(
    world: World, failures: list[tuple[int, str]], code: int
) -> None:
    name = world.lock("new")
    world.cli.failures["export"] = failures

    assert world.ops("unlock", "--stack", "new", "--yes")[0] == code
    assert not world.files.exists(name)
