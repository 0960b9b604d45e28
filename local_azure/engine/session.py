"""One command on one stack: puts state, configuration, program, providers and display together."""

import asyncio
import json
import os
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from local_azure.engine import locks
from local_azure.engine.backend import Backend
from local_azure.engine.children import follow, port_of
from local_azure.engine.config import Config, Project, StackFile, read_config, read_stack_file
from local_azure.engine.crypto import Crypter, passphrase
from local_azure.engine.deletes import destroy
from local_azure.engine.deployment import Deployment, Target
from local_azure.engine.events import Listener, Message, Severity
from local_azure.engine.journal import Journal
from local_azure.engine.monitor import EngineService, MonitorService
from local_azure.engine.observation import Observation
from local_azure.engine.programs import Processes, start
from local_azure.engine.providers import Plugins, Registry, debug_ports
from local_azure.engine.refresh import refresh
from local_azure.engine.registrations import Registrations
from local_azure.engine.rpc import Server
from local_azure.engine.state import (
    ENGINE_VERSION,
    STACK_TYPE,
    Json,
    Snapshot,
    deployment_of,
    opened_with,
    read_snapshot,
    redacted,
    salt_of,
    sealed_with,
    write_checkpoint,
)
from local_azure.engine.values import Properties, reveal

Kind = str  # "update", "refresh" or "destroy"
_DYNAMIC = "pulumi-python:"


@dataclass(frozen=True)
class Stack:
    project: Project
    name: str
    backend: Backend
    environment: Mapping[str, str]
    config_file: Path | None = None
    """In place of `Pulumi.<name>.yaml` beside the project's file."""

    @property
    def file(self) -> Path:
        return self.config_file or self.project.root / f"Pulumi.{self.name}.yaml"

    @property
    def qualified(self) -> str:
        return f"organization/{self.project.name}/{self.name}"

    def load(self) -> Json:
        return self.backend.load(self.project.name, self.name)


async def _unlock(stack: Stack, file: StackFile, deployment: Json) -> tuple[Crypter, Crypter]:
    """The crypters of the state as it is and as it will be: the stack file's salt wins, as with the CLI.

    The key derivations run in threads, beside whatever else there is to do.
    """
    phrase = passphrase(dict(stack.environment))
    state_salt = salt_of(deployment)
    salts = {salt for salt in (file.salt, state_salt) if salt}
    if not salts:
        made = await asyncio.to_thread(Crypter.create, phrase)
        return made, made
    unlocked = {
        crypter.salt: crypter
        for crypter in await asyncio.gather(
            *(asyncio.to_thread(Crypter.unlock, phrase, salt) for salt in salts)
        )
    }
    new = unlocked[file.salt or cast(str, state_salt)]
    return unlocked[state_salt] if state_salt else new, new


@dataclass
class Report:
    """How a run ended."""

    failed: bool
    stopped: bool
    counts: Mapping[str, int]
    outputs: tuple[Properties | None, Properties | None] | None
    duration: float
    config: Config
    kept: int
    """Resources that a destroy was told to keep: the protected ones and what they need."""

    @property
    def changed(self) -> bool:
        return any(number for op, number in self.counts.items() if op not in ("same", "read"))


@dataclass(frozen=True)
class _Services:
    """What the run's server offers, and where."""

    address: str
    engine: EngineService
    monitor: MonitorService


