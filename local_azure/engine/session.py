"""One command on one stack: puts state, configuration, program, providers and display together."""

import asyncio
import os
import signal
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import cast

from local_azure.engine import locks
from local_azure.engine.backend import Backend
from local_azure.engine.config import Config, Project, StackFile, read_config, read_stack_file
from local_azure.engine.crypto import Crypter, passphrase
from local_azure.engine.deployment import Deployment, Target
from local_azure.engine.display import Display
from local_azure.engine.events import Message
from local_azure.engine.journal import Journal
from local_azure.engine.monitor import EngineService, MonitorService
from local_azure.engine.processes import DynamicHost, Program
from local_azure.engine.providers import Plugins, Registry, debug_ports
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
_DYNAMIC_PROVIDER = "pulumi:providers:pulumi-python"


@dataclass(frozen=True)
class Stack:
    project: Project
    name: str
    backend: Backend
    environment: Mapping[str, str]

    @property
    def qualified(self) -> str:
        return f"organization/{self.project.name}/{self.name}"

    def load(self) -> Json:
        return self.backend.load(self.project.name, self.name)


@dataclass
class Loaded:
    """A stack's state and configuration in clear."""

    snapshot: Snapshot
    config: Config
    crypter: Crypter


async def _unlock(stack: Stack, file: StackFile, deployment: Json) -> tuple[Crypter, Crypter]:
    """The crypters of the state as it is and of what will be written: the stack file's salt wins, as with the CLI.

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


async def load(stack: Stack, deployment: Json) -> Loaded:
    file = read_stack_file(stack.project, stack.name)
    old, new = await _unlock(stack, file, deployment)
    config = read_config(stack.project, stack.name, file, new)
    return Loaded(read_snapshot(deployment, opened_with(old)), config, new)


@dataclass
class Report:
    """How a run ended."""

    failed: bool
    stopped: bool
    counts: Mapping[str, int]
    outputs: tuple[Properties | None, Properties | None] | None
    duration: float
    config: Config

    @property
    def changed(self) -> bool:
        return any(number for op, number in self.counts.items() if op not in ("same", "read"))


@dataclass
class Run:
    """One preview, update, refresh or destroy of a stack."""

    stack: Stack
    kind: Kind
    preview: bool
    display: Display
    program: Program | None = None
    """Already starting; needed for `update` only."""
    refresh: bool = False
    parallel: int = field(default_factory=lambda: 4 * (os.cpu_count() or 1))
    message: str = ""

    async def execute(self) -> Report:
        began = time.time()
        server = Server()
        engine = EngineService(self.display)
        engine.add_to(server)
        with ExitStack() as held:
            if self.program is not None:
                held.callback(self.program.kill)
            if not self.preview:
                folder, project, name = self.stack.backend.folder, self.stack.project.name, self.stack.name
                held.enter_context(locks.locked(folder, project, name))
            deployment_json = deployment_of(self.stack.load())
            loading = asyncio.create_task(load(self.stack, deployment_json))
            monitor = MonitorService(self.stack.project, self.parallel)
            monitor.add_to(server)
            try:
                address = await server.start()
                return await self._run(deployment_json, loading, engine, monitor, address, began)
            finally:
                loading.cancel()
                await server.stop()

    async def _run(
        self,
        deployment_json: Json,
        loading: "asyncio.Task[Loaded]",
        engine: EngineService,
        monitor: MonitorService,
        address: str,
        began: float,
    ) -> Report:
        hosts: list[DynamicHost] = []

        async def start_dynamic() -> int:
            host = DynamicHost(self.stack.project, address, (await loading).config.texts())
            hosts.append(host)
            return await host.port(lambda text: self.display.message(Message("info", text)))

        plugins = Plugins(debug_ports(self.stack.environment), address, start_dynamic)
        try:
            plugins.start("azure-native")
            types = {item["type"] for item in deployment_json.get("resources") or ()}
            if _DYNAMIC_PROVIDER in types and (
                self.kind == "update" or "pulumi-python:dynamic:Resource" in types
            ):
                # Its start takes as long as the program's own, so both run side by side.
                plugins.start("pulumi-python")
            loaded = await loading
            return await self._deploy(loaded, Registry(plugins.get), engine, monitor, address, began)
        finally:
            await plugins.close()
            for host in hosts:
                host.kill()

    async def _deploy(
        self,
        loaded: Loaded,
        registry: Registry,
        engine: EngineService,
        monitor: MonitorService,
        address: str,
        began: float,
    ) -> Report:
        stack = self.stack
        seal = sealed_with(loaded.crypter)

        def write(snapshot: Snapshot) -> None:
            if not self.preview:
                checkpoint = write_checkpoint(stack.qualified, snapshot, loaded.crypter.salt, seal)
                stack.backend.save(stack.project.name, stack.name, checkpoint)

        snapshot = loaded.snapshot
        old_root = next((item for item in snapshot.resources if item.type == STACK_TYPE), None)
        old_outputs = old_root.outputs if old_root else None
        journal = Journal(snapshot, write)
        target = Target(stack.project.name, stack.name, loaded.config.of_package)
        deployment = Deployment(
            target, journal, registry, self.display, preview=self.preview, parallel=self.parallel
        )
        with _Interrupts(deployment, self.display):
            if not self.preview:
                deployment.warn_of_unfinished(
                    [(item.kind, item.resource.urn) for item in snapshot.operations]
                )
            if self.kind == "refresh" or self.refresh:
                await deployment.refresh()
            if self.kind == "destroy":
                await deployment.destroy()
            elif self.kind == "update":
                await self._run_program(deployment, engine, monitor, address, loaded.config)
        journal.flush()
        duration = time.time() - began
        final = journal.snapshot().resources
        root = next((item for item in final if item.type == STACK_TYPE), None)
        report = Report(
            failed=deployment.failed or deployment.stopping,
            stopped=deployment.stopping,
            counts=self.display.counts,
            outputs=(old_outputs, root.outputs if root else None),
            duration=duration,
            config=loaded.config,
        )
        if not self.preview:
            self._add_history(report, began)
        return report

    async def _run_program(
        self,
        deployment: Deployment,
        engine: EngineService,
        monitor: MonitorService,
        address: str,
        config: Config,
    ) -> None:
        project, program = self.stack.project, self.program
        if program is None:
            raise ValueError("an update needs its program")
        monitor.attach(deployment)
        program.run(
            {
                "monitor": address,
                "engine": address,
                "project": project.name,
                "stack": self.stack.name,
                "parallel": self.parallel,
                "dry_run": self.preview,
                "root_directory": str(project.root),
                "program": str(project.program),
                "config": config.texts(),
                "config_secret_keys": config.secret_keys(),
            }
        )

        def line(_: str, text: str) -> None:
            if text.strip():
                self.display.message(Message("info", text, deployment.root_urn))

        exited = asyncio.create_task(program.wait(line))
        ended = asyncio.create_task(monitor.ended.wait())
        await asyncio.wait((exited, ended), return_when=asyncio.FIRST_COMPLETED)
        well = monitor.ended.is_set()
        # The deletes need not wait for the program's own end.
        await deployment.finish(program_ended_well=well)
        ended.cancel()
        code = await exited
        if code and not (deployment.failed and engine.errors):
            deployment.report("error", f"program exited with non-zero exit code: {code}", deployment.root_urn)

    def _add_history(self, report: Report, began: float) -> None:
        self.stack.backend.add_history(
            self.stack.project.name,
            self.stack.name,
            {
                "kind": self.kind,
                "startTime": int(began),
                "message": self.message,
                "environment": {"exec.kind": "local-azure.embedded", "pulumi.version": ENGINE_VERSION},
                "config": {
                    key: setting.text
                    for key, setting in sorted(report.config.settings.items())
                    if not setting.secret
                },
                "version": 0,
                "result": "failed" if report.failed else "succeeded",
                "endTime": int(began + report.duration),
                "resourceChanges": dict(report.counts),
            },
        )


class _Interrupts:
    """Ctrl-C: once to start nothing new and save what ends, twice to leave at once."""

    def __init__(self, deployment: Deployment, display: Display) -> None:
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
    file = read_stack_file(stack.project, stack.name)
    phrase = passphrase(dict(stack.environment))
    crypter = Crypter.unlock(phrase, file.salt) if file.salt else Crypter.create(phrase)
    checkpoint = write_checkpoint(stack.qualified, Snapshot(), crypter.salt, sealed_with(crypter))
    stack.backend.save(stack.project.name, stack.name, checkpoint)


def stack_outputs(stack: Stack, *, show_secrets: bool) -> Json:
    """The outputs of the stack as plain JSON; secrets are `[secret]` unless asked for."""
    deployment = deployment_of(stack.load())
    salt = salt_of(deployment)
    root = next((item for item in deployment.get("resources") or () if item["type"] == STACK_TYPE), None)
    outputs = cast(Properties, (root or {}).get("outputs") or {})
    if not show_secrets:
        return {key: redacted(value) for key, value in outputs.items()}
    open_ = opened_with(Crypter.unlock(passphrase(dict(stack.environment)), salt)) if salt else redacted
    return {key: reveal(open_(value)) for key, value in outputs.items()}
