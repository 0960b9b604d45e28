"""The whole bootstrap under mocks: who may sign in, who may do what, and what is protected."""

import re

import pytest

from bootstrap.federation import DEPLOYER, READER, Trust
from infra.roles import APP_ROLES, RETIRED_ROLE_IDS
from tests.unit.bootstrap.recording import OPERATORS, REPOSITORY, run_bootstrap
from tests.unit.infra.recording import ARM, SUBSCRIPTION_ID, Run

CREDENTIAL = "azure-native:managedidentity:FederatedIdentityCredential"
ASSIGNMENT = "azure-native:authorization:RoleAssignment"
DEFINITION = "azure-native:authorization:RoleDefinition"

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


GROUP = "bbbbbbbb-0000-4000-8000-000000000001"


@pytest.fixture(scope="module")
def made() -> Run:
    return run_bootstrap()


@pytest.fixture(scope="module")
def configured() -> Run:
    """With other values of the settings."""
    return run_bootstrap(
        {
            "operators": [OPERATORS[0], f"group:{GROUP}"],
            "repositoryOwnerId": "1234",
            "repositoryId": "987654321",
            "purgeProtection": False,
            "deletionProtection": False,
            "tags": {"owner": "platform"},
        }
    )


@pytest.fixture(scope="module")
def previewed() -> Run:
    """The first preview, in which the outputs of resources are unknown, without operators."""
    return run_bootstrap({"operators": []}, preview=True)


def test_exactly_these_rights_are_granted(made: Run) -> None:
    roles = BUILT_IN | {role.inputs["roleDefinitionId"]: role.name for role in made.of_type(DEFINITION)}
    identities = {f"principal-of-{name}-identity": name for name in ("reader", "deployer")}
    granted = [
        (
            identities.get(inputs["principalId"], inputs["principalId"]),
            roles[inputs["roleDefinitionId"].rpartition("/")[2]],
            inputs["scope"],
        )
        for inputs in (assignment.inputs for assignment in made.of_type(ASSIGNMENT))
    ]
    assert len(granted) == len(set(granted))
    assert set(granted) == EXACT_GRANTS


def test_custom_roles_hold_exactly_these_actions(made: Run) -> None:
    keys = "Microsoft.KeyVault/vaults/keys"
    encrypt, decrypt = f"{keys}/encrypt/action", f"{keys}/decrypt/action"
    assert {role.name: role.inputs["permissions"] for role in made.of_type(DEFINITION)} == {
        "settings-reader": [{"actions": ["Microsoft.Web/sites/config/list/action"], "dataActions": []}],
        "state-opener": [{"actions": [], "dataActions": [decrypt]}],
        "state-sealer": [{"actions": [], "dataActions": [encrypt, decrypt]}],
    }


def test_the_deployer_may_grant_the_apps_roles_to_identities_and_nothing_else(made: Run) -> None:
    (inputs,) = (
        assignment.inputs for assignment in made.of_type(ASSIGNMENT) if "condition" in assignment.inputs
    )
    assert inputs is made["deployer-roles"].inputs
    assert inputs["conditionVersion"] == "2.0"
    condition = inputs["condition"]
    app_roles = {role.id for role in APP_ROLES}
    attributes = "Microsoft.Authorization/roleAssignments"
    for action, source, allowed in (
        ("write", "Request", app_roles),
        # An `up` removes roles that earlier versions granted.
        ("delete", "Resource", app_roles | set(RETIRED_ROLE_IDS)),
    ):
        assert f"ActionMatches{{'{attributes}/{action}'}}" in condition
        (listed,) = re.findall(
            rf"@{source}\[{attributes}:RoleDefinitionId\] ForAnyOfAnyValues:GuidEquals \{{([^}}]*)\}}",
            condition,
        )
        assert set(listed.split(", ")) == allowed
        only_identities = "ForAnyOfAnyValues:StringEqualsIgnoreCase {'ServicePrincipal'}"
        assert f"@{source}[{attributes}:PrincipalType] {only_identities}" in condition
    assert (condition.count("("), condition.count(" OR ")) == (condition.count(")"), 2)


def principals(made: Run) -> dict[str, str]:
    inputs = [assignment.inputs for assignment in made.of_type(ASSIGNMENT)]
    return {given["principalId"]: given["principalType"] for given in inputs if "principalId" in given}


def test_every_assignment_names_the_type_of_its_principal(configured: Run, previewed: Run) -> None:
    assert principals(configured) == {
        "principal-of-reader-identity": "ServicePrincipal",
        "principal-of-deployer-identity": "ServicePrincipal",
        OPERATORS[0]: "User",
        GROUP: "Group",
    }
    # Without operators, the person who runs the program is one.
    assert principals(previewed)["o"] == "User"


