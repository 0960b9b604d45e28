"""How `destroy` and `test-stack down` remove a stack."""

import sys
from io import StringIO
from types import SimpleNamespace
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from ops.engine import Pulumi
from ops.state import GROUP, GUARD, PURGED_ACCOUNT
from tests.unit.ops.world import STATE_FILES, SUBSCRIPTION, World, exported, resource, returns

PREFIX = f"/subscriptions/{SUBSCRIPTION}"


def group(name: str) -> dict[str, Any]:
    return resource("group", GROUP, id=f"{PREFIX}/resourceGroups/{name}")


def stand(world: World, stack: str, *more: dict[str, Any]) -> None:
    """A stack with its group and its state."""
    world.cli.states[stack] = exported(group(world.add_group(stack)), *more)


def destroy(world: World, stack: str, *words: str) -> tuple[int, str]:
    """The exit code and everything that was printed."""
    if stack.startswith("pr-"):
        world.github.add(int(stack[3:]), "closed")
        code, output, errors = world.ops("test-stack", "down", "--pr", stack[3:])
    else:
        code, output, errors = world.ops("destroy", "--stack", stack, *(words or ("--yes",)))
    return code, output + errors


def test_the_stack_of_a_pull_request_is_removed_with_all_its_leftovers(world: World) -> None:
    stand(world, "pr-7")
    world.add_group("pr-7", "rg-elsewhere")
    world.azure.groups["rg-elsewhere"]["stack"] = "pr-8"
    world.add_deleted_account("pr-7")
    kept = world.add_deleted_account("pr-8")
    for name in STATE_FILES:
        world.files.write(name, b"")
    (world.folder / "Pulumi.pr-7.yaml").write_text("config: {}\n")

    assert destroy(world, "pr-7")[0] == 0

    assert world.cli.changes() == [
        "destroy --stack pr-7 --yes --skip-preview --refresh",
        "stack rm pr-7 --yes",
    ]
    assert list(world.azure.groups) == ["rg-elsewhere"]
    assert [account for *_, account in world.azure.accounts] == [kept]
    assert world.files.names("") == []
    assert not (world.folder / "Pulumi.pr-7.yaml").exists()


def test_a_stack_without_a_state_leaves_its_group_and_its_account_to_down(world: World) -> None:
    world.add_group("pr-7")
    world.add_deleted_account("pr-7")

    assert destroy(world, "pr-7")[0] == 0

    assert (world.azure.groups, world.azure.accounts, world.cli.changes()) == ({}, [], [])


def test_a_stack_that_pulumi_cannot_destroy_goes_with_its_group(world: World) -> None:
    stand(world, "pr-7")
    world.cli.failures["destroy"] = [(255, "error: boom")]

    code, printed = destroy(world, "pr-7")

    assert code == 0, printed
    assert world.cli.changes()[-1] == "stack rm pr-7 --yes --force"
    assert (world.azure.groups, world.cli.states) == ({}, {})


@pytest.mark.parametrize("why", ["outside", "not deployed", "untagged", "locked", "dev"])
def test_a_stack_that_pulumi_cannot_destroy_stays(world: World, why: str) -> None:
    stack = "dev" if why == "dev" else "pr-7"
    outside = resource("role", id=f"{PREFIX}/providers/Microsoft.Authorization/roleAssignments/x")
    stand(world, stack, *([outside] if why == "outside" else []))
    if why == "not deployed":
        world.cli.states[stack] = exported(resource("component"))
    if why == "untagged":
        world.azure.groups[world.group_of(stack)] = {}
    world.cli.failures["destroy"] = [(255, "error: boom")]
    if why == "locked":
        run = world.cli.run

        def lock(pulumi: Any, *words: str) -> Any:
            if words[0] == "destroy":
                world.lock(stack)
            return run(pulumi, *words)

        world.patch.setattr(world.cli, "run", lock)

    code, printed = destroy(world, stack)

    assert code == 1
    assert ("neither was removed" if why == "untagged" else "exit code 255") in printed
    assert stack in world.cli.states
    assert world.group_of(stack) in world.azure.groups


