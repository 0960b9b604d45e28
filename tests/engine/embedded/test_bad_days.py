"""Failures, kills and interruptions: nothing is lost, and the next `up` goes on."""

import json
import os
import signal
import socket
import subprocess
from datetime import UTC, datetime

import pytest

from local_azure.engine.locks import clear_stranded, locks
from tests.engine.embedded.fake_provider import FakeAzure
from tests.engine.embedded.playground import DEADLINE, PROJECT, Playground, kill


def test_a_failure_stops_its_dependents_and_the_deletes_but_not_the_others(
    play: Playground, azure: FakeAzure
) -> None:
    play.program('Thing("old")')
    play.up()
    program = """
    bad = Thing("bad", fail={0})
    Thing("after", above=bad.made)
    Thing("child", opts=Opts(parent=bad))
    Thing("other")
    pulumi.export("made", bad.made)
    """
    play.program(program.replace("{0}", '"create"'))

    out = play.fails("up", "-y", "-s", "local")

    assert "Azure refuses bad" in out
    assert sorted(azure.names("create")) == ["bad", "old", "other"]
    assert azure.names("delete") == []
    assert sorted(play.names()) == ["old", "other"]
    assert "pending_operations" not in play.checkpoint()
    play.program(program.replace("{0}", '"no"'))
    play.up()
    assert sorted(play.names()) == ["after", "bad", "child", "other"]
    assert azure.names("delete") == ["old"]


def test_a_failed_update_keeps_the_resource_as_it_was(play: Playground) -> None:
    play.program('Thing("a", size=1)')
    play.up()
    play.program('Thing("a", size=2, fail="update")')

    out = play.fails("up", "-y", "-s", "local")

    assert "Azure refuses a" in out
    assert play.resource("a")["inputs"]["size"] == 1
    play.program('Thing("a", size=3)')
    play.up()
    assert play.resource("a")["inputs"]["size"] == 3


def test_a_resource_that_exists_and_is_not_well_is_kept_and_updated_next_time(
    play: Playground, azure: FakeAzure
) -> None:
    play.program('Thing("a", unwell=True)')

    out = play.fails("up", "-y", "-s", "local")

    assert "a is not well" in out
    assert play.resource("a")["initErrors"] == ["a is not well"]
    assert play.resource("a")["id"] in azure.things
    play.up()
    assert (azure.names("create"), azure.names("update")) == (["a"], ["a"])
    assert "initErrors" not in play.resource("a")


def test_a_failed_delete_of_a_replaced_resource_is_tried_again(play: Playground, azure: FakeAzure) -> None:
    play.program('Thing("a", fixed=1, fail="delete")')
    play.up()
    play.program('Thing("a", fixed=2)')

    out = play.fails("up", "-y", "-s", "local")

    assert "Azure keeps a" in out
    assert [item.get("delete", False) for item in play.resources() if item["type"].endswith("Thing")] == [
        False,
        True,
    ]
    old = next(item for item in play.resources() if item.get("delete"))
    old_id = old["id"]
    # Azure lets go of it: what the state remembers of it does not say `fail` any more.
    play.stack_file.write_text(play.stack_file.read_text().replace('"fail":"delete"', '"fail":"no"'))
    play.up()
    assert old_id not in azure.things
    assert play.names() == ["a"]


def test_a_program_that_raises_fails_the_run_and_deletes_nothing(play: Playground, azure: FakeAzure) -> None:
    play.program('Thing("a")\nThing("b")')
    play.up()
    play.program('Thing("a")\nraise RuntimeError("no b today")')

    out = play.fails("up", "-y", "-s", "local")

    assert "RuntimeError: no b today" in out
    assert "__main__.py" in out
    assert azure.names("delete") == []
    assert sorted(play.names()) == ["a", "b"]


def test_a_run_error_is_shown_without_a_traceback_and_exit_codes_of_programs_count(play: Playground) -> None:
    play.program('raise pulumi.RunError("set the location")')
    error = play.fails("preview", "-s", "local")
    play.program("import sys; sys.exit(3)")
    left = play.fails("preview", "-s", "local")

    assert "error: set the location" in error
    assert "Traceback" not in error
    assert "program exited with non-zero exit code: 3" in left


def test_after_a_kill_in_the_middle_of_a_create_the_next_up_goes_on(
    play: Playground, azure: FakeAzure
) -> None:
    azure.hold("create", "b")
    play.program('a = Thing("a")\nb = Thing("b", above=a.made)\nThing("c", above=b.made)')
    process = play.start("up", "-y", "-s", "local")
    azure.wait_for("create", "b")

    kill(process)
    azure.release()

    operations = play.checkpoint()["pending_operations"]
    assert [(item["type"], item["resource"]["urn"].rpartition("::")[2]) for item in operations] == [
        ("creating", "b")
    ]
    assert play.names() == ["a"]
    result = play.try_engine("up", "-y", "-s", "local")
    assert result.code == 0, result
    assert "removed the lock of" in result.err
    assert "interrupted while creating" in result.out
    assert play.names() == ["a", "b", "c"]
    assert azure.names("create").count("a") == 1
    assert "pending_operations" not in play.checkpoint()


def test_after_a_kill_in_the_middle_of_a_delete_before_replace_the_replacement_is_made(
    play: Playground, azure: FakeAzure
) -> None:
    play.program('Thing("a", fixedFirst=1)')
    play.up()
    azure.hold("create", "a")
    azure.calls.clear()
    play.program('Thing("a", fixedFirst=2)')
    process = play.start("up", "-y", "-s", "local")
    azure.wait_for("create", "a")

    kill(process)
    azure.release()

    assert play.resource("a")["pendingReplacement"] is True
    azure.calls.clear()
    play.up()
    assert [call.method for call in azure.calls if call.method in ("create", "delete")] == ["create"]
    assert "pendingReplacement" not in play.resource("a")


