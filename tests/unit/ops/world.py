"""`python -m ops` on a Pulumi CLI, an Azure and a GitHub in memory, with a backend in a folder."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from infra.names import names
from ops.__main__ import main, module_of
from ops.engine import NO_SUCH_STACK, Completed, Pulumi, PulumiError
from ops.files import FolderFiles

SUBSCRIPTION = "00000000-0000-4000-8000-000000000000"
REPOSITORY = "octo-org/assistants"
STATE_FILES = [
    ".ops/claims/assistant/pr-7/x.json",
    ".pulumi/backups/assistant/pr-7/pr-7.1.json",
    ".pulumi/history/assistant/pr-7/pr-7-1.history.json",
    ".pulumi/stacks/assistant/pr-7.json.bak",
]


def returns(value: object) -> Callable[..., Any]:
    """A function that ignores its arguments."""

    def function(*_arguments: object, **_options: object) -> Any:
        return value

    return function


def resource(name: str, type_: str = "azure-native:x:Y", **more: Any) -> dict[str, Any]:
    """An entry of a state."""
    return {"urn": f"urn:pulumi:pr-7::assistant::{type_}::{name}", "type": type_, **more}


def exported(*resources: dict[str, Any]) -> dict[str, Any]:
    return {"version": 3, "deployment": {"resources": list(resources)}}


@dataclass
class Cli:
    """`failures` maps a verb to the exit code and the output of its next calls."""

    states: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    outputs: dict[str, Any] = field(default_factory=dict[str, Any])
    histories: dict[str, list[dict[str, Any]]] = field(default_factory=dict[str, list[dict[str, Any]]])
    preview: dict[str, Any] = field(default_factory=dict[str, Any])
    deployed: dict[str, Any] = field(default_factory=exported)
    """The state after `up`."""
    failures: dict[str, list[tuple[int, str]]] = field(default_factory=dict[str, list[tuple[int, str]]])
    commands: list[str] = field(default_factory=list[str])
    environments: list[Mapping[str, str]] = field(default_factory=list[Mapping[str, str]])

    def run(self, pulumi: Pulumi, *words: str) -> Completed:
        self.commands.append(" ".join(words))
        self.environments.append(pulumi.environment)
        verb = words[1] if words[0] == "stack" else words[0]
        stack = words[words.index("--stack") + 1] if "--stack" in words else words[2]
        code, output = self.failures[verb].pop(0) if self.failures.get(verb) else (0, "")
        if code:
            raise PulumiError(words, code, output)
        if verb == "export" and stack not in self.states:
            raise PulumiError(words, NO_SUCH_STACK, f"no stack named '{stack}' found")
        return Completed(0, self._output(verb, stack), "")

    def changes(self) -> list[str]:
        """The commands that change a stack."""
        return [
            command
            for command in self.commands
            if not re.match(r"stack (ls|export|output|history)|preview", command)
        ]

    def environments_of(self, verb: str) -> list[Mapping[str, str]]:
        """The environments of the commands that begin with this verb."""
        pairs = zip(self.commands, self.environments, strict=True)
        return [environment for command, environment in pairs if command.startswith(f"{verb} ")]

    def _output(self, verb: str, stack: str) -> str:
        match verb:
            case "ls":
                return json.dumps([{"name": f"organization/assistant/{name}"} for name in self.states])
            case "export":
                return json.dumps(self.states[stack])
            case "output":
                return json.dumps(self.outputs)
            case "history":
                return json.dumps(self.histories.get(stack, []))
            case "preview":
                return json.dumps(self.preview)
            case "rm":
                del self.states[stack]
            case "destroy" | "init":
                self.states[stack] = exported()
            case "up":
                self.states[stack] = self.deployed
            case _:
                pass
        return ""


class CloudOfGroups:
    """Resource groups with tags, and deleted model accounts by id. `refuses` names what cannot be deleted."""

    subscription_id, credential = SUBSCRIPTION, None

    def __init__(self) -> None:
        self.groups: dict[str, dict[str, str]] = {}
        self.accounts: list[tuple[str, str, str]] = []
        self.refuses: dict[str, Exception] = {}
        self.function_key: Callable[[str, str], str] = lambda _group, _site: "s3cret-key"
        self.resources = SimpleNamespace(
            resource_groups=SimpleNamespace(list=self._list_groups, begin_delete=self._delete_group)
        )
        self.cognitive = SimpleNamespace(
            deleted_accounts=SimpleNamespace(list=self._list_accounts, begin_purge=self._purge)
        )

    def _list_groups(self, filter: str = "") -> list[SimpleNamespace]:  # noqa: A002 # the SDK's name
        project = re.fullmatch(r"tagName eq 'project' and tagValue eq '(.*)'", filter)
        return [
            SimpleNamespace(name=name, tags=tags)
            for name, tags in self.groups.items()
            if project is None or tags.get("project") == project[1]
        ]

    def _delete_group(self, name: str) -> SimpleNamespace:
        return self._begin(name, lambda: self.groups.pop(name))

    def _list_accounts(self) -> list[SimpleNamespace]:
        prefix = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.CognitiveServices"
        return [
            SimpleNamespace(
                id=f"{prefix}/locations/{location}/resourceGroups/{group}/deletedAccounts/{name}",
                tags=None,
                properties=None,
            )
            for location, group, name in self.accounts
        ]

    def _purge(self, location: str, group: str, name: str) -> SimpleNamespace:
        return self._begin(name, lambda: self.accounts.remove((location, group, name)))

    def _begin(self, name: str, change: Callable[[], object]) -> SimpleNamespace:
        """A poller, whose result is the change."""
        if name in self.refuses:
            raise self.refuses[name]
        return SimpleNamespace(result=lambda _seconds: change(), done=returns(True))  # pyright: ignore[reportUnknownLambdaType]


@dataclass
class PullRequests:
    """GitHub's pull requests by number; an exception is raised. `written` are the texts of our comments."""

    pulls: dict[int, Any] = field(default_factory=dict[int, Any])
    texts: dict[int, str] = field(default_factory=dict[int, str])
    written: list[str] = field(default_factory=list[str])
    repository: str = REPOSITORY

    def add(self, number: int, state: str = "open", **more: Any) -> None:
        described = {"state": state, "head_repository": REPOSITORY, "labels": frozenset({"test-stack"})}
        self.pulls[number] = SimpleNamespace(**{**described, **more})

    def pull_request(self, number: int) -> Any:
        pull_request = self.pulls.get(number)
        if isinstance(pull_request, Exception):
            raise pull_request
        return pull_request

    def comments(self, number: int, _marker: str) -> tuple[str, ...]:
        return (self.texts[number],) if number in self.texts else ()

    def upsert_comment(self, number: int, marker: str, write: Callable[[tuple[str, ...]], str]) -> str:
        text = self.texts[number] = write(self.comments(number, marker))
        self.written.append(text)
        return text


