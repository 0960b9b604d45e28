"""What the workflows must keep to and no linter knows. `make check` runs the linters."""

import argparse
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

import pytest
import yaml

from bootstrap import federation
from bootstrap.commands import VARIABLES
from delivery.package import PROJECT_ROOT
from ops.__main__ import COMMANDS, module_of
from tests.workflow_files import FILES, WORKFLOWS, load, scripts

STACKS = ("dev", "test", "prod")
READ = "read"
WRITE = "write"

# Exactly what each job's token may do; the workflows themselves give nothing.
PERMISSIONS = {
    "comment/comment": {"actions": READ, "contents": READ, "pull-requests": WRITE},
    "deploy/package": {"contents": READ},
    "deploy/dev": {"actions": READ, "contents": READ, "id-token": WRITE},
    "deploy/test": {"actions": READ, "contents": READ, "id-token": WRITE},
    "deploy/prod": {"actions": READ, "contents": READ, "id-token": WRITE},
    "deploy-stack/deploy": {"actions": READ, "contents": READ, "id-token": WRITE},
    "drift/drift": {"contents": READ, "id-token": WRITE, "issues": WRITE},
    "preview/azure": {"contents": READ, "id-token": WRITE},
    "preview/local": {"contents": READ},
    "rollback/rollback": {"actions": READ, "contents": READ, "id-token": WRITE},
    "sweep/sweep": {"actions": READ, "contents": READ, "id-token": WRITE, "pull-requests": WRITE},
    "test/test": {"contents": READ},
    "test-stack/up": {"actions": READ, "contents": READ, "id-token": WRITE, "pull-requests": WRITE},
    "test-stack/down": {"actions": READ, "contents": READ, "id-token": WRITE, "pull-requests": WRITE},
}

# Whoever writes a stack is alone at it and is never stopped: group, cancel-in-progress, queue. A job's own,
# or else its workflow's. A called workflow's job has one, so its callers need none.
PR_STACK = ("stack-pr-${{ github.event.pull_request.number }}", "false", "single")
CONCURRENCY = {
    "comment/comment": (
        "comment-${{ github.event.workflow_run.head_repository.full_name }}"
        "-${{ github.event.workflow_run.head_branch }}",
        "false",
        "single",
    ),
    "deploy/package": ("package-${{ github.sha }}", "false", "single"),
    "deploy/dev": None,
    "deploy/test": None,
    "deploy/prod": None,
    "deploy-stack/deploy": ("stack-${{ inputs.stack }}", "false", "max"),
    "drift/drift": ("drift-${{ matrix.stack }}", "false", "single"),
    "preview/azure": ("preview-${{ github.event.pull_request.number }}", "true", "single"),
    "preview/local": ("preview-${{ github.event.pull_request.number }}", "true", "single"),
    "rollback/rollback": ("stack-${{ inputs.stack }}", "false", "max"),
    "sweep/sweep": ("sweep", "false", "single"),
    "test/test": ("test-${{ github.ref }}", "${{ github.event_name == 'pull_request' }}", "single"),
    "test-stack/up": PR_STACK,
    "test-stack/down": PR_STACK,
}

# Whose name a job signs in with, and the GitHub environment that its token then names.
IDENTITIES = {
    "preview/azure": ("READER", None),
    "drift/drift": ("READER", None),
    "test-stack/up": ("DEPLOYER", "pr"),
    "test-stack/down": ("DEPLOYER", "pr"),
    "sweep/sweep": ("DEPLOYER", "pr"),
    "deploy-stack/deploy": ("DEPLOYER", "${{ inputs.stack }}"),
    "rollback/rollback": ("DEPLOYER", "${{ inputs.stack }}"),
}

# What a token names that is of no environment.
CONTEXTS = {"preview/azure": {"pull_request"}, "drift/drift": {"ref:refs/heads/main"}}
TRUST = {"READER": federation.READER, "DEPLOYER": federation.DEPLOYER}

# What the shell variables of a call may hold, beside STACK.
VALUES = {
    "PACKAGE_HASH": "0" * 64,
    "PULL_REQUEST": "7",
    "RUNNER_TEMP": "/runner",
    "GITHUB_EVENT_PATH": "/event.json",
}

SAME_REPOSITORY = "github.event.pull_request.head.repo.full_name == github.repository"
PINNED = re.compile(r"[\w.-]+(/[\w.-]+)+@[0-9a-f]{40}")
OPS = re.compile(r"-m ops (.+?)(?=\n|$)")


@dataclass(frozen=True)
class Job:
    workflow: dict[str, Any]
    job: dict[str, Any]

    @property
    def steps(self) -> list[dict[str, Any]]:
        return self.job.get("steps", [])

    @property
    def runs(self) -> str:
        return "\n".join(step["run"] for step in self.steps if "run" in step)


