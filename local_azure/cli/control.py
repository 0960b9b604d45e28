"""`start`, `stop`, `status` and `reset`."""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

from filelock import FileLock

from local_azure import process_ids, run_state
from local_azure.cli import gateway
from local_azure.cli.output import CommandError, counted, note, progress, say
from local_azure.home import PROJECT, Home
from local_azure.run_state import Run

T = TypeVar("T")

_INDENT = " " * 19

NOT_RUNNING = 3

_START_DEADLINE = 120.0
_STOP_DEADLINE = 30.0
_KILL_DEADLINE = 5.0


def start(home: Home, arguments: argparse.Namespace) -> None:
    run = run_state.find(home)
    if run is not None:
        say(f"Local Azure already runs in {home.root} (process {run.pid}).")
        if arguments.port is not None and arguments.port != run.gateway_port:
            raise CommandError(
                f"its gateway listens on port {run.gateway_port}, not {arguments.port}: "
                f"run `python -m local_azure stop` first."
            )
        return
    began = time.monotonic()
    run = launch(home, port=arguments.port, new_ports=arguments.new_ports)
    say(f"Local Azure runs in {home.root} (process {run.pid}), ready after {time.monotonic() - began:.1f} s.")
    if run.new_ports:
        say(
            "New ports for: " + ", ".join(run.new_ports) + ".\n"
            "Run `python -m local_azure pulumi up --refresh` to carry them into the stack."
        )


def ensure_running(home: Home) -> Run:
    """The running local Azure, started when it did not run. Raises CommandError."""
    run = run_state.find(home)
    if run is None:
        note("Starting local Azure.")
        run = launch(home)
    return run


def launch(home: Home, *, port: int | None = None, new_ports: bool = False) -> Run:
    """Starts the daemon and waits until it is ready. Raises CommandError with the errors in the daemon's log.

    The running local Azure when another `start` was first.
    """
    home.prepare()
    with FileLock(home.root / "start.lock"):
        return run_state.find(home) or _launch(home, port=port, new_ports=new_ports)


def _launch(home: Home, *, port: int | None, new_ports: bool) -> Run:
    home.logs.mkdir(exist_ok=True)
    log = home.logs / "daemon.log"
    # -E: PYTHONPATH and PYTHONSAFEPATH must not replace this checkout's code.
    command = [sys.executable, "-E", "-m", "local_azure.daemon", str(home.root)]
    command += ["--port", str(port)] if port is not None else []
    command += ["--new-ports"] if new_ports else []
    with log.open("ab") as output:
        log_start = output.tell()
        process = subprocess.Popen(
            command,
            cwd=PROJECT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )

    def new_log_text() -> str:
        with log.open("rb") as content:
            content.seek(min(log_start, log.stat().st_size))
            return content.read().decode(errors="replace").strip()

    def find_run() -> Run | None:
        run = run_state.find(home)
        # The lock may belong to another daemon, as that of an interrupted `start`; then this waits for it.
        if run is None and process.poll() is not None and not run_state.is_held(home):
            raise CommandError(f"local Azure did not start:\n{_errors(new_log_text())}\n(from {log})")
        return run

    def last_step() -> str:
        return new_log_text().rpartition("\n")[2].rpartition(" INFO ")[2]

    run = _wait_for("starting local Azure", find_run, _START_DEADLINE, last_step)
    if run is not None:
        return run
    process.terminate()
    holder, late = run_state.holder(home), f"was not ready within {_START_DEADLINE:g} s"
    if run_state.is_held(home) and holder != process.pid:
        raise CommandError(
            f"process {holder} runs local Azure in {home.root} and {late}: end it with "
            "`python -m local_azure stop`, then start again."
        )
    raise CommandError(f"local Azure {late}:\n{new_log_text()}\n(from {log})")


def stop(home: Home, _: argparse.Namespace) -> None:
    say("Local Azure is stopped." if end(home) else f"Local Azure does not run in {home.root}.")


def end(home: Home) -> bool:
    """Stops the daemon; False when there was none. Raises CommandError."""
    if not run_state.is_held(home):
        return False
    pid = run_state.holder(home)
    if pid is None:
        raise CommandError(f"{home.lock_file} is locked by a process that has not written its id into it.")
    for number, deadline in ((signal.SIGTERM, _STOP_DEADLINE), (signal.SIGKILL, _KILL_DEADLINE)):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return True
        except PermissionError as error:
            raise CommandError(f"process {pid} runs local Azure and belongs to another user.") from error
        if _wait_for("stopping local Azure", lambda: not run_state.is_held(home) or None, deadline):
            return True
    raise CommandError(f"process {pid} does not end.")


