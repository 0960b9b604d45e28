"""A clone in which `python -m ops` works on local Azure and on a stand-in for GitHub, as in a pipeline."""

import re
import shutil
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from local_azure import run_state
from local_azure.cli.environment import pulumi_environment
from ops.azure import Azure
from tests.github_server import FakeGitHub, github_server
from tests.workspace import PROJECT, Workspace, workspace

LABEL = "test-stack"

# What a runner that runs these very tests has set.
_NO_RUNNER = {"GITHUB_ACTIONS": "", "GITHUB_EVENT_NAME": "", "GITHUB_STEP_SUMMARY": "", "GITHUB_RUN_ID": ""}

_FEW = ("e2e/__init__.py", "e2e/conftest.py", "e2e/test_assistants.py")

SMALL_PROGRAM = """
import json, os
import pulumi
from pulumi_azure_native import cognitiveservices, resources
from infra.dynamic.purged_account import PurgedAccount
from infra.names import names
from infra.stacks import own_tags
from local_azure.core.store import SUBSCRIPTION_ID

project, stack = pulumi.get_project(), pulumi.get_stack()
name = names(SUBSCRIPTION_ID, project, stack, "", "eastus2")
own = {
    "suffix": "",
    "location": "eastus2",
    "group": name.resource_group,
    "account": name.openai_account,
    "tags": own_tags(project, stack),
}
for entry in json.loads(os.environ.get("SEED", "null")) or [own]:
    suffix, location, tags = entry["suffix"], entry["location"], entry["tags"]
    group = resources.ResourceGroup(
        f"group{suffix}", resource_group_name=entry["group"], location=location, tags=tags
    )
    purged = PurgedAccount(
        f"purged-account{suffix}",
        subscription_id=SUBSCRIPTION_ID,
        group_id=group.id,
        account_exists=True,
        location=location,
        group=entry["group"],
        account=entry["account"],
    )
    cognitiveservices.Account(
        f"openai-account{suffix}",
        account_name=entry["account"],
        resource_group_name=group.name,
        location=location,
        kind="OpenAI",
        sku=cognitiveservices.SkuArgs(name="S0"),
        properties=cognitiveservices.AccountPropertiesArgs(
            custom_sub_domain_name=entry["account"], disable_local_auth=True, public_network_access="Enabled"
        ),
        tags=tags,
        opts=pulumi.ResourceOptions(depends_on=[purged]),
    )
"""
"""A group and a model account, which are what the end of a stack has to remove: those of the stack that runs,
or of each entry of the JSON list SEED, with a suffix of their logical names."""


@dataclass(frozen=True)
class Pipeline:
    clone: Workspace
    github: FakeGitHub

    def ops(self, *words: str, check: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
        return self.clone.run(*self._words(*words), check=check, **self._environment(environment))

    def spawn(self, *words: str, **environment: str) -> subprocess.Popen[str]:
        """In a session of its own, so that all of it can be killed at once."""
        return subprocess.Popen(
            [sys.executable, "-m", "local_azure", *self._words(*words)],
            cwd=self.clone.root,
            env={**self.clone.environment, **self._environment(environment)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def pulumi(self, stack: str, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.clone.run("pulumi", *words, "--stack", stack, check=check)

    def azure(self, monkeypatch: pytest.MonkeyPatch) -> Azure:
        """Azure's SDK on this local Azure, signed in as the developer."""
        run = run_state.find(self.clone.home)
        assert run is not None, "local Azure does not run"
        environment = pulumi_environment(self.clone.home, run, {})
        for name in ("IDENTITY_ENDPOINT", "IDENTITY_HEADER", "REQUESTS_CA_BUNDLE", "NO_PROXY"):
            monkeypatch.setenv(name, environment[name])
        return Azure.sign_in(environment)

    def comment(self, number: int) -> str:
        bodies = self.github.bodies(number)
        assert len(bodies) <= 1, "one comment per pull request"
        return bodies[0] if bodies else ""

    def state_files(self, stack: str) -> list[str]:
        """Whatever the backend holds of a stack, but for what a CLI was writing when it was killed.

        A file backend writes `*.tmp` and renames it, and deletes a file before its `*.attrs`, which alone
        means nothing; a blob container has no such files.
        """
        root = self.clone.home.backend
        return [
            path.relative_to(root).as_posix()
            for path in sorted(root.rglob("*"))
            if path.is_file()
            and path.suffix not in {".tmp", ".attrs"}
            and (path.name.startswith((f"{stack}.", f"{stack}-")) or path.parent.name == stack)
        ]

    def arm_names(self, text: str) -> list[str]:
        """Ids in local Azure with a text in them, soft-deleted ones too."""
        store = self.clone.home.store_file
        ids: list[str] = re.findall(r'"id": ?"([^"]*)"', store.read_text() if store.exists() else "")
        return [resource_id for resource_id in ids if text in resource_id]

    def _words(self, *words: str) -> tuple[str, ...]:
        return ("exec", "--", sys.executable, "-m", "ops", *words)

    def _environment(self, more: dict[str, str]) -> dict[str, str]:
        return {**_NO_RUNNER, **self.github.environment(), **more}


@contextmanager
def pipeline(root: Path) -> Generator[Pipeline]:
    with github_server() as github, workspace(root) as clone:
        _copy_tests(root, "*.py", *_FEW)
        shutil.copy2(PROJECT / "pyproject.toml", root / "pyproject.toml")
        clone.run("start")
        yield Pipeline(clone, github)


def _copy_tests(root: Path, *patterns: str) -> None:
    for pattern in patterns:
        for source in (PROJECT / "tests").glob(pattern):
            copy = root / "tests" / source.relative_to(PROJECT / "tests")
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, copy)