@dataclass
class Run:
    """One preview, update, refresh or destroy of a stack."""

    stack: Stack
    kind: Kind
    preview: bool
    display: Listener
    processes: Processes | None = None
    """The program's, starting already: for `update`, and where refresh or destroy run the program first."""
    refresh: bool = False
    exclude_protected: bool = False
    clear_pending_creates: bool = False
    parallel: int = field(default_factory=lambda: 4 * (os.cpu_count() or 1))
    message: str = ""
    began: float = field(default_factory=time.time)

    @property
    def _dry(self) -> bool:
        """Whether the program is told that nothing is carried out."""
        return self.preview or self.kind != "update"

    async def execute(self) -> Report:
        with ExitStack() as held:
            if not self.preview:
                folder, project, name = self.stack.backend.folder, self.stack.project.name, self.stack.name
                held.enter_context(locks.locked(folder, project, name))
            file = read_stack_file(self.stack.file)
            deployment = deployment_of(self.stack.load())
            # The derivation of the key takes 0.2 s: it runs while the program imports its modules.
            unlocking = asyncio.create_task(_unlock(self.stack, file, deployment))
            server = Server()
            try:
                crypter = (await unlocking)[1] if file.has_secrets else None
                config = read_config(self.stack.project, self.stack.name, file, crypter)
                engine = EngineService(self.display)
                monitor = MonitorService(
                    self.stack.project, self.stack.name, preview=self._dry, parallel=self.parallel
                )
                engine.add_to(server)
                monitor.add_to(server)
                services = _Services(await server.start(), engine, monitor)
                return await self._run(deployment, config, unlocking, services)
            finally:
                unlocking.cancel()
                await server.stop()

    async def _run(
        self,
        deployment: Json,
        config: Config,
        unlocking: "asyncio.Task[tuple[Crypter, Crypter]]",
        services: _Services,
    ) -> Report:
        started: list[Processes] = []

        async def start_dynamic() -> int:
            processes = self.processes
            if processes is None:
                processes = start(self.stack.project)
                started.append(processes)
            processes.serve(services.address, config.texts())
            return await port_of(processes.answers, lambda text: self.display.message(Message("info", text)))

        if self.processes is not None:
            self._run_program(self.processes, config, services.address)
        plugins = Plugins(debug_ports(self.stack.environment), services.address, start_dynamic)
        try:
            plugins.start("azure-native")
            old, new = await unlocking
            if any(item["type"].startswith(_DYNAMIC) for item in deployment.get("resources") or ()):
                # Its start takes as long as the program's own. On two processors it would hold that up
                # if it began at once; now, while the program imports its modules, one of them is free.
                plugins.start("pulumi-python")
            snapshot = read_snapshot(deployment, opened_with(old))
            return await self._deploy(snapshot, config, new, Registry(plugins.get), services)
        finally:
            await plugins.close()
            for processes in started:
                processes.end()

    def _run_program(self, processes: Processes, config: Config, address: str) -> None:
        project = self.stack.project
        processes.run(
            {
                "engine": address,
                "project": project.name,
                "stack": self.stack.name,
                "parallel": self.parallel,
                "dry_run": self._dry,
                "root_directory": str(project.root),
                "program": str(project.program),
                "config": config.texts(),
                "config_secret_keys": config.secret_keys(),
            }
        )

    async def _deploy(
        self, snapshot: Snapshot, config: Config, crypter: Crypter, registry: Registry, services: _Services
    ) -> Report:
        stack = self.stack
        seal = sealed_with(crypter)

        def write(snapshot: Snapshot) -> None:
            if not self.preview:
                checkpoint = write_checkpoint(stack.qualified, snapshot, crypter.salt, seal)
                stack.backend.save(stack.project.name, stack.name, checkpoint)

        old_outputs = _root_outputs(snapshot)
        journal = Journal(snapshot, write)
        target = Target(stack.project.name, stack.name, config.of_package)
        deployment = Deployment(
            target, journal, registry, self.display, preview=self.preview, parallel=self.parallel
        )
        kept = 0
        with _Interrupts(deployment, self.display):
            if self.clear_pending_creates:
                journal.forget_unfinished()
            elif not self.preview:
                deployment.warn_of_unfinished(
                    [(item.kind, item.resource.urn) for item in snapshot.operations]
                )
            if self.processes is not None and self.kind != "update":
                observed = Deployment(target, journal, registry, self.display, preview=True)
                await self._follow(self.processes, Observation(observed), services)
                deployment.failed = observed.failed
            if not deployment.failed:
                kept = await self._carry_out(deployment, services)
        journal.flush()
        report = Report(
            failed=deployment.failed or deployment.stopping,
            stopped=deployment.stopping,
            counts=self.display.counts,
            outputs=(old_outputs, _root_outputs(journal.snapshot())),
            duration=time.time() - self.began,
            config=config,
            kept=kept,
        )
        if not self.preview:
            self._add_history(report)
        return report

    async def _carry_out(self, deployment: Deployment, services: _Services) -> int:
        """Returns how many resources a destroy kept."""
        if self.kind == "refresh" or self.refresh:
            await refresh(deployment, logical=self.kind == "refresh")
        if self.kind == "destroy":
            return await destroy(deployment, exclude_protected=self.exclude_protected)
        if self.kind == "update" and self.processes is not None:
            await self._follow(self.processes, Registrations(deployment), services)
        return 0

    async def _follow(self, processes: Processes, program: Registrations, services: _Services) -> None:
        """Serves the running program until it has ended, and does what is left to do then."""

        def said(severity: Severity) -> Callable[[str], None]:
            def line(text: str) -> None:
                if text.strip():
                    self.display.message(Message(severity, text, program.root_urn))

            return line

        services.monitor.attach(program)
        exited = asyncio.create_task(follow(processes.program, said("info"), said("info#err")))
        ended = asyncio.create_task(services.monitor.ended.wait())
        await asyncio.wait((exited, ended), return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        # The deletes need not wait for the program's own end.
        await program.finish(program_ended_well=services.monitor.ended.is_set())
        code = await exited
        deployment = program.deployment
        if code and not (deployment.failed and services.engine.errors):
            deployment.report("error", f"program exited with non-zero exit code: {code}", program.root_urn)

    def _add_history(self, report: Report) -> None:
        self.stack.backend.add_history(
            self.stack.project.name,
            self.stack.name,
            {
                "kind": self.kind,
                "startTime": int(self.began),
                "message": self.message,
                "environment": {"exec.kind": "local-azure.embedded", "pulumi.version": ENGINE_VERSION},
                "config": {
                    key: json.loads(setting.text) if setting.structured else setting.text
                    for key, setting in sorted(report.config.settings.items())
                    if not setting.secret
                },
                "version": 0,
                "result": "failed" if report.failed else "succeeded",
                "endTime": int(self.began + report.duration),
                "resourceChanges": dict(report.counts),
            },
        )


def _root_outputs(snapshot: Snapshot) -> Properties | None:
    root = next((item for item in snapshot.resources if item.type == STACK_TYPE), None)
    return root.outputs if root else None


class _Interrupts:
    """Ctrl-C: once to start nothing new and save what ends, twice to leave at once."""

    def __init__(self, deployment: Deployment, display: Listener) -> None:
        self._deployment = deployment
        self._display = display

    def __enter__(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._interrupt)

    def __exit__(self, *_: object) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)

    def _interrupt(self) -> None:
        if self._deployment.stopping:
            # The state says what is under way (pending operations); the children end with their pipes.
            os._exit(130)
        self._deployment.stop()
        self._display.message(
            Message(
                "warning",
                "interrupted: nothing new is started, what is under way may end and is saved. "
                "Interrupt again to leave at once; the next run goes on from there either way.",
            )
        )


def make_stack(stack: Stack) -> None:
    """An empty stack in the backend. A new salt stands in the state only: the stack's file is not touched."""
    file = read_stack_file(stack.file)
    phrase = passphrase(dict(stack.environment))
    crypter = Crypter.unlock(phrase, file.salt) if file.salt else Crypter.create(phrase)
    checkpoint = write_checkpoint(stack.qualified, Snapshot(), crypter.salt, sealed_with(crypter))
    stack.backend.save(stack.project.name, stack.name, checkpoint)


def stack_outputs(stack: Stack, *, show_secrets: bool) -> Json:
    """The outputs of the stack as plain JSON; secrets are `[secret]` unless asked for."""
    deployment = deployment_of(stack.load())
    salt = salt_of(deployment)
    resources: list[Json] = deployment.get("resources") or []
    root = next((item for item in resources if item["type"] == STACK_TYPE), None)
    outputs: Properties = root.get("outputs") or {} if root else {}
    if not show_secrets:
        return {key: redacted(value) for key, value in outputs.items()}
    open_ = opened_with(Crypter.unlock(passphrase(dict(stack.environment)), salt)) if salt else redacted
    return {key: reveal(open_(value)) for key, value in outputs.items()}