def subjects(made: Run) -> dict[str, str]:
    return {credential.name: credential.inputs["subject"] for credential in made.of_type(CREDENTIAL)}


def test_these_workflows_may_sign_in_and_no_others(made: Run) -> None:
    assert subjects(made) == {
        "reader-github-pull-request": "repo:octo/assistants:pull_request",
        "reader-github-main": "repo:octo/assistants:ref:refs/heads/main",
        "deployer-github-dev": "repo:octo/assistants:environment:dev",
        "deployer-github-test": "repo:octo/assistants:environment:test",
        "deployer-github-prod": "repo:octo/assistants:environment:prod",
        "deployer-github-pr": "repo:octo/assistants:environment:pr",
    }
    for credential in made.of_type(CREDENTIAL):
        assert credential.inputs["issuer"] == "https://token.actions.githubusercontent.com"
        assert credential.inputs["audiences"] == ["api://AzureADTokenExchange"]


def test_with_ids_a_subject_names_the_owner_and_the_repository_by_id(configured: Run) -> None:
    with_ids = subjects(configured)
    repository = "repo:octo@1234/assistants@987654321"
    assert with_ids["reader-github-pull-request"] == f"{repository}:pull_request"
    assert with_ids["deployer-github-prod"] == f"{repository}:environment:prod"


@pytest.mark.parametrize(("identity", "trusts"), [("reader", READER), ("deployer", DEPLOYER)])
def test_an_identitys_credentials_are_written_one_after_the_other(
    made: Run, identity: str, trusts: tuple[Trust, ...]
) -> None:
    names = [f"{identity}-{trust.name}" for trust in trusts]
    for number, name in enumerate(names):
        assert set(names[:number]) <= made.before(name)
    assert len(names) <= 20


def test_overwritten_and_deleted_blobs_can_be_restored(made: Run) -> None:
    blobs = made["blob-service"].inputs
    assert blobs["isVersioningEnabled"]
    assert blobs["deleteRetentionPolicy"] == {"enabled": True, "days": 30}
    assert blobs["containerDeleteRetentionPolicy"] == {"enabled": True, "days": 30}
    for container in ("state", "packages"):
        assert "blob-service" in made.before(f"{container}-container")
    (rule,) = made["version-expiry"].inputs["policy"]["rules"]
    assert rule["enabled"]
    assert rule["definition"] == {
        "filters": {"blobTypes": ["blockBlob"]},
        "actions": {"version": {"delete": {"daysAfterCreationGreaterThan": 90}}},
    }
    assert "blob-service" in made.before("version-expiry")


def test_the_vault_cannot_be_purged_and_its_key_is_not_rotated(made: Run, configured: Run) -> None:
    properties = made["vault"].inputs["properties"]
    assert properties["enableSoftDelete"]
    assert properties["enablePurgeProtection"]
    assert "enablePurgeProtection" not in configured["vault"].inputs["properties"], "Azure accepts no false"
    key = made["state-key"].inputs["properties"]
    assert (key["kty"], set(key["keyOps"])) == ("RSA", {"encrypt", "decrypt"})
    assert "rotationPolicy" not in key


def test_every_resource_is_protected_unless_the_setting_says_otherwise(made: Run, configured: Run) -> None:
    assert [resource.name for resource in made.resources.values() if not resource.protect] == []
    assert not any(resource.protect for resource in configured.resources.values())


def test_a_resource_with_a_fixed_name_is_deleted_before_it_is_replaced(made: Run) -> None:
    created_first = {
        resource.name
        for resource in made.resources.values()
        if resource.type.startswith("azure-native:") and not resource.delete_before_replace
    }
    assert created_first == {"state-key"}  # a replaced key stays in the vault


def test_components_keep_their_types_which_are_part_of_every_urn(made: Run) -> None:
    components = {
        name: resource.type
        for name, resource in made.resources.items()
        if resource.type.startswith("bootstrap:")
    }
    assert components == {
        "storage": "bootstrap:state:StateStorage",
        "key": "bootstrap:state:StateKey",
        "reader": "bootstrap:identities:GitHubIdentity",
        "deployer": "bootstrap:identities:GitHubIdentity",
        "grants": "bootstrap:identities:Grants",
    }
    others = {name: resource.parent for name, resource in made.resources.items() if name not in components}
    assert {name for name, parent in others.items() if not parent} == {"group"}


def test_every_resource_that_takes_tags_has_them(configured: Run) -> None:
    for name in ("group", "storage-account", "vault", "state-key", "reader-identity", "deployer-identity"):
        tags = configured[name].inputs["tags"]
        assert tags == {"owner": "platform", "project": "bootstrap", "stack": "shared"}


def test_the_outputs_are_those_that_the_pipelines_need(made: Run) -> None:
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
