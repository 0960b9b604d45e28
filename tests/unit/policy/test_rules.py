"""Every rule passes what it should and finds what it should."""

from dataclasses import dataclass

import pytest

from policy import data
from policy.grants import GRANTS
from policy.model import SECRET, UNKNOWN, Resource, StackRule, Violation
from policy.rules import BY_NAME, RULES, judge, scope_type
from tests.unit.policy.stacks import (
    GROUP,
    PRINCIPAL,
    SUBSCRIPTION,
    Change,
    add,
    lock,
    made,
    protect,
    put,
    scope_of,
    setting,
    sound,
    tag,
    unknown,
    without,
)

OWNER = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"
ROLES = f"{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions"
DEPLOYMENT = "functionAppConfig.deployment.storage.authentication.type"


@dataclass(frozen=True)
class Case:
    """`change` on a sound stack: `rule` says nothing, or something about `finds` (a logical name)."""

    rule: str
    name: str
    change: Change
    finds: str = ""
    stack: str = "dev"
    environment: str = "dev"
    protected: bool = False


def prod(rule: str, name: str, change: Change, finds: str = "") -> Case:
    return Case(rule, name, change, finds, stack="prod", environment="prod", protected=True)


def of_pull_request(rule: str, name: str, change: Change, finds: str = "") -> Case:
    return Case(rule, name, change, finds, stack="pr-7", environment="pr")


def nothing(_stack: object) -> None:
    """For what is sound as it is."""


def grant(key: str = "more", **props: str) -> Change:
    first = GRANTS["assistant"][0]
    given = {
        "roleDefinitionId": f"{ROLES}/{first.role_id}",
        "scope": scope_of(first.scope),
        "principalId": PRINCIPAL,
        "principalType": "ServicePrincipal",
        **props,
    }
    return add(made(key, data.ROLE_ASSIGNMENT, given))


def vault(*, roles: bool) -> dict[str, object]:
    return {"properties": {"enableRbacAuthorization": roles}}


def definition(
    right: str = "Microsoft.KeyVault/vaults/keys/decrypt/action", project: str = "bootstrap"
) -> Resource:
    props = {"permissions": [{"actions": [], "dataActions": [right]}], "roleDefinitionId": OWNER}
    return made("state-opener", data.ROLE_DEFINITION, props, project=project)


def of_bootstrap(key: str) -> Resource:
    return made(
        key, data.ROLE_ASSIGNMENT, {"roleDefinitionId": UNKNOWN, "scope": UNKNOWN}, project="bootstrap"
    )


