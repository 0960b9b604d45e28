"""Pulumi's language host for Python: serves `pulumirpc.LanguageRuntime` to a CLI built from its Go module.

`make pulumi` copies it beside that CLI, where `pulumi-language-python` starts it; it imports nothing of this
repository. Written from the SDK's protos (pulumi.runtime.proto.language_pb2). Not supported: code generation,
the prompts of `pulumi new`, toolchains other than pip, debuggers, parameterized packages.
"""
# ruff: noqa: ARG002, N802 - the methods of the service, and their parameters

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

try:
    import grpc
    import grpc.aio
    from google.protobuf.empty_pb2 import Empty

    # Only the protos: `import pulumi` would double the start time, and each command starts two hosts.
    for folder in ("pulumi", "pulumi/runtime"):
        package = ModuleType(folder.replace("/", "."))
        package.__path__ = [f"{path}/{folder}" for path in sys.path]
        sys.modules[package.__name__] = package
    from pulumi.runtime.proto import language_pb2 as pb
    from pulumi.runtime.proto import language_pb2_grpc, plugin_pb2
except ImportError as error:
    sys.exit(
        f"pulumi-language-python: {sys.executable} cannot run the Python language host: {error}. Set "
        "PULUMI_LANGUAGE_HOST_PYTHON to a Python that has the package pulumi (here: .venv/bin/python, which "
        "`make setup` creates)."
    )

Context = grpc.aio.ServicerContext[Any, Any]
PIPE = asyncio.subprocess.PIPE

_EXECUTOR = str(Path(__file__).parent / "pulumi-language-python-exec")
_REPORTED = 32  # the executor's exit code after it has reported the error itself

# Each runs in the program's Python and prints JSON.
_ABOUT = "import json, sys; json.dump([sys.executable, '%d.%d.%d' % sys.version_info[:3]], sys.stdout)"
_PLUGINS = """
import glob, json, os, sys
patterns = [os.path.join(glob.escape(folder), "*", "pulumi-plugin.json") for folder in sys.path if folder]
plugins = [json.load(open(file)) for pattern in patterns for file in sorted(glob.glob(pattern))]
json.dump([{key: plugin[key] for key in ("name", "version", "server") if key in plugin}
           for plugin in plugins if plugin.get("resource")], sys.stdout)
"""


def virtualenv(info: pb.ProgramInfo) -> Path | None:
    """The program's virtual environment, which may be missing."""
    options: dict[str, Any] = dict(info.options)
    return Path(info.root_directory, str(options["virtualenv"])) if options.get("virtualenv") else None


async def interpreter(
    info: pb.ProgramInfo, environment: Mapping[str, str], context: Context
) -> tuple[str, Mapping[str, str]]:
    """The program's Python, and its environment variables."""
    folder = virtualenv(info)
    if folder is None:
        return environment.get("PULUMI_PYTHON_CMD") or "python3", environment
    python = folder / "bin" / "python"
    if not await asyncio.to_thread(python.exists):
        message = (
            f"The runtime option 'virtualenv' names {folder}, which is not a virtual environment: "
            f"{python} does not exist. Create it with `make setup` (of the policy pack: `make policy-setup`)."
        )
        await context.abort(grpc.StatusCode.FAILED_PRECONDITION, message)
    activated = {name: value for name, value in environment.items() if name != "PYTHONHOME"}
    activated["VIRTUAL_ENV"] = str(folder)
    activated["PATH"] = f"{python.parent}{os.pathsep}{environment.get('PATH', os.defpath)}"
    return str(python), activated


async def stop(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), 2.0)
    except TimeoutError:
        process.kill()


