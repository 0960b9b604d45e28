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
    Path("started").write_text(str(os.getpid()))
    time.sleep(600)

thing = Thing("seven")
pulumi.export("value", thing.value)
match os.environ.get("TEST_MODE"):
    case "raise":
        raise ValueError("the program's own error")
    case "exit":
        raise SystemExit(7)
    case "wait":
        thing.value.apply(wait_for_ever)
"""


@dataclass(frozen=True)
class Program:
    root: Path
    cli: Path

    def start(self, *arguments: str, **environment: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [self.cli, *arguments, "--non-interactive"],
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
                **environment,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *arguments: str, code: int = 0, **environment: str) -> str:
        process = self.start(*arguments, **environment)
        output = process.communicate(timeout=DEADLINE)[0]
        assert process.returncode == code, output
        return output

    def up(self, *, code: int = 0, **environment: str) -> str:
        return self.run("up", "--yes", "--skip-preview", "--stack", "dev", code=code, **environment)

    def waiting(self) -> tuple["subprocess.Popen[str]", psutil.Process]:
        """An `up` whose program waits after the resource was created, and the program."""
        process = self.start("up", "--yes", "--skip-preview", "--stack", "dev", TEST_MODE="wait")
        wait_for((self.root / "started").exists, "the start of the program", DEADLINE)
        wait_for(lambda: (self.root / "started").read_text() != "", "the id of the process", DEADLINE)
        return process, psutil.Process(int((self.root / "started").read_text()))


def is_gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The machine's CLI, with the language host of this checkout beside it."""
    installed = require(os.environ).path.resolve()
    folder = tmp_path_factory.mktemp("bin")
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
    return folder / "pulumi"


@pytest.fixture
def program(cli: Path, tmp_path: Path) -> Program:
    (tmp_path / "Pulumi.yaml").write_text(
        "name: tiny\nruntime: {name: python, options: {toolchain: pip, virtualenv: .venv}}\n"
    )
    (tmp_path / "__main__.py").write_text(PROGRAM)
    (tmp_path / ".venv").symlink_to(PROJECT / ".venv")
    program = Program(tmp_path, cli)
    program.run("stack", "init", "dev")
    return program


def test_a_dynamic_resource_is_previewed_created_refreshed_and_destroyed(program: Program) -> None:
    assert "+ 2 to create" in program.run("preview", "--stack", "dev")
    assert "+ 2 created" in program.up()
    assert program.run("stack", "output", "value", "--stack", "dev").strip() == "seven"
    assert "2 unchanged" in program.up()
    assert "2 unchanged" in program.run("refresh", "--yes", "--stack", "dev")
    assert "- 2 deleted" in program.run("destroy", "--yes", "--stack", "dev")


def test_a_program_that_raises_shows_its_own_traceback_once(program: Program) -> None:
    output = program.up(code=1, TEST_MODE="raise")

    assert output.count("ValueError: the program's own error") == 1
    assert output.count("__main__.py") == 1
    assert "language_host" not in output
    assert "python-exec" not in output


def test_the_exit_code_of_a_program_is_reported(program: Program) -> None:
    assert "Program exited with non-zero exit code: 7" in program.up(code=1, TEST_MODE="exit")


def test_an_interrupted_up_ends_the_program_and_keeps_what_was_created(program: Program) -> None:
    process, waiting = program.waiting()

    process.send_signal(signal.SIGINT)
    output = process.communicate(timeout=DEADLINE)[0]

    assert "update canceled" in output
    assert "Traceback" not in output
    wait_for(lambda: is_gone(waiting), "the end of the program", DEADLINE)
    assert "pulumi-python:dynamic:Resource" in program.run("stack", "--stack", "dev")
    assert "update canceled" not in program.up()  # no lock is left


def test_a_program_ends_with_a_cli_that_is_killed(program: Program) -> None:
    process, waiting = program.waiting()
    children = psutil.Process(process.pid).children(recursive=True)

    process.kill()
    process.wait()

    wait_for(lambda: is_gone(waiting), "the end of the program", DEADLINE)
    for child in children:  # the CLI's dynamic provider is Pulumi's own, and outlives a CLI that is killed
        if child.is_running():
            child.kill()


def test_about_names_the_programs_python_its_packages_and_plugins(program: Program) -> None:
    output = program.run("about")

    assert f"executable='{program.root}/.venv/bin/python'" in output
    assert f"version='{sys.version.split()[0]}'" in output
    assert "azure-native" in output
    assert "pulumi_azure_native" in output


def test_a_missing_virtual_environment_is_named_with_what_creates_it(program: Program) -> None:
    (program.root / ".venv").unlink()

    output = program.run("preview", "--stack", "dev", code=1)

    assert f"'virtualenv' names {program.root}/.venv" in output
    assert "make setup" in output
    assert "Traceback" not in output


def test_pulumi_install_creates_the_virtual_environment(program: Program) -> None:
    (program.root / ".venv").unlink()
    (program.root / "requirements.txt").write_text("# nothing\n")

    program.run("install", "--no-plugins")

    assert (program.root / ".venv" / "bin" / "python").exists()


def test_a_python_without_the_sdk_is_named(program: Program) -> None:
    bare = program.root / "bare python"
    bare.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "$@"\n')
    bare.chmod(0o755)

    output = program.run("preview", "--stack", "dev", code=1, PULUMI_LANGUAGE_HOST_PYTHON=str(bare))

    assert "cannot run the Python language host" in output
    assert "PULUMI_LANGUAGE_HOST_PYTHON" in output
    assert "Traceback" not in output
