"""`runner up`, `runner down` and `runner outputs`. The program runs in this process."""

import argparse
import asyncio
import fcntl
import json
import os
import runpy
import traceback
from pathlib import Path
from time import monotonic
from typing import Any

import pulumi
from pulumi.runtime import Settings, configure, run_in_stack

from local_azure.cli.control import ensure_running
from local_azure.cli.environment import pulumi_environment
from local_azure.cli.output import CommandError, note, say
from local_azure.cli.pulumi_state import cli_resources
from local_azure.frontends.pulumi import values
from local_azure.home import Home
from local_azure.runner.monitor import STACK, Monitor, connected, delete
from local_azure.runner.project import Project, read_project
from local_azure.runner.record import Record, record_file
from local_azure.services import catalogue
from tools.pulumi import typed


def runner(home: Home, arguments: argparse.Namespace) -> int:
    """`arguments.action` and `.stack`. Raises CommandError."""
    began, action, stack = monotonic(), arguments.action, arguments.stack
    project = read_project(Path.cwd(), stack)
    file = record_file(home, project.name, stack)
    if action == "outputs":
        exports = [entry.outputs for urn, entry in Record(file).entries.items() if STACK in urn] or [{}]
        say(json.dumps(exports[0], indent=2, sort_keys=True))
        return 0
    if cli_resources(home, project.name, stack):
        advice = "go on with it (`make pulumi` installs it), or remove all of local Azure: `make clean`"
        raise CommandError(f"the Pulumi CLI made the stack {stack}: {advice}.")
    note("The minimal runner. `make pulumi` installs the CLI: previews, refresh, state, `pulumi config`.")
    home.prepare()
    file.parent.mkdir(mode=0o700, exist_ok=True)
    with file.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CommandError(f"another run changes the stack {stack}: wait until it ends.") from error
        if (record := Record(file)).entries or action == "up":
            _change(home, project, record, up=action == "up")
    note(f"The stack {stack} is {action} ({monotonic() - began:.0f} s).")
    return 0


def _change(home: Home, project: Project, record: Record, *, up: bool) -> None:
    """Runs the program, if `up`, and deletes what it did not declare; the first pass only checks."""
    run, declared = ensure_running(home), set[str]()
    environment = pulumi_environment(home, run, os.environ)
    os.environ.clear()
    os.environ.update(environment, PULUMI_PROJECT=project.name, PULUMI_CONFIG=json.dumps(project.config))
    os.environ.update({typed.VARIABLE: typed.RUNNER, "PULUMI_STACK": project.stack})
    os.chdir(project.root)
    with connected(run.provider_port, project.config) as providers:
        for checking in (True, False):
            if up:
                note("Checking the program." if checking else "Creating and updating.")
                monitor = Monitor(record, providers, checking=checking)
                _run(project, monitor)
                declared = monitor.declared
                for limit in catalogue.limits(map(values.type_of, declared)) if checking else ():
                    note(f"warning: {limit}")
                if monitor.problems:
                    raise CommandError("\n  ".join(["nothing was changed:", *monitor.problems]))
            if declared <= record.entries.keys():  # the outputs of new resources may lead to more of them
                delete(record, providers, record.entries.keys() - declared, checking=checking)


def _run(project: Project, monitor: Monitor) -> None:
    async def main() -> None:
        settings: Any = Settings(project.name, project.stack, monitor, dry_run=monitor.checking)
        settings.organization, settings.root_directory = "organization", project.root
        configure(settings)  # in the context of this task only
        asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)  # handled below
        await run_in_stack(lambda: runpy.run_path(project.root, run_name="__main__"))  # pyright: ignore[reportArgumentType]

    try:
        asyncio.run(main())  # waits for the running steps, also after a failure
    except (CommandError, pulumi.RunError) as error:
        raise CommandError(str(error)) from error
    except Exception as error:
        frames = enumerate(reversed(traceback.extract_tb(error.__traceback__)))
        own = next(number for number, frame in frames if frame.filename in {__file__, "<frozen runpy>"})
        raise CommandError(f"the program failed:\n{traceback.format_exc(limit=-own)}") from error