CASES = [
    Case("role-based-vaults", "by roles", add(made("vault", data.VAULT, vault(roles=True)))),
    Case("role-based-vaults", "by policies", add(made("vault", data.VAULT, vault(roles=False))), "vault"),
    Case("keyless-storage", "unknown", unknown("storage-account", "allowSharedKeyAccess")),
    Case("keyless-storage", "own identity", put("function-app", DEPLOYMENT, "SystemAssignedIdentity")),
    Case("keyless-storage", "keys", put("storage-account", "allowSharedKeyAccess", True), "storage-account"),
    Case(
        "keyless-storage", "not said", put("storage-account", "allowSharedKeyAccess", None), "storage-account"
    ),
    Case(
        "keyless-storage", "hidden", put("storage-account", "allowSharedKeyAccess", SECRET), "storage-account"
    ),
    Case(
        "keyless-storage",
        "portal",
        put("storage-account", "defaultToOAuthAuthentication", False),
        "storage-account",
    ),
    Case(
        "keyless-storage",
        "deployed by connection string",
        put("function-app", DEPLOYMENT, "StorageAccountConnectionString"),
        "function-app",
    ),
    Case("keyless-models", "unknown", unknown("openai-account", "properties")),
    Case(
        "keyless-models",
        "keys",
        put("openai-account", "properties.disableLocalAuth", False),
        "openai-account",
    ),
    Case("keyless-models", "not said", put("openai-account", "properties", {}), "openai-account"),
    Case("keyless-telemetry", "unknown", unknown("app-insights", "disableLocalAuth")),
    Case("keyless-telemetry", "insights", put("app-insights", "disableLocalAuth", False), "app-insights"),
    Case("keyless-telemetry", "logs", put("log-workspace", "features", None), "log-workspace"),
    Case("no-public-blobs", "said to be private", put("deployments", "publicAccess", "None")),
    Case(
        "no-public-blobs", "account", put("storage-account", "allowBlobPublicAccess", True), "storage-account"
    ),
    Case("no-public-blobs", "container", put("deployments", "publicAccess", "Blob"), "deployments"),
    Case("no-cross-tenant-replication", "unknown", unknown("storage-account", "allowCrossTenantReplication")),
    Case(
        "no-cross-tenant-replication",
        "allowed",
        put("storage-account", "allowCrossTenantReplication", True),
        "storage-account",
    ),
    Case("https-only", "unknown", unknown("function-app", "httpsOnly")),
    Case("https-only", "storage", put("storage-account", "enableHttpsTrafficOnly", False), "storage-account"),
    Case("https-only", "site", put("function-app", "httpsOnly", None), "function-app"),
    Case("modern-tls", "1.3", put("storage-account", "minimumTlsVersion", "TLS1_3")),
    Case("modern-tls", "1.3 for publishing", put("function-app", "siteConfig.scmMinTlsVersion", "1.3")),
    Case("modern-tls", "storage", put("storage-account", "minimumTlsVersion", "TLS1_0"), "storage-account"),
    Case("modern-tls", "site", put("function-app", "siteConfig.minTlsVersion", "1.1"), "function-app"),
    Case(
        "modern-tls", "publishing", put("function-app", "siteConfig.scmMinTlsVersion", "1.0"), "function-app"
    ),
    Case("modern-tls", "hidden", put("function-app", "siteConfig", SECRET), "function-app"),
    Case("no-publishing-passwords", "unknown", unknown("no-scm-password", "allow")),
    Case("no-publishing-passwords", "scm", put("no-scm-password", "allow", True), "no-scm-password"),
    Case("no-publishing-passwords", "ftp", put("no-ftp-password", "allow", None), "no-ftp-password"),
    Case("publishing-is-closed", "a site not known yet", unknown("no-scm-password", "name")),
    Case("publishing-is-closed", "no scm", without("no-scm-password"), "function-app"),
    Case("publishing-is-closed", "no ftp", without("no-ftp-password"), "function-app"),
    Case("publishing-is-closed", "of another site", put("no-scm-password", "name", "other"), "function-app"),
    Case("known-roles", "scope not known yet", unknown("blob-owner", "scope")),
    Case(
        "known-roles", "another role", put("blob-owner", "roleDefinitionId", f"{ROLES}/{OWNER}"), "blob-owner"
    ),
    Case("known-roles", "one more", grant("more"), "more"),
    Case("known-roles", "on the group", put("blob-owner", "scope", GROUP), "blob-owner"),
    Case("known-roles", "on the subscription", put("openai-user", "scope", SUBSCRIPTION), "openai-user"),
    Case(
        "known-roles",
        "on another thing",
        put("openai-user", "scope", scope_of("Microsoft.Web/sites")),
        "openai-user",
    ),
    Case("known-roles", "for a person", put("openai-user", "principalType", "User"), "openai-user"),
    Case("known-roles", "for whom?", put("openai-user", "principalType", None), "openai-user"),
    Case(
        "known-roles",
        "of a project without a list",
        add(made("blob-owner", data.ROLE_ASSIGNMENT, {}, project="other")),
        "blob-owner",
    ),
    Case("known-roles", "a custom role's own right", add(definition())),
    Case("known-roles", "a custom role of no list", add(definition(project="assistant")), "state-opener"),
    Case("known-roles", "a broader custom role", add(definition("*")), "state-opener"),
    Case("known-roles", "without its condition", add(of_bootstrap("deployer-roles")), "deployer-roles"),
    Case("exact-roles", "holder not known yet", unknown("blob-owner", "principalId")),
    Case("exact-roles", "one is missing", without("openai-user"), "openai-user"),
    Case("exact-roles", "another holder", put("blob-owner", "principalId", OWNER), "blob-owner"),
    Case("exact-roles", "no such identity", without("app-identity"), "blob-owner"),
    Case("no-secret-settings", "a flag", setting("USE_TOKEN", "true")),
    Case("no-secret-settings", "a limit", setting("TOKEN_LIMIT", "1000")),
    Case(
        "no-secret-settings",
        "a reference",
        setting("DB_PASSWORD", "@Microsoft.KeyVault(SecretUri=https://v/s)"),
    ),
    Case("no-secret-settings", "identity", setting("AzureOpenAI__credential", "managedidentity")),
    Case("no-secret-settings", "not known yet", setting("AzureWebJobsStorage__tableServiceUri", UNKNOWN)),
    Case("no-secret-settings", "by definition", setting("OPENAI_API_KEY", "x"), "function-app"),
    Case("no-secret-settings", "a key for the model", setting("AZURE_OPENAI_KEY", ""), "function-app"),
    Case("no-secret-settings", "in a section", setting("AzureOpenAI__key", UNKNOWN), "function-app"),
    Case("no-secret-settings", "in another case", setting("openai_api_key", "true"), "function-app"),
    Case("no-secret-settings", "bare storage", setting("AzureWebJobsStorage", UNKNOWN), "function-app"),
    Case("no-secret-settings", "by name", setting("MY_PASSWORD", "hunter2"), "function-app"),
    Case("no-secret-settings", "by name, unknown", setting("SearchApiKey", UNKNOWN), "function-app"),
    Case("no-secret-settings", "by value", setting("PLACE", "AccountKey=abc"), "function-app"),
    Case(
        "no-secret-settings", "in a good name", setting("AzureOpenAI__credential", "hunter2"), "function-app"
    ),
    Case("no-secret-settings", "kept secret by the engine", setting("PLACE", SECRET), "function-app"),
    Case("no-secret-settings", "all hidden", put("function-app", "siteConfig", SECRET), "function-app"),
    Case(
        "no-secret-settings",
        "connection strings",
        put("function-app", "siteConfig.connectionStrings", [{"name": "db", "connectionString": "x"}]),
        "function-app",
    ),
    Case(
        "no-secret-settings",
        "in a resource of their own",
        add(made("settings", data.SITE_SETTINGS, {"properties": {"A_SECRET": "hunter2"}})),
        "settings",
    ),
    Case("flex-settings", "nested", setting("AzureFunctionsJobHost__logging__level", "x")),
    Case("flex-settings", "refused", setting("FUNCTIONS_WORKER_RUNTIME", "python"), "function-app"),
    Case("flex-settings", "deprecated", setting("website_run_from_package", "1"), "function-app"),
    Case("flex-settings", "colon", setting("Logging:Level", "x"), "function-app"),
    Case("flex-settings", "time zone", setting("TZ", "Europe/Berlin"), "function-app"),
    Case("required-tags", "one more", tag("group", "owner", "team-a")),
    Case("required-tags", "unknown", unknown("group", "tags")),
    Case("required-tags", "none", put("group", "tags", None), "group"),
    Case("required-tags", "no environment", tag("group", "environment", None), "group"),
    Case("required-tags", "of another stack", tag("openai-account", "stack", "prod"), "openai-account"),
    Case("required-tags", "placeholder", tag("group", "owner", "TODO"), "group"),
    Case(
        "required-tags", "placeholder in brackets", tag("group", "environment", "<your environment>"), "group"
    ),
    of_pull_request("pull-request-tag", "its number", nothing),
    of_pull_request("pull-request-tag", "another number", tag("group", "pullRequest", "8"), "group"),
    of_pull_request("pull-request-tag", "no number", tag("group", "pullRequest", None), "group"),
    Case("pull-request-tag", "of no pull request", tag("group", "pullRequest", "7"), "group"),
    prod("protected-production", "as it is", nothing),
    prod("protected-production", "lock on what is not known yet", unknown("keep-data", "scope")),
    prod("protected-production", "read only", add(lock(level="ReadOnly"))),
    *(
        prod("protected-production", name, protect(name, on=False), name)
        for name in ("group", "storage-account", "chat-state", "openai-account")
    ),
    prod("protected-production", "no lock", without("keep-data"), "storage-account"),
    prod("protected-production", "lock of nothing", add(lock(level="NotSpecified")), "storage-account"),
    prod("protected-production", "lock elsewhere", add(lock(scope=GROUP)), "storage-account"),
    Case("protected-production", "by its tag", nothing, "chat-state", stack="eu", environment="Prod"),
    Case("protected-production", "by its name", nothing, "chat-state", stack="prod", environment="live"),
    of_pull_request("unprotected-ephemeral", "as it is", nothing),
    of_pull_request("unprotected-ephemeral", "protect", protect("chat-state", on=True), "chat-state"),
    of_pull_request("unprotected-ephemeral", "lock", add(lock("pr-7")), "keep-data"),
]


