"""The two child processes of a run: the program, and the host of its dynamic providers."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from local_azure.engine.config import ConfigError, Project

_HERE = Path(__file__).parent


def python_of(project: Project) -> str:
    """The program's Python: of `runtime.options.virtualenv`, else the one that runs this engine."""
    folder = project.options.get("virtualenv")
    if not folder:
        return sys.executable
    python = project.root / str(folder) / "bin" / "python"
    if not python.exists():
        raise ConfigError(
            f"The 'virtualenv' option in Pulumi.yaml is set to {str(folder)!r}, but "
            f"{str(python.parent.parent)!r} is no virtual environment: make it with `make setup`"
        )
    return str(python)


def _environment(project: Project) -> dict[str, str]:
    environment = dict(os.environ)
    environment["PULUMI_PROJECT"] = project.name
    for name, value in project.options.items():
        environment[f"PULUMI_RUNTIME_{name.upper()}"] = str(value)
    # No grandchild of a forked worker may hold the engine's ports.
    environment["GRPC_ENABLE_FORK_SUPPORT"] = "0"
    return environment


class Program:
    """The user's program in its own process, which imports the SDK while the engine reads the state."""

    def __init__(self, project: Project) -> None:
        self._process = subprocess.Popen(
            [python_of(project), "-u", str(_HERE / "program_runner.py")],
            cwd=project.folder,
            env=_environment(project),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # Ctrl-C is the engine's to handle; the program ends when the engine lets it.
            start_new_session=True,
        )

    def run(self, given: Mapping[str, Any]) -> None:
        """Hands the program what the language host would: see program_runner."""
        pipe = self._process.stdin
        if pipe is None:
            raise ValueError("the program's input is closed")
        try:
            pipe.write(json.dumps(given).encode() + b"\n")
            pipe.flush()
        except BrokenPipeError:
            pass  # it has ended already; its exit code says why

    async def wait(self, line: Callable[[str, str], None]) -> int:
        """Its exit code, when it has ended. `line` gets `stdout` or `stderr` and what it writes there."""
        await asyncio.gather(
            _lines(self._process.stdout, lambda text: line("stdout", text)),
            _lines(self._process.stderr, lambda text: line("stderr", text)),
        )
        return await asyncio.to_thread(self._process.wait)

    def kill(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()


async def _lines(pipe: Any, line: Callable[[str], None]) -> None:
    reader = asyncio.StreamReader(limit=2**24)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    try:
        while data := await reader.readline():
            line(data.decode(errors="replace").rstrip("\n"))
    finally:
        transport.close()


class DynamicHost:
    """`pulumi.dynamic` of the program's SDK, from the program's folder, so that its modules are found."""

    def __init__(self, project: Project, engine_address: str, config: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [python_of(project), "-u", str(_HERE / "dynamic_host.py"), engine_address],
            cwd=project.folder,
            env=_environment(project) | {"PULUMI_CONFIG": json.dumps(dict(config))},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        self._output: asyncio.Task[None] | None = None

    async def port(self, line: Callable[[str], None]) -> int:
        """The port it listens on: its first line. Later lines, what a provider prints, go to `line`."""
        found: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def take(text: str) -> None:
            if found.done():
                line(text)
            else:
                found.set_result(int(text))

        async def follow() -> None:
            await _lines(self._process.stdout, take)
            if not found.done():
                found.set_exception(
                    ConfigError("the host of the dynamic providers ended before it was ready")
                )

        self._output = asyncio.create_task(follow())
        return await found

    def kill(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
