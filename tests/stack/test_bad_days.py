"""Pulumi killed and interrupted on local Azure: nothing is lost, and the next `up` goes on.

A small program, with a resource whose create waits for the test. test_language_host has programs that raise.
"""

import os
import signal
import subprocess
from collections.abc import Generator, Iterator
from contextlib import contextmanager

import pytest

from tests.polling import wait_for
from tests.stack.gated_program import gated_program
from tests.workspace import STACK, Workspace, workspace

pytestmark = pytest.mark.cli


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    with workspace(tmp_path_factory.mktemp("bad-days")) as clone:
        (clone.root / "__main__.py").write_text(gated_program(clone.root))
        clone.run("start")
        yield clone


@pytest.fixture
def gated(clean: Workspace) -> Iterator[Workspace]:
    """A stack whose `up` waits half-way: `before` is there, `gate` is being created, `after` is not there."""
    yield clean
    clean.pulumi("destroy", "--yes", "--skip-preview")
    for name in ("open", "reached"):
        (clean.root / name).unlink(missing_ok=True)


@contextmanager
def half_way(stack: Workspace) -> Generator[subprocess.Popen[str]]:
    """An `up` at the gate, which is open afterwards."""
    process = stack.spawn("pulumi", "up", "--yes", "--skip-preview", "--stack", STACK)
    try:
        reached = stack.root / "reached"
        wait_for(lambda: reached.exists() or process.poll() is not None, "the gate")
        assert reached.exists(), process.communicate()[0]
        yield process
    finally:
        (stack.root / "open").touch()
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def names(stack: Workspace) -> list[str]:
    """The resources in the state, without the stack and its providers."""
    urns = [resource["urn"] for resource in stack.resources() if resource.get("id")]
    return [urn.rpartition("::")[2] for urn in urns if "pulumi:providers:" not in urn]


def test_a_killed_up_is_continued_and_what_it_left_locked_and_cut_off_is_recovered(gated: Workspace) -> None:
    with half_way(gated) as process:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert names(gated) == ["before"]
    # The CLI writes this file in place, and ends with `failed to load checkpoint: EOF` where it is empty.
    gated.state_file().with_name(f"{STACK}.json.attrs").write_text("")

    done = gated.up()

    assert "removed the lock of" in done.stderr
    assert f"(pid {process.pid})" in done.stderr
    assert "whose writing was cut off" in done.stderr
    assert names(gated) == ["before", "gate", "after"]
    gated.up("--expect-no-changes")


def test_an_interrupt_lets_what_runs_end_and_starts_nothing_new(gated: Workspace) -> None:
    with half_way(gated) as process:
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does at Ctrl-C
        assert process.stdout is not None
        output = next(line for line in process.stdout if "cancel" in line)
        (gated.root / "open").touch()
        output += process.communicate(timeout=120)[0]
        assert process.returncode not in (0, -signal.SIGINT), output

    assert "Traceback" not in output
    assert names(gated) == ["before", "gate"]
    assert not list((gated.home.backend / ".pulumi" / "locks").rglob("*.json"))
    gated.up()
    assert names(gated) == ["before", "gate", "after"]
