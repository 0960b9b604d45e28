"""State files as a CLI leaves them that was killed while it wrote."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from local_azure.engine.locks import clear_stranded, locked

STATE = '{"version": 3, "checkpoint": {"latest": null}}'


@pytest.fixture
def backend(tmp_path: Path) -> Path:
    folder = tmp_path / ".pulumi" / "stacks" / "p"
    folder.mkdir(parents=True)
    for name in ("local.json", "local.json.bak"):
        (folder / name).write_text(STATE)
        (folder / f"{name}.attrs").write_text("{}")
    return tmp_path


def state(backend: Path, ending: str = "") -> Path:
    return backend / ".pulumi" / "stacks" / "p" / f"local.json{ending}"


def strand_a_lock(backend: Path) -> None:
    """Leave the lock of a process that is gone."""
    with locked(backend, "p", "local"):
        held = next((backend / ".pulumi" / "locks").rglob("*.json"))
        content = json.loads(held.read_text())
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    held.write_text(json.dumps({**content, "pid": gone.pid}))


def test_attributes_that_were_cut_off_are_removed(backend: Path) -> None:
    # Seen with the CLI: every later command ended with «failed to load checkpoint: EOF».
    strand_a_lock(backend)
    state(backend, ".attrs").write_text("")

    notices = clear_stranded(backend, "p", "local")

    assert not state(backend, ".attrs").exists()
    assert state(backend, ".bak.attrs").exists()
    assert len(notices) == 2


def test_a_state_that_was_cut_off_is_taken_from_its_backup(backend: Path) -> None:
    strand_a_lock(backend)
    state(backend).write_text(STATE[:20])

    clear_stranded(backend, "p", "local")

    assert state(backend).read_text() == STATE


def test_a_state_that_somebody_works_on_is_left_alone(backend: Path) -> None:
    strand_a_lock(backend)
    state(backend, ".attrs").write_text("")
    living = next((backend / ".pulumi" / "locks").rglob("*.json"))
    content = json.loads(living.read_text())
    living.with_name("other.json").write_text(json.dumps({**content, "pid": 1}))

    clear_stranded(backend, "p", "local")

    assert state(backend, ".attrs").exists()
