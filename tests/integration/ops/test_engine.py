"""The commands that take a stack's lock, on a `pulumi` that is killed while it holds it."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ops.engine import Pulumi, PulumiError
from ops.locks import recovery
from ops.locks.locks import LockedError, read_claims, read_locks

STACK = "pr-7"
RUN = {"GITHUB_ACTIONS": "true", "GITHUB_RUN_ID": "42", "GITHUB_RUN_ATTEMPT": "1"}

KILLED = f"""\
#!{sys.executable}
# Prints its version, and that there is no stack. Any other command locks the stack, waits for the claim,
# and is killed.
import json, os, pathlib, shutil, signal, socket, sys, time
from datetime import UTC, datetime

if sys.argv[1] == "version":
    sys.exit(print("v3.274.1"))
if sys.argv[1:3] == ["stack", "ls"]:
    sys.exit(print("[]"))
root = pathlib.Path(os.environ["PULUMI_BACKEND_URL"].removeprefix("file://"))
lock = root / ".pulumi/locks/organization/p/{STACK}/x.json"
lock.parent.mkdir(parents=True)
held = {{"pid": os.getpid(), "username": "u", "hostname": socket.gethostname()}}
lock.write_text(json.dumps({{**held, "timestamp": datetime.now(UTC).isoformat()}}))
claims = root / ".ops/claims/p/{STACK}"
deadline = time.monotonic() + 20
while time.monotonic() < deadline:
    if any(json.loads(claim.read_text())["pid"] == os.getpid() for claim in claims.glob("*.json")):
        shutil.copytree(claims, root / "kept")  # the job's own end is clean here, a killed one's is not
        break
    time.sleep(0.01)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def pulumi(tmp_path: Path) -> Pulumi:
    (tmp_path / "Pulumi.yaml").write_text("name: p\n")
    program = tmp_path / "bin" / "pulumi"
    program.parent.mkdir()
    program.write_text(KILLED)
    program.chmod(0o755)
    environment = {"PATH": str(program.parent), "PULUMI_BACKEND_URL": f"file://{tmp_path}", **RUN}
    return Pulumi(tmp_path, environment)


CHANGES: list[Callable[[Pulumi], object]] = [
    lambda pulumi: pulumi.make_stack(STACK),
    lambda pulumi: pulumi.remove_stack(STACK),
    lambda pulumi: pulumi.up(STACK),
    lambda pulumi: pulumi.refresh(STACK),
    lambda pulumi: pulumi.destroy(STACK),
]


@pytest.mark.parametrize("change", CHANGES, ids=["init", "rm", "up", "refresh", "destroy"])
def test_the_lock_that_a_killed_job_left_is_known_to_be_stranded(
    pulumi: Pulumi, change: Callable[[Pulumi], object]
) -> None:
    with pytest.raises(PulumiError):
        change(pulumi)
    assert read_claims(pulumi.files, "p", STACK) == {}, "its own end was a clean one"
    shutil.copytree(pulumi.folder / "kept", pulumi.folder / ".ops/claims/p" / STACK, dirs_exist_ok=True)
    (claim,) = read_claims(pulumi.files, "p", STACK).values()
    (lock,) = read_locks(pulumi.files, "p", STACK)
    assert (claim.pid, claim.host) == (lock.pid, lock.host)
    assert claim.since <= lock.since


def test_a_stack_is_made_where_a_killed_job_left_only_its_lock(pulumi: Pulumi) -> None:
    with pytest.raises(PulumiError):
        recovery.make(pulumi, STACK, lambda _run, _attempt: "in_progress")
    shutil.copytree(pulumi.folder / "kept", pulumi.folder / ".ops/claims/p" / STACK, dirs_exist_ok=True)
    later = Pulumi(pulumi.folder, {**pulumi.environment, "GITHUB_RUN_ID": "43"})
    with pytest.raises(LockedError, match="its run is in progress"):
        recovery.make(later, STACK, lambda _run, _attempt: "in_progress")
    assert read_locks(pulumi.files, "p", STACK)
    no_stacks = "import sys; print('v3.274.1' if sys.argv[1] == 'version' else '[]')"
    (pulumi.folder / "bin" / "pulumi").write_text(f"#!{sys.executable}\n{no_stacks}\n")
    recovery.make(later, STACK, lambda _run, _attempt: "completed")
    assert not read_locks(pulumi.files, "p", STACK)
