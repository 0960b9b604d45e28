"""Who may have a test stack, what `test-stack` does, and what the comment says."""

from typing import Any

import pytest

from infra.stacks import ephemeral_stack
from ops.commands import pull_request_stack
from ops.commands.pull_request_stack import LABEL, StepError, failed, left, refuse
from ops.engine import CHANGES_FOUND
from ops.output import OpsError
from ops.preview.comment import PART_LIMITS
from ops.state import SITE, STORAGE_ACCOUNT
from tests.unit.ops.world import REPOSITORY, PullRequests, World, exported, resource, returns

SITE_ID = "/subscriptions/s/resourceGroups/rg-pr-7/providers/Microsoft.Web/sites/func-pr-7"


def deployed(host: str = "func-pr-7.azurewebsites.net") -> dict[str, Any]:
    endpoints = {"table": "https://st.table.core.windows.net/"}
    return exported(
        resource("function-app", SITE, id=SITE_ID, outputs={"defaultHostName": host}),
        resource("storage-account", STORAGE_ACCOUNT, id="x", outputs={"primaryEndpoints": endpoints}),
    )


@pytest.fixture
def tested(world: World) -> list[str]:
    """The function keys that the end-to-end tests get. The pull request 7 may have a stack."""
    keys: list[str] = []

    def run_tests(_pulumi: object, _target: object, key: str) -> None:
        if key == "wrong":
            raise StepError("the end-to-end tests", "exit code 1", "1 failed")
        keys.append(key)

    world.patch.setattr(pull_request_stack, "run_tests", run_tests)
    world.github.add(7)
    world.cli.deployed = deployed()
    return keys


@pytest.mark.parametrize(
    ("pull_request", "reason"),
    [
        ({"state": "closed"}, "is closed"),
        ({"state": "merged"}, "is merged"),
        ({"head_repository": "someone/assistants"}, "comes from someone/assistants"),
        ({"head_repository": None}, "a deleted fork"),
        ({"labels": frozenset({"bug"})}, f"not labelled '{LABEL}'"),
        (None, "has no pull request #7"),
    ],
)
def test_a_pull_request_may_have_no_stack(pull_request: dict[str, Any] | None, reason: str) -> None:
    github = PullRequests()
    if pull_request is not None:
        github.add(7, **pull_request)

    with pytest.raises(OpsError, match=reason):
        refuse(github.pull_request(7), 7, REPOSITORY, by_event=True)


@pytest.mark.parametrize(("event", "code"), [("pull_request", 1), ("workflow_dispatch", 0)])
def test_only_an_event_requires_the_label(world: World, tested: list[str], event: str, code: int) -> None:
    world.patch.setenv("GITHUB_ACTIONS", "true")
    world.patch.setenv("GITHUB_EVENT_NAME", event)
    world.github.add(7, labels=frozenset())

    assert world.ops("test-stack", "up", "--pr", "7")[0] == code
    assert bool(tested) == (code == 0)


@pytest.mark.parametrize("number", ["0", "-1", "07", "x", "", "7 ", "12345678901"])
def test_a_number_that_no_pull_request_has_is_wrong_usage(world: World, number: str) -> None:
    with pytest.raises(SystemExit) as stopped:
        world.ops("test-stack", "down", "--pr", number)

    assert stopped.value.code == 2
    assert world.cli.commands == []


def test_a_stack_is_created_updated_twice_and_tested(world: World, tested: list[str]) -> None:
    for name, value in (("ACTIONS", "true"), ("RUN_ID", "42"), ("REPOSITORY", REPOSITORY)):
        world.patch.setenv(f"GITHUB_{name}", value)

    code, output, errors = world.ops("test-stack", "up", "--pr", "7")

    assert code == 0
    mask, output = output.split("\n", 1)
    assert mask == "::add-mask::s3cret-key"
    assert tested == ["s3cret-key"]
    assert world.cli.changes() == [
        "stack init pr-7 --no-select",
        "up --stack pr-7 --yes --skip-preview",
        "up --stack pr-7 --yes --skip-preview --expect-no-changes",
    ]
    assert "https://func-pr-7.azurewebsites.net/api/assistants" in output
    working, ready = world.github.written
    assert "s3cret-key" not in output + errors + working + ready
    assert f"being deployed ([run](https://github.com/{REPOSITORY}/actions/runs/42))" in working
    for part in ("/api/assistants/hello", "keys list --resource-group rg-pr-7 --name func-pr-7", LABEL):
        assert part in ready


@pytest.mark.usefixtures("tested")
def test_an_existing_stack_is_recovered_and_not_created(world: World) -> None:
    pending = [{"type": "creating", "resource": {"urn": resource("table")["urn"]}}]
    world.cli.states["pr-7"] = {"deployment": {"pending_operations": pending}}

    code, output, errors = world.ops("test-stack", "up", "--pr", "7")

    assert code == 0
    assert "s3cret-key" not in output + errors
    assert world.cli.changes()[0] == "refresh --stack pr-7 --yes --skip-preview --clear-pending-creates"


@pytest.mark.usefixtures("tested")
@pytest.mark.parametrize("states", [{}, {"pr-7": exported()}])
def test_a_locked_stack_is_neither_created_nor_updated(world: World, states: dict[str, Any]) -> None:
    world.cli.states = states
    world.lock("pr-7")

    code, _, errors = world.ops("test-stack", "up", "--pr", "7")

    assert (code, world.cli.changes()) == (1, [])
    assert "python -m ops unlock --stack pr-7" in errors


