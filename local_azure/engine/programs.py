"""Starts the process of the program, from which that of its dynamic providers is forked (program_runner).

Imports little: the program is the first thing a run starts, as it has the longest way to go.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from local_azure.engine.config import ConfigError, Project

_RUNNER = Path(__file__).parent / "program_runner.py"


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
    # The one fork comes before gRPC is used; its handlers would only cost.
    environment.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    return environment


@dataclass(frozen=True)
class Processes:
    """The program's process and the pipes to that of its dynamic providers; both wait to be told to run."""

    program: "subprocess.Popen[bytes]"
    requests: IO[bytes]
    answers: IO[bytes]

    def run(self, given: Mapping[str, Any]) -> None:
        """Runs the program, with what the language host would give it: see program_runner."""
        if self.program.stdin is not None:
            _write(self.program.stdin, given)

    def serve(self, engine_address: str, config: Mapping[str, str]) -> None:
        """Starts the dynamic providers; the first line of `answers` is their port."""
        _write(self.requests, {"engine": engine_address, "config": dict(config)})

    def end(self) -> None:
        """Ends both, if they have not ended."""
        if self.program.poll() is None:
            self.program.kill()
        self.program.wait()
        for pipe in (self.requests, self.answers, *filter(None, (self.program.stdin,))):
            with suppress(OSError):
                pipe.close()


def _write(pipe: IO[bytes], given: Mapping[str, Any]) -> None:
    # A process that has ended already says why by its exit code.
    with suppress(BrokenPipeError):
        pipe.write(json.dumps(given).encode() + b"\n")
        pipe.flush()


def start(project: Project) -> Processes:
    requests, our_requests = os.pipe()
    our_answers, answers = os.pipe()
    program = subprocess.Popen(
        # -P: this package's folder has no business in the program's search path.
        [python_of(project), "-P", "-u", str(_RUNNER), str(requests), str(answers)],
        cwd=project.folder,
        env=_environment(project),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=(requests, answers),
        # Ctrl-C is the engine's to handle; the program ends when the engine lets it.
        start_new_session=True,
    )
    os.close(requests)
    os.close(answers)
    return Processes(program, os.fdopen(our_requests, "wb"), os.fdopen(our_answers, "rb"))
