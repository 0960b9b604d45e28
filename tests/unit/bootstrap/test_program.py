"""The whole bootstrap under mocks: who may sign in, who may do what, and what is protected."""

import re
from collections.abc import Mapping
from typing import Any, cast

import pytest
from pulumi.runtime.mocks import MockResourceArgs

from bootstrap.federation import DEPLOYER, READER
from infra.roles import APP_ROLES, RETIRED_ROLE_IDS
from tests.unit.infra.recording import ARM, SUBSCRIPTION_ID, Azure, Run, run_program

REPOSITORY = "octo/assistants"
CREDENTIAL = "azure-native:managedidentity:FederatedIdentityCredential"
ASSIGNMENT = "azure-native:authorization:RoleAssignment"
DEFINITION = "azure-native:authorization:RoleDefinition"
OPERATORS = ["aaaaaaaa-0000-4000-8000-000000000001", "aaaaaaaa-0000-4000-8000-000000000002"]

SUBSCRIPTION = ARM
STATE = f"{ARM}/id-of-azure/state-container"
PACKAGES = f"{ARM}/id-of-azure/packages-container"
KEY = f"{ARM}/id-of-azure/state-key"

EXACT_GRANTS = {
    ("reader", "Reader", SUBSCRIPTION),
    ("reader", "settings-reader", SUBSCRIPTION),
    ("reader", "Storage Blob Data Reader", STATE),
    ("reader", "state-opener", KEY),
    ("deployer", "Contributor", SUBSCRIPTION),
    ("deployer", "Role Based Access Control Administrator", SUBSCRIPTION),
    ("deployer", "Locks Contributor", SUBSCRIPTION),
    ("deployer", "Storage Blob Data Contributor", STATE),
    ("deployer", "Storage Blob Data Contributor", PACKAGES),
    ("deployer", "state-sealer", KEY),
    *(
        (operator, role, scope)
        for operator in OPERATORS
        for role, scope in (
            ("Storage Blob Data Contributor", STATE),
            ("Storage Blob Data Contributor", PACKAGES),
            ("state-sealer", KEY),
        )
    ),
}
BUILT_IN = {
    "acdd72a7-3385-48ef-bd42-f606fba81ae7": "Reader",
    "b24988ac-6180-42a0-ab88-20f7382dd24c": "Contributor",
    "f58310d9-a9f6-439a-9e8d-f62e7b41a168": "Role Based Access Control Administrator",
    "28bf596f-4eb7-45ce-b5bc-6cf482fec137": "Locks Contributor",
    "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1": "Storage Blob Data Reader",
    "ba92f5b4-2d11-453d-a403-e96b0029c9fe": "Storage Blob Data Contributor",
}


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


def run(config: Mapping[str, object] | None = None, *, preview: bool = False) -> Run:
    return run_program(
        {"repository": REPOSITORY, "operators": OPERATORS, **(config or {})},
        stack="shared",
        project="bootstrap",
        program="bootstrap/run.py",
        azure=_Azure(),
        preview=preview,
    )


@pytest.fixture(scope="module")
def made() -> Run:
    return run()


def roles(made: Run) -> dict[str, str]:
    """Role GUID to built-in name or custom logical name."""
    return {**BUILT_IN, **{one.inputs["roleDefinitionId"]: one.name for one in made.of_type(DEFINITION)}}


def test_exactly_these_rights_are_granted(made: Run) -> None:
    known = roles(made)
    who = {f"principal-of-{name}-identity": name for name in ("reader", "deployer")}
    granted = [
        (
            who.get(one.inputs["principalId"], one.inputs["principalId"]),
            known[one.inputs["roleDefinitionId"].rpartition("/")[2]],
            one.inputs["scope"],
        )
        for one in made.of_type(ASSIGNMENT)
    ]
    assert len(granted) == len(set(granted))
    assert set(granted) == EXACT_GRANTS


def test_custom_roles_hold_exactly_these_actions(made: Run) -> None:
    keys = "Microsoft.KeyVault/vaults/keys"
    assert {one.name: one.inputs["permissions"] for one in made.of_type(DEFINITION)} == {
        "settings-reader": [{"actions": ["Microsoft.Web/sites/config/list/action"], "dataActions": []}],
        "state-opener": [{"actions": [], "dataActions": [f"{keys}/decrypt/action"]}],
        "state-sealer": [
            {"actions": [], "dataActions": [f"{keys}/encrypt/action", f"{keys}/decrypt/action"]}
        ],
    }


def test_the_deployer_grants_the_apps_roles_to_identities_and_nothing_else(made: Run) -> None:
    conditions = {
        one.name: (one.inputs["condition"], one.inputs["conditionVersion"])
        for one in made.of_type(ASSIGNMENT)
        if "condition" in one.inputs
    }
    assert list(conditions) == ["deployer-roles"]
    condition, version = conditions["deployer-roles"]
    assert version == "2.0"
    app_roles = {role.id for role in APP_ROLES}
    for action, source, roles in (
        ("write", "Request", app_roles),
        ("delete", "Resource", app_roles | set(RETIRED_ROLE_IDS)),  # an `up` takes away what it once granted
    ):
        assert f"ActionMatches{{'Microsoft.Authorization/roleAssignments/{action}'}}" in condition
        (listed,) = re.findall(
            rf"@{source}\[Microsoft\.Authorization/roleAssignments:RoleDefinitionId\] "
            r"ForAnyOfAnyValues:GuidEquals \{([^}]*)\}",
            condition,
        )
        assert set(listed.split(", ")) == roles
        assert (
            f"@{source}[Microsoft.Authorization/roleAssignments:PrincipalType] "
            "ForAnyOfAnyValues:StringEqualsIgnoreCase {'ServicePrincipal'}"
        ) in condition
    assert (condition.count("("), condition.count(" OR ")) == (condition.count(")"), 2)


