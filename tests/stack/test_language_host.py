"""The language host of tools/pulumi beside this machine's CLI, on a program of one dynamic resource."""

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.polling import wait_for
from tools.pulumi.build import HERE, HOST_FILES, SDK_FILES
from tools.pulumi.cli import PROJECT, require

pytestmark = pytest.mark.cli

DEADLINE = 60.0
PROGRAM = """
import os, time
from pathlib import Path
import pulumi
from pulumi.dynamic import CreateResult, Resource, ResourceProvider

class Provider(ResourceProvider):
    def create(self, props):
        return CreateResult("id", props)

class Thing(Resource):
    value: pulumi.Output[str]
    def __init__(self, value):
        super().__init__(Provider(), "thing", {"value": value})

def wait_for_ever(_):
    Path("new").write_text(str(os.getpid()))
    Path("new").rename("started")
    time.sleep(600)

thing = Thing("seven")
pulumi.export("value", thing.value)
match os.environ.get("TEST_MODE"):
    case "raise":
        raise ValueError("the program's own error")
    case "wait":
        thing.value.apply(wait_for_ever)
"""


@dataclass(frozen=True)
class Program:
    root: Path
    cli: Path

    def start(self, *arguments: str, mode: str = "") -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [self.cli, *arguments, "--non-interactive", "--stack", "dev"],
            cwd=self.root,
            env={
                "HOME": str(self.root),
                "PATH": os.defpath,
                "PULUMI_BACKEND_URL": f"file://{self.root}",
                "PULUMI_CONFIG_PASSPHRASE": "any",
                "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
                "PULUMI_HOME": str(self.root / "home"),
                "PULUMI_LANGUAGE_HOST_PYTHON": sys.executable,
                "PULUMI_OPTION_SKIP_PLUGIN_PRE_INSTALL": "true",
                "PULUMI_SKIP_UPDATE_CHECK": "true",
                "TEST_MODE": mode,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *arguments: str, code: int = 0, mode: str = "") -> str:
        process = self.start(*arguments, mode=mode)
        output = process.communicate(timeout=DEADLINE)[0]
        assert process.returncode == code, output
        return output


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """With the machine's CLI, and the language host of this checkout beside it."""
    installed = require(os.environ).path.resolve()
    folder = tmp_path / "bin"
    folder.mkdir()
    try:
        os.link(installed, folder / "pulumi")
    except OSError:  # another disk
        shutil.copy(installed, folder / "pulumi")
    for source in (
        *(HERE / name for name in HOST_FILES),
        *(installed.parent / Path(name).name for name in SDK_FILES),
    ):
        shutil.copyfile(source, folder / source.name)
        (folder / source.name).chmod(0o755)
    (tmp_path / "Pulumi.yaml").write_text(
        "name: tiny\nruntime: {name: python, options: {toolchain: pip, virtualenv: .venv}}\n"
    )
    (tmp_path / "__main__.py").write_text(PROGRAM)
    (tmp_path / ".venv").symlink_to(PROJECT / ".venv")
    program = Program(tmp_path, folder / "pulumi")
    program.run("stack", "init")
    return program


def test_a_stack_comes_up_survives_an_error_and_an_interrupt_and_is_destroyed(program: Program) -> None:
    assert "+ 2 to create" in program.run("preview")
    failed = program.run("up", "--yes", "--skip-preview", mode="raise", code=1)
    assert failed.count("ValueError: the program's own error") == failed.count("__main__.py") == 1
    assert "language_host" not in failed
    assert "python-exec" not in failed

    process = program.start("up", "--yes", "--skip-preview", mode="wait")
    wait_for((program.root / "started").exists, "the start of the program", DEADLINE)
    waiting = psutil.Process(int((program.root / "started").read_text()))
    process.send_signal(signal.SIGINT)
    output = process.communicate(timeout=DEADLINE)[0]
    assert "update canceled" in output
    assert "Traceback" not in output
    wait_for(
        lambda: not waiting.is_running() or waiting.status() == psutil.STATUS_ZOMBIE,
        "the end of the program",
        DEADLINE,
    )

    assert "2 unchanged" in program.run("up", "--yes", "--skip-preview")  # it was created; no lock is left
    assert program.run("stack", "output", "value").strip() == "seven"
    assert "2 unchanged" in program.run("refresh", "--yes")
    about = program.run("about")
    for part in (f"executable='{program.root}/.venv/bin/python'", "azure-native", "pulumi_azure_native"):
        assert part in about
    assert "- 2 deleted" in program.run("destroy", "--yes")
