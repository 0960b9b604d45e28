import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from local_azure import process_ids
from local_azure.home import PROJECT
from local_azure.runtime import processes
from local_azure.runtime.processes import Command, ProcessError, Ready, Supervised
from tests.polling import wait_for

DEADLINE = 30.0
ENVIRONMENT = {"PATH": "/usr/bin:/bin"}

Start = Callable[..., Awaitable[Supervised]]


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Starts a command, or a script of sh, which is ready with a file `ready`; the test stops it."""
    children: list[Supervised] = []

    async def file_exists(_pid: int) -> bool:
        return await asyncio.to_thread((tmp_path / "ready").exists)

    async def start(
        program: Command | str, ready: Ready = file_exists, deadline: float = DEADLINE
    ) -> Supervised:
        if isinstance(program, str):
            program = Command("child", ["/bin/sh", "-c", program], ENVIRONMENT, tmp_path, tmp_path / "log")
        child = await Supervised.start(program, ready, deadline)
        children.append(child)
        return child

    yield start
    for child in children:
        await child.stop()


async def until(condition: Callable[[], bool], what: str) -> None:
    await asyncio.to_thread(wait_for, condition, what, DEADLINE)


async def test_a_child_restarts_when_it_ends(tmp_path: Path, start: Start) -> None:
    child = await start("touch ready; exec sleep 60")
    assert child.alive
    assert (tmp_path / "ready").exists()
    first = child.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    await until(lambda: child.alive and child.pid != first, "the child runs again")
    assert child.restarts == 1


async def test_a_child_that_is_never_ready_is_ended(start: Start) -> None:
    pids: set[int] = set()

    async def never(pid: int) -> bool:
        pids.add(pid)
        return False

    with pytest.raises(ProcessError, match="not ready within"):
        await start("exec sleep 60", never, 0.3)
    (pid,) = pids
    assert not process_ids.runs(pid)


async def test_a_child_inherits_no_variable_of_the_daemon(
    tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAEMONS_SECRET", "x")
    environment = {
        **ENVIRONMENT,
        "my-setting": "1",
        "Logging.Level": "a=b",
        "TEXT": "two\nlines é",
        "EMPTY": "",
    }
    log = tmp_path / "log"

    async def ready(_pid: int) -> bool:
        return await asyncio.to_thread(lambda: log.read_bytes().endswith(b"\0"))

    await start(Command("child", ["env", "-0"], environment, tmp_path, log), ready)
    variables = log.read_bytes().decode().rstrip("\0").split("\0")
    assert sorted(variables) == sorted(f"{name}={value}" for name, value in environment.items())


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["sh", "-c", "echo no such luck >&2; exit 3"], r"ended with code 3(.|\n)*no such luck"),
        # A writer into a closed pipe has to end; Python would ignore the signal.
        (["sh", "-c", "yes | head -n 1; kill -PIPE $$; echo still here"], f"code -{int(signal.SIGPIPE)} "),
        (["/no/such/program"], "/no/such/program does not start: No such file"),
    ],
)
async def test_a_child_that_ends_at_once_is_an_error_with_its_last_words(
    tmp_path: Path, start: Start, words: list[str], error: str
) -> None:
    with pytest.raises(ProcessError, match=error):
        await start(Command("child", words, ENVIRONMENT, tmp_path, tmp_path / "log"))


@pytest.mark.parametrize("env", [{"a=b": "1"}, {"": "1"}, {"a\0b": "1"}, {"a": "1\0b=2"}])
async def test_an_invalid_variable_is_an_error_that_names_it(
    tmp_path: Path, start: Start, env: dict[str, str]
) -> None:
    with pytest.raises(ProcessError, match="cannot hold") as caught:
        await start(Command("child", ["/bin/true"], env, tmp_path, tmp_path / "log"))
    assert repr(next(iter(env))) in str(caught.value)


@pytest.mark.parametrize("sent", [b"", b"A=1\0", b"A=1\0B="])
def test_nothing_starts_when_the_daemon_ends_before_the_orphan_reaper_has_the_child(
    tmp_path: Path, sent: bytes
) -> None:
    wrapper = Path(processes.__file__).with_name("exec_wrapper.py")
    program = ["/bin/sh", "-c", f"touch {tmp_path}/started"]
    subprocess.run([sys.executable, "-I", "-S", str(wrapper), *program], input=sent, env={}, check=True)
    assert not (tmp_path / "started").exists()


async def test_a_child_gets_the_descriptors_of_its_command(tmp_path: Path, start: Start) -> None:
    read, write = os.pipe()
    try:
        script = f"import os,time; os.write({write}, b'hi'); time.sleep(60)"
        received: list[bytes] = []

        async def ready(_pid: int) -> bool:
            received.append(await asyncio.to_thread(os.read, read, 2))
            return True

        await start(
            Command("child", [sys.executable, "-c", script], {}, tmp_path, tmp_path / "log", (write,)), ready
        )
        assert received == [b"hi"]
    finally:
        os.close(read)
        os.close(write)


async def test_stop_ends_a_child_that_ignores_sigterm_and_its_own_children(
    tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "GRACE_PERIOD", 0.3)
    script = "trap '' TERM; sleep 60 & echo $! > grandchild; touch ready; while :; do sleep 1; done"
    child = await start(script)
    grandchild = int((tmp_path / "grandchild").read_text())
    await child.stop()
    assert child.pid is None
    await until(lambda: not process_ids.runs(grandchild), "the grandchild has ended")


def daemon(folder: Path, script: str, then: str) -> list[str]:
    """A daemon that starts a child, waits until the file `child` exists, and continues with `then`."""
    program = f"""
