"""A tiny project in a folder of its own, and the engines that run it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

PROJECT = "tiny"
REPOSITORY = Path(__file__).resolve().parents[3]
DEADLINE = 60

# What every program starts with: a resource type of the fake provider, and a dynamic one.
PRELUDE = """
import pulumi
from pulumi import ResourceOptions as Opts
from pulumi.dynamic import CreateResult, DiffResult, Resource, ResourceProvider, UpdateResult


class Thing(pulumi.CustomResource):
    made: pulumi.Output[str]

    def __init__(self, resource_name, opts=None, **properties):
        versioned = Opts.merge(Opts(version="3.29.0"), opts)
        super().__init__("azure-native:fake:Thing", resource_name, {"made": None, **properties}, versioned)


class Group(pulumi.ComponentResource):
    def __init__(self, name, opts=None):
        super().__init__("tiny:index:Group", name, {}, opts)


class NoteProvider(ResourceProvider):
    def create(self, props):
        return CreateResult("note-" + props["text"], {"text": props["text"]})

    def diff(self, _id, olds, news):
        return DiffResult(changes=olds["text"] != news["text"])

    def update(self, _id, olds, news):
        return UpdateResult({"text": news["text"]})


class Note(Resource):
    text: pulumi.Output[str]

    def __init__(self, name, text, opts=None):
        super().__init__(NoteProvider(), name, {"text": text}, opts)

"""


@dataclass(frozen=True)
class Playground:
    root: Path
    backend: Path
    environment: Mapping[str, str]

    @classmethod
    def make(cls, folder: Path, port: int) -> "Playground":
        root, backend = folder / "project", folder / "state"
        root.mkdir()
        backend.mkdir()
        environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("PULUMI_")},
            "PYTHONPATH": str(REPOSITORY),
            "PULUMI_HOME": str(folder / "pulumi"),
            "PULUMI_BACKEND_URL": f"file://{backend}",
            "PULUMI_CONFIG_PASSPHRASE": "local",
            "PULUMI_DEBUG_PROVIDERS": f"azure-native:{port}",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "PULUMI_OPTION_SKIP_PLUGIN_PRE_INSTALL": "true",
            "PULUMI_SUPPRESS_NEO_LINK": "true",
        }
        playground = cls(root, backend, environment)
        playground.project("")
        playground.program("")
        (root / "requirements.txt").touch()
        (root / "Pulumi.local.yaml").write_text("config: {}\n")
        return playground

    def project(self, config: str) -> None:
        """Writes Pulumi.yaml; `config` is its configuration schema."""
        options = f"{{toolchain: pip, virtualenv: {sys.prefix}}}"
        head = f"name: {PROJECT}\nruntime:\n  name: python\n  options: {options}\n"
        (self.root / "Pulumi.yaml").write_text(head + (f"config:\n{config}" if config else ""))

    def settings(self, text: str) -> None:
        (self.root / "Pulumi.local.yaml").write_text(dedent(text))

    def program(self, text: str) -> None:
        (self.root / "__main__.py").write_text(PRELUDE + dedent(text))

    # --- running ------------------------------------------------------------

    @staticmethod
    def command(*arguments: str) -> list[str]:
        return [sys.executable, "-m", "local_azure.engine", *arguments]

    def start(self, *arguments: str, env: Mapping[str, str] | None = None) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            self.command(*arguments),
            cwd=self.root,
            env={**self.environment, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def try_engine(self, *arguments: str, env: Mapping[str, str] | None = None) -> "Result":
        process = self.start(*arguments, env=env)
        try:
            out, err = process.communicate(timeout=DEADLINE)
        finally:
            process.kill()
        return Result(process.returncode, out, err)

    def engine(self, *arguments: str) -> str:
        """What a successful run of the embedded engine wrote to its standard output."""
        result = self.try_engine(*arguments)
        assert result.code == 0, result
        return result.out

    def up(self, *arguments: str) -> str:
        return self.engine("up", "--yes", "--stack", "local", *arguments)

    def fails(self, *arguments: str, code: int = 1) -> str:
        """What a failing run wrote, both streams."""
        result = self.try_engine(*arguments)
        assert result.code == code, result
        return result.out + result.err

    def cli(self, *arguments: str) -> str:
        done = subprocess.run(
            ["pulumi", *arguments, "--non-interactive"],
            cwd=self.root,
            env=dict(self.environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    # --- state --------------------------------------------------------------

    @property
    def stack_file(self) -> Path:
        return self.backend / ".pulumi" / "stacks" / PROJECT / "local.json"

    def checkpoint(self) -> dict[str, Any]:
        return json.loads(self.stack_file.read_text())["checkpoint"]["latest"]

    def resources(self) -> list[dict[str, Any]]:
        return self.checkpoint().get("resources", [])

    def names(self) -> list[str]:
        """Names of the things in the state, in its order."""
        return [
            item["urn"].rpartition("::")[2]
            for item in self.resources()
            if item["type"] == "azure-native:fake:Thing"
        ]

    def resource(self, name: str) -> dict[str, Any]:
        return next(item for item in self.resources() if item["urn"].endswith(f"::{name}"))


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str


def kill(process: "subprocess.Popen[str]") -> None:
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=DEADLINE)
