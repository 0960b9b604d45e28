"""`python -m local_azure` as a process, and a `pulumi` on PATH that writes down its calls."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from local_azure.home import ENVIRONMENT_VARIABLE, PROJECT, Home

DEADLINE = 60.0
HOST = os.uname().nodename
COMMAND = [sys.executable, "-m", "local_azure"]

Done = subprocess.CompletedProcess[str]

# Writes its words, folder and environment, one line for each call; `wait` prints how often it is interrupted.
PULUMI = """#!{python}
import json, os, signal, sys, time
if sys.argv[1] == "version":
    sys.exit(print("v3.274.1"))
with open({calls!r}, "a") as calls:
    calls.write(json.dumps({{"words": sys.argv[1:], "folder": os.getcwd(), "env": dict(os.environ)}}) + "\\n")
if sys.argv[1] == "wait":
    interrupts = []
    signal.signal(signal.SIGINT, lambda *_: interrupts.append(1))
    print("waiting", flush=True)
    while not interrupts:
        time.sleep(0.01)
    time.sleep(0.2)
    print("interrupts:", len(interrupts), flush=True)
    sys.exit(7)
"""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path / "home")
    yield home
    cli(home, "stop")


@pytest.fixture(scope="module")
def shared_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """For tests that only need a running local Azure."""
    home = Home(tmp_path_factory.mktemp("shared") / "it's home")
    yield home
    cli(home, "stop")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "Pulumi.yaml").write_text("name: demo\nruntime: python\n")
    return folder


@pytest.fixture
def pulumi(tmp_path: Path) -> Path:
    """A folder with a Pulumi CLI."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "pulumi").write_text(PULUMI.format(python=sys.executable, calls=str(tmp_path / "calls")))
    (folder / "pulumi").chmod(0o755)
    return folder


def state_file(backend: Path, stack: str, ending: str = "") -> Path:
    file = backend / ".pulumi" / "stacks" / "demo" / f"{stack}.json{ending}"
    file.parent.mkdir(parents=True, exist_ok=True)
    return file


def lock(backend: Path, stack: str, pid: int, host: str = HOST) -> Path:
    """As pulumi/pulumi pkg/backend/diy/lock.go writes it."""
    path = backend / ".pulumi" / "locks" / "organization" / "demo" / stack / f"{host}-{pid}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"pid": pid, "username": "ann", "hostname": host, "timestamp": "2026-11-25T12:00:05Z"}
    path.write_text(json.dumps(content))
    path.with_name(f"{path.name}.attrs").write_text("{}")
    return path


def ended_process() -> int:
    ended = subprocess.Popen(["true"])
    ended.wait()
    return ended.pid


def calls(pulumi: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (pulumi.parent / "calls").read_text().splitlines()]


def environment(home: Home, *folders: Path, **more: str) -> dict[str, str]:
    """With no Pulumi CLI but that in `folders`."""
    return {
        **os.environ,
        ENVIRONMENT_VARIABLE: str(home.root),
        "PULUMI_HOME": str(home.root.parent / "no CLI here"),
        "PATH": os.pathsep.join([*map(str, folders), "/usr/bin", "/bin"]),
        "PYTHONPATH": str(PROJECT),
        **more,
    }


def cli(
    home: Home, *words: str, env: Mapping[str, str] | None = None, folder: Path = PROJECT, stdin: str = ""
) -> Done:
    return subprocess.run(
        [*COMMAND, *words],
        cwd=folder,
        env=env or environment(home),
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE,
        input=stdin,
    )


def good(done: Done) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout


def bad(done: Done) -> str:
    assert done.returncode == 1, done.stdout
    assert "Traceback" not in done.stderr
    return done.stderr