# By `<workflow>/<job>`.
JOBS = {
    f"{path.stem}/{name}": Job(workflow, job)
    for path in WORKFLOWS
    for workflow in (load(path),)
    for name, job in workflow["jobs"].items()
}
each_job = pytest.mark.parametrize("job", JOBS.values(), ids=JOBS.keys())
each_file = pytest.mark.parametrize("path", FILES.values(), ids=FILES.keys())


@each_job
def test_a_job_ends_by_itself(job: Job) -> None:
    if "uses" in job.job:
        return  # GitHub takes no timeout there; the called job has one
    assert 0 < int(job.job["timeout-minutes"]) <= 120


@each_file
def test_every_action_is_pinned_by_commit_with_its_version_beside(path: Path) -> None:
    for line in path.read_text().splitlines():
        uses = re.match(r"\s*(?:- )?uses: (\S+)(.*)", line)
        if uses is None:
            continue
        action, comment = uses.groups()
        if action.startswith("$/"):
            assert (PROJECT_ROOT / action[2:]).exists()
            continue
        assert PINNED.fullmatch(action), f"{action} is not pinned"
        assert re.fullmatch(r" # v\d+\.\d+\.\d+", comment), f"{action} has no version beside it"


def test_an_action_has_the_same_commit_everywhere() -> None:
    commits: dict[str, set[str]] = {}
    for path in FILES.values():
        for action, commit in re.findall(r"uses: ([\w./-]+)@(\S+ # \S+)", path.read_text()):
            commits.setdefault(action, set()).add(commit)
    assert {action: pinned for action, pinned in commits.items() if len(pinned) > 1} == {}


def test_each_job_may_do_exactly_this() -> None:
    assert {key: job.job["permissions"] for key, job in JOBS.items()} == PERMISSIONS
    assert {path.name: load(path)["permissions"] for path in WORKFLOWS} == {
        path.name: {} for path in WORKFLOWS
    }


def test_each_job_waits_for_exactly_these() -> None:
    groups: dict[str, tuple[str, str, str] | None] = {}
    for key, job in JOBS.items():
        own = job.job.get("concurrency") or job.workflow.get("concurrency")
        groups[key] = own and (own["group"], own["cancel-in-progress"], own.get("queue", "single"))
    assert groups == CONCURRENCY


@each_file
def test_no_secret_is_used(path: Path) -> None:
    assert re.search(r"\$\{\{[^}]*\bsecrets\b", path.read_text()) is None
    assert "secrets: inherit" not in path.read_text()


@each_job
def test_a_job_that_a_fork_can_start_has_nothing_to_take(job: Job) -> None:
    if "pull_request" not in job.workflow["on"] or only_for_the_same_repository(job.job.get("if", "")):
        return
    assert job.job["permissions"] == {"contents": READ}
    assert "environment" not in job.job
    text = yaml.dump([job.job, job.workflow.get("env", {})])
    assert "vars." not in text
    assert "github.token" not in text
    assert "azure/login" not in text


def only_for_the_same_repository(condition: str) -> bool:
    """Whether the condition is `same repository && …`, with every `||` in brackets."""
    plain, before = " ".join(condition.split()), ""
    while plain != before:
        before, plain = plain, re.sub(r"\([^()]*\)", "", plain)
    return SAME_REPOSITORY in plain.split(" && ") and "||" not in plain


@pytest.mark.parametrize(
    "condition",
    ["", "true", f"a || {SAME_REPOSITORY}", f"{SAME_REPOSITORY} && a || b", f"({SAME_REPOSITORY} || a) && b"],
)
def test_a_condition_that_lets_forks_in_is_seen(condition: str) -> None:
    assert not only_for_the_same_repository(condition)


def test_forks_and_dependabot_are_previewed_by_the_job_without_a_token_and_by_no_other() -> None:
    azure, local = (" ".join(JOBS[f"preview/{name}"].job["if"].split()) for name in ("azure", "local"))
    stranger = "github.event.pull_request.user.login"
    assert azure == f"{SAME_REPOSITORY} && {stranger} != 'dependabot[bot]'"
    assert local == f"{SAME_REPOSITORY.replace('==', '!=')} || {stranger} == 'dependabot[bot]'"


def test_what_comments_takes_nothing_of_the_pull_request_but_text() -> None:
    job = JOBS["comment/comment"]
    used = [(step["uses"].partition("@")[0], step.get("with", {})) for step in job.steps if "uses" in step]
    assert [action for action, _ in used] == [
        "actions/checkout",
        "$/.github/actions/setup",
        "actions/download-artifact",
    ]
    assert used[0][1]["ref"] == "${{ github.event.repository.default_branch }}"
    # Outside of the checkout, so that no file of it can be one of ours.
    assert used[2][1]["path"] == "${{ runner.temp }}/preview"
    [reads] = [line for line in job.runs.splitlines() if "RUNNER_TEMP/preview" in line]
    assert reads == (
        '.venv/bin/python -m ops comment --reports "$RUNNER_TEMP/preview" --event "$GITHUB_EVENT_PATH"'
    )