@pytest.mark.parametrize(
    ("outcome", "code", "message"),
    [
        (HttpResponseError("(ScopeLocked) a lock\nmore"), 1, "cannot be deleted: (ScopeLocked) a lock\n"),
        (ResourceNotFoundError(), 0, ""),  # deleted by others at the same time
        (
            SimpleNamespace(result=returns(None), done=returns(False)),
            1,
            "cannot be deleted: it is still running after 30 minutes: run this again later\n",
        ),
    ],
)
def test_a_group_that_azure_does_not_delete_is_an_error_with_its_reason(
    world: World, outcome: object, code: int, message: str
) -> None:
    stand(world, "pr-7")
    name = world.group_of("pr-7")

    def begin_delete(_name: str) -> object:
        if isinstance(outcome, ResourceNotFoundError):
            del world.azure.groups[name]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    world.patch.setattr(world.azure.resources.resource_groups, "begin_delete", begin_delete)

    actual, printed = destroy(world, "pr-7")

    assert actual == code
    assert (f"the resource group {name} {message}" if message else "") in printed


def test_what_is_left_is_named(world: World) -> None:
    stand(world, "pr-7")
    suspicious = world.add_group("pr-7", "rg-somebodys-own")

    world.patch.setattr(Pulumi, "remove_stack", returns(None))

    code, printed = destroy(world, "pr-7")

    assert code == 1
    left = f"the resource group {suspicious}, the stack pr-7"
    assert f"stack pr-7 still has: {left}. Run this again" in printed


def test_another_stack_is_destroyed_and_keeps_its_settings(world: World) -> None:
    place = {"location": "EastUS2", "group": "rg-dev", "account": "OAI-dev"}
    stand(world, "dev", resource("purged-account", PURGED_ACCOUNT, id="x", inputs=place))
    world.azure.accounts = [("eastus2", "RG-dev", "oai-dev"), ("eastus2", "rg-dev", "oai-other")]
    (world.folder / "Pulumi.dev.yaml").write_text("config: {}\n")

    assert destroy(world, "dev")[0] == 0

    assert (world.azure.groups, world.azure.accounts) == ({}, [("eastus2", "rg-dev", "oai-other")])
    assert "dev" in world.cli.states
    assert (world.folder / "Pulumi.dev.yaml").exists()


@pytest.mark.parametrize(("typed", "code"), [("dev\n", 0), ("prod\n", 1), ("", 1), (None, 1)])
def test_destroy_requires_the_name_of_the_stack(world: World, typed: str | None, code: int) -> None:
    stand(world, "dev")
    stdin = StringIO(typed)
    world.patch.setattr(stdin, "isatty", lambda: typed is not None)
    world.patch.setattr(sys, "stdin", stdin)

    actual, output, errors = world.ops("destroy", "--stack", "dev")

    assert actual == code
    assert bool(world.cli.changes()) == (code == 0)
    assert ("--yes" in errors) == (typed is None)
    if typed is not None:
        assert "Destroy the 1 resources of stack dev? Type its name: " in output


def test_a_dry_run_of_destroy_lists_the_resources(world: World) -> None:
    stand(world, "dev", resource("component"))

    code, output, _ = world.ops("destroy", "--stack", "dev", "--dry-run")

    assert (code, world.cli.changes()) == (0, [])
    assert output == f"group  {GROUP}\n1 resources of stack dev would be destroyed.\n"


def test_destroy_of_an_unknown_stack_is_refused(world: World) -> None:
    stand(world, "dev")

    code, printed = destroy(world, "dve")

    assert (code, world.cli.changes()) == (1, [])
    assert "no stack named 'dve' found" in printed


@pytest.mark.parametrize("stack", ["dev", "pr-7"])
@pytest.mark.parametrize(
    "protected",
    [
        resource("storage-account", id="x", protect=True),
        resource("storage-account", GUARD, id="x", outputs={"protected": True}),
    ],
)
def test_a_protected_stack_is_not_destroyed(world: World, stack: str, protected: dict[str, Any]) -> None:
    stand(world, stack, protected, resource("guard", GUARD, id="x", outputs={"protected": False}))

    code, printed = destroy(world, stack)

    assert (code, world.cli.changes()) == (1, [])
    assert printed.endswith("Protected: storage-account\n")
    for command in ("config set deletionProtection false", "up"):
        assert f"pulumi {command} --stack {stack}" in printed