def found(case: Case) -> list[Violation]:
    stack = sound(case.stack, case.environment, protected=case.protected)
    case.change(stack)
    return [one for one in judge(list(stack.values())) if one.rule == case.rule]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.rule}: {case.name}")
def test_a_rule_finds_what_breaks_it_and_nothing_else(case: Case) -> None:
    violations = found(case)
    if not case.finds:
        assert violations == []
    else:
        assert case.finds in {violation.resource for violation in violations}


def test_every_rule_has_a_passing_and_a_failing_case() -> None:
    passing = {case.rule for case in CASES if not case.finds}
    failing = {case.rule for case in CASES if case.finds}
    assert passing == failing == BY_NAME.keys()


def test_no_two_rules_have_the_same_name() -> None:
    assert len(BY_NAME) == len(RULES)


@pytest.mark.parametrize(
    "stack",
    [("dev", "dev", False), ("prod", "prod", True), ("pr-7", "pr", False)],
    ids=lambda stack: stack[0],
)
def test_a_sound_stack_breaks_no_rule(stack: tuple[str, str, bool]) -> None:
    name, environment, protected = stack
    assert judge(list(sound(name, environment, protected=protected).values())) == []


def test_a_violation_names_the_thing_the_value_the_rule_and_the_command() -> None:
    stack = sound()
    put("storage-account", "allowSharedKeyAccess", True)(stack)
    (violation,) = judge(list(stack.values()))
    assert str(violation) == (
        "storage-account: allowSharedKeyAccess is true; it must be false. To fix it: in the program, "
        "allow_shared_key_access=False of 'storage-account', then: pulumi up --stack dev"
    )


