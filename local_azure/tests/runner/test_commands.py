"""`runner up` and `runner down`: what ends them before they change anything, and a program that fails."""

import argparse
import fcntl
import json
from pathlib import Path

import pytest

from local_azure.cli.output import CommandError
from local_azure.cli.pulumi_state import state_file
from local_azure.home import Home
from local_azure.runner import commands
from local_azure.runner.monitor import Monitor
from local_azure.runner.project import Project
from local_azure.runner.record import Record, record_file
from local_azure.tests.runner.fakes import FakeProvider


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    (tmp_path / "Pulumi.yaml").write_text("name: demo\nruntime: python\n")
    (tmp_path / "Pulumi.local.yaml").write_text("")
    monkeypatch.chdir(tmp_path)
    return Home(tmp_path / "home")


def refusal(home: Home, action: str) -> str:
    with pytest.raises(CommandError) as error:
        commands.runner(home, argparse.Namespace(action=action, stack="local"))
    return str(error.value)


@pytest.mark.parametrize("action", ["up", "down"])
def test_a_stack_that_another_run_changes_or_that_the_cli_made_is_left_alone(home: Home, action: str) -> None:
    file = record_file(home, "demo", "local")
    home.prepare()
    file.parent.mkdir()
    with file.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "another run changes the stack local" in refusal(home, action)
    state = state_file(home.backend, "demo", "local")
    state.parent.mkdir(parents=True)
    resource = {"urn": "u", "type": "azure-native:resources:ResourceGroup", "custom": True}
    state.write_text(json.dumps({"checkpoint": {"latest": {"resources": [resource]}}}))
    message = refusal(home, action)
    for part in ("the Pulumi CLI made the stack local", "make pulumi", "make clean"):
        assert part in message


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (
            "def broken():\n    raise LookupError('no such thing')\nbroken()\n",
            'the program failed:\nTraceback (most recent call last):\n  File "{main}", line 3, in <module>\n'
            "    broken()\n"
            '  File "{main}", line 2, in broken\n',
        ),
        ("import pulumi\nraise pulumi.RunError('2 settings cannot be used')\n", "2 settings cannot be used"),
    ],
)
def test_a_failed_program_shows_its_own_traceback_or_its_message_alone(
    tmp_path: Path, program: str, message: str
) -> None:
    (tmp_path / "__main__.py").write_text(program)
    project = Project("demo", str(tmp_path), "local", {})
    monitor = Monitor(Record(tmp_path / "r.json"), FakeProvider().providers(), checking=True)

    with pytest.raises(CommandError) as error:
        commands._run(project, monitor)  # pyright: ignore[reportPrivateUsage]

    # From 3.13 on a line of ~ and ^ stands below each call.
    text = "".join(line for line in str(error.value).splitlines(keepends=True) if line.strip(" ~^\n"))
    assert text.startswith(message.format(main=tmp_path / "__main__.py"))
    assert ("LookupError: no such thing" in str(error.value)) == ("broken" in program)
