"""Runs the bootstrap's program under Pulumi's mocks."""

from collections.abc import Mapping
from typing import Any, cast

from pulumi.runtime.mocks import MockResourceArgs

from tests.unit.infra.recording import Azure, Run, run_program

REPOSITORY = "octo/assistants"
OPERATORS = ["aaaaaaaa-0000-4000-8000-000000000001", "aaaaaaaa-0000-4000-8000-000000000002"]


class _Azure(Azure):
    def new_resource(self, args: MockResourceArgs) -> tuple[str, dict[str, Any]]:
        resource_id, outputs = super().new_resource(args)
        given: dict[str, Any] = cast("Any", args).inputs
        of_azure: dict[str, dict[str, Any]] = {
            "azure-native:managedidentity:UserAssignedIdentity": {
                "name": given.get("resourceName"),
                "clientId": f"client-of-{args.name}",
                "principalId": f"principal-of-{args.name}",
            },
            "azure-native:keyvault:Vault": {"name": given.get("vaultName")},
            "azure-native:keyvault:Key": {"keyUri": "https://kv-of-azure.test/keys/pulumi-state"},
        }
        return resource_id, {**outputs, **of_azure.get(args.typ, {})}


def run_bootstrap(config: Mapping[str, object] | None = None, *, preview: bool = False) -> Run:
    return run_program(
        {"repository": REPOSITORY, "operators": OPERATORS, **(config or {})},
        stack="shared",
        project="bootstrap",
        program="bootstrap/run.py",
        azure=_Azure(),
        preview=preview,
    )