@each_file
def test_a_shell_script_contains_no_expression_and_stops_at_the_first_error(path: Path) -> None:
    content = load(path)
    for script in scripts(content):
        assert "${{" not in script, "pass it through env: a value must not become a command"
    strict = "bash --noprofile --norc -euo pipefail {0}"
    if "jobs" in content:
        assert content["defaults"]["run"]["shell"] == strict
    else:
        assert {step["shell"] for step in content["runs"]["steps"] if "run" in step} == {strict}


@each_job
def test_every_variable_of_a_script_is_set(job: Job) -> None:
    for step in job.steps:
        script = step.get("run", "")
        known = {*job.job.get("env", {}), *step.get("env", {}), *re.findall(r"(\w+)=", script)}
        used = set(re.findall(r"\$\{?([A-Za-z_]\w*)", script))
        assert {name for name in used if not name.startswith(("GITHUB_", "RUNNER_"))} <= known


@pytest.mark.parametrize("call", sorted({words for job in JOBS.values() for words in OPS.findall(job.runs)}))
def test_each_call_of_ops_is_understood_by_its_command(call: str) -> None:
    name = call.split(maxsplit=1)[0]
    assert name in COMMANDS
    parser = argparse.ArgumentParser(exit_on_error=False)
    module_of(name).add_arguments(parser)
    for stack in STACKS:
        _, *words = shlex.split(Template(call).substitute(VALUES, STACK=stack))
        parser.parse_args(words)


def test_the_named_stacks_have_settings() -> None:
    named = {
        *re.findall(r"--stack ([a-z][\w-]*)", "\n".join(job.runs for job in JOBS.values())),
        *JOBS["drift/drift"].job["strategy"]["matrix"]["stack"],
        *JOBS["rollback/rollback"].workflow["on"]["workflow_dispatch"]["inputs"]["stack"]["options"],
        *(job.job["with"]["stack"] for job in JOBS.values() if "with" in job.job),
    }
    assert named == set(STACKS)
    assert [stack for stack in STACKS if not (PROJECT_ROOT / f"Pulumi.{stack}.yaml").is_file()] == []


def test_the_package_goes_from_dev_to_test_to_prod_by_one_hash() -> None:
    stages = {stack: JOBS[f"deploy/{stack}"].job for stack in STACKS}
    assert [stage["needs"] for stage in stages.values()] == [
        "package",
        ["package", "dev"],
        ["package", "test"],
    ]
    assert {stage["with"]["hash"] for stage in stages.values()} == {"${{ needs.package.outputs.hash }}"}
    built_for = re.findall(r"--stack ([a-z][\w-]*)", JOBS["deploy/package"].runs)
    assert built_for == list(stages), "one Python for all stages"


def test_each_job_signs_in_as_the_identity_that_its_environment_allows() -> None:
    identities: dict[str, tuple[str, str | None]] = {}
    for key, job in JOBS.items():
        logins = [step["with"] for step in job.steps if step.get("uses", "").startswith("azure/login@")]
        if not logins:
            assert "ARM_CLIENT_ID" not in job.job.get("env", {})
            continue
        [login] = logins
        identity = re.fullmatch(r"\$\{\{ vars\.AZURE_(READER|DEPLOYER)_CLIENT_ID \}\}", login["client-id"])
        assert identity is not None
        # Storage and vault sign in as azure/login did, everything else by ARM_*: both must be the same.
        environment = job.job["env"]
        assert (environment["ARM_CLIENT_ID"], environment["ARM_TENANT_ID"]) == (
            login["client-id"],
            login["tenant-id"],
        )
        assert environment["ARM_SUBSCRIPTION_ID"] == login["subscription-id"]
        identities[key] = (identity[1], job.job.get("environment"))
    assert identities == IDENTITIES
    trusted = {identity: {trust.context for trust in trusts} for identity, trusts in TRUST.items()}
    for key, (identity, environment) in IDENTITIES.items():
        names = STACKS if environment == "${{ inputs.stack }}" else (environment,)
        contexts = {f"environment:{name}" for name in names} if environment else CONTEXTS[key]
        assert contexts <= trusted[identity], f"{key} would be refused by Entra"
    assert sum(map(len, trusted.values())) == len({"pr", *STACKS}) + len(CONTEXTS), "a trust is unused"


def test_each_variable_is_made_by_the_bootstrap_and_each_that_it_makes_is_used() -> None:
    used = {name for path in FILES.values() for name in re.findall(r"vars\.(\w+)", path.read_text())}
    assert used == VARIABLES.keys()
    exported = re.findall(r'pulumi\.export\(\s*"(\w+)"', (PROJECT_ROOT / "bootstrap/program.py").read_text())
    assert set(VARIABLES.values()) == set(exported) - {"repository"}  # says where to set them
