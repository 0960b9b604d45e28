"""The CLI as a process: the claims of its commands, its output and its end."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from local_azure import process_ids
from ops import engine
from ops.commands.pull_request_stack import StepError, run_tests
from ops.engine import Pulumi, PulumiError
from ops.locks.locks import read_claim, read_locks
from ops.output import TerminatedError
from ops.release.smoke import Target

STACK = "pr-7"
RUN = {"GITHUB_ACTIONS": "true", "GITHUB_RUN_ID": "42", "GITHUB_RUN_ATTEMPT": "1"}

KILLED = f"""
# Prints that there is no stack. Any other command locks the stack, waits for the claim, and is killed.
import pathlib, shutil, signal, socket, time
from datetime import UTC, datetime

if sys.argv[1:3] == ["stack", "ls"]:
    sys.exit(print("[]"))
root = pathlib.Path(os.environ["PULUMI_BACKEND_URL"].removeprefix("file://"))
lock = root / ".pulumi/locks/organization/p/{STACK}/x.json"
lock.parent.mkdir(parents=True)
held = {{"pid": os.getpid(), "username": "u", "hostname": socket.gethostname()}}
lock.write_text(json.dumps({{**held, "timestamp": datetime.now(UTC).isoformat()}}))
claim = root / f".ops/claims/p/{STACK}/{{os.getpid()}}.json"
deadline = time.monotonic() + 20
while time.monotonic() < deadline:
    if claim.exists():
        shutil.copy(claim, root / "kept")  # this test's own process ends normally, and removes the claim
        break
    time.sleep(0.01)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def pulumi(tmp_path: Path) -> Pulumi:
    (tmp_path / "Pulumi.yaml").write_text("name: p\n")
    environment = {"PATH": f"{tmp_path}/bin", "PULUMI_BACKEND_URL": f"file://{tmp_path}", **RUN}
    return Pulumi(tmp_path, environment)


def program(pulumi: Pulumi, code: str) -> None:
    """Make `code` the program of the CLI."""
    path = pulumi.folder / "bin" / "pulumi"
    path.parent.mkdir(exist_ok=True)
    version = "import json, os, sys\nif sys.argv[1] == 'version':\n    sys.exit(print('v3.274.1'))\n"
    path.write_text(f"#!{sys.executable}\n{version}{code}")
    path.chmod(0o755)


CHANGES = [Pulumi.make_stack, Pulumi.remove_stack, Pulumi.up, Pulumi.refresh, Pulumi.destroy]


@pytest.mark.parametrize("change", CHANGES)
def test_the_claim_of_a_killed_command_matches_its_lock(
    pulumi: Pulumi, change: Callable[[Pulumi, str], object]
) -> None:
    program(pulumi, KILLED)
    with pytest.raises(PulumiError):
        change(pulumi, STACK)
    (lock,) = read_locks(pulumi.files, "p", STACK)
    assert read_claim(pulumi.files, "p", STACK, lock.pid) is None
    pulumi.files.write(f".ops/claims/p/{STACK}/{lock.pid}.json", (pulumi.folder / "kept").read_bytes())

    claim = read_claim(pulumi.files, "p", STACK, lock.pid)
    assert claim is not None
    assert (claim.pid, claim.host) == (lock.pid, lock.host)
    assert claim.since <= lock.since
    assert claim.command.startswith("pulumi ")
    assert not process_ids.runs(lock.pid)
    assert process_ids.runs(os.getpid())


def test_output_is_shown_while_the_command_runs_or_is_part_of_its_error(
    pulumi: Pulumi, capsys: pytest.CaptureFixture[str]
) -> None:
    program(
        pulumi, "print(' '.join(sys.argv[1:]), flush=True); print('details', file=sys.stderr); sys.exit(3)\n"
    )

    with pytest.raises(
        PulumiError, match=r"`pulumi up --x` ended with exit code 3. Its output is printed"
    ) as shown:
        pulumi.run("up", "--x", show=True)
    assert capsys.readouterr().err == "up --x --non-interactive --color never\ndetails\n"
    assert (shown.value.code, shown.value.output) == (3, "up --x --non-interactive --color never\ndetails\n")

    with pytest.raises(PulumiError, match=r"(?s)ended with exit code 3.*up --x.*details"):
        pulumi.run("up", "--x")
    completed = pulumi.run("up", may_fail=True)
    assert (completed.code, completed.stderr) == (3, "details\n")
    assert capsys.readouterr().err == ""


def test_an_unknown_stack_is_refused_with_the_existing_ones(pulumi: Pulumi) -> None:
    program(
        pulumi,
        """if sys.argv[1:3] == ["stack", "ls"]:
    sys.exit(print('[{"name": "organization/p/dev"}, {"name": "prod"}]'))
print("error: no stack named 'dve' found", file=sys.stderr)
sys.exit(6)
""",
    )
    with pytest.raises(PulumiError, match=r"(?s)--stack dve` ended with exit code 6.*there are: dev, prod"):
        pulumi.export("dve")


@pytest.mark.parametrize("error", [TerminatedError, ValueError, KeyboardInterrupt])
def test_a_signal_reaches_the_cli_once_and_its_end_is_waited_for(
    pulumi: Pulumi, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    """Ctrl-C in a terminal reaches the CLI, too; a second signal would make it exit at once."""
    program(
        pulumi,
        "import signal, time\n"
        "signal.signal(signal.SIGINT, lambda *_: (os.write(1, b'saved\\n'), os._exit(0)))\n"
        "print('up', flush=True)\n"
        "time.sleep(20)\n",
    )
    pids: list[int] = []
    lines: list[str] = []

    def interrupt(line: str) -> None:
        lines.append(line)
        if line == "up":
            if error is KeyboardInterrupt:
                os.kill(pids[0], signal.SIGINT)
            raise error

    monkeypatch.setattr(engine, "note", interrupt)

    with pytest.raises(error):
        pulumi.run("up", show=True, started=pids.append)

    assert lines == ["up", "saved"]
    assert not process_ids.runs(pids[0])


def test_the_end_to_end_tests_get_the_app_and_their_output_has_no_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tests = tmp_path / "tests" / "e2e"
    tests.mkdir(parents=True)
    names = ("E2E_FUNCTION_KEY", "E2E_ASSISTANTS_URL", "E2E_TABLE_ENDPOINT", "E2E_PASSES")
    (tests / "test_app.py").write_text(
        f"import os\ndef test_app():\n    print([os.environ[name] for name in {names}])\n"
        "    assert os.environ['E2E_PASSES']\n"
    )
    target = Target("g", "app", "https://app.example", "https://t.example")
    environment = {"PATH": os.environ["PATH"]}

    run_tests(Pulumi(tmp_path, {**environment, "E2E_PASSES": "1"}), target, "s3cret-key")
    with pytest.raises(StepError, match="the end-to-end tests: exit code 1") as failed:
        run_tests(Pulumi(tmp_path, {**environment, "E2E_PASSES": ""}), target, "s3cret-key")

    for output in (failed.value.output, capsys.readouterr().err):
        assert "['***', 'https://app.example/api/assistants', 'https://t.example', '']" in output
        assert "s3cret-key" not in output