class LanguageHost(language_pb2_grpc.LanguageRuntimeServicer):
    """One per CLI process. The processes that it starts end with their request, or with the CLI."""

    def __init__(self, engine_address: str) -> None:
        self._engine_address = engine_address
        self._processes: set[asyncio.subprocess.Process] = set()

    async def close(self) -> None:
        await asyncio.gather(*map(stop, self._processes))

    async def _run(
        self, command: Sequence[str], folder: str, environment: Mapping[str, str], stdout: int | None = PIPE
    ) -> AsyncIterator[dict[str, Any]]:
        """{"stdout": bytes} for what a pipe takes, then {"exitcode": int}."""
        process = await asyncio.create_subprocess_exec(
            *command, cwd=folder, env=environment, stdin=asyncio.subprocess.DEVNULL, stdout=stdout
        )
        self._processes.add(process)
        try:
            while process.stdout and (data := await process.stdout.read(65536)):
                yield {"stdout": data}
            yield {"exitcode": await process.wait()}
        finally:
            self._processes.discard(process)
            if process.returncode is None:
                await asyncio.shield(stop(process))

    async def _ask(self, info: pb.ProgramInfo, context: Context, *words: str) -> Any:
        """What the program's Python prints as JSON."""
        python, environment = await interpreter(info, os.environ, context)
        command = [python, "-I", *words]
        chunks = [chunk async for chunk in self._run(command, info.root_directory, environment)]
        if chunks[-1]["exitcode"]:
            message = f"{' '.join(command[:3])} … ended with exit code {chunks[-1]['exitcode']}"
            await context.abort(grpc.StatusCode.UNKNOWN, message)
        return json.loads(b"".join(chunk["stdout"] for chunk in chunks[:-1]))

    async def Handshake(
        self, request: pb.LanguageHandshakeRequest, context: Context
    ) -> pb.LanguageHandshakeResponse:
        self._engine_address = request.engine_address
        return pb.LanguageHandshakeResponse()

    async def GetPluginInfo(self, request: Empty, context: Context) -> plugin_pb2.PluginInfo:
        return plugin_pb2.PluginInfo()

    async def Cancel(self, request: Empty, context: Context) -> Empty:
        await self.close()
        return Empty()

    async def GetRequiredPackages(
        self, request: pb.GetRequiredPackagesRequest, context: Context
    ) -> pb.GetRequiredPackagesResponse:
        plugins = await self._ask(request.info, context, "-c", _PLUGINS)
        packages = [plugin_pb2.PackageDependency(kind="resource", **plugin) for plugin in plugins]
        return pb.GetRequiredPackagesResponse(packages=packages)

    async def Run(self, request: pb.RunRequest, context: Context) -> pb.RunResponse:
        python, environment = await interpreter(request.info, os.environ, context)
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
        config = {
            "PULUMI_CONFIG": json.dumps(dict(request.config)),
            "PULUMI_CONFIG_SECRET_KEYS": json.dumps(list(request.configSecretKeys)),
        }
        command = [python, "-u", _EXECUTOR, *words, request.info.entry_point, *request.args]
        run = self._run(command, request.pwd, {**environment, **config}, stdout=None)
        code: int = [chunk async for chunk in run][-1]["exitcode"]
        if code in (0, _REPORTED):
            return pb.RunResponse(bail=code == _REPORTED)
        end = f"exited with non-zero exit code: {code}" if code > 0 else f"was killed by signal {-code}"
        return pb.RunResponse(error=f"Program {end}")

    async def RunPlugin(
        self, request: pb.RunPluginRequest, context: Context
    ) -> AsyncIterator[pb.RunPluginResponse]:
        """Runs a policy pack, or a provider that is written in Python."""
        variables = dict(entry.split("=", 1) for entry in request.env)
        python, environment = await interpreter(request.info, variables, context)
        program = str(Path(request.info.program_directory, request.info.entry_point))
        command = [python, "-u", program, *request.args]
        if request.kind == "analyzer":
            command = [python, "-u", "-m", "pulumi.policy", *request.args, program]
        async for chunk in self._run(command, request.pwd, environment):
            yield pb.RunPluginResponse(**chunk)

    async def InstallDependencies(
        self, request: pb.InstallDependenciesRequest, context: Context
    ) -> AsyncIterator[pb.InstallDependenciesResponse]:
        """Creates the virtual environment where it is missing, and installs requirements.txt."""
        folder = virtualenv(request.info)
        python = str(folder / "bin" / "python") if folder else sys.executable
        script = '[ -e "$2" ] || "$0" -m venv "$1" || exit; '
        script += '[ ! -e requirements.txt ] || exec "$2" -m pip install -r requirements.txt'
        command = ["sh", "-c", script, sys.executable, str(folder), python]
        async for chunk in self._run(command, request.info.program_directory, os.environ):
            if "exitcode" not in chunk:
                yield pb.InstallDependenciesResponse(**chunk)
            elif chunk["exitcode"]:
                await context.abort(grpc.StatusCode.UNKNOWN, f"exit code {chunk['exitcode']}")

    async def About(self, request: pb.AboutRequest, context: Context) -> pb.AboutResponse:
        executable, version = await self._ask(request.info, context, "-c", _ABOUT)
        return pb.AboutResponse(executable=executable, version=version)

    async def GetProgramDependencies(
        self, request: pb.GetProgramDependenciesRequest, context: Context
    ) -> pb.GetProgramDependenciesResponse:
        scope = [] if request.transitiveDependencies else ["--not-required"]
        packages = await self._ask(request.info, context, "-m", "pip", "list", "--format=json", *scope)
        dependencies = [pb.DependencyInfo(**package) for package in packages]
        return pb.GetProgramDependenciesResponse(dependencies=dependencies)


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
        os.read(sys.stdin.fileno(), 1)
        loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=wait_for_cli, daemon=True).start()
    print(port, flush=True)  # noqa: T201 - a plugin prints its port
    await ended.wait()
    await host.close()
    await server.stop(grace=None)
    os._exit(0)  # the CLI waits for the end of the process


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[-1]))
