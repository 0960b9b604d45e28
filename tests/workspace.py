"""A clone of the project in a folder of its own, with a local Azure of its own, for tests of the whole."""

import contextlib
import json
import os
import shutil
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import yaml
from azure.core.credentials import TokenCredential

from local_azure.cli.developer import Developer
from local_azure.core.store import Store
from local_azure.home import Home
from local_azure.runtime.ports import RANGE_VARIABLE
from tools.pulumi.cli import find

PROJECT = Path(__file__).resolve().parent.parent
CLONED = (
    "__main__.py",
    "infra",
    "delivery",
    "bootstrap",
    "function_app",
    "local_azure",
    "ops",
    "tools",
    ".pulumi.version",
    *sorted(path.name for path in PROJECT.glob("Pulumi*.yaml")),
    "requirements.txt",
)
SHARED = (".venv", "local_azure/node_modules", "function_app/assistants/routes/chat_page/node_modules")
STACK = "local"
COMMAND_DEADLINE = 900.0


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def send(
    trusted: ssl.SSLContext,
    method: str,
    url: str,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """One HTTPS request; a refusal is an answer like any other."""
    request = urllib.request.Request(url, data=body, method=method, headers=dict(headers or {}))  # noqa: S310
    try:
        with urllib.request.urlopen(request, context=trusted, timeout=60) as answer:  # noqa: S310
            return Answer(answer.status, dict(answer.headers), answer.read())
    except urllib.error.HTTPError as refused:
        return Answer(refused.code, dict(refused.headers), refused.read())


@dataclass(frozen=True)
class Workspace:
    """Everything that a test runs goes through one of the methods."""

    root: Path
    environment: Mapping[str, str] = field(repr=False)

    @property
    def home(self) -> Home:
        return Home(self.root / ".local")

    def run(
        self, *arguments: str, check: bool = True, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """`python -m local_azure ARGUMENTS`; the whole output is in the assertion when it fails."""
        done = subprocess.run(
            [sys.executable, "-m", "local_azure", *arguments],
            cwd=self.root,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=COMMAND_DEADLINE,
            check=False,
        )
        if check:
            assert done.returncode == 0, (
                f"{' '.join(arguments)} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
            )
        return done

    def spawn(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "local_azure", *arguments],
            cwd=self.root,
            env=dict(self.environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def pulumi(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.run("pulumi", *arguments, "--stack", STACK, check=check)

    def up(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.pulumi("up", "--yes", "--skip-preview", *arguments, check=check)

    def planned(self) -> dict[str, str]:
        """What a preview would do: logical name of each resource that does not stay as it is -> operation."""
        plan = json.loads(self.pulumi("preview", "--json").stdout)
        return {step["urn"].rpartition("::")[2]: step["op"] for step in plan["steps"] if step["op"] != "same"}

    def outputs(self) -> dict[str, Any]:
        return json.loads(self.pulumi("stack", "output", "--json").stdout)

    def state_file(self) -> Path:
        return self.home.backend / ".pulumi" / "stacks" / "assistant" / f"{STACK}.json"

    def resources(self) -> list[dict[str, Any]]:
        checkpoint = json.loads(self.state_file().read_text())
        latest: dict[str, Any] = checkpoint["checkpoint"]["latest"] or {}
        return latest.get("resources") or []

    def arm(self) -> dict[str, Any]:
        """What local Azure holds."""
        return json.loads(self.home.store_file.read_text())

    def config(self, key: str, value: object | None) -> None:
        """Set one key of the stack file, or take it out with None."""
        path = self.root / f"Pulumi.{STACK}.yaml"
        content: dict[str, Any] = yaml.safe_load(path.read_text()) or {}
        settings: dict[str, Any] = content.setdefault("config", {}) or {}
        content["config"] = settings
        if value is None:
            settings.pop(key, None)
        else:
            settings[key] = value
        path.write_text(yaml.safe_dump(content, sort_keys=False))

    def request(
        self, method: str, url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        return send(self.trusted(), method, url, body, headers)

    def trusted(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.home.ca_file))

    def key(self) -> str:
        """The function app's default host key, as a person gets it."""
        return self.run("keys", self.outputs()["functionAppName"], "--name", "default").stdout.strip()

    def table_endpoint(self) -> str:
        accounts = [
            resource
            for resource in Store(self.home.store_file).list("Microsoft.Storage/storageAccounts")
            if resource["name"] == self.outputs()["storageAccountName"]
        ]
        return accounts[0].get("properties", {})["primaryEndpoints"]["table"]

    def developer(self) -> TokenCredential:
        """Signs in to local Azure's storage as the person at the laptop."""
        return Developer(self.home)

    def put(self, assistant_id: str, body: object | None = None) -> Answer:
        """Create an assistant; `assistant_id` goes into the path as it is."""
        content = None if body is None else json.dumps(body).encode()
        return self.request(
            "PUT",
            f"{self.outputs()['assistantsUrl']}/{assistant_id}",
            content,
            {"x-functions-key": self.key(), "content-type": "application/json"},
        )


class RunnerWorkspace(Workspace):
    """The same clone, whose stack is the minimal runner's. Without what only the CLI does."""

    def up(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.run("runner", "up", *arguments, check=check)

    def down(self, *, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.run("runner", "down", check=check)

    def outputs(self) -> dict[str, Any]:
        return json.loads(self.run("runner", "outputs").stdout)


def copy_project(root: Path) -> None:
    """Copy the project's own files."""
    root.mkdir(parents=True, exist_ok=True)
    ignore = shutil.ignore_patterns("__pycache__", "*.pyc", "local.settings.json", "node_modules", "tests")
    for name in CLONED:
        source = PROJECT / name
        if source.is_dir():
            shutil.copytree(source, root / name, ignore=ignore)
        else:
            shutil.copy2(source, root / name)


def clone(root: Path) -> None:
    """Copy the project's own files; the installed packages and the wheel cache are shared."""
    copy_project(root)
    share_installed(root)


def share_installed(root: Path) -> None:
    for name in SHARED:
        (root / name).symlink_to(PROJECT / name)
    wheels = PROJECT / ".build" / "wheels"
    if wheels.is_dir():
        shutil.copytree(wheels, root / ".build" / "wheels", ignore=shutil.ignore_patterns("download-*"))


@contextlib.contextmanager
def workspace(root: Path, prepare: Callable[[Path], None] = clone) -> Generator[Workspace]:
    """A clone whose local Azure is stopped, and whose processes are gone, when the test is over."""
    prepare(root)
    environment = {
        name: value
        for name, value in os.environ.items()
        if name == RANGE_VARIABLE or not name.startswith(("PULUMI_", "ARM_", "LOCAL_AZURE_"))
    }
    if cli := find(os.environ):  # it may lie in a PULUMI_HOME, which is not passed on
        environment["PATH"] = os.pathsep.join([str(cli.path.parent), environment.get("PATH", os.defpath)])
    made = Workspace(root, environment)
    try:
        yield made
    finally:
        made.run("reset", "--yes", check=False)
        _kill_dynamic_providers(root)


def _kill_dynamic_providers(root: Path) -> None:
    """A CLI that was killed leaves `ROOT/.venv/bin/python -m pulumi.dynamic`, which nothing else ends."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.cmdline()[:1] == [f"{root}/.venv/bin/python"]:
                process.kill()
