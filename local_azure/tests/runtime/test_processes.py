import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import psutil
import pytest

from local_azure import process_ids
from local_azure.home import PROJECT
from local_azure.runtime import processes
from local_azure.runtime.processes import Command, ProcessError, Supervised

DEADLINE = 30.0


@pytest.fixture
async def started() -> AsyncIterator[list[Supervised]]:
    """What is put in here is stopped."""
    children: list[Supervised] = []
    yield children
    for child in children:
        await child.stop()


def command(tmp_path: Path, script: str, **env: str) -> Command:
    return Command(
        "child", ["/bin/sh", "-c", script], {"PATH": "/usr/bin:/bin", **env}, tmp_path, tmp_path / "log"
    )


def exists(file: Path) -> Callable[[int], Awaitable[bool]]:
    async def look(_pid: int) -> bool:
        return await asyncio.to_thread(file.exists)

    return look


async def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, "not within the deadline"
        await asyncio.sleep(0.02)


async def test_start_returns_when_the_child_is_ready(tmp_path: Path, started: list[Supervised]) -> None:
    child = await Supervised.start(
        command(tmp_path, "touch ready; exec sleep 60"), exists(tmp_path / "ready"), DEADLINE
    )
    started.append(child)
    assert (tmp_path / "ready").exists()
    assert child.alive


async def test_a_child_that_ends_at_once_is_an_error_with_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(ProcessError, match=r"ended with code 3(.|\n)*no such luck"):
        await Supervised.start(
            command(tmp_path, "echo no such luck >&2; exit 3"), exists(tmp_path / "ready"), DEADLINE
        )


async def test_a_child_that_is_never_ready_is_ended(tmp_path: Path) -> None:
    asked: set[int] = set()

    async def never(pid: int) -> bool:
        asked.add(pid)
        return False

    with pytest.raises(ProcessError, match="not ready within"):
        await Supervised.start(command(tmp_path, "exec sleep 60"), never, 0.3)
    (pid,) = asked
    assert not psutil.pid_exists(pid)


async def test_a_dead_child_is_started_again(tmp_path: Path, started: list[Supervised]) -> None:
    child = await Supervised.start(
        command(tmp_path, "touch ready; exec sleep 60"), exists(tmp_path / "ready"), DEADLINE
    )
    started.append(child)
    first = child.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    await until(lambda: child.alive and child.pid != first)
    assert child.restarts == 1


async def test_a_child_sees_its_own_environment_and_no_other(
    tmp_path: Path, started: list[Supervised], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAEMONS_SECRET", "x")
    given = {
        "PATH": "/usr/bin:/bin",
        "my-setting": "1",
        "Logging.Level": "a=b",
        "TEXT": "two\nlines é",
        "EMPTY": "",
    }
    program = Command("child", ["env", "-0"], given, tmp_path, tmp_path / "seen")

    async def ready(_pid: int) -> bool:
        return await asyncio.to_thread(lambda: (tmp_path / "seen").read_bytes().endswith(b"\0"))

    # `env` ends at once: whether it was seen alive does not matter here.
    started.append(await Supervised.start(program, ready, DEADLINE))
    seen = (tmp_path / "seen").read_bytes().decode().rstrip("\0").split("\0")
    assert sorted(seen) == sorted(f"{name}={value}" for name, value in given.items())


async def test_a_child_starts_with_the_signals_that_a_shell_would_give_it(
    tmp_path: Path,
) -> None:
    """A writer into a closed pipe has to end, and Python would let it go on."""
    script = "yes | head -n 1; kill -PIPE $$; echo still here"
    with pytest.raises(ProcessError, match=f"code -{int(signal.SIGPIPE)} "):
        await Supervised.start(command(tmp_path, script), exists(tmp_path / "never"), DEADLINE)


@pytest.mark.parametrize("env", [{"a=b": "1"}, {"": "1"}, {"a\0b": "1"}, {"a": "1\0b=2"}])
async def test_an_environment_that_cannot_be_is_an_error_that_names_the_setting(
    tmp_path: Path, env: dict[str, str]
) -> None:
    program = Command("child", ["/bin/true"], env, tmp_path, tmp_path / "log")
    with pytest.raises(ProcessError, match="cannot hold") as caught:
        await Supervised.start(program, exists(tmp_path / "never"), DEADLINE)
    assert repr(next(iter(env))) in str(caught.value)


async def test_a_program_that_is_not_there_is_an_error_that_names_it(tmp_path: Path) -> None:
    program = Command("child", ["/no/such/program"], {}, tmp_path, tmp_path / "log")
    with pytest.raises(ProcessError, match="/no/such/program does not start: No such file"):
        await Supervised.start(program, exists(tmp_path / "never"), DEADLINE)


@pytest.mark.parametrize("sent", [b"", b"A=1\0", b"A=1\0B="])
def test_nothing_starts_when_the_daemon_is_gone_before_the_orphan_reaper_knows(
    tmp_path: Path, sent: bytes
) -> None:
    wrapper = Path(processes.__file__).with_name("exec_wrapper.py")
    program = ["/bin/sh", "-c", f"touch {tmp_path}/started"]
    subprocess.run([sys.executable, "-I", "-S", str(wrapper), *program], input=sent, env={}, check=True)
    assert not (tmp_path / "started").exists()


async def test_a_child_gets_the_descriptors_that_were_passed(
    tmp_path: Path, started: list[Supervised]
) -> None:
    read, write = os.pipe()
    try:
        given = Command(
            "child",
            [sys.executable, "-c", f"import os,time; os.write({write}, b'hi'); time.sleep(60)"],
            {},
            tmp_path,
            tmp_path / "log",
            (write,),
        )
        said: list[bytes] = []

        async def ready(_pid: int) -> bool:
            said.append(await asyncio.to_thread(os.read, read, 2))
            return True

        started.append(await Supervised.start(given, ready, DEADLINE))
        assert said == [b"hi"]
    finally:
        os.close(read)
        os.close(write)


async def test_stop_ends_a_child_that_ignores_sigterm_and_its_own_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "GRACE_PERIOD", 0.3)
    script = "trap '' TERM; sleep 60 & echo $! > grandchild; touch ready; while :; do sleep 1; done"
    child = await Supervised.start(command(tmp_path, script), exists(tmp_path / "ready"), DEADLINE)
    grandchild = int((tmp_path / "grandchild").read_text())
    await child.stop()
    assert child.pid is None
    await until(lambda: not process_ids.runs(grandchild))


