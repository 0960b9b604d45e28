"""`python -m local_azure` as a person runs it: processes, exit codes and words."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from local_azure import process_ids, run_state
from local_azure.cli import control
from local_azure.cli.output import CommandError
from local_azure.core import ids
from local_azure.core.store import SUBSCRIPTION_ID, Resource, Store
from local_azure.home import ENVIRONMENT_VARIABLE, PROJECT, Home

DEADLINE = 60.0
ACCOUNT = ids.build(ids.resource_group(SUBSCRIPTION_ID, "rg"), "Microsoft.Storage/storageAccounts", "acc1")

Done = subprocess.CompletedProcess[str]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path / "home")
    yield home
    cli(home, "stop")


def cli(home: Home, *words: str, env: dict[str, str] | None = None) -> Done:
    environment = {**os.environ, ENVIRONMENT_VARIABLE: str(home.root), **(env or {})}
    return subprocess.run(
        [sys.executable, "-m", "local_azure", *words],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE,
        stdin=subprocess.DEVNULL,
    )


def good(done: Done) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout


def pid_of(home: Home) -> int:
    return json.loads(home.run_file.read_text())["pid"]


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, "not within the deadline"
        time.sleep(0.02)


def daemons(home: Home) -> list[int]:
    """Process ids of every daemon of this home."""
    found: list[int] = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            command = process.cmdline()
            if "local_azure.daemon" in command and str(home.root) in command:
                found.append(process.pid)
    return found


def with_an_account(home: Home) -> None:
    home.prepare()
    Store(home.store_file).put(Resource(id=ACCOUNT, name="acc1", type=ids.type_of(ACCOUNT), properties={}))


def endpoints(home: Home) -> dict[str, str]:
    (account,) = json.loads(good(cli(home, "status", "--json")))["storageAccounts"]
    return account["endpoints"]


def test_from_start_to_stop(home: Home) -> None:
    assert cli(home, "status").returncode == 3
    assert "runs in" in good(cli(home, "start"))
    state = json.loads(good(cli(home, "status", "--json")))
    assert (state["running"], state["pid"]) == (True, pid_of(home))
    assert "no resources yet" in good(cli(home, "status"))
    assert "already runs" in good(cli(home, "start"))
    assert state["pid"] == pid_of(home)
    assert "ready" in good(cli(home, "logs", "daemon"))
    good(cli(home, "stop"))
    until(lambda: daemons(home) == [])
    assert "does not run" in good(cli(home, "stop"))
    assert cli(home, "status").returncode == 3


def test_modules_on_pythonpath_do_not_take_the_place_of_its_own(home: Home, tmp_path: Path) -> None:
    for name in ("aiohttp", "azure", "infra"):
        (tmp_path / "others" / name).mkdir(parents=True)
        (tmp_path / "others" / name / "__init__.py").write_text("raise SystemExit('the wrong one')")
    variables = {"PYTHONPATH": f"{PROJECT}:{tmp_path / 'others'}", "PYTHONSAFEPATH": "1"}
    good(cli(home, "start", env=variables))


def test_two_starts_at_once_make_one_local_azure(home: Home) -> None:
    def start(_: int) -> Done:
        return cli(home, "start")

    with ThreadPoolExecutor() as pool:
        both = list(pool.map(start, range(2)))
    assert [done.returncode for done in both] == [0, 0], [done.stderr for done in both]
    assert daemons(home) == [pid_of(home)]
    good(cli(home, "stop"))
    until(lambda: daemons(home) == [])


def test_a_daemon_whose_home_was_removed_ends_and_leaves_the_next_one_alone(home: Home) -> None:
    """`rm -rf .local` leaves a process that no command can find, and that knows of no other in its folder."""
    good(cli(home, "start"))
    old = pid_of(home)
    # So that it looks for its home when the next one is ready.
    os.kill(old, signal.SIGSTOP)
    try:
        shutil.rmtree(home.root)
        good(cli(home, "start"))
    finally:
        os.kill(old, signal.SIGCONT)
    new = pid_of(home)
    until(lambda: daemons(home) == [new])
    good(cli(home, "status"))


def test_a_start_beside_a_daemon_that_does_not_get_ready_says_how_to_end_it(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.prepare()
    lock = run_state.hold(home)
    monkeypatch.setattr(control, "_START_DEADLINE", 0)
    try:
        with pytest.raises(CommandError, match=f"process {os.getpid()} (.|\n)*python -m local_azure stop"):
            control.launch(home)
    finally:
        os.close(lock)


def test_two_homes_run_side_by_side(home: Home, tmp_path: Path) -> None:
    other = Home(tmp_path / "other")
    try:
        good(cli(home, "start"))
        good(cli(other, "start"))
        first, second = (json.loads(good(cli(one, "status", "--json"))) for one in (home, other))
        assert first["gateway"] != second["gateway"]
    finally:
        cli(other, "stop")


def test_a_chosen_port_is_the_gateways(home: Home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    good(cli(home, "start", "--port", str(port)))
    assert str(port) in good(cli(home, "status"))
    refused = cli(home, "start", "--port", str(port - 1))
    assert (refused.returncode, "stop" in refused.stderr) == (1, True)


def test_a_chosen_port_that_is_taken_is_not_replaced_by_another(home: Home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = cli(home, "start", "--port", str(port))
    assert (refused.returncode, f"Port {port}" in refused.stderr) == (1, True)


def test_what_is_in_the_store_is_open_again_after_stop_and_after_kill(home: Home) -> None:
    with_an_account(home)
    good(cli(home, "start"))
    before = endpoints(home)
    assert "acc1" in good(cli(home, "status"))
    good(cli(home, "stop"))
    good(cli(home, "start"))
    assert endpoints(home) == before
    (account,) = json.loads(good(cli(home, "status", "--json")))["storageAccounts"]
    os.kill(pid_of(home), signal.SIGKILL)
    until(lambda: not run_state.is_held(home))
    until(lambda: not process_ids.runs(account["pid"]))
    assert cli(home, "status").returncode == 3
    good(cli(home, "start"))
    assert endpoints(home) == before


def test_a_taken_port_is_named_and_new_ports_are_the_way_out(home: Home) -> None:
    with_an_account(home)
    good(cli(home, "start"))
    before = endpoints(home)
    good(cli(home, "stop"))
    port = int(before["table"].split(":")[2].split("/")[0])
    with socket.create_server(("127.0.0.1", port)):
        refused = cli(home, "start")
        assert refused.returncode == 1
        for part in (f"Port {port}", "storage account acc1 table", f"process {os.getpid()}", "--new-ports"):
            assert part in refused.stderr
        told = good(cli(home, "start", "--new-ports"))
    assert "storage account acc1 table" in told
    assert "pulumi up --refresh" in told
    now = endpoints(home)
    assert (now["blob"], now["table"] == before["table"]) == (before["blob"], False)
    account = Store(home.store_file).require(ACCOUNT)
    assert account.get("properties", {})["primaryEndpoints"] == now


def test_the_rows_of_a_table_are_shown(home: Home) -> None:
    with_an_account(home)
    good(cli(home, "start"))
    missing = cli(home, "rows", "Nothing")
    assert (missing.returncode, "no table 'Nothing'" in missing.stderr) == (1, True)
    unknown = cli(home, "rows", "T", "--account", "other")
    assert (unknown.returncode, "acc1" in unknown.stderr) == (1, True)


def test_reset_leaves_nothing(home: Home) -> None:
    good(cli(home, "start"))
    assert cli(home, "reset").returncode == 1, "without a terminal to ask on, --yes is needed"
    good(cli(home, "reset", "--yes"))
    assert not home.root.exists()
    until(lambda: daemons(home) == [])
    assert "nothing to remove" in good(cli(home, "reset", "--yes"))


def test_reset_and_start_leave_other_folders_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    for command in (("reset", "--yes"), ("start",)):
        done = cli(Home(tmp_path), *command)
        assert (done.returncode, str(tmp_path) in done.stderr) == (1, True)
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_damaged_store_stops_the_start_and_is_kept(home: Home) -> None:
    home.prepare()
    home.store_file.write_text("{")
    done = cli(home, "start")
    assert (done.returncode, str(home.store_file) in done.stderr) == (1, True)
    assert "Traceback" not in done.stderr
    assert home.store_file.read_text() == "{"


@pytest.mark.parametrize("words", [(), ("what",), ("start", "--port", "70000"), ("rows",)])
def test_wrong_usage_has_its_own_exit_code(home: Home, words: tuple[str, ...]) -> None:
    assert cli(home, *words).returncode == 2


@pytest.mark.parametrize("command", ["start", "stop", "status", "reset", "logs", "keys", "rows"])
def test_every_command_explains_itself_with_an_example(home: Home, command: str) -> None:
    assert f"example: python -m local_azure {command}" in good(cli(home, command, "--help"))


@pytest.mark.parametrize("command", [("keys",), ("rows", "ChatState")])
def test_what_needs_local_azure_says_how_to_start_it(home: Home, command: tuple[str, ...]) -> None:
    done = cli(home, *command)
    assert (done.returncode, "python -m local_azure start" in done.stderr) == (1, True)