@pytest.mark.usefixtures("tested")
def test_a_stack_with_a_resource_that_is_not_in_its_state_is_destroyed_and_created_again(
    world: World,
) -> None:
    world.cli.failures["up"] = [(255, "error: cannot create already existing resource '/subscriptions/s'")]
    group = world.add_group("pr-7")

    assert world.ops("test-stack", "up", "--pr", "7")[0] == 0
    assert group not in world.azure.groups
    verbs = [" ".join(command.split()[:3]) for command in world.cli.changes()]
    assert verbs == [
        "stack init pr-7", "up --stack pr-7", "stack rm pr-7",
        "stack init pr-7", "up --stack pr-7", "up --stack pr-7",
    ]  # fmt: skip


QUOTA = (255, "error: update failed\nerror: InsufficientQuota")
SECOND = "a second pulumi up, which must change nothing"
FIND = "finding the deployed app"


@pytest.mark.parametrize(
    ("failures", "host", "key", "step", "reason"),
    [
        ({"init": [QUOTA]}, "h", "k", "creating the stack", "InsufficientQuota"),
        ({"up": [QUOTA]}, "h", "k", "pulumi up", "InsufficientQuota"),
        ({"up": [(0, ""), QUOTA]}, "h", "k", SECOND, "exit code 255"),
        ({"up": [(0, ""), (CHANGES_FOUND, "")]}, "h", "k", SECOND, "resources change at every `up`"),
        ({"export": [QUOTA]}, "h", "k", FIND, "exit code 255"),
        ({}, "h/x", "k", FIND, "its address is 'https://h/x'"),
        ({}, "h", "", FIND, "has no key `default`"),
        ({}, "h", "wrong", "the end-to-end tests", "1 failed"),
    ],
)
def test_a_stack_that_fails_is_kept_and_the_comment_names_the_step(
    world: World, tested: list[str], *, failures: Any, host: str, key: str, step: str, reason: str
) -> None:
    world.cli.deployed = deployed(host)
    world.cli.failures = {verb: list(outputs) for verb, outputs in failures.items()}
    world.azure.function_key = returns(key)

    code, _, errors = world.ops("test-stack", "up", "--pr", "7")

    assert (code, tested) == (1, [])
    assert f"**failed** at: {step}." in world.github.texts[7]
    assert reason in world.github.texts[7] + errors
    assert "test-stack down --pr 7" in errors
    assert not [command for command in world.cli.changes() if "destroy" in command]


@pytest.mark.usefixtures("tested")
@pytest.mark.parametrize(("existing", "up"), [(True, "updated"), (False, "created")])
def test_a_dry_run_changes_nothing(world: World, existing: bool, up: str) -> None:
    world.cli.states = {"pr-7": exported()} if existing else {}
    world.add_group("pr-7")
    groups = dict(world.azure.groups)
    down = "destroyed and removed" if existing else "checked for leftovers, which would be removed"

    for action, what in (("up", f"{up} and tested"), ("down", down)):
        code, output, _ = world.ops("test-stack", action, "--pr", "7", "--dry-run")
        assert (code, output) == (0, f"Stack pr-7 would be {what}.\n")

    assert world.cli.changes() == []
    assert world.azure.groups == groups
    assert world.github.texts == {}


def test_down_writes_to_the_comment_what_is_left_and_then_that_nothing_is(world: World) -> None:
    world.cli.states[ephemeral_stack(7)] = exported()
    lock = world.lock("pr-7")

    code, _, errors = world.ops("test-stack", "down", "--pr", "7")

    assert code == 1
    assert "python -m ops unlock --stack pr-7" in errors
    assert "could **not be destroyed**" in world.github.texts[7]
    assert "ada@h (process 4242)" in world.github.texts[7]

    world.files.delete(lock)
    code, output, _ = world.ops("test-stack", "down", "--pr", "7")

    assert (code, output) == (0, "Stack pr-7 is destroyed; nothing of it is left.\n")
    assert "`pr-7` is destroyed" in world.github.texts[7]


MARKS = "~~~\n```\n````\n<!-- part: preview -->\n<!-- end of test-stack -->\n@everyone [x](javascript:1)"
HOSTILE = f"{MARKS} ghp_aaaaaaaaaaaaaaaaaaaa\n"
LONG = ["x" * 100_000, "\u6f22" * 10_000, "\u6f22\n" * 10_000]


@pytest.mark.parametrize("text", [HOSTILE, HOSTILE * 500, *LONG, ""])
def test_what_failed_stays_inside_its_block_without_secrets_and_below_the_parts_limit(text: str) -> None:
    error = StepError("pulumi up", "exit code 1", text)

    for comment in (failed("pr-7", error), left("pr-7", text or "why")):
        lines = comment.splitlines()
        (opening,) = [number for number, line in enumerate(lines) if line.endswith("`text")]
        mark = lines[opening].removesuffix("text")
        assert [number for number, line in enumerate(lines) if line.strip() == mark] == [len(lines) - 1]
        assert not any(line.startswith("<!--") for line in lines)
        assert "ghp_" not in comment
        assert len(comment.encode()) <= PART_LIMITS[pull_request_stack.PART]
