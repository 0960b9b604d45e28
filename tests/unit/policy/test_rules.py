"""Every rule passes what it should and finds what it should."""

from typing import NamedTuple

import pytest

from policy import data
from policy.model import SECRET, UNKNOWN, Resource
from policy.rules import RULES, judge, scope_type
from tests.unit.infra.recording import ARM
from tests.unit.policy.stacks import (
    GROUP,
    ROLES,
    Change,
    add,
    protect,
    put,
    resource,
    setting,
    valid_stack,
    without,
)

OWNER = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"
OWNER_ROLE = f"{ROLES}/{OWNER}"
DEPLOYMENT = "functionAppConfig.deployment.storage.authentication.type"
TAG = "tags.pullRequest"

DEV = ("dev", "dev", False)
PROD = ("prod", "prod", True)
PULL_REQUEST = ("pr-7", "pr", False)


class Case(NamedTuple):
    """After `change`, the rule finds the resource `finds`, or nothing. `stack`: arguments of valid_stack."""

    rule: str
    name: str
    change: Change
    finds: str = ""
    stack: tuple[str, str, bool] = DEV


# Rule, resource, input, values that pass and values that break the rule. None: the input is not set.
INPUTS: list[tuple[str, str, str, list[object], list[object]]] = [
    ("role-based-vaults", "vault", "properties.enableRbacAuthorization", [], [False]),
    ("keyless-storage", "storage-account", "allowSharedKeyAccess", [UNKNOWN], [True, None, SECRET]),
    ("keyless-storage", "storage-account", "defaultToOAuthAuthentication", [], [False]),
    ("keyless-storage", "function-app", DEPLOYMENT, ["SystemAssignedIdentity", None], []),
    ("keyless-storage", "function-app", DEPLOYMENT, [], ["StorageAccountConnectionString"]),
    ("keyless-models", "openai-account", "properties", [UNKNOWN], [{}]),
    ("keyless-models", "openai-account", "properties.disableLocalAuth", [], [False]),
    ("keyless-telemetry", "app-insights", "disableLocalAuth", [UNKNOWN], [False]),
    ("keyless-telemetry", "log-workspace", "features", [], [None]),
    ("no-public-blobs", "storage-account", "allowBlobPublicAccess", [], [True]),
    ("no-public-blobs", "deployments", "publicAccess", ["None"], ["Blob"]),
    ("no-cross-tenant-replication", "storage-account", "allowCrossTenantReplication", [UNKNOWN], [True]),
    ("https-only", "storage-account", "enableHttpsTrafficOnly", [], [False]),
    ("https-only", "function-app", "httpsOnly", [UNKNOWN], [None]),
    ("modern-tls", "storage-account", "minimumTlsVersion", ["TLS1_3"], ["TLS1_0"]),
    ("modern-tls", "function-app", "siteConfig.minTlsVersion", ["1.3"], ["1.1"]),
    ("modern-tls", "function-app", "siteConfig.scmMinTlsVersion", ["1.2", "1.3"], ["1.0"]),
    ("modern-tls", "function-app", "siteConfig", [], [SECRET]),
    ("no-publishing-passwords", "no-scm-password", "allow", [UNKNOWN], [True]),
    ("no-publishing-passwords", "no-ftp-password", "allow", [], [None]),
    ("known-roles", "blob-owner", "scope", [UNKNOWN], [GROUP]),
    ("known-roles", "blob-owner", "roleDefinitionId", [UNKNOWN], [OWNER_ROLE]),
    ("known-roles", "openai-user", "scope", [], [ARM, f"{GROUP}/providers/Microsoft.Web/sites/it"]),
    ("known-roles", "openai-user", "principalType", [], ["User", None]),
    ("exact-roles", "blob-owner", "principalId", [UNKNOWN], [OWNER]),
    ("no-secret-settings", "function-app", "siteConfig", [UNKNOWN], [SECRET]),
    ("no-secret-settings", "function-app", "siteConfig.connectionStrings", [UNKNOWN], [[{"name": "db"}]]),
    ("required-tags", "group", "tags", [UNKNOWN, SECRET], [None]),
    ("required-tags", "group", "tags.environment", [], [None, "<your environment>"]),
    ("required-tags", "group", "tags.owner", ["team-a"], ["TODO"]),
    ("required-tags", "openai-account", "tags.stack", [], ["prod"]),
    ("pull-request-tag", "group", TAG, [], ["7"]),
]

