"""Keeps a protected stack whole when somebody destroys it.

`protect` alone stops a destroy at the resource that carries it: with `--skip-preview` all that is not
protected is gone by then. This resource depends on everything, so it is the first to be deleted, and
refuses. Nothing else has been touched then.
"""

from typing import Any

import pulumi
from pulumi import ResourceOptions
from pulumi.dynamic import CreateResult, DiffResult, Resource, ResourceProvider, UpdateResult

from infra.dynamic.support import plain_failure, recorded


class ProtectedError(Exception):
    """The stack is protected; the message names the commands that allow its deletion."""


class DeletionGuard(Resource, module="infra", name="DeletionGuard"):
    """Cannot be deleted while `protected`. Let it depend on everything that must not go."""

    def __init__(self, name: str, *, protected: bool, opts: ResourceOptions | None = None) -> None:
        inputs = {"protected": protected, "stack": pulumi.get_stack()}
        super().__init__(DeletionGuardProvider(), name, inputs, opts)


class DeletionGuardProvider(ResourceProvider):
    """Nothing is captured: the pickle is this class's name."""

    serialize_as_secret_always = False

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        return DiffResult(changes=recorded(_news) != recorded(_olds))

    def create(self, props: dict[str, Any]) -> CreateResult:
        return CreateResult("deletion-guard", recorded(props))

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        return UpdateResult(recorded(_news))

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        if not _props["protected"]:
            return
        with plain_failure(ProtectedError):
            raise ProtectedError(refusal(str(_props["stack"])))


def refusal(stack: str) -> str:
    """Why a protected stack is not destroyed, and the two commands that would allow it."""
    return (
        f"Stack {stack} is protected (deletionProtection is true); nothing has been deleted. "
        "To allow it, run these two commands, and destroy again:\n"
        f"  pulumi config set deletionProtection false --stack {stack}\n"
        f"  pulumi up --stack {stack}"
    )
