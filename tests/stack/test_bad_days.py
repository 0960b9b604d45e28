"""Pulumi killed, interrupted, run twice at once, and given a broken program: nothing is lost, `up` goes on.

A small program on local Azure, with a resource whose create waits for the test.
"""

import json
import os
import signal
import subprocess
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.polling import wait_for
from tests.stack.gated_program import gated_program
from tests.workspace import STACK, Workspace, workspace

pytestmark = pytest.mark.cli
DEADLINE = 120.0


class Gated:
    """A stack whose `up` waits half-way: `before` is there, `gate` is being created, `after` is not there."""

    def __init__(self, clone: Workspace) -> None:
        self.clone = clone
        self.reached, self.open = clone.root / "reached", clone.root / "open"
        self.main = clone.root / "__main__.py"
        self.main.write_text(gated_program(clone.root))

    @contextmanager
    def half_way(self) -> Generator[subprocess.Popen[str]]:
        """An `up` at the gate, which is open afterwards."""
        process = self.clone.spawn("pulumi", "up", "--yes", "--skip-preview", "--stack", STACK)
        try:
            wait_for(lambda: self.reached.exists() or process.poll() is not None, "the gate")
            assert self.reached.exists(), process.communicate()[0]
            yield process
        finally:
            self.open.touch()
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            assert process.stdout is not None
            process.stdout.close()

    def names(self) -> list[str]:
        """The resources in the state, without the stack and its providers."""
        urns = [resource["urn"] for resource in self.clone.resources() if resource.get("id")]
        return [urn.rpartition("::")[2] for urn in urns if "pulumi:providers:" not in urn]

    def locks(self) -> list[Path]:
        return list((self.clone.home.backend / ".pulumi" / "locks").rglob("*.json"))


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    with workspace(tmp_path_factory.mktemp("bad-days")) as clone:
        clone.run("start")
        yield clone


@pytest.fixture
def gated(clean: Workspace) -> Iterator[Gated]:
    stack = Gated(clean)
    yield stack
    stack.open.touch()
    clean.pulumi("destroy", "--yes", "--skip-preview")
    for file in (stack.open, stack.reached):
        file.unlink(missing_ok=True)


def test_a_killed_up_is_continued_and_what_it_left_locked_and_cut_off_is_recovered(gated: Gated) -> None:
    with gated.half_way() as process:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert gated.names() == ["before"]
    # The CLI writes this file in place, and ends with `failed to load checkpoint: EOF` where it is empty.
    gated.clone.state_file().with_name(f"{STACK}.json.attrs").write_text("")

    done = gated.clone.up()

    assert "removed the lock of" in done.stderr
    assert f"(pid {process.pid})" in done.stderr
    assert "whose writing was cut off" in done.stderr
    assert gated.names() == ["before", "gate", "after"]
    gated.clone.up("--expect-no-changes")


def test_an_interrupt_lets_what_runs_end_and_starts_nothing_new(gated: Gated) -> None:
    with gated.half_way() as process:
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does at Ctrl-C
        assert process.stdout is not None
        output = next(line for line in process.stdout if "cancel" in line)
        gated.open.touch()
        output += process.communicate(timeout=DEADLINE)[0]
        assert process.returncode not in (0, -signal.SIGINT), output

    assert "Traceback" not in output
    assert gated.names() == ["before", "gate"]
    assert gated.locks() == []
    gated.clone.up()
    assert gated.names() == ["before", "gate", "after"]


def test_of_two_at_once_the_second_is_refused_with_the_process_that_holds_the_lock(gated: Gated) -> None:
    with gated.half_way() as process:
        second = gated.clone.up(check=False)
        preview = gated.clone.pulumi("preview", "--json")
        gated.open.touch()
        output, _ = process.communicate(timeout=DEADLINE)

    assert second.returncode != 0
    assert "the stack is currently locked by 1 lock" in second.stdout + second.stderr
    assert f"(pid {process.pid})" in second.stdout + second.stderr
    assert json.loads(preview.stdout)["steps"]
    assert process.returncode == 0, output
    assert gated.names() == ["before", "gate", "after"]


def test_a_program_that_raises_is_quoted_once_and_deletes_nothing(gated: Gated) -> None:
    gated.open.touch()
    gated.clone.up()
    whole = gated.main.read_text()
    gated.main.write_text(
        whole.replace('after = group("after", gate)', 'raise RuntimeError("no group today")')
    )

    failed = gated.clone.up(check=False)

    gated.main.write_text(whole)
    output = failed.stdout + failed.stderr
    assert failed.returncode != 0
    assert output.count("RuntimeError: no group today") == 1
    assert "__main__.py" in output
    assert gated.names() == ["before", "gate", "after"]
