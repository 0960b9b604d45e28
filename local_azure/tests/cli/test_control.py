"""`python -m local_azure` as a user runs it: processes, exit codes and output."""

import contextlib
import json
import os
import shutil
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from local_azure import process_ids, run_state
from local_azure.__main__ import main
from local_azure.cli import control
from local_azure.cli.output import CommandError
from local_azure.core import ids
from local_azure.core.store import SUBSCRIPTION_ID, Resource, Store
from local_azure.home import ENVIRONMENT_VARIABLE, PROJECT, Home
from local_azure.tests.cli.conftest import bad, cli, environment, good
from tests.polling import wait_for

ACCOUNT = ids.build(ids.resource_group(SUBSCRIPTION_ID, "rg"), "Microsoft.Storage/storageAccounts", "acc1")


def pid_of(home: Home) -> int:
    return json.loads(home.run_file.read_text())["pid"]


def daemons(home: Home) -> list[int]:
    """Process ids of every daemon of this home."""
    pids: list[int] = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            command = process.cmdline()
            if "local_azure.daemon" in command and str(home.root) in command:
                pids.append(process.pid)
    return pids


@pytest.fixture
def account_home(home: Home) -> Home:
    """Its store has the storage account acc1."""
    home.prepare()
    Store(home.store_file).put(Resource(id=ACCOUNT, name="acc1", type=ids.type_of(ACCOUNT), properties={}))
    return home


def account_state(home: Home) -> dict[str, Any]:
    (account,) = json.loads(good(cli(home, "status", "--json")))["storageAccounts"]
    return account


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
    wait_for(lambda: daemons(home) == [], "the daemon has ended")
    assert "does not run" in good(cli(home, "stop"))
    assert cli(home, "status").returncode == 3


def test_modules_on_pythonpath_do_not_take_the_place_of_its_own(home: Home, tmp_path: Path) -> None:
    for name in ("aiohttp", "azure", "infra"):
        (tmp_path / "others" / name).mkdir(parents=True)
        (tmp_path / "others" / name / "__init__.py").write_text("raise SystemExit('the wrong one')")
    variables = {"PYTHONPATH": f"{PROJECT}:{tmp_path / 'others'}", "PYTHONSAFEPATH": "1"}
    good(cli(home, "start", env={**environment(home), **variables}))


def test_concurrent_commands_start_a_single_local_azure(home: Home) -> None:
    with ThreadPoolExecutor() as pool:
        programs = [pool.submit(cli, home, "exec", "--", "true") for _ in range(3)]
        programs += [pool.submit(cli, home, "start") for _ in range(2)]
    for program in programs:
        good(program.result())
    assert daemons(home) == [pid_of(home)]


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
    wait_for(lambda: daemons(home) == [new], "the old daemon has ended")
    good(cli(home, "status"))


def test_a_start_beside_a_daemon_that_does_not_get_ready_says_how_to_end_it(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.prepare()
    monkeypatch.setattr(control, "_START_DEADLINE", 0)
    with (
        run_state.hold(home),
        pytest.raises(CommandError, match=f"process {os.getpid()} (.|\n)*python -m local_azure stop"),
    ):
        control.launch(home)


def test_two_homes_run_side_by_side(home: Home, tmp_path: Path) -> None:
    other = Home(tmp_path / "other")
    try:
        good(cli(home, "start"))
        good(cli(other, "start"))
        first, second = (json.loads(good(cli(running, "status", "--json"))) for running in (home, other))
        assert first["gateway"] != second["gateway"]
    finally:
        cli(other, "stop")


def test_a_chosen_port_is_the_gateways_and_is_not_replaced_by_another(home: Home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert f"Port {port}" in bad(cli(home, "start", "--port", port))
    good(cli(home, "start", "--port", port))
    assert port in good(cli(home, "status"))
    assert "stop" in bad(cli(home, "start", "--port", str(int(port) - 1)))


def test_stored_resources_are_open_again_after_stop_and_after_kill(account_home: Home) -> None:
    home = account_home
    good(cli(home, "start"))
    before = account_state(home)
    assert "acc1" in good(cli(home, "status"))
    for table in ("Nothing", "no/table"):
        assert f"no table {table!r}; it has: none." in bad(cli(home, "rows", table))
    assert "there are: acc1" in bad(cli(home, "rows", "T", "--account", "other"))
    good(cli(home, "stop"))
    good(cli(home, "start"))
    account = account_state(home)
    assert account["endpoints"] == before["endpoints"]
    os.kill(pid_of(home), signal.SIGKILL)
    wait_for(lambda: not run_state.is_held(home), "the daemon has ended")
    wait_for(lambda: not process_ids.runs(account["pid"]), "Azurite has ended")
    assert cli(home, "status").returncode == 3
    good(cli(home, "start"))
    assert account_state(home)["endpoints"] == before["endpoints"]


def test_a_taken_port_is_named_and_new_ports_replace_it(account_home: Home) -> None:
    home = account_home
    good(cli(home, "start"))
    before = account_state(home)["endpoints"]
    good(cli(home, "stop"))
    port = int(before["table"].split(":")[2].split("/")[0])
    with socket.create_server(("127.0.0.1", port)):
        message = bad(cli(home, "start"))
        for part in (f"Port {port}", "storage account acc1 table", f"process {os.getpid()}", "--new-ports"):
            assert part in message
        output = good(cli(home, "start", "--new-ports"))
    assert "storage account acc1 table" in output
    assert "pulumi up --refresh" in output
    now = account_state(home)["endpoints"]
    assert (now["blob"], now["table"] == before["table"]) == (before["blob"], False)
    account = Store(home.store_file).require(ACCOUNT)
    assert account.get("properties", {})["primaryEndpoints"] == now


def test_reset_leaves_nothing(home: Home) -> None:
    good(cli(home, "start"))
    assert "--yes" in bad(cli(home, "reset")), "there is no terminal for the question"
    good(cli(home, "reset", "--yes"))
    assert not home.root.exists()
    wait_for(lambda: daemons(home) == [], "the daemon has ended")
    assert "nothing to remove" in good(cli(home, "reset", "--yes"))


def test_reset_and_start_leave_other_folders_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    for command in (("reset", "--yes"), ("start",)):
        assert str(tmp_path) in bad(cli(Home(tmp_path), *command))
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_damaged_store_stops_the_start_and_is_kept(home: Home) -> None:
    home.prepare()
    home.store_file.write_text("{")
    assert str(home.store_file) in bad(cli(home, "start"))
    assert home.store_file.read_text() == "{"


@pytest.mark.parametrize("words", [(), ("what",), ("start", "--port", "70000"), ("rows",)])
def test_wrong_usage_has_its_own_exit_code(words: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([*words])


@pytest.mark.parametrize("command", [("keys",), ("rows", "ChatState"), ("model", "requests")])
def test_a_command_that_needs_local_azure_names_the_start(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: tuple[str, ...],
) -> None:
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(tmp_path))
    assert main([*command]) == 1
    assert "python -m local_azure start" in capsys.readouterr().err