import asyncio, os, pathlib, sys
sys.path.insert(0, {str(PROJECT)!r})
from local_azure.runtime import processes
folder = pathlib.Path({str(folder)!r})
async def main():
    async def ready(_pid):
        return (folder / "child").exists()
    words = ["/bin/sh", "-c", {script!r}]
    command = processes.Command("child", words, {ENVIRONMENT!r}, folder, folder / "log")
    await processes.Supervised.start(command, ready, {DEADLINE})
    {then}
asyncio.run(main())
"""
    return [sys.executable, "-c", program]


def test_children_end_when_their_daemon_is_killed(tmp_path: Path) -> None:
    script = "sleep 60 & echo $! > grandchild; echo $$ > new; mv new child; wait"
    program = daemon(tmp_path, script, "print('ready', flush=True); await asyncio.sleep(60)")
    process = subprocess.Popen(program, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        pids = [int((tmp_path / name).read_text()) for name in ("child", "grandchild")]
        assert all(map(process_ids.runs, pids))
    finally:
        process.kill()
        process.communicate()
    wait_for(lambda: not any(map(process_ids.runs, pids)), "the children have ended", DEADLINE)


def test_kill_all_gives_no_child_time_to_save(tmp_path: Path) -> None:
    script = "trap 'touch saved' TERM; echo $$ > new; mv new child; while :; do sleep 0.05; done"
    subprocess.run(daemon(tmp_path, script, "processes.kill_all(); os._exit(0)"), check=True)
    pid = int((tmp_path / "child").read_text())
    wait_for(lambda: not process_ids.runs(pid), "the child has ended", DEADLINE)
    assert not (tmp_path / "saved").exists()


def test_a_long_log_moves_to_a_second_file(tmp_path: Path) -> None:
    file = tmp_path / "child.log"
    file.write_bytes(b"x" * (processes.LOG_LIMIT + 1))
    processes.keep_small(file)
    assert file.stat().st_size == 0
    assert (tmp_path / "child.log.1").stat().st_size == processes.LOG_LIMIT


async def test_the_log_of_a_child_that_writes_without_end_stays_small(
    tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also before it is ready; the second file does not keep what was written beyond the limit."""
    monkeypatch.setattr(processes, "LOG_LIMIT", 50_000)
    monkeypatch.setattr(processes, "_LOG_CHECK", 0.05)
    second = tmp_path / "log.1"
    writes = "yes | head -c 1000000; [ -e go ] && touch ready; sleep 0.2"
    waiting = asyncio.ensure_future(start(f"while :; do {writes}; done"))
    await until(second.exists, "the log has a second file before the child is ready")
    (tmp_path / "go").touch()
    await waiting
    second.unlink()
    await until(second.exists, "the log has a second file again")
    await until(lambda: (tmp_path / "log").stat().st_size <= 50_000, "the log is small")
    assert second.stat().st_size <= 50_000


def test_the_last_lines_of_an_emptied_log_are_all_of_it(tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.write_text("no such luck\n")
    assert "no such luck" in processes.last_lines(file, since=5_000_000)
