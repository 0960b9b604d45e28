"""Locks and state files of a CLI that was killed while it wrote."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from local_azure.cli.stranded_locks import clear_stranded, locked_stacks

STATE = '{"version": 3, "checkpoint": {"latest": null}}'
HOST = os.uname().nodename


@pytest.fixture
def backend(tmp_path: Path) -> Path:
    """With a stack `local` that a process on this host had locked when it was killed."""
    state(tmp_path).parent.mkdir(parents=True)
    for ending in ("", ".bak"):
        state(tmp_path, ending).write_text(STATE)
        state(tmp_path, f"{ending}.attrs").write_text("{}")
    ended = subprocess.Popen(["true"])
    ended.wait()
    lock(tmp_path, ended.pid, HOST)
    return tmp_path


def state(backend: Path, ending: str = "") -> Path:
    return backend / ".pulumi" / "stacks" / "p" / f"local.json{ending}"


def lock(backend: Path, pid: int, host: str) -> Path:
    """As pulumi/pulumi pkg/backend/diy/lock.go writes it."""
    path = backend / ".pulumi" / "locks" / "organization" / "p" / "local" / f"{host}-{pid}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"pid": pid, "username": "ann", "hostname": host, "timestamp": "2026-11-25T12:00:05Z"}
    path.write_text(json.dumps(content))
    path.with_name(f"{path.name}.attrs").write_text("{}")
    return path


def test_only_readable_locks_of_ended_processes_on_this_host_are_removed(backend: Path) -> None:
    (stranded,) = (backend / ".pulumi" / "locks").rglob("*.json")
    pid = json.loads(stranded.read_text())["pid"]
    others = [
        lock(backend, os.getpid(), HOST),
        lock(backend, pid, "elsewhere"),
        lock(backend, 1, "incomplete"),
    ]
    others[2].write_text("")

    (message,) = clear_stranded(backend, "p", "local")

    assert f"removed the lock of ann@{HOST} (pid {pid}) since 2026-11-25T12:00:05Z" in message
    kept = {path for file in others for path in (file, file.with_name(f"{file.name}.attrs"))}
    assert set(stranded.parent.iterdir()) == kept
    assert locked_stacks(backend, "p") == ["local"]


def test_incomplete_attributes_are_removed(backend: Path) -> None:
    """With such a file every later command of the CLI ends with `failed to load checkpoint: EOF`."""
    state(backend, ".attrs").write_text("")

    messages = clear_stranded(backend, "p", "local")

    assert not state(backend, ".attrs").exists()
    assert state(backend, ".bak.attrs").exists()
    assert "removed local.json.attrs, whose writing was cut off" in messages


def test_an_incomplete_state_is_replaced_by_its_backup(backend: Path) -> None:
    state(backend).write_text(STATE[:20])
    clear_stranded(backend, "p", "local")
    assert state(backend).read_text() == STATE


def test_the_state_of_a_stack_with_another_lock_is_left_alone(backend: Path) -> None:
    state(backend, ".attrs").write_text("")
    lock(backend, os.getpid(), HOST)
    clear_stranded(backend, "p", "local")
    assert state(backend, ".attrs").exists()
