"""Refuses to destroy a protected stack, before any resource is deleted.

`protect` alone stops a destroy at the first protected resource: with `--skip-preview` resources that are not
protected have been deleted by then. This resource depends on all others, so it is the first to be deleted,
and its deletion fails.
"""

from typing import Any

import pulumi
from pulumi import ResourceOptions
from pulumi.dynamic import CreateResult, Resource

from infra.dynamic.support import Provider, plain_failure, recorded
from tools.pulumi.typed import as_typed


class ProtectedError(Exception):
    """The stack is protected; the message names the commands that allow its deletion."""


class DeletionGuard(Resource, module="infra", name="DeletionGuard"):
    """Cannot be deleted while `protected`. It must depend on everything that must not be deleted."""

    def __init__(self, name: str, *, protected: bool, opts: ResourceOptions | None = None) -> None:
        inputs = {"protected": protected, "stack": pulumi.get_stack()}
        super().__init__(DeletionGuardProvider(), name, inputs, opts)


class DeletionGuardProvider(Provider):
    def create(self, props: dict[str, Any]) -> CreateResult:
        return CreateResult("deletion-guard", recorded(props))

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        if not _props["protected"]:
            return
        with plain_failure(ProtectedError):
            raise ProtectedError(refusal(str(_props["stack"])))


DeletionGuardProvider.__module__ = "infra.dynamic"  # the path in states: see infra/dynamic/__init__.py


def refusal(stack: str) -> str:
    """The message for a protected stack, with the two commands that allow its deletion."""
    return (
        f"Stack {stack} is protected (deletionProtection is true); nothing has been deleted. "
        "To allow it, do this, then destroy it again:\n"
        f"  {as_typed(f'pulumi config set deletionProtection false --stack {stack}')}\n"
        f"  {as_typed(f'pulumi up --stack {stack}')}"
    )
