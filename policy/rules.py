"""The rules, as pure functions over resources.

A value that is not known in a preview is skipped there and checked during the update. A value that is not set
violates a rule that requires one, because Azure's default is often the opposite.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

from delivery.refused_settings import refused_settings
from infra.stacks import PULL_REQUEST_TAG, pull_request_of
from policy import data
from policy.grants import CUSTOM_ROLES, GRANTS, Grant
from policy.model import (
    SECRET,
    UNKNOWN,
    Finding,
    Resource,
    Rule,
    Violation,
    is_hidden,
    project_of,
    stack_of,
)
from policy.secret_values import is_harmless, is_secret_name, secret_form

RULES: list[Rule] = []

_OfResource = Callable[[Resource], Iterable[Finding]]
_OfStack = Callable[[Sequence[Resource]], Iterable[Finding]]


def judge(resources: Sequence[Resource], *, complete: bool = True) -> list[Violation]:
    """The violations. `complete`: `resources` is the whole stack, so that stack rules are checked too."""
    rules = [rule for rule in RULES if complete or not rule.of_stack]
    return [violation for rule in rules for violation in rule.judge(resources)]


def _resource_rule(name: str, title: str, why: str) -> Callable[[_OfResource], _OfResource]:
    def register(find: _OfResource) -> _OfResource:
        def find_in_each(resources: Sequence[Resource]) -> Iterator[Finding]:
            for resource in resources:
                yield from find(resource)

        RULES.append(Rule(name, title, why, of_stack=False, find=find_in_each))
        return find

    return register


def _stack_rule(name: str, title: str, why: str) -> Callable[[_OfStack], _OfStack]:
    def register(find: _OfStack) -> _OfStack:
        RULES.append(Rule(name, title, why, of_stack=True, find=find))
        return find

    return register


# --- texts of findings -------------------------------------------------------------------------

_ABSENT = "not set"


def _text(value: object) -> str:
    return _ABSENT if value is None else repr(value) if not isinstance(value, bool) else str(value).lower()


def _length(value: str) -> str:
    """Describes a value that may be a secret."""
    return "not known yet" if value == UNKNOWN else f"[{len(value)} characters]"


def _in_program(resource: Resource, what: str) -> str:
    return f"in the program, {what} of {resource.name!r}, then: pulumi up --stack {resource.stack}"


# --- allowed values of inputs ------------------------------------------------------------------


def _property_rule(name: str, title: str, why: str, *inputs: tuple[str, str, tuple[object, ...]]) -> None:
    """`inputs`: a type, the path of an input, and its allowed values, of which None means not set."""

    @_resource_rule(name, title, why)
    def find(resource: Resource) -> Iterator[Finding]:  # pyright: ignore[reportUnusedFunction]
        for type_, path, allowed in inputs:
            if type_ == resource.type:
                yield from _not_allowed(resource, path, *allowed)


def _not_allowed(resource: Resource, path: str, *allowed: object) -> Iterator[Finding]:
    value = resource.get(path)
    if value != UNKNOWN and value not in allowed:
        must = f"be {' or '.join(map(_text, allowed))}"
        argument = re.sub(r"(?=[A-Z])", "_", path).lower()
        yield resource, path, _text(value), must, _in_program(resource, f"{argument}={allowed[0]!r}")


_property_rule(
    "role-based-vaults",
    "Key vaults use role-based access control.",
    "An access policy grants rights that no list of role assignments shows.",
    (data.VAULT, "properties.enableRbacAuthorization", (True,)),
)
_property_rule(
    "keyless-storage",
    "Storage accepts Entra identities only.",
    "Whoever has a shared key can use everything in the account, and no log names the person.",
    (data.STORAGE_ACCOUNT, "allowSharedKeyAccess", (False,)),
    (data.STORAGE_ACCOUNT, "defaultToOAuthAuthentication", (True,)),
    (
        data.SITE,
        "functionAppConfig.deployment.storage.authentication.type",
        ("UserAssignedIdentity", "SystemAssignedIdentity", None),
    ),
)
_property_rule(
    "keyless-models",
    "Model accounts accept Entra identities only.",
    "Whoever has a key of the account can send prompts at its owner's cost.",
    (data.MODEL_ACCOUNT, "properties.disableLocalAuth", (True,)),
)
_property_rule(
    "keyless-telemetry",
    "Telemetry is accepted from Entra identities only.",
    "With local authentication, whoever has the connection string can write logs at the owner's cost.",
    (data.LOG_WORKSPACE, "features.disableLocalAuth", (True,)),
    (data.APP_INSIGHTS, "disableLocalAuth", (True,)),
)
_property_rule(
    "no-public-blobs",
    "No blob has anonymous access.",
    "A container that becomes public later exposes blobs that were private when they were written.",
    (data.STORAGE_ACCOUNT, "allowBlobPublicAccess", (False,)),
    (data.BLOB_CONTAINER, "publicAccess", ("None", None)),
)
_property_rule(
    "no-cross-tenant-replication",
    "Data is not replicated to another tenant.",
    "Object replication can copy conversations to another tenant without a role assignment.",
    (data.STORAGE_ACCOUNT, "allowCrossTenantReplication", (False,)),
)
_property_rule(
    "https-only",
    "Services accept HTTPS only.",
    "Anybody on the network path can read a token or a function key in an HTTP request.",
    (data.STORAGE_ACCOUNT, "enableHttpsTrafficOnly", (True,)),
    (data.SITE, "httpsOnly", (True,)),
)
_property_rule(
    "modern-tls",
    "The minimum TLS version is 1.2.",
    "TLS 1.0 and 1.1 are deprecated (RFC 8996).",
    (data.STORAGE_ACCOUNT, "minimumTlsVersion", ("TLS1_2", "TLS1_3")),
    (data.SITE, "siteConfig.minTlsVersion", ("1.2", "1.3")),
    (data.SITE, "siteConfig.scmMinTlsVersion", ("1.2", "1.3", None)),
)
_property_rule(
    "no-publishing-passwords",
    "Code is published with Entra tokens, never with a password.",
    "Whoever has the password can replace the code, and no log names the person.",
    (data.SCM_LOGIN, "allow", (False,)),
    (data.FTP_LOGIN, "allow", (False,)),
)


# --- publishing --------------------------------------------------------------------------------


@_stack_rule(
    "publishing-is-closed",
    "Publishing with passwords is disabled for every site.",
    "Azure creates a publishing password for every site and enables it.",
)
def publishing_is_closed(resources: Sequence[Resource]) -> Iterator[Finding]:
    must = "be disabled by a separate resource, since Azure enables it by default"
    sites = [resource for resource in resources if resource.type == data.SITE]
    for type_, login in ((data.SCM_LOGIN, "scm"), (data.FTP_LOGIN, "ftp")):
        closed = {resource.get("name") for resource in resources if resource.type == type_}
        for site in sites:
            name = site.get("name")
            # A name that is not known yet may be that of any site.
            if not (closed if name == UNKNOWN else closed & {name, UNKNOWN}):
                fix = _in_program(site, f"a web.WebApp{login.capitalize()}Allowed with allow=False")
                yield site, f"basic authentication of {login}", _ABSENT, must, fix


# --- roles -------------------------------------------------------------------------------------

_ARM_ID = re.compile(
    r"(?i)/subscriptions/[^/]+(/resourceGroups/[^/]+(/providers/(?P<namespace>[^/]+)(?P<names>(/[^/]+/[^/]+)+))?)?/?"
)


def scope_type(scope: str) -> str:
    """The type of an ARM id: `Microsoft.Web/sites`, `subscription`, `resource group`; else `no ARM id`."""
    match = _ARM_ID.fullmatch(scope)
    if match is None:
        return "no ARM id"
    if match["namespace"]:
        return "/".join((match["namespace"], *match["names"].split("/")[1::2]))
    return "resource group" if match[1] else "subscription"


def _grant(assignment: Resource) -> Grant | None:
    grants = GRANTS.get(assignment.project, ())
    return next((grant for grant in grants if grant.is_for(assignment.name)), None)


def _last_part(resource_id: object) -> str:
    return str(resource_id).rpartition("/")[2].lower()


@_resource_rule(
    "known-roles",
    "Every role assignment and custom role is in the project's list, and no broader than there.",
    "A role on a resource group or a subscription also covers resources that are added later.",
)
def known_roles(resource: Resource) -> Iterator[Finding]:
    fix = (
        f"change {resource.name!r} in the program to match the list of policy/grants.py, or change "
        f"that list and give a reason, then: pulumi up --stack {resource.stack}"
    )
    if resource.type == data.ROLE_DEFINITION:
        for what, value, must in _wrong_in_definition(resource):
            yield resource, what, value, must, fix
    if resource.type == data.ROLE_ASSIGNMENT:
        grant = _grant(resource)
        for what, value, must in _wrong_in_assignment(resource, grant):
            yield resource, what, value, must, fix
        if grant and not grant.for_people:
            yield from _not_allowed(resource, "principalType", "ServicePrincipal")


def _wrong_in_assignment(resource: Resource, grant: Grant | None) -> Iterator[tuple[str, str, str]]:
    role, scope, condition = (resource.get(key) for key in ("roleDefinitionId", "scope", "condition"))
    if grant is None:
        keys = ", ".join(known.key for known in GRANTS.get(resource.project, ())) or "none"
        given = f"{_text(role)} on {_text(scope)}"
        yield "role assignment", given, f"be one of the project's own: {keys}"
        return
    if grant.role_id and role != UNKNOWN and _last_part(role) != grant.role_id.lower():
        yield "roleDefinitionId", _text(role), f"be {grant.role_name}, {grant.role_id}"
    if scope != UNKNOWN and (type_ := scope_type(str(scope))).lower() != grant.scope.lower():
        yield "scope", f"{_text(scope)} ({type_})", f"be a {grant.scope}"
    if condition != UNKNOWN and (condition or "") != grant.condition:
        yield "condition", _text(condition), f"be {grant.condition or _ABSENT}"


def _wrong_in_definition(resource: Resource) -> Iterator[tuple[str, str, str]]:
    roles = {role.key: role for role in CUSTOM_ROLES.get(resource.project, ())}
    known = roles.get(resource.name)
    if known is None:
        must = "be in the list of policy/grants.py or be removed"
        yield "custom role", "not in the project's list", must
        return
    given: Any = resource.get("permissions")
    if given == UNKNOWN:
        return
    permissions = cast("list[Mapping[str, Any]]", given) if isinstance(given, list) else []
    for kind, wanted in (("actions", known.actions), ("dataActions", known.data_actions)):
        allowed = {str(name) for permission in permissions for name in permission.get(kind) or ()}
        if allowed != set(wanted):
            must = f"be exactly {', '.join(sorted(wanted)) or 'none'}"
            yield kind, ", ".join(sorted(allowed)) or "none", must


@_stack_rule(
    "exact-roles",
    "All role assignments of the project's list exist, for the identity that it names.",
    "A missing assignment is noticed only when the app fails; one for another principal is unintended.",
)
def exact_roles(resources: Sequence[Resource]) -> Iterator[Finding]:
    assignments = [resource for resource in resources if resource.type == data.ROLE_ASSIGNMENT]
    for project, urn in {resource.project: resource.urn for resource in resources}.items():
        names = [assignment.name for assignment in assignments if assignment.project == project]
        for grant in GRANTS.get(project, ()):
            if not any(map(grant.is_for, names)):
                must = f"grant {grant.role_name} on the {grant.scope}"
                fix = f"pulumi up --stack {stack_of(urn)}, or remove it from the list of policy/grants.py"
                missing = Resource(data.ROLE_ASSIGNMENT, grant.key, _stack_urn(urn), {})
                yield missing, "role assignment", "missing", must, fix

    holders = {
        identity.name: identity.outputs.get("principalId", UNKNOWN)
        for identity in resources
        if identity.type == data.IDENTITY
    }
    roles = {
        role.name: role.get("roleDefinitionId") for role in resources if role.type == data.ROLE_DEFINITION
    }
    for assignment in assignments:
        if (grant := _grant(assignment)) is None:
            continue  # a violation of known-roles
        for what, owner, ids, argument in (
            ("principalId", grant.holder, holders, f"principal_id={grant.holder}.principal_id"),
            ("roleDefinitionId", grant.custom, roles, f"role_definition_id=that of {grant.custom!r}"),
        ):
            given, wanted = assignment.get(what), ids.get(owner, "no resource with that name")
            if owner and UNKNOWN not in (given, wanted) and _last_part(given) != _last_part(wanted):
                must = f"be that of {owner!r}, {wanted}"
                yield assignment, what, _text(given), must, _in_program(assignment, argument)


def _stack_urn(urn: str) -> str:
    stack, project = stack_of(urn), project_of(urn)
    return f"urn:pulumi:{stack}::{project}::pulumi:pulumi:Stack::{project}-{stack}"


# --- app settings ------------------------------------------------------------------------------

_HOLD_SETTINGS = {data.SITE: ("siteConfig", "siteConfig.appSettings"), data.SITE_SETTINGS: ("properties",)}
_HOLD_CONNECTIONS = {data.SITE: "siteConfig.connectionStrings", data.SITE_CONNECTIONS: "properties"}
_OF_STACK = "a secret of the stack"
_MISNAMED = (
    "contain no secret, which its name suggests: use the identity or a Key Vault reference, or rename it"
)


def _settings(resource: Resource) -> Iterator[tuple[str, str]]:
    """Name and value of every app setting whose name is known."""
    pairs: list[tuple[Any, Any]] = []
    if resource.type == data.SITE and isinstance(listed := resource.get("siteConfig.appSettings"), list):
        entries: list[Any] = [entry for entry in cast("list[Any]", listed) if isinstance(entry, Mapping)]
        pairs = [(entry.get("name"), entry.get("value")) for entry in entries]
    if resource.type == data.SITE_SETTINGS and isinstance(listed := resource.get("properties"), Mapping):
        pairs = list(cast("Mapping[str, Any]", listed).items())
    for name, value in pairs:
        if name not in (None, UNKNOWN):
            yield str(name), "" if value is None else str(value)


def _of_setting(resource: Resource, name: str, value: str, must: str) -> Finding:
    fix = f"remove it from the app settings of {resource.name!r}, then: pulumi up --stack {resource.stack}"
    return resource, f"app setting {name}", value, must, fix


@_resource_rule(
    "no-secret-settings",
    "No app setting is a secret, judging by its name and its value.",
    "App settings are plain text for every Contributor, in the state and in the app's environment.",
)
def no_secret_settings(resource: Resource) -> Iterator[Finding]:
    for name, value in _settings(resource):
        if secret := _secret_in(name, value):
            yield _of_setting(resource, name, *secret)
    hidden = [path for path in _HOLD_SETTINGS.get(resource.type, ()) if resource.get(path) == SECRET]
    if hidden:
        must = "contain no secret, which would hide all settings"
        yield _of_setting(resource, hidden[0], _OF_STACK, must)
    path = _HOLD_CONNECTIONS.get(resource.type)
    if path and (given := resource.get(path)) and given != UNKNOWN:
        yield _of_setting(resource, path, f"[{len(given)} set]", "be empty: use the identity")


def _secret_in(name: str, value: str) -> tuple[str, str] | None:
    """A description of the value, never the value itself, and the rule; None if it is not a secret."""
    length = _length(value)
    if refused := refused_settings([name]):
        return length, f"not be set, whatever its letter case: it {refused[name]}"
    if name.upper() in data.SECRET_SETTINGS:
        must = "not be set: it is always a secret; the settings for an identity have `__` in their names"
        return length, must
    if value == SECRET:
        return _OF_STACK, "not be a secret: app settings can be read"
    known, sounds_secret = data.KNOWN_GOOD_SETTINGS.get(name), is_secret_name(name)
    if value == UNKNOWN:
        return (length, _MISNAMED) if sounds_secret and known is None else None
    if form := secret_form(value):
        return f"{length}, {form}", "contain no secret: use the identity, or a Key Vault reference"
    if known is not None:
        must = f"match the pattern in KNOWN_GOOD_SETTINGS of policy/data.py: {known.pattern}"
        return None if known.fullmatch(value) else (length, must)
    return (length, _MISNAMED) if sounds_secret and not is_harmless(value) else None


@_resource_rule(
    "flex-settings",
    "No app setting is one that Flex Consumption refuses or has deprecated.",
    "Some regions answer 400 to them, others ignore them.",
)
def flex_settings(resource: Resource) -> Iterator[Finding]:
    for name, value in _settings(resource):
        upper = name.upper()
        if ":" in name:
            must = "not be set: Flex Consumption refuses it (`__` separates)"
        elif upper in data.FLEX_REFUSES:
            must = "not be set: Flex Consumption refuses it"
        elif upper in data.FLEX_DEPRECATES:
            must = "not be set: it is deprecated on Flex Consumption"
        elif upper in data.FLEX_HAS_NO:
            must = "not be set: Flex Consumption has no time zones"
        else:
            continue
        yield _of_setting(resource, name, _length(value), must)


# --- tags --------------------------------------------------------------------------------------


def _tags(resource: Resource) -> Mapping[str, Any] | None:
    """The tags; None if they are not known or the type has none."""
    if not resource.type.startswith("azure-native:") or resource.type in data.TAGLESS:
        return None
    tags = resource.get("tags")
    if is_hidden(tags):
        return None
    return cast("Mapping[str, Any]", tags) if isinstance(tags, Mapping) else {}


def _of_tag(resource: Resource, name: str, value: object, must: str) -> Finding:
    setting = f"pulumi config set --path 'tags.{name}' VALUE --stack {resource.stack}"
    fix = f"{setting}, and give {resource.name!r} the stack's tags"
    if name in ("project", "stack", PULL_REQUEST_TAG):
        fix = _in_program(resource, "tags=… with infra.stacks.own_tags(project, stack)")
    return resource, f"tag {name}", _text(value), must, fix


@_resource_rule(
    "required-tags",
    "Every taggable resource has the tags project, stack and environment, and no tag is a placeholder.",
    "Cost reports, owners and the nightly sweep use tags.",
)
def required_tags(resource: Resource) -> Iterator[Finding]:
    if (tags := _tags(resource)) is None:
        return
    expected = {"project": resource.project, "stack": resource.stack}
    for name in data.REQUIRED_TAGS:
        value = tags.get(name)
        if value is None:
            yield _of_tag(resource, name, value, f"be {expected.get(name, 'set')}")
        elif not is_hidden(value) and value != expected.get(name, value):
            yield _of_tag(resource, name, value, f"be {expected[name]!r}")
    for name, value in tags.items():
        if isinstance(value, str) and not is_hidden(value) and data.PLACEHOLDER.fullmatch(value):
            yield _of_tag(resource, name, value, "be a real value, not a placeholder")


@_resource_rule(
    "pull-request-tag",
    "Every resource of a pull request's stack, and no other, has the tag of the pull request.",
    "The sweep uses the tag to find and destroy leftover resources.",
)
def pull_request_tag(resource: Resource) -> Iterator[Finding]:
    if (tags := _tags(resource)) is None:
        return
    number, value = pull_request_of(resource.stack), tags.get(PULL_REQUEST_TAG)
    expected = None if number is None else str(number)
    if not is_hidden(value) and value != expected:
        must = "not be set outside a pull request's stack" if expected is None else f"be {expected!r}"
        yield _of_tag(resource, PULL_REQUEST_TAG, value, must)


# --- protection --------------------------------------------------------------------------------


def _is_production(resource: Resource) -> bool:
    environment = (_tags(resource) or {}).get("environment", "")
    return not data.PRODUCTION.isdisjoint({resource.stack.lower(), str(environment).lower()})


@_stack_rule(
    "protected-production",
    "In production, data and the model account are protected, and the storage account has a lock.",
    "Tables have no soft delete. `protect` stops Pulumi, and the lock stops everybody else.",
)
def protected_production(resources: Sequence[Resource]) -> Iterator[Finding]:
    if not any(map(_is_production, resources)):
        return
    locks = [resource for resource in resources if resource.type in data.LOCKS]
    scopes = {str(lock.get("scope")).lower() for lock in locks if _forbids_deletion(lock)}
    for resource in resources:
        fix = (
            f"pulumi config set deletionProtection true --stack {resource.stack}, then: pulumi up "
            f"--stack {resource.stack}; to destroy it on purpose, add a waiver first (policy/waivers.toml)"
        )
        if resource.type in data.PROTECTED_IN_PRODUCTION and not resource.protect:
            yield resource, "protect", "false", "be true in production", fix
        if resource.type == data.STORAGE_ACCOUNT and not any(_is_on(scope, resource) for scope in scopes):
            must = "exist in production, since `protect` stops only Pulumi"
            yield resource, "CanNotDelete lock", "missing", must, fix


def _forbids_deletion(lock: Resource) -> bool:
    level = lock.get("level")
    return is_hidden(level) or level in data.DELETION_LOCKS


def _is_on(scope: str, account: Resource) -> bool:
    """Whether a lock with this (lower-case) scope covers the account; true if either is not known yet."""
    name = account.get("accountName")
    return is_hidden(scope) or is_hidden(name) or scope.endswith(f"/storageaccounts/{name}".lower())


@_resource_rule(
    "unprotected-ephemeral",
    "A pull request's stack has neither protection nor locks.",
    "Otherwise it cannot be destroyed when the pull request is closed.",
)
def unprotected_ephemeral(resource: Resource) -> Iterator[Finding]:
    if pull_request_of(resource.stack) is None:
        return
    must = "not be set in a pull request's stack, which is destroyed when the pull request is closed"
    fix = f"remove deletionProtection from Pulumi.pr.yaml, then: pulumi up --stack {resource.stack}"
    if resource.protect:
        yield resource, "protect", "true", must, fix
    if resource.type in data.LOCKS:
        yield resource, "lock", _text(resource.get("level")), must, fix
