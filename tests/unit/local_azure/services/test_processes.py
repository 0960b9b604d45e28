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

from local_azure.home import PROJECT
from local_azure.services import processes
from local_azure.services.processes import Command, ProcessError, Supervised

DEADLINE = 10.0


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


def exists(file: Path) -> Callable[[], Awaitable[bool]]:
    async def look() -> bool:
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
    with pytest.raises(ProcessError, match="not ready within"):
        await Supervised.start(
            command(tmp_path, "echo $$ > pid; exec sleep 60"), exists(tmp_path / "ready"), 0.3
        )
    assert not psutil.pid_exists(int((tmp_path / "pid").read_text()))


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
    child = await Supervised.start(
        command(tmp_path, "env > env; touch ready; exec sleep 60", SETTING="1"),
        exists(tmp_path / "ready"),
        DEADLINE,
    )
    started.append(child)
    seen = (tmp_path / "env").read_text()
    assert "SETTING=1" in seen
    assert "DAEMONS_SECRET" not in seen


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

        async def ready() -> bool:
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
    monkeypatch.setattr(processes, "STOP_PATIENCE", 0.3)
    script = "trap '' TERM; sleep 60 & echo $! > grandchild; touch ready; while :; do sleep 1; done"
    child = await Supervised.start(command(tmp_path, script), exists(tmp_path / "ready"), DEADLINE)
    grandchild = int((tmp_path / "grandchild").read_text())
    await child.stop()
    assert child.pid is None
    await until(lambda: not _runs(grandchild))


def test_children_end_when_their_daemon_is_killed(tmp_path: Path) -> None:
    """Neither the kernel nor the daemon tells them on macOS, and a kill -9 gives the daemon no last word."""
    daemon = f"""
import asyncio, pathlib, sys
sys.path.insert(0, {str(PROJECT)!r})
from local_azure.services.processes import Command, Supervised
folder = pathlib.Path({str(tmp_path)!r})
async def main():
    async def ready():
        return (folder / "child").exists()
    script = "sleep 60 & echo $! > grandchild; echo $$ > new; mv new child; wait"
    command = Command("child", ["/bin/sh", "-c", script], {{"PATH": "/usr/bin:/bin"}}, folder, folder / "log")
    await Supervised.start(command, ready, {DEADLINE})
    print("ready", flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""
    process = subprocess.Popen([sys.executable, "-c", daemon], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        pids = [int((tmp_path / name).read_text()) for name in ("child", "grandchild")]
        assert all(_runs(pid) for pid in pids)
    finally:
        process.kill()
        process.communicate()
    end = time.monotonic() + DEADLINE
    while any(_runs(pid) for pid in pids):
        assert time.monotonic() < end, "a child outlives its daemon"
        time.sleep(0.02)


def test_a_log_that_grew_too_long_moves_to_a_second_file(tmp_path: Path) -> None:
    file = tmp_path / "child.log"
    file.write_bytes(b"x" * (processes.LOG_LIMIT + 1))
    processes.keep_small(file)
    assert file.stat().st_size == 0
    assert (tmp_path / "child.log.1").stat().st_size == processes.LOG_LIMIT + 1


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
