"""Pulumi's language host for Python: serves `pulumirpc.LanguageRuntime` to a CLI that was built from its Go module.

`make pulumi` copies it beside that CLI, where `pulumi-language-python` starts it; it imports nothing of this
repository. Written from the SDK's protos (pulumi.runtime.proto.language_pb2). Not served: code generation
(`pulumi convert`, `pulumi package add`), toolchains other than pip, debuggers, and parameterized packages.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

try:
    import grpc
    import grpc.aio
    from google.protobuf.empty_pb2 import Empty
    from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2
except ImportError as error:
    sys.exit(
        f"pulumi-language-python: {sys.executable} cannot run Pulumi's Python language host: {error}. "
        "Set PULUMI_LANGUAGE_HOST_PYTHON to a Python that has the package pulumi (in this project `make setup` "
        "makes one: .venv/bin/python)."
    )

Context = grpc.aio.ServicerContext[Any, Any]

_EXECUTOR = str(Path(__file__).parent / "pulumi-language-python-exec")
# The executor's exit code after it has reported the error itself.
_REPORTED = 32
_SECONDS_TO_STOP = 2

# Each runs in the program's Python and prints JSON.
_PLUGINS = """
import glob, json, os, sys
names = [os.path.join(glob.escape(folder), "*", "pulumi-plugin.json") for folder in sys.path if folder]
json.dump([json.load(open(file)) for name in names for file in sorted(glob.glob(name))], sys.stdout)
"""
_PACKAGES = """
import importlib.metadata, json, re, sys
normal = lambda name: re.sub("[-_.]+", "-", name).lower()
packages = {normal(package.name): package for package in importlib.metadata.distributions()}
required = {normal(re.match("[A-Za-z0-9._-]+", line)[0]) for package in packages.values()
            for line in package.requires or () if "extra ==" not in line}
json.dump([[package.name, package.version, name in required] for name, package in sorted(packages.items())],
          sys.stdout)
"""
_ABOUT = "import json, platform, sys; json.dump([sys.executable, platform.python_version()], sys.stdout)"


class HostError(Exception):
    """What the user has to change before the program can run."""


@dataclass(frozen=True)
class Interpreter:
    """The Python of a program, and the environment variables that it runs with."""

    python: str
    environment: Mapping[str, str]
    virtualenv: Path | None

    def check(self) -> None:
        """Raises HostError where the virtual environment is missing."""
        if self.virtualenv is not None and not Path(self.python).exists():
            raise HostError(
                f"the runtime option 'virtualenv' of Pulumi.yaml names {self.virtualenv}, where there is no virtual "
                f"environment: {self.python} does not exist. Create it with `pulumi install` (in this project: "
                "`make setup`)."
            )


def interpreter(info: language_pb2.ProgramInfo, environment: Mapping[str, str]) -> Interpreter:
    """Raises HostError for a toolchain that is not supported."""
    options: dict[str, Any] = dict(info.options)
    if options.get("toolchain", "pip") != "pip":
        raise HostError(
            f"the runtime option 'toolchain' is {options['toolchain']!r}; this language host supports only 'pip'. "
            "Install Pulumi's own CLI for the others: https://www.pulumi.com/docs/install/"
        )
    if not options.get("virtualenv"):
        return Interpreter(environment.get("PULUMI_PYTHON_CMD") or "python3", environment, None)
    folder = Path(info.root_directory, str(options["virtualenv"]))
    activated = {name: value for name, value in environment.items() if name != "PYTHONHOME"}
    activated["VIRTUAL_ENV"] = str(folder)
    activated["PATH"] = f"{folder / 'bin'}{os.pathsep}{environment.get('PATH', os.defpath)}"
    return Interpreter(str(folder / "bin" / "python"), activated, folder)


def ready_interpreter(info: language_pb2.ProgramInfo, environment: Mapping[str, str]) -> Interpreter:
    """One whose virtual environment exists. Raises HostError."""
    program_python = interpreter(info, environment)
    program_python.check()
    return program_python


async def ask(info: language_pb2.ProgramInfo, script: str) -> Any:
    """What `script` prints as JSON in the program's Python. Raises HostError."""
    program_python = ready_interpreter(info, os.environ)
    process = await asyncio.create_subprocess_exec(
        program_python.python,
        "-I",
        "-c",
        script,
        env=program_python.environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    if process.returncode:
        raise HostError(f"{program_python.python} failed:\n{errors.decode(errors='replace')}")
    return json.loads(output)


async def stop(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), _SECONDS_TO_STOP)
    except TimeoutError:
        process.kill()