# Rule, app setting, values that pass and values that break the rule.
SETTINGS: list[tuple[str, str, list[str], list[str]]] = [
    ("no-secret-settings", "USE_TOKEN", ["true"], []),
    ("no-secret-settings", "TOKEN_LIMIT", ["1000"], []),
    ("no-secret-settings", "DB_PASSWORD", ["@Microsoft.KeyVault(SecretUri=https://v/s)"], ["hunter2"]),
    ("no-secret-settings", "SearchApiKey", [], [UNKNOWN]),
    ("no-secret-settings", "AzureOpenAI__credential", ["managedidentity", UNKNOWN], ["hunter2"]),
    ("no-secret-settings", "AzureWebJobsStorage__tableServiceUri", [UNKNOWN], []),
    ("no-secret-settings", "AzureWebJobsStorage", [], [UNKNOWN]),
    ("no-secret-settings", "OPENAI_API_KEY", [], ["x"]),
    ("no-secret-settings", "openai_api_key", [], ["true"]),
    ("no-secret-settings", "AZURE_OPENAI_KEY", [], [""]),
    ("no-secret-settings", "AzureOpenAI__key", [], [UNKNOWN]),
    ("no-secret-settings", "PLACE", ["here"], ["AccountKey=abc", SECRET]),
    ("flex-settings", "AzureFunctionsJobHost__logging__level", ["x"], []),
    ("flex-settings", "Logging:Level", [], ["x"]),
    ("flex-settings", "FUNCTIONS_WORKER_RUNTIME", [], ["python", UNKNOWN]),
    ("flex-settings", "website_run_from_package", [], ["1"]),
    ("flex-settings", "TZ", [], ["Europe/Berlin"]),
]


LOCK = resource("keep-data", min(data.LOCKS), {}, stack="pr-7")


def nothing(_stack: object) -> None:
    """For a stack that is used as it is."""


def assignment(key: str, project: str = "assistant", role: str = UNKNOWN) -> Resource:
    hidden = dict.fromkeys(("scope", "principalId"), UNKNOWN)
    props = {"roleDefinitionId": role, "principalType": "ServicePrincipal", **hidden}
    return resource(key, data.ROLE_ASSIGNMENT, props, project=project)


def definition(
    action: str = "Microsoft.KeyVault/vaults/keys/decrypt/action", project: str = "bootstrap"
) -> Resource:
    props = {"permissions": [{"actions": [], "dataActions": [action]}], "roleDefinitionId": OWNER}
    return resource("state-opener", data.ROLE_DEFINITION, props, project=project)


