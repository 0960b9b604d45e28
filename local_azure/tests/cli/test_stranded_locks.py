"""Locks and state files of a CLI that was killed while it wrote."""

import json
import os
from pathlib import Path

import pytest

from local_azure.cli.pulumi_state import clear_stranded, locked_stacks
from local_azure.tests.cli.conftest import HOST, ended_process, lock, state_file

STATE = '{"version": 3, "checkpoint": {"latest": null}}'


@pytest.fixture
def backend(tmp_path: Path) -> Path:
    """With a stack `local` that a process on this host had locked when it was killed."""
    for ending in ("", ".bak"):
        state_file(tmp_path, "local", ending).write_text(STATE)
        state_file(tmp_path, "local", f"{ending}.attrs").write_text("{}")
    lock(tmp_path, "local", ended_process())
    return tmp_path


def test_only_readable_locks_of_ended_processes_on_this_host_are_removed(backend: Path) -> None:
    (stranded,) = (backend / ".pulumi" / "locks").rglob("*.json")
    pid = json.loads(stranded.read_text())["pid"]
    others = [
        lock(backend, "local", os.getpid()),
        lock(backend, "local", pid, "elsewhere"),
        lock(backend, "local", 1, "incomplete"),
    ]
    others[2].write_text("")

    (message,) = clear_stranded(backend, "demo", "local")

    assert f"removed the lock of ann@{HOST} (pid {pid}) since 2026-11-25T12:00:05Z" in message
    kept = {path for file in others for path in (file, file.with_name(f"{file.name}.attrs"))}
    assert set(stranded.parent.iterdir()) == kept
    assert locked_stacks(backend, "demo") == ["local"]


def test_incomplete_attributes_are_removed(backend: Path) -> None:
    """With such a file every later command of the CLI ends with `failed to load checkpoint: EOF`."""
    state_file(backend, "local", ".attrs").write_text("")

    messages = clear_stranded(backend, "demo", "local")

    assert not state_file(backend, "local", ".attrs").exists()
    assert state_file(backend, "local", ".bak.attrs").exists()
    assert "removed local.json.attrs, whose writing was cut off" in messages


def test_an_incomplete_state_is_replaced_by_its_backup(backend: Path) -> None:
    state_file(backend, "local").write_text(STATE[:20])
    clear_stranded(backend, "demo", "local")
    assert state_file(backend, "local").read_text() == STATE


def test_the_state_of_a_stack_with_another_lock_is_left_alone(backend: Path) -> None:
    state_file(backend, "local", ".attrs").write_text("")
    lock(backend, "local", os.getpid())
    clear_stranded(backend, "demo", "local")
    assert state_file(backend, "local", ".attrs").exists()