@dataclass
class World:
    folder: Path
    cli: Cli
    azure: CloudOfGroups
    github: PullRequests
    environment: dict[str, str]
    patch: pytest.MonkeyPatch
    capture: pytest.CaptureFixture[str]

    @property
    def files(self) -> FolderFiles:
        return FolderFiles(self.folder / "backend")

    def pulumi(self) -> Pulumi:
        return Pulumi(self.folder, self.environment)

    def ops(self, command: str, *words: str) -> tuple[int, str, str]:
        """The exit code, the output and the errors of a command."""
        module = module_of(command)
        if hasattr(module, "Pulumi"):
            self.patch.setattr(module, "Pulumi", self.pulumi)
        code = main([command, *words])
        captured = self.capture.readouterr()
        return code, captured.out, captured.err

    def lock(self, stack: str, pid: int = 4242) -> str:
        """The name of a lock that a user holds on another machine."""
        name = f".pulumi/locks/organization/assistant/{stack}/x.json"
        content = {"pid": pid, "username": "ada", "hostname": "h", "timestamp": "2026-11-25T12:00:05Z"}
        self.files.write(name, json.dumps(content).encode())
        return name

    def group_of(self, stack: str) -> str:
        return names(SUBSCRIPTION, "assistant", stack, "", "eastus2").resource_group

    def add_group(self, stack: str, name: str = "") -> str:
        """A resource group with the tags of the stack."""
        name = name or self.group_of(stack)
        self.azure.groups[name] = {"project": "assistant", "stack": stack}
        return name

    def add_deleted_account(self, stack: str) -> str:
        account = names(SUBSCRIPTION, "assistant", stack, "", "eastus2").openai_account
        self.azure.accounts.append(("eastus2", self.group_of(stack), account))
        return account