CASES = [
    *(
        Case(rule, f"{name}.{path} is {value!r}", put(name, path, value), name if breaks else "")
        for rule, name, path, passing, breaking in INPUTS
        for breaks, values in ((False, passing), (True, breaking))
        for value in values
    ),
    *(
        Case(rule, f"{name}={value}", setting(name, value), "function-app" if breaks else "")
        for rule, name, passing, breaking in SETTINGS
        for breaks, values in ((False, passing), (True, breaking))
        for value in values
    ),
    Case("publishing-is-closed", "a site not known yet", put("no-scm-password", "name", UNKNOWN)),
    Case("publishing-is-closed", "no scm", without("no-scm-password"), "function-app"),
    Case("publishing-is-closed", "no ftp", without("no-ftp-password"), "function-app"),
    Case("publishing-is-closed", "of another site", put("no-scm-password", "name", "other"), "function-app"),
    Case("known-roles", "one more", add(assignment("more")), "more"),
    Case("known-roles", "project without a list", add(assignment("blob-owner", "other")), "blob-owner"),
    Case("known-roles", "a custom role", add(definition())),
    Case("known-roles", "a custom role of no list", add(definition(project="assistant")), "state-opener"),
    Case("known-roles", "a broader custom role", add(definition("*")), "state-opener"),
    Case("known-roles", "no condition", add(assignment("deployer-roles", "bootstrap")), "deployer-roles"),
    Case("exact-roles", "one is missing", without("openai-user"), "openai-user"),
    Case("exact-roles", "no such identity", without("app-identity"), "blob-owner"),
    Case("exact-roles", "no such role", add(assignment("reader-key", "bootstrap", OWNER_ROLE)), "reader-key"),
    Case(
        "no-secret-settings",
        "in a resource of their own",
        add(resource("settings", data.SITE_SETTINGS, {"properties": {"A_SECRET": "hunter2"}})),
        "settings",
    ),
    Case("pull-request-tag", "its number", nothing, stack=PULL_REQUEST),
    Case("pull-request-tag", "another number", put("group", TAG, "8"), "group", PULL_REQUEST),
    Case("pull-request-tag", "no number", put("group", TAG, None), "group", PULL_REQUEST),
    Case("protected-production", "lock not known yet", put("keep-data", "scope", UNKNOWN), stack=PROD),
    Case("protected-production", "read only", put("keep-data", "level", "ReadOnly"), stack=PROD),
    *(
        Case("protected-production", name, protect(name, on=False), name, PROD)
        for name in ("group", "storage-account", "chat-state", "openai-account")
    ),
    Case("protected-production", "no lock", without("keep-data"), "storage-account", PROD),
    Case("protected-production", "no level", put("keep-data", "level", "X"), "storage-account", PROD),
    Case("protected-production", "lock elsewhere", put("keep-data", "scope", GROUP), "storage-account", PROD),
    Case("protected-production", "by its tag", nothing, "chat-state", ("eu", "Prod", False)),
    Case("protected-production", "by its name", nothing, "chat-state", ("prod", "live", False)),
    Case("unprotected-ephemeral", "protect", protect("chat-state", on=True), "chat-state", PULL_REQUEST),
    Case("unprotected-ephemeral", "lock", add(LOCK), "keep-data", PULL_REQUEST),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.rule}: {case.name}")
def test_a_rule_finds_what_breaks_it_and_nothing_else(case: Case) -> None:
    name, environment, protected = case.stack
    stack = valid_stack(name, environment, protected=protected)
    case.change(stack)
    resources = {violation.resource for violation in judge([*stack.values()]) if violation.rule == case.rule}
    assert case.finds in resources if case.finds else not resources


def test_every_rule_has_a_name_of_its_own_and_a_failing_case() -> None:
    assert sorted(rule.name for rule in RULES) == sorted({case.rule for case in CASES if case.finds})


def test_a_violation_names_the_resource_the_value_the_rule_and_the_command() -> None:
    stack = valid_stack()
    put("storage-account", "allowSharedKeyAccess", True)(stack)
    (violation,) = judge([*stack.values()])
    assert str(violation) == (
        "storage-account: allowSharedKeyAccess is true; it must be false. To fix it: in the program, "
        "allow_shared_key_access=False of 'storage-account', then: pulumi up --stack dev"
    )


@pytest.mark.parametrize("value", ["AccountKey=c2VjcmV0LXNlY3JldA==", "hunter2"])
def test_a_violation_is_one_line_and_contains_no_secret(value: str) -> None:
    stack = valid_stack()
    setting("MY_PASSWORD\n::add-mask::x\x1b[2J", value)(stack)
    (violation,) = (violation for violation in judge([*stack.values()]) if "secret" in violation.rule)
    assert value not in repr(violation)
    assert str(violation).isprintable()


ACCOUNT = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/it"


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        (ARM, "subscription"),
        (f"{GROUP}/", "resource group"),
        (ACCOUNT, "Microsoft.Storage/storageAccounts"),
        (
            f"{ACCOUNT}/blobServices/default/containers/c",
            "Microsoft.Storage/storageAccounts/blobServices/containers",
        ),
        ("/providers/Microsoft.Management/managementGroups/root", "no ARM id"),
        ("", "no ARM id"),
    ],
)
def test_a_scope_is_named_by_its_type(scope: str, expected: str) -> None:
    assert scope_type(scope) == expected