def daemon(folder: Path, script: str, then: str) -> str:
    """The program of a daemon that starts a child, waits until `child` is in the folder, and does `then`."""
    return f"""
import asyncio, os, pathlib, sys
sys.path.insert(0, {str(PROJECT)!r})
from local_azure.runtime import processes
folder = pathlib.Path({str(folder)!r})
async def main():
    async def ready(_pid):
        return (folder / "child").exists()
    environment = {{"PATH": "/usr/bin:/bin"}}
    command = processes.Command("child", ["/bin/sh", "-c", {script!r}], environment, folder, folder / "log")
    await processes.Supervised.start(command, ready, {DEADLINE})
    {then}
asyncio.run(main())
"""


def wait_until_gone(*pids: int) -> None:
    end = time.monotonic() + DEADLINE
    while any(process_ids.runs(pid) for pid in pids):
        assert time.monotonic() < end, "a child outlives its daemon"
        time.sleep(0.02)


def test_children_end_when_their_daemon_is_killed(tmp_path: Path) -> None:
    """Neither the kernel nor the daemon tells them on macOS, and a kill -9 gives the daemon no last word."""
    script = "sleep 60 & echo $! > grandchild; echo $$ > new; mv new child; wait"
    program = daemon(tmp_path, script, "print('ready', flush=True); await asyncio.sleep(60)")
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        pids = [int((tmp_path / name).read_text()) for name in ("child", "grandchild")]
        assert all(process_ids.runs(pid) for pid in pids)
    finally:
        process.kill()
        process.communicate()
    wait_until_gone(*pids)


def test_killing_all_children_gives_none_of_them_time_to_save(tmp_path: Path) -> None:
    script = "trap 'touch saved' TERM; echo $$ > new; mv new child; while :; do sleep 0.05; done"
    program = daemon(tmp_path, script, "processes.kill_all(); os._exit(0)")
    subprocess.run([sys.executable, "-c", program], check=True)
    wait_until_gone(int((tmp_path / "child").read_text()))
    assert not (tmp_path / "saved").exists()


def test_a_log_that_grew_too_long_moves_to_a_second_file(tmp_path: Path) -> None:
    file = tmp_path / "child.log"
    file.write_bytes(b"x" * (processes.LOG_LIMIT + 1))
    processes.keep_small(file)
    assert file.stat().st_size == 0
    assert (tmp_path / "child.log.1").stat().st_size == processes.LOG_LIMIT


async def test_the_log_of_a_child_that_writes_without_end_stays_small(
    tmp_path: Path, started: list[Supervised], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also while it is not ready, and what was written beyond the limit is not kept in the second file."""
    monkeypatch.setattr(processes, "LOG_LIMIT", 50_000)
    monkeypatch.setattr(processes, "_LOG_CHECK", 0.05)
    second = tmp_path / "log.1"
    writes = "yes | head -c 1000000; [ -e go ] && touch ready; sleep 0.2"
    waiting = asyncio.create_task(
        Supervised.start(
            command(tmp_path, f"while :; do {writes}; done"), exists(tmp_path / "ready"), DEADLINE
        )
    )
    await until(second.exists)
    (tmp_path / "go").touch()
    started.append(await waiting)
    second.unlink()
    await until(second.exists)
    await until(lambda: (tmp_path / "log").stat().st_size <= 50_000)
    assert second.stat().st_size <= 50_000


def test_the_last_lines_of_a_log_that_was_begun_again_are_all_of_it(tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.write_text("no such luck\n")
    assert "no such luck" in processes.last_lines(file, since=5_000_000)
