"""Locks and state files that a killed CLI leaves."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from local_azure.cli.stranded_locks import clear_stranded, locked_stacks
from local_azure.home import state_file

STATE = '{"version": 3, "checkpoint": {"latest": null}}'
HOST = os.uname().nodename


@pytest.fixture
def backend(tmp_path: Path) -> Path:
    """With a stack `local` whose lock a killed process on this host left."""
    file(tmp_path).parent.mkdir(parents=True)
    for ending in ("", ".bak"):
        file(tmp_path, ending).write_text(STATE)
        file(tmp_path, f"{ending}.attrs").write_text("{}")
    ended = subprocess.Popen(["true"])
    ended.wait()
    lock(tmp_path, ended.pid, HOST)
    return tmp_path


def file(backend: Path, ending: str = "") -> Path:
    state = state_file(backend, "p", "local")
    return state.with_name(f"{state.name}{ending}")


def lock(backend: Path, pid: int, host: str) -> Path:
    """As pulumi/pulumi pkg/backend/diy/lock.go writes it."""
    path = backend / ".pulumi" / "locks" / "organization" / "p" / "local" / f"{host}-{pid}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"pid": pid, "username": "ann", "hostname": host, "timestamp": "2026-11-25T12:00:05Z"}
    path.write_text(json.dumps(content))
    path.with_name(f"{path.name}.attrs").write_text("{}")
    return path


def test_only_locks_of_ended_processes_on_this_host_are_removed(backend: Path) -> None:
    (stranded,) = (backend / ".pulumi" / "locks").rglob("*.json")
    pid = json.loads(stranded.read_text())["pid"]
    locks = [lock(backend, os.getpid(), HOST), lock(backend, pid, "elsewhere"), lock(backend, 1, "cut-off")]
    locks[2].write_text("")

    (message,) = clear_stranded(backend, "p", "local")

    assert f"removed the lock of ann@{HOST} (pid {pid}) since 2026-11-25T12:00:05Z" in message
    kept = {path for path in locks for path in (path, path.with_name(f"{path.name}.attrs"))}
    assert set(stranded.parent.iterdir()) == kept
    assert locked_stacks(backend, "p") == ["local"]


def test_cut_off_files_are_recovered(backend: Path) -> None:
    """With such attributes every later command of the CLI ends with `failed to load checkpoint: EOF`."""
    file(backend).write_text(STATE[:20])
    file(backend, ".attrs").write_text("")

    messages = clear_stranded(backend, "p", "local")

    assert file(backend).read_text() == STATE
    assert not file(backend, ".attrs").exists()
    assert file(backend, ".bak.attrs").exists()
    assert "removed local.json.attrs, whose writing was cut off" in messages


def test_the_state_of_a_running_command_is_left_alone(backend: Path) -> None:
    file(backend, ".attrs").write_text("")
    lock(backend, os.getpid(), HOST)

    clear_stranded(backend, "p", "local")

    assert file(backend, ".attrs").exists()