def test_azure_is_told_what_a_principal_is() -> None:
    group = "bbbbbbbb-0000-4000-8000-000000000001"
    mixed = run({"operators": [OPERATORS[0], f"group:{group}"]})
    assert {one.inputs["principalId"]: one.inputs["principalType"] for one in mixed.of_type(ASSIGNMENT)} == {
        "principal-of-reader-identity": "ServicePrincipal",
        "principal-of-deployer-identity": "ServicePrincipal",
        OPERATORS[0]: "User",
        group: "Group",
    }


def test_without_operators_whoever_runs_it_is_one() -> None:
    alone = run({"operators": []})
    people = {one.inputs["principalId"] for one in alone.of_type(ASSIGNMENT)} - {
        "principal-of-reader-identity",
        "principal-of-deployer-identity",
    }
    assert people == {"o"}


def subjects(made: Run) -> dict[str, str]:
    return {one.name: one.inputs["subject"] for one in made.of_type(CREDENTIAL)}


def test_these_workflows_may_sign_in_and_no_others(made: Run) -> None:
    assert subjects(made) == {
        "reader-github-pull-request": "repo:octo/assistants:pull_request",
        "reader-github-main": "repo:octo/assistants:ref:refs/heads/main",
        "deployer-github-dev": "repo:octo/assistants:environment:dev",
        "deployer-github-test": "repo:octo/assistants:environment:test",
        "deployer-github-prod": "repo:octo/assistants:environment:prod",
        "deployer-github-pr": "repo:octo/assistants:environment:pr",
    }
    for one in made.of_type(CREDENTIAL):
        assert one.inputs["issuer"] == "https://token.actions.githubusercontent.com"
        assert one.inputs["audiences"] == ["api://AzureADTokenExchange"]


def test_with_ids_a_subject_names_owner_and_repository_for_good() -> None:
    with_ids = run({"repositoryOwnerId": "1234", "repositoryId": "987654321"})
    assert (
        subjects(with_ids)["reader-github-pull-request"] == "repo:octo@1234/assistants@987654321:pull_request"
    )
    assert (
        subjects(with_ids)["deployer-github-prod"] == "repo:octo@1234/assistants@987654321:environment:prod"
    )


@pytest.mark.parametrize(("who", "trusts"), [("reader", READER), ("deployer", DEPLOYER)])
def test_an_identitys_credentials_are_written_one_after_the_other(
    made: Run, who: str, trusts: tuple[Any, ...]
) -> None:
    names = [f"{who}-{trust.name}" for trust in trusts]
    for number, name in enumerate(names):
        assert set(names[:number]) <= made.before(name)
    assert len(names) <= 20


def test_no_key_opens_the_state_and_what_is_overwritten_or_deleted_can_be_brought_back(made: Run) -> None:
    account = made["storage-account"].inputs
    assert {
        name: account[name]
        for name in (
            "allowSharedKeyAccess",
            "allowBlobPublicAccess",
            "minimumTlsVersion",
            "enableHttpsTrafficOnly",
        )
    } == {
        "allowSharedKeyAccess": False,
        "allowBlobPublicAccess": False,
        "minimumTlsVersion": "TLS1_2",
        "enableHttpsTrafficOnly": True,
    }
    blobs = made["blob-service"].inputs
    assert blobs["isVersioningEnabled"]
    assert blobs["deleteRetentionPolicy"] == {"enabled": True, "days": 30}
    assert blobs["containerDeleteRetentionPolicy"] == {"enabled": True, "days": 30}
    for container in ("state", "packages"):
        assert made[f"{container}-container"].inputs["publicAccess"] == "None"
        assert "blob-service" in made.before(f"{container}-container")


def test_the_vault_asks_roles_and_cannot_be_purged(made: Run) -> None:
    properties = made["vault"].inputs["properties"]
    assert properties["enableRbacAuthorization"]
    assert properties["enablePurgeProtection"]
    key = made["state-key"].inputs["properties"]
    assert (key["kty"], set(key["keyOps"])) == ("RSA", {"encrypt", "decrypt"})
    assert "rotationPolicy" not in key


def test_without_purge_protection_it_is_left_out_since_azure_takes_no_false() -> None:
    assert "enablePurgeProtection" not in run({"purgeProtection": False})["vault"].inputs["properties"]


def test_everything_is_protected_unless_the_setting_says_otherwise(made: Run) -> None:
    assert [one.name for one in made.resources.values() if not one.protect] == []
    assert not any(one.protect for one in run({"deletionProtection": False}).resources.values())


def test_everything_that_takes_tags_has_them() -> None:
    tagged = run({"tags": {"owner": "platform"}})
    for name in ("group", "storage-account", "vault", "state-key", "reader-identity", "deployer-identity"):
        assert tagged[name].inputs["tags"] == {"owner": "platform", "project": "bootstrap", "stack": "shared"}


def test_the_exports_are_what_pipelines_are_told_and_no_more(made: Run) -> None:
    account = made["storage-account"].inputs["accountName"]
    assert made.outputs == {
        "backendUrl": f"azblob://state?storage_account={account}",
        "secretsProvider": "azurekeyvault://kv-of-azure.test/keys/pulumi-state",
        "readerClientId": "client-of-reader-identity",
        "deployerClientId": "client-of-deployer-identity",
        "tenantId": "t",
        "subscriptionId": SUBSCRIPTION_ID,
        "packagesUrl": "https://blob.endpoint-of-azure.test/packages",
        "repository": REPOSITORY,
    }


def test_the_first_preview_runs_through() -> None:
    assert run(preview=True).of_type(CREDENTIAL)