class LanguageHost(language_pb2_grpc.LanguageRuntimeServicer):
    """One per CLI process. The processes that it starts end with their request, or with the CLI."""

    def __init__(self, engine_address: str) -> None:
        self._engine_address = engine_address
        self._processes: set[asyncio.subprocess.Process] = set()

    async def close(self) -> None:
        await asyncio.gather(*map(stop, self._processes))

    @asynccontextmanager
    async def _start(
        self,
        command: Sequence[str],
        *,
        folder: str,
        environment: Mapping[str, str],
        output: int | None = None,
    ) -> AsyncIterator[asyncio.subprocess.Process]:
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=folder,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        self._processes.add(process)
        try:
            yield process
        finally:
            if process.returncode is None:
                await asyncio.shield(stop(process))
            self._processes.discard(process)

    async def _stream(
        self, command: Sequence[str], *, folder: str, environment: Mapping[str, str]
    ) -> AsyncIterator[dict[str, Any]]:
        """What the process writes, as {"stdout": bytes} or {"stderr": bytes}, and last {"exitcode": int}."""
        pipe = asyncio.subprocess.PIPE
        async with self._start(command, folder=folder, environment=environment, output=pipe) as process:
            chunks: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()

            async def read(name: str, stream: asyncio.StreamReader | None) -> None:
                while stream is not None and (data := await stream.read(65536)):
                    chunks.put_nowait({name: data})
                chunks.put_nowait(None)

            readers = [
                asyncio.create_task(read("stdout", process.stdout)),
                asyncio.create_task(read("stderr", process.stderr)),
            ]
            for _ in readers:
                while (chunk := await chunks.get()) is not None:
                    yield chunk
            yield {"exitcode": await process.wait()}

    async def Handshake(  # noqa: N802 - the names of the service's methods
        self, request: language_pb2.LanguageHandshakeRequest, context: Context
    ) -> language_pb2.LanguageHandshakeResponse:
        self._engine_address = request.engine_address
        return language_pb2.LanguageHandshakeResponse()

    async def GetPluginInfo(self, request: Empty, context: Context) -> plugin_pb2.PluginInfo:  # noqa: N802
        return plugin_pb2.PluginInfo()

    async def Cancel(self, request: Empty, context: Context) -> Empty:  # noqa: N802
        """Stops what runs."""
        await self.close()
        return Empty()

    async def GetRequiredPackages(  # noqa: N802
        self, request: language_pb2.GetRequiredPackagesRequest, context: Context
    ) -> language_pb2.GetRequiredPackagesResponse:
        plugins: list[dict[str, Any]] = await ask(request.info, _PLUGINS)
        packages = [
            plugin_pb2.PackageDependency(
                name=plugin["name"],
                kind="resource",
                version=plugin.get("version", ""),
                server=plugin.get("server", ""),
            )
            for plugin in plugins
            if plugin.get("resource") and plugin.get("name")
        ]
        return language_pb2.GetRequiredPackagesResponse(packages=packages)

    async def Run(  # noqa: N802
        self, request: language_pb2.RunRequest, context: Context
    ) -> language_pb2.RunResponse:
        try:
            program_python = ready_interpreter(request.info, os.environ)
        except HostError as error:
            return language_pb2.RunResponse(error=str(error))
        if request.attach_debugger:
            return language_pb2.RunResponse(error="this language host cannot attach a debugger")
        options = {
            "monitor": request.monitor_address,
            "engine": self._engine_address,
            "project": request.project,
            "stack": request.stack,
            "organization": request.organization,
            "root_directory": request.info.root_directory,
            "pwd": request.pwd,
            "parallel": str(request.parallel),
            "dry_run": "true" if request.dryRun else "false",
        }
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        environment = {
            **program_python.environment,
            "PULUMI_CONFIG": json.dumps(dict(request.config)),
            "PULUMI_CONFIG_SECRET_KEYS": json.dumps(list(request.configSecretKeys)),
        }
        command = [program_python.python, "-u", _EXECUTOR, *words, request.info.entry_point, *request.args]
        async with self._start(command, folder=request.pwd, environment=environment) as process:
            code = await process.wait()
        if code in (0, _REPORTED):
            return language_pb2.RunResponse(bail=code == _REPORTED)
        if code < 0:
            return language_pb2.RunResponse(error=f"Program was ended by {signal.Signals(-code).name}")
        return language_pb2.RunResponse(error=f"Program exited with non-zero exit code: {code}")

    async def RunPlugin(  # noqa: N802
        self, request: language_pb2.RunPluginRequest, context: Context
    ) -> AsyncIterator[language_pb2.RunPluginResponse]:
        """Runs a policy pack, or a provider that is written in Python."""
        variables = dict(pair.partition("=")[::2] for pair in request.env)
        program_python = ready_interpreter(request.info, variables or os.environ)
        program = str(Path(request.info.program_directory, request.info.entry_point))
        words = ["-m", "pulumi.policy", *request.args, program]
        if request.kind != "analyzer":
            words = [program, *request.args]
        command = [program_python.python, "-u", *words]
        async for chunk in self._stream(command, folder=request.pwd, environment=program_python.environment):
            yield language_pb2.RunPluginResponse(**chunk)

    async def InstallDependencies(  # noqa: N802
        self, request: language_pb2.InstallDependenciesRequest, context: Context
    ) -> AsyncIterator[language_pb2.InstallDependenciesResponse]:
        """Makes the virtual environment where it is missing, and installs requirements.txt."""
        program_python = interpreter(request.info, os.environ)
        folder = request.info.program_directory
        commands: list[list[str]] = []
        if program_python.virtualenv is not None and not Path(program_python.python).exists():
            commands.append([sys.executable, "-m", "venv", str(program_python.virtualenv)])
        if Path(folder, "requirements.txt").exists():
            commands.append([program_python.python, "-m", "pip", "install", "-r", "requirements.txt"])
        for command in commands:
            async for chunk in self._stream(command, folder=folder, environment=program_python.environment):
                if chunk.get("exitcode"):
                    raise HostError(f"`{' '.join(command)}` failed with exit code {chunk['exitcode']}")
                if "exitcode" not in chunk:
                    yield language_pb2.InstallDependenciesResponse(**chunk)

    async def RuntimeOptionsPrompts(  # noqa: N802
        self, request: language_pb2.RuntimeOptionsRequest, context: Context
    ) -> language_pb2.RuntimeOptionsResponse:
        return language_pb2.RuntimeOptionsResponse()

    async def About(  # noqa: N802
        self, request: language_pb2.AboutRequest, context: Context
    ) -> language_pb2.AboutResponse:
        executable, version = await ask(request.info, _ABOUT)
        return language_pb2.AboutResponse(executable=executable, version=version)

    async def GetProgramDependencies(  # noqa: N802
        self, request: language_pb2.GetProgramDependenciesRequest, context: Context
    ) -> language_pb2.GetProgramDependenciesResponse:
        packages: list[tuple[str, str, bool]] = await ask(request.info, _PACKAGES)
        return language_pb2.GetProgramDependenciesResponse(
            dependencies=[
                language_pb2.DependencyInfo(name=name, version=version)
                for name, version, is_required in packages
                if request.transitiveDependencies or not is_required
            ]
        )


async def serve(engine_address: str) -> None:
    """Prints the port, and serves until SIGINT, SIGTERM or the end of standard input, which the CLI holds."""
    host = LanguageHost(engine_address)
    server = grpc.aio.server(options=[("grpc.max_receive_message_length", -1), ("grpc.so_reuseport", 0)])
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(host, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)

    def wait_for_cli() -> None:
        while os.read(sys.stdin.fileno(), 4096):
            pass
        loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=wait_for_cli, daemon=True).start()
    print(port, flush=True)  # noqa: T201 - how a plugin announces itself
    await ended.wait()
    await host.close()
    await server.stop(grace=None)


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[-1]))