def test_the_children_of_a_killed_engine_end_too(play: Playground, azure: FakeAzure) -> None:
    azure.hold("create", "a")
    play.program('Note("n", "x")\nThing("a")')
    process = play.start("up", "-y", "-s", "local")
    azure.wait_for("create", "a")
    children = [int(pid) for pid in _children(process.pid)]
    assert children

    kill(process)

    for pid in children:
        _wait_for_end(pid)


def _children(pid: int) -> list[str]:
    return subprocess.run(
        ["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False
    ).stdout.split()


def _wait_for_end(pid: int) -> None:
    descriptor = _pidfd(pid)
    if descriptor is None:
        return
    import select

    try:
        ready, _, _ = select.select([descriptor], [], [], 20)
        assert ready, f"process {pid} is still there"
    finally:
        os.close(descriptor)


def _pidfd(pid: int) -> int | None:
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        return None


def test_an_interrupt_lets_what_runs_end_and_starts_nothing_new(play: Playground, azure: FakeAzure) -> None:
    azure.hold("create", "a")
    play.program('a = Thing("a")\nThing("b", above=a.made)')
    process = play.start("up", "-y", "-s", "local")
    azure.wait_for("create", "a")

    process.send_signal(signal.SIGINT)
    _read_until(process, "interrupted")
    azure.release()
    _, err = process.communicate(timeout=DEADLINE)

    assert process.returncode == 8
    assert "update canceled" in err
    assert play.names() == ["a"]
    assert "pending_operations" not in play.checkpoint()
    play.up()
    assert azure.names("create") == ["a", "b"]


def test_a_second_interrupt_leaves_at_once_and_the_state_says_what_was_going_on(
    play: Playground, azure: FakeAzure
) -> None:
    azure.hold("create", "a")
    play.program('Thing("a")')
    process = play.start("up", "-y", "-s", "local")
    azure.wait_for("create", "a")

    process.send_signal(signal.SIGINT)
    _read_until(process, "interrupted")
    process.send_signal(signal.SIGINT)

    assert process.wait(timeout=DEADLINE) == 130
    assert [item["type"] for item in play.checkpoint()["pending_operations"]] == ["creating"]
    assert process.stdout is not None
    process.stdout.close()


def _read_until(process: "subprocess.Popen[str]", text: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if text in line:
            return
    pytest.fail(f"the engine ended without saying {text!r}")


def test_two_at_once_the_second_says_who_holds_the_lock(play: Playground, azure: FakeAzure) -> None:
    azure.hold("create", "a")
    play.program('Thing("a")')
    first = play.start("up", "-y", "-s", "local")
    azure.wait_for("create", "a")

    second = play.fails("up", "-y", "-s", "local")
    play.engine("preview", "-s", "local")
    azure.release()
    first.communicate(timeout=DEADLINE)

    assert first.returncode == 0
    assert f"(pid {first.pid})" in second
    assert socket.gethostname() in second
    assert "cancel" in second
    assert locks(play.backend, PROJECT, "local") == []


def _lock(play: Playground, pid: int, host: str) -> None:
    folder = play.backend / ".pulumi" / "locks" / "organization" / PROJECT / "local"
    folder.mkdir(parents=True, exist_ok=True)
    content = {"pid": pid, "username": "ann", "hostname": host, "timestamp": datetime.now(UTC).isoformat()}
    (folder / f"{pid}.json").write_text(json.dumps(content))


def test_only_locks_of_processes_that_are_gone_from_this_host_are_stranded(play: Playground) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    _lock(play, gone.pid, socket.gethostname())
    _lock(play, 1, socket.gethostname())
    _lock(play, gone.pid + 1, "elsewhere")

    notices = clear_stranded(play.backend, PROJECT, "local")

    assert len(notices) == 1
    assert f"ann@{socket.gethostname()} (pid {gone.pid})" in notices[0]
    assert sorted(lock.pid for lock in locks(play.backend, PROJECT, "local")) == [1, gone.pid + 1]
    assert "locked by 2 lock(s)" in play.fails("up", "-y", "-s", "local")
    assert "removed the lock of ann@elsewhere" in play.engine("cancel", "--yes", "-s", "local")
    play.up()


def test_an_absent_provider_is_named_with_what_starts_it(play: Playground) -> None:
    play.program('Thing("a")')
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

        result = play.try_engine(
            "up", "-y", "-s", "local", env={"PULUMI_DEBUG_PROVIDERS": f"azure-native:{port}"}
        )

    assert result.code == 1
    assert f"no provider 'azure-native' answers at 127.0.0.1:{port}" in result.out
    assert "python -m local_azure start" in result.out


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("config: {tiny:size: [", "is not YAML"),
        ("- a", "must be a mapping"),
        ("[]", "must be a mapping"),
        ("config: [a]", "`config` must be a mapping"),
        ("config: word", "`config` must be a mapping"),
    ],
)
def test_a_broken_stack_file_is_named_and_nothing_changes(
    play: Playground, azure: FakeAzure, text: str, told: str
) -> None:
    play.program('Thing("a", size=1)')
    play.up()
    before, calls = play.resources(), len(azure.calls)
    play.program('Thing("a", size=2)')
    play.settings(text)

    said = play.fails("up", "--yes", "--stack", "local")

    assert "Pulumi.local.yaml" in said
    assert told in said
    assert "Traceback" not in said
    assert (play.resources(), len(azure.calls)) == (before, calls)