def _end_at_once(home: Home) -> None:
    """Stops the daemon without saving data: without its lock file it kills its children and ends."""
    pid = run_state.holder(home) if run_state.is_held(home) else None
    if pid is None:
        return
    note("Stopping local Azure.")
    home.lock_file.unlink(missing_ok=True)
    if not _wait_for("stopping local Azure", lambda: not process_ids.runs(pid) or None, _KILL_DEADLINE):
        os.kill(pid, signal.SIGKILL)


def status(home: Home, arguments: argparse.Namespace) -> int:
    run = run_state.find(home)
    if run is None:
        state = "starting or stopping" if run_state.is_held(home) else "not running"
        if arguments.json:
            say(json.dumps({"running": False, "state": state, "home": str(home.root)}))
        else:
            say(f"Local Azure is {state} in {home.root}.")
        return NOT_RUNNING
    details = gateway.status(home, run)
    if arguments.json:
        state = {"running": True, "home": str(home.root), "pid": run.pid, "started": run.started}
        say(json.dumps({**state, **details}, indent=2))
    else:
        since = timedelta(seconds=int(time.time() - run.started))
        say(f"Local Azure runs in {home.root} (process {run.pid}, for {since}).")
        say("\n".join(_lines(details)))
    return 0


def reset(home: Home, arguments: argparse.Namespace) -> int:
    if not home.root.exists():
        say(f"There is no local Azure in {home.root}: nothing to remove.")
        return 0
    if not home.is_made:
        raise CommandError(f"{home.root} is not a home of local Azure, so nothing in it was removed.")
    if not arguments.yes:
        if not sys.stdin.isatty():
            raise CommandError(
                "reset removes every resource and all data of local Azure: confirm with --yes."
            )
        answer = input(f"Remove local Azure with all its data in {home.root}? [y/N] ")
        if answer.strip().lower() not in {"y", "yes"}:
            say("Nothing was removed.")
            return 1
    _end_at_once(home)
    shutil.rmtree(home.root)
    say(f"{home.root} is removed.")
    return 0


def _wait_for(
    title: str, find: Callable[[], T | None], deadline: float, current_step: Callable[[], str] = str
) -> T | None:
    """What `find` returns before the deadline (in seconds), else None."""
    end_at, pause = time.monotonic() + deadline, 0.02
    with progress(title) as show:
        while (value := find()) is None and time.monotonic() < end_at:
            show(current_step())
            time.sleep(pause)
            pause = min(pause * 1.3, 0.25)
    return value


def _errors(log_text: str) -> str:
    """The errors in the log of a failed start, without the steps before them; the whole log for a crash."""
    return log_text.partition(" ERROR ")[2] or log_text


def _lines(details: dict[str, Any]) -> list[str]:
    lines = [
        f"  provider         127.0.0.1:{details['provider']['port']}",
        f"  gateway          {details['gateway']['url']}",
    ]
    for account in details["storageAccounts"]:
        state = f"Azurite runs (process {account['pid']})" if account["alive"] else "Azurite is restarting"
        lines.append(f"  storage account  {account['name']}  {state}{_restarts(account)}")
        lines += [f"{_INDENT}{name:5}  {url}" for name, url in account["endpoints"].items()]
    for account in details["openAIAccounts"]:
        lines.append(f"  OpenAI account   {account['name']}  {account['endpoint']}")
    for site in details["sites"]:
        lines.append(f"  function app     {site['name']}  {site['state']}{_restarts(site)}")
        notes = [f"https://{site['hosts']['default']}"]
        notes += [f"functions: {', '.join(site['functions'])}"] if site["functions"] else []
        notes += [f"error: {error}" for error in site["errors"]]
        notes += [f"note: {notice}" for notice in site["notices"]]
        notes += ["no code was deployed yet"] if site["deployment"] is None else []
        lines += [f"{_INDENT}{text}" for text in notes]
    if not (details["storageAccounts"] or details["sites"]):
        lines.append("  no resources yet: `python -m local_azure pulumi up`")
    return lines


def _restarts(process: dict[str, Any]) -> str:
    return f", restarted {counted(process['restarts'], 'time')}" if process["restarts"] else ""
