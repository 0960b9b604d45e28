"""The rules, as pure functions over resources.

A value that is not known in a preview is skipped there and checked during the update. A value that is not set
violates a rule that requires one, because Azure's default is often the opposite.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from delivery.refused_settings import refused_settings
from infra.stacks import PULL_REQUEST_TAG, pull_request_of
from policy import data
from policy.grants import DEFINITIONS, GRANTS, Grant
from policy.model import (
    SECRET,
    UNKNOWN,
    Resource,
    ResourceRule,
    Rule,
    StackRule,
    Violation,
    is_hidden,
    is_unknown,
    project_of,
    stack_of,
)
from policy.secret_values import is_harmless, is_secret_name, secret_form

_ABSENT = "not set"


def _text(value: object) -> str:
    return _ABSENT if value is None else repr(value) if not isinstance(value, bool) else str(value).lower()


def _snake(path: str) -> str:
    """The name of the Python argument for a camelCase input."""
    return re.sub(r"(?=[A-Z])", "_", path).lower()


def _in_program(resource: Resource, what: str) -> str:
    return f"in the program, {what} of {resource.name!r}, then: pulumi up --stack {resource.stack}"


# --- allowed values of one property -----------------------------------------------------------


@dataclass(frozen=True)
class Required:
    """`path` of every resource of `type` must be one of `allowed`; None means that it may be left out."""

    type: str
    path: str
    allowed: tuple[object, ...]

    def judge(self, rule: str, resource: Resource) -> Iterator[Violation]:
        value = resource.get(self.path)
        if is_unknown(value) or value in self.allowed:
            return
        best = next(option for option in self.allowed if option is not None)
        yield Violation(
            rule,
            resource.urn,
            resource.name,
            self.path,
            _text(value),
            f"be {' or '.join(_text(option) for option in self.allowed)}",
            _in_program(resource, f"{_snake(self.path)}={best!r}"),
        )


def _properties(name: str, title: str, why: str, *required: Required) -> ResourceRule:
    def judge(resource: Resource) -> Iterator[Violation]:
        for requirement in required:
            if requirement.type == resource.type:
                yield from requirement.judge(name, resource)

    return ResourceRule(name, title, why, judge)


_NEW_TLS = ("TLS1_2", "TLS1_3")
_NEW_SITE_TLS = ("1.2", "1.3")
_DEPLOYMENT_LOGIN = "functionAppConfig.deployment.storage.authentication.type"

_PROPERTY_RULES = (
    _properties(
        "role-based-vaults",
        "Key vaults use role-based access control.",
        "An access policy grants rights that no list of role assignments shows.",
        Required(data.VAULT, "properties.enableRbacAuthorization", (True,)),
    ),
    _properties(
        "keyless-storage",
        "Storage accepts Entra identities only.",
        "Whoever has a shared key can use everything in the account, and no log names the person.",
        Required(data.STORAGE_ACCOUNT, "allowSharedKeyAccess", (False,)),
        Required(data.STORAGE_ACCOUNT, "defaultToOAuthAuthentication", (True,)),
        Required(data.SITE, _DEPLOYMENT_LOGIN, ("UserAssignedIdentity", "SystemAssignedIdentity", None)),
    ),
    _properties(
        "keyless-models",
        "Model accounts accept Entra identities only.",
        "Whoever has a key of the account can send prompts at its owner's cost.",
        Required(data.MODEL_ACCOUNT, "properties.disableLocalAuth", (True,)),
    ),
    _properties(
        "keyless-telemetry",
        "Telemetry is accepted from Entra identities only.",
        "With local authentication, whoever has the connection string can write logs at the owner's cost.",
        Required(data.LOG_WORKSPACE, "features.disableLocalAuth", (True,)),
        Required(data.APP_INSIGHTS, "disableLocalAuth", (True,)),
    ),
    _properties(
        "no-public-blobs",
        "No blob has anonymous access.",
        "A container that becomes public later exposes blobs that were private when they were written.",
        Required(data.STORAGE_ACCOUNT, "allowBlobPublicAccess", (False,)),
        Required(data.BLOB_CONTAINER, "publicAccess", ("None", None)),
    ),
    _properties(
        "no-cross-tenant-replication",
        "Data is not replicated to another tenant.",
        "Object replication can copy conversations to another tenant without a role assignment.",
        Required(data.STORAGE_ACCOUNT, "allowCrossTenantReplication", (False,)),
    ),
    _properties(
        "https-only",
        "Services accept HTTPS only.",
        "Anybody on the network path can read a token or a function key in an HTTP request.",
        Required(data.STORAGE_ACCOUNT, "enableHttpsTrafficOnly", (True,)),
        Required(data.SITE, "httpsOnly", (True,)),
    ),
    _properties(
        "modern-tls",
        "The minimum TLS version is 1.2.",
        "TLS 1.0 and 1.1 are deprecated (RFC 8996).",
        Required(data.STORAGE_ACCOUNT, "minimumTlsVersion", _NEW_TLS),
        Required(data.SITE, "siteConfig.minTlsVersion", _NEW_SITE_TLS),
        Required(data.SITE, "siteConfig.scmMinTlsVersion", (*_NEW_SITE_TLS, None)),
    ),
    _properties(
        "no-publishing-passwords",
        "Code is published with Entra tokens, never with a password.",
        "Whoever has the password can replace the code, and no log names the person.",
        Required(data.SCM_LOGIN, "allow", (False,)),
        Required(data.FTP_LOGIN, "allow", (False,)),
    ),
)


# --- publishing ----------------------------------------------------------------------------------


def _publishing_is_closed(resources: Sequence[Resource]) -> Iterator[Violation]:
    for type_, short in ((data.SCM_LOGIN, "scm"), (data.FTP_LOGIN, "ftp")):
        logins = [resource for resource in resources if resource.type == type_]
        named = {login.get("name") for login in logins}
        for site in (resource for resource in resources if resource.type == data.SITE):
            name = site.get("name")
            # A name that is not known yet may be that of any site.
            if not named or not (name in named or is_unknown(name) or UNKNOWN in named):
                yield Violation(
                    "publishing-is-closed",
                    site.urn,
                    site.name,
                    f"basic authentication of {short}",
                    _ABSENT,
                    "be disabled by a separate resource, since Azure enables it by default",
                    _in_program(site, f"a web.WebApp{short.capitalize()}Allowed with allow=False"),
                )


# --- roles ---------------------------------------------------------------------------------------

_SUBSCRIPTION = re.compile(r"(?i)/subscriptions/[^/]+/?")
_GROUP = re.compile(r"(?i)/subscriptions/[^/]+/resourceGroups/[^/]+/?")
_ON_RESOURCE = re.compile(
    r"(?i)/subscriptions/[^/]+/resourceGroups/[^/]+/providers/([^/]+)((?:/[^/]+/[^/]+)+)/?"
)


def scope_type(scope: str) -> str:
    """The type of an ARM id: `Microsoft.Web/sites`, `subscription`, `resource group`; else `no ARM id`."""
    if _SUBSCRIPTION.fullmatch(scope):
        return "subscription"
    if _GROUP.fullmatch(scope):
        return "resource group"
    if match := _ON_RESOURCE.fullmatch(scope):
        return "/".join((match[1], *match[2].strip("/").split("/")[::2]))
    return "no ARM id"


def _grant(resource: Resource) -> Grant | None:
    return next((grant for grant in GRANTS.get(resource.project, ()) if grant.is_for(resource.name)), None)


def _known_roles(resource: Resource) -> Iterator[Violation]:
    if resource.type == data.ROLE_DEFINITION:
        yield from _known_definition(resource)
    if resource.type != data.ROLE_ASSIGNMENT:
        return
    grant = _grant(resource)
    if grant is None:
        keys = ", ".join(known.key for known in GRANTS.get(resource.project, ())) or "none"
        role, scope = (_text(resource.get(key)) for key in ("roleDefinitionId", "scope"))
        yield _of_role(
            resource, "role assignment", f"{role} on {scope}", f"be one of the project's own: {keys}"
        )
        return
    role, scope, condition = (resource.get(key) for key in ("roleDefinitionId", "scope", "condition"))
    if grant.role_id and not is_unknown(role) and _role_id(role) != grant.role_id.lower():
        must = f"be {grant.role_name}, {grant.role_id}"
        yield _of_role(resource, "roleDefinitionId", _text(role), must)
    if not is_unknown(scope) and (type_ := scope_type(str(scope))).lower() != grant.scope.lower():
        yield _of_role(resource, "scope", f"{_text(scope)} ({type_})", f"be a {grant.scope}")
    if not is_unknown(condition) and (condition or "") != grant.condition:
        yield _of_role(resource, "condition", _text(condition), f"be {grant.condition or _ABSENT}")
    if not grant.for_people:
        kind = Required(data.ROLE_ASSIGNMENT, "principalType", ("ServicePrincipal",))
        yield from kind.judge("known-roles", resource)


def _known_definition(resource: Resource) -> Iterator[Violation]:
    definitions = {definition.key: definition for definition in DEFINITIONS.get(resource.project, ())}
    known = definitions.get(resource.name)
    if known is None:
        yield _of_role(
            resource,
            "custom role",
            "not in the project's list",
            "be in the list of policy/grants.py or be removed",
        )
        return
    given: Any = resource.get("permissions")
    if is_unknown(cast("object", given)):
        return
    permissions = cast("list[Mapping[str, Any]]", given) if isinstance(given, list) else []
    for kind, wanted in (("actions", known.actions), ("dataActions", known.data_actions)):
        allowed = {str(name) for permission in permissions for name in permission.get(kind) or ()}
        if allowed != set(wanted):
            must = f"be exactly {', '.join(sorted(wanted)) or 'none'}"
            yield _of_role(resource, kind, ", ".join(sorted(allowed)) or "none", must)


def _of_role(resource: Resource, what: str, value: str, must: str) -> Violation:
    fix = (
        f"change {resource.name!r} in the program to match the list of policy/grants.py, or change "
        f"that list and give a reason, then: pulumi up --stack {resource.stack}"
    )
    return Violation("known-roles", resource.urn, resource.name, what, value, must, fix)


def _role_id(definition: object) -> str:
    return str(definition).rpartition("/")[2].lower()


def _exact_roles(resources: Sequence[Resource]) -> Iterator[Violation]:
    rule = "exact-roles"
    assignments = [resource for resource in resources if resource.type == data.ROLE_ASSIGNMENT]
    principals = _of_type(resources, data.IDENTITY, lambda identity: identity.outputs.get("principalId"))
    definitions = _of_type(
        resources, data.ROLE_DEFINITION, lambda definition: definition.get("roleDefinitionId")
    )
    for project, urn in {resource.project: resource.urn for resource in resources}.items():
        names = [resource.name for resource in assignments if resource.project == project]
        for grant in GRANTS.get(project, ()):
            if not any(map(grant.is_for, names)):
                must = f"grant {grant.role_name} on the {grant.scope}"
                fix = f"pulumi up --stack {stack_of(urn)}, or remove it from the list of policy/grants.py"
                yield Violation(rule, _stack_urn(urn), grant.key, "role assignment", "missing", must, fix)
    for assignment in assignments:
        grant = _grant(assignment)
        if grant is None:
            continue  # a violation of known-roles
        principal, role = assignment.get("principalId"), assignment.get("roleDefinitionId")
        holder = principals.get(grant.holder, "no identity with that name")
        is_known = holder is not None and not is_unknown(holder)
        if grant.holder and is_known and principal not in (UNKNOWN, holder):
            must = f"be that of {grant.holder!r}, {holder}"
            fix = _in_program(assignment, f"principal_id={grant.holder}.principal_id")
            text = _text(principal)
            yield Violation(rule, assignment.urn, assignment.name, "principalId", text, must, fix)
        custom = definitions.get(grant.custom, "no role with that name")
        if (
            grant.custom
            and not (is_unknown(custom) or is_unknown(role))
            and _role_id(role) != _role_id(custom)
        ):
            must = f"be that of {grant.custom!r}, {custom}"
            fix = _in_program(assignment, f"role_definition_id=that of {grant.custom!r}")
            text = _text(role)
            yield Violation(rule, assignment.urn, assignment.name, "roleDefinitionId", text, must, fix)


def _of_type(resources: Sequence[Resource], type_: str, value: Callable[[Resource], Any]) -> dict[str, Any]:
    return {resource.name: value(resource) for resource in resources if resource.type == type_}


def _stack_urn(urn: str) -> str:
    stack, project = stack_of(urn), project_of(urn)
    return f"urn:pulumi:{stack}::{project}::pulumi:pulumi:Stack::{project}-{stack}"


# --- app settings --------------------------------------------------------------------------------


def _settings(resource: Resource) -> Iterator[tuple[str, str]]:
    """Name and value of every app setting whose name is known."""
    pairs: list[tuple[Any, Any]] = []
    if resource.type == data.SITE and isinstance(listed := resource.get("siteConfig.appSettings"), list):
        entries: list[Any] = [entry for entry in cast("list[Any]", listed) if isinstance(entry, Mapping)]
        pairs = [(entry.get("name"), entry.get("value")) for entry in entries]
    if resource.type == data.SITE_SETTINGS and isinstance(listed := resource.get("properties"), Mapping):
        pairs = list(cast("Mapping[str, Any]", listed).items())
    for name, value in pairs:
        if name is not None and not is_unknown(name):
            yield str(name), "" if value is None else str(value)


_HOLD_SETTINGS = {data.SITE: ("siteConfig", "siteConfig.appSettings"), data.SITE_SETTINGS: ("properties",)}
_HOLD_CONNECTIONS = {data.SITE: "siteConfig.connectionStrings", data.SITE_CONNECTIONS: "properties"}
_OF_STACK = "a secret of the stack"


def _secret_settings(resource: Resource) -> Iterator[Violation]:
    rule = "no-secret-settings"
    for name, value in _settings(resource):
        if secret := _secret_in(name, value):
            yield _of_setting(rule, resource, name, *secret)
    for path in _HOLD_SETTINGS.get(resource.type, ()):
        if resource.get(path) == SECRET:
            yield _of_setting(
                rule, resource, path, _OF_STACK, "contain no secret, which would hide all settings"
            )
            break
    path = _HOLD_CONNECTIONS.get(resource.type)
    if path and (given := resource.get(path)) and not is_unknown(given):
        yield _of_setting(rule, resource, path, f"[{len(given)} set]", "be empty: use the identity")


def _secret_in(name: str, value: str) -> tuple[str, str] | None:
    """A description of the value, never the value itself, and the rule; None if it is not a secret."""
    length = f"[{len(value)} characters]"
    if refused := refused_settings([name]):
        return length, f"not be set, whatever its letter case: it {refused[name]}"
    if name.upper() in data.SECRET_SETTINGS:
        return (
            length,
            "not be set: it is always a secret; the settings for an identity have `__` in their names",
        )
    if value == SECRET:
        return _OF_STACK, "not be a secret: app settings can be read"
    known, sounds_secret = data.KNOWN_GOOD_SETTINGS.get(name), is_secret_name(name)
    if is_unknown(value):
        return ("not known yet", _MISNAMED) if sounds_secret and known is None else None
    if form := secret_form(value):
        return f"{length}, {form}", "contain no secret: use the identity, or a Key Vault reference"
    if known is not None:
        must = f"match the pattern in KNOWN_GOOD_SETTINGS of policy/data.py: {known.pattern}"
        return None if known.fullmatch(value) else (length, must)
    return (length, _MISNAMED) if sounds_secret and not is_harmless(value) else None


_MISNAMED = (
    "contain no secret, which its name suggests: use the identity or a Key Vault reference, or rename it"
)


def _flex_settings(resource: Resource) -> Iterator[Violation]:
    for name, value in _settings(resource):
        upper = name.upper()
        if upper in data.FLEX_REFUSES or ":" in name:
            must = "not be set: Flex Consumption refuses it" + (" (`__` separates)" if ":" in name else "")
        elif upper in data.FLEX_DEPRECATES:
            must = "not be set: it is deprecated on Flex Consumption"
        elif upper in data.FLEX_HAS_NO:
            must = "not be set: Flex Consumption has no time zones"
        else:
            continue
        length = "not known yet" if is_unknown(value) else f"[{len(value)} characters]"
        yield _of_setting("flex-settings", resource, name, length, must)


def _of_setting(rule: str, resource: Resource, name: str, value: str, must: str) -> Violation:
    fix = f"remove it from the app settings of {resource.name!r}, then: pulumi up --stack {resource.stack}"
    return Violation(rule, resource.urn, resource.name, f"app setting {name}", value, must, fix)


# --- tags ----------------------------------------------------------------------------------------


def _tags_of(resource: Resource) -> Mapping[str, Any] | None:
    """The tags; None if they are not known or the type has none."""
    if not resource.type.startswith("azure-native:") or resource.type in data.TAGLESS:
        return None
    tags = resource.get("tags")
    if is_hidden(tags):
        return None
    return cast("Mapping[str, Any]", tags) if isinstance(tags, Mapping) else {}


def _required_tags(resource: Resource) -> Iterator[Violation]:
    if (tags := _tags_of(resource)) is None:
        return
    expected = {"project": resource.project, "stack": resource.stack}
    for name in data.REQUIRED_TAGS:
        value = tags.get(name)
        if is_hidden(value):
            continue
        if value is None:
            yield _of_tag("required-tags", resource, name, _ABSENT, f"be {expected.get(name, 'set')}")
        elif name in expected and value != expected[name]:
            yield _of_tag("required-tags", resource, name, _text(value), f"be {expected[name]!r}")
    for name, value in tags.items():
        if isinstance(value, str) and not is_hidden(value) and data.PLACEHOLDER.fullmatch(value):
            yield _of_tag("required-tags", resource, name, _text(value), "be a real value, not a placeholder")


def _pull_request_tag(resource: Resource) -> Iterator[Violation]:
    number, tags = pull_request_of(resource.stack), _tags_of(resource)
    if tags is None:
        return
    value = tags.get(PULL_REQUEST_TAG)
    expected = None if number is None else str(number)
    if not is_hidden(value) and value != expected:
        must = "not be set outside a pull request's stack" if expected is None else f"be {expected!r}"
        yield _of_tag("pull-request-tag", resource, PULL_REQUEST_TAG, _text(value), must)


def _of_tag(rule: str, resource: Resource, name: str, value: str, must: str) -> Violation:
    setting = f"pulumi config set --path 'tags.{name}' VALUE --stack {resource.stack}"
    fix = f"{setting}, and give {resource.name!r} the stack's tags"
    if name in ("project", "stack", PULL_REQUEST_TAG):
        fix = _in_program(resource, "tags=… with infra.stacks.own_tags(project, stack)")
    return Violation(rule, resource.urn, resource.name, f"tag {name}", value, must, fix)


# --- protection ----------------------------------------------------------------------------------


def _is_production(resources: Sequence[Resource]) -> bool:
    names = {resource.stack.lower() for resource in resources}
    tags = [_tags_of(resource) or {} for resource in resources]
    environments = {str(own_tags.get("environment", "")).lower() for own_tags in tags}
    return bool(data.PRODUCTION & (names | environments))


def _protected_production(resources: Sequence[Resource]) -> Iterator[Violation]:
    if not _is_production(resources):
        return
    rule = "protected-production"
    locks = [resource for resource in resources if resource.type in data.LOCKS]
    scopes = {str(lock.get("scope")).lower() for lock in locks if _forbids_deletion(lock)}
    for resource in resources:
        fix = (
            f"pulumi config set deletionProtection true --stack {resource.stack}, then: pulumi up "
            f"--stack {resource.stack}; to destroy it on purpose, add a waiver first (policy/waivers.toml)"
        )
        if resource.type in data.PROTECTED_IN_PRODUCTION and not resource.protect:
            must = "be true in production"
            yield Violation(rule, resource.urn, resource.name, "protect", "false", must, fix)
        if resource.type == data.STORAGE_ACCOUNT and not any(_is_on(scope, resource) for scope in scopes):
            must = "exist in production, since `protect` stops only Pulumi"
            yield Violation(rule, resource.urn, resource.name, "CanNotDelete lock", "missing", must, fix)


def _forbids_deletion(lock: Resource) -> bool:
    level = lock.get("level")
    return is_hidden(level) or level in data.DELETION_LOCKS


def _is_on(scope: str, account: Resource) -> bool:
    """Whether a lock with this (lower-case) scope covers the account; true if either is not known yet."""
    name = account.get("accountName")
    return is_hidden(scope) or is_hidden(name) or scope.endswith(f"/storageaccounts/{name}".lower())


def _unprotected_ephemeral(resource: Resource) -> Iterator[Violation]:
    if pull_request_of(resource.stack) is None:
        return
    rule, fix = "unprotected-ephemeral", "remove deletionProtection from Pulumi.pr.yaml"
    fix = f"{fix}, then: pulumi up --stack {resource.stack}"
    must = "not be set in a pull request's stack, which is destroyed when the pull request is closed"
    if resource.protect:
        yield Violation(rule, resource.urn, resource.name, "protect", "true", must, fix)
    if resource.type in data.LOCKS:
        yield Violation(rule, resource.urn, resource.name, "lock", _text(resource.get("level")), must, fix)


# --- all rules ---------------------------------------------------------------------------------

RULES: tuple[ResourceRule | StackRule, ...] = (
    *_PROPERTY_RULES,
    StackRule(
        "publishing-is-closed",
        "Publishing with passwords is disabled for every site.",
        "Azure creates a publishing password for every site and enables it.",
        _publishing_is_closed,
    ),
    ResourceRule(
        "known-roles",
        "Every role assignment and custom role is in the project's list, and no broader than there.",
        "A role on a resource group or a subscription also covers resources that are added later.",
        _known_roles,
    ),
    StackRule(
        "exact-roles",
        "All role assignments of the project's list exist, for the identity that it names.",
        "A missing assignment is noticed only when the app fails; one for another principal is unintended.",
        _exact_roles,
    ),
    ResourceRule(
        "no-secret-settings",
        "No app setting is a secret, judging by its name and its value.",
        "App settings are plain text for every Contributor, in the state and in the app's environment.",
        _secret_settings,
    ),
    ResourceRule(
        "flex-settings",
        "No app setting is one that Flex Consumption refuses or has deprecated.",
        "Some regions answer 400 to them, others ignore them.",
        _flex_settings,
    ),
    ResourceRule(
        "required-tags",
        "Every taggable resource has the tags project, stack and environment, and no tag is a placeholder.",
        "Cost reports, owners and the nightly sweep use tags.",
        _required_tags,
    ),
    ResourceRule(
        "pull-request-tag",
        "Every resource of a pull request's stack, and no other, has the tag of the pull request.",
        "The sweep uses the tag to find and destroy leftover resources.",
        _pull_request_tag,
    ),
    StackRule(
        "protected-production",
        "In production, data and the model account are protected, and the storage account has a lock.",
        "Tables have no soft delete. `protect` stops Pulumi, and the lock stops everybody else.",
        _protected_production,
    ),
    ResourceRule(
        "unprotected-ephemeral",
        "A pull request's stack has neither protection nor locks.",
        "Otherwise it cannot be destroyed when the pull request is closed.",
        _unprotected_ephemeral,
    ),
)

BY_NAME: Mapping[str, Rule] = {rule.name: rule for rule in RULES}


def judge(resources: Sequence[Resource], *, complete: bool = True) -> list[Violation]:
    """The violations. `complete`: `resources` is the whole stack, so that stack rules are checked too."""
    violations: list[Violation] = []
    for rule in RULES:
        if isinstance(rule, ResourceRule):
            violations += [violation for resource in resources for violation in rule.judge(resource)]
        elif complete:
            violations += rule.judge(resources)
    return violations