@pytest.mark.parametrize("value", ["AccountKey=c2VjcmV0LXNlY3JldA==", "hunter2"])
def test_a_violation_never_shows_a_secret(value: str) -> None:
    stack = sound()
    setting("MY_PASSWORD", value)(stack)
    (violation,) = judge(list(stack.values()))
    assert value not in repr(violation)


def test_a_violation_is_one_line_whatever_a_name_holds() -> None:
    stack = sound()
    setting("MY_PASSWORD\n::add-mask::x\x1b[2J", "hunter2")(stack)
    violations = judge(list(stack.values()))
    assert violations
    assert all(str(violation).isprintable() for violation in violations)


def test_rules_over_the_stack_are_not_judged_where_something_is_left_out() -> None:
    stack = sound("prod", "prod")
    without("openai-user", "no-scm-password")(stack)
    names = {violation.rule for violation in judge(list(stack.values()), complete=False)}
    assert not names & {rule.name for rule in RULES if isinstance(rule, StackRule)}


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        (SUBSCRIPTION, "subscription"),
        (f"{GROUP}/", "resource group"),
        (scope_of("Microsoft.Storage/storageAccounts"), "Microsoft.Storage/storageAccounts"),
        (
            f"{scope_of('Microsoft.Storage/storageAccounts')}/blobServices/default/containers/state",
            "Microsoft.Storage/storageAccounts/blobServices/containers",
        ),
        ("/providers/Microsoft.Management/managementGroups/root", "no ARM id"),
        ("", "no ARM id"),
    ],
)
def test_a_scope_is_named_by_its_type(scope: str, expected: str) -> None:
    assert scope_type(scope) == expected
