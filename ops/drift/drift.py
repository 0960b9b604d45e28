"""Computes the differences between the state of a stack and Azure from three sources. Pure functions.

- `pulumi refresh --preview-only --json`: resources that were changed or deleted. It does not see app settings
  (pulumi/pulumi-azure-native#4263), and its document omits dynamic resources that were only changed.
- Azure's lists: the app settings of the site, and role assignments; one that was added is in no stack.
- the health route of the site: the package that it runs.

What Azure itself changes or adds is not drift (see `_is_azures_own`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

from delivery.package import GIVEN_FOLDER
from delivery.refused_settings import refused_settings, removal_command
from ops.drift.owners import GONE, Owner, rule_for
from ops.output import OpsError
from ops.state import DEPLOYED_CODE, MODEL_ACCOUNT, SITE, Resource, group_and_name, resource

Kind = Literal["gone", "changed", "added"]

_SECRET_WORDS = ("key", "secret", "password", "token", "connectionstring", "sas")
_SECRET = "[secret]"  # noqa: S105 # how Pulumi writes a secret
APP_SETTINGS = "siteConfig.appSettings"


@dataclass(frozen=True)
class Change:
    """A changed property. `was` and `now` are None if they are unknown, or are or may be secrets."""

    path: str
    kind: Literal["added", "removed", "changed"]
    was: str | None = None
    now: str | None = None


@dataclass(frozen=True)
class Finding:
    """A difference between the state and Azure.

    `name` is the logical name in the program, or the Azure name of what was added there. `gone_with` lists
    the logical names of the child resources of a deleted resource. `purge` is the command that must run
    before the resource can be created again. `command` fixes what the program cannot define.
    """

    kind: Kind
    name: str
    type: str
    id: str
    owner: Owner
    place: str
    changes: tuple[Change, ...] = ()
    gone_with: tuple[str, ...] = ()
    purge: str = ""
    command: str = ""


def refresh_findings(preview: Mapping[str, Any]) -> list[Finding]:
    """The changes that a refresh would make to the state, except those of deployed code (see `code`)."""
    steps: list[dict[str, Any]] = preview.get("steps") or []
    gone = [resource(step["oldState"]) for step in steps if step["op"] == "delete"]
    findings = _gone(gone)
    for step in steps:
        if step["op"] != "update":
            continue
        before, after = resource(step["oldState"]), resource(step["newState"])
        if before.type == DEPLOYED_CODE:
            continue
        changes = differences(before.inputs, after.inputs) or _paths(step.get("detailedDiff") or {})
        findings += _changed(before, changes)
    return findings


def unnamed(preview: Mapping[str, Any], code_changed: bool) -> int:
    """The number of changed resources that the document counts but does not list."""
    steps: list[dict[str, Any]] = preview.get("steps") or []
    summary: dict[str, int] = preview.get("changeSummary") or {}
    counted = summary.get("update", 0)
    named = {step["urn"] for step in steps if step["op"] == "update" and not _is_code(step["urn"])}
    return max(0, counted - len(named) - int(code_changed))


def code(stack: Sequence[Resource], running: str) -> list[Finding]:
    """`running` is the package hash that the site reports, empty if it reports none."""
    return [
        _finding(
            "changed",
            deployed_code,
            [
                Change(
                    "package_hash",
                    "changed",
                    deployed_code.outputs["package_hash"],
                    running or "no package that answers",
                )
            ],
        )
        for deployed_code in stack
        if deployed_code.type == DEPLOYED_CODE and deployed_code.outputs.get("package_hash") != running
    ]


def released(stack: Sequence[Resource]) -> bool:
    """Whether the package of the stack was deployed by `ops deploy` and not built by `up` from a checkout.

    Inputs and outputs are checked: an `up` that finds the same package deployed keeps the old outputs.
    """
    given = [
        str(side.get("package_path", "")).startswith(f"{GIVEN_FOLDER}/")
        for deployed_code in stack
        if deployed_code.type == DEPLOYED_CODE
        for side in (deployed_code.inputs, deployed_code.outputs)
    ]
    return any(given)


def app_settings(site: Resource, actual: Mapping[str, str]) -> list[Finding]:
    """The changed app settings, by name. Values are not returned: one added in the portal may be a secret.

    A refused setting is a finding even if the state has it; its effect is given instead of its value.
    """
    expected, refused = settings_of(site), refused_settings(actual)
    changes = [
        Change(f"{APP_SETTINGS}.{name}", "removed") for name in sorted(expected.keys() - actual.keys())
    ]
    changes += [
        Change(f"{APP_SETTINGS}.{name}", "added")
        for name in sorted(actual.keys() - expected.keys() - refused.keys())
    ]
    changes += [
        Change(f"{APP_SETTINGS}.{name}", "changed")
        for name in sorted(expected.keys() & actual.keys())
        if name not in refused and expected[name] is not None and expected[name] != actual[name]
    ]
    findings = [_finding("changed", site, changes)] if changes else []
    if refused:
        changes = [Change(f"{APP_SETTINGS}.{name}", "added", now=why) for name, why in refused.items()]
        finding = _finding("changed", site, changes)
        findings.append(replace(finding, command=removal_command(site.id, refused)))
    return findings


def settings_of(site: Resource) -> dict[str, str | None]:
    """The deployed app settings from the state; None for a value that is encrypted there.

    Raises OpsError if all of them are encrypted.
    """
    config: Any = site.inputs.get("siteConfig")
    listed: Any = cast(dict[str, Any], config).get("appSettings") if isinstance(config, dict) else None
    if not isinstance(listed, list):
        raise OpsError(
            f"the state of {site.name} has no readable app settings: "
            "they are encrypted, or were never deployed"
        )
    return {
        str(setting["name"]): setting["value"] if isinstance(setting["value"], str) else None
        for setting in cast(list[dict[str, Any]], listed)
    }


@dataclass(frozen=True)
class RoleAssignment:
    """A role assignment in Azure. `role` is a name, or the id of a role that the program does not use."""

    id: str
    name: str
    scope: str
    role: str
    principal: str


def role_assignments(stack: Sequence[Resource], actual: Sequence[RoleAssignment]) -> list[Finding]:
    """The role assignments on the stack's resources that are not in the state.

    Those that are inherited from a higher scope are ignored."""
    known = {resource.id.lower() for resource in stack}
    below = [
        resource.id.lower()
        for resource in stack
        if resource.type == "azure-native:resources:ResourceGroup" and resource.id
    ]
    return [
        Finding(
            "added",
            assignment.name,
            "azure-native:authorization:RoleAssignment",
            assignment.id,
            (rule := rule_for("azure-native:authorization:RoleAssignment", "roleDefinitionId")).owner,
            rule.place,
            (Change(f"{assignment.role} for {assignment.principal} on {assignment.scope}", "added"),),
        )
        for assignment in actual
        if assignment.id.lower() not in known
        and any(f"{assignment.scope.lower()}/".startswith(f"{group}/") for group in below)
    ]


def differences(was: Any, now: Any, path: str = "") -> list[Change]:
    """The changes between two values of a property, one for each leaf."""
    if isinstance(was, dict) and isinstance(now, dict):
        before, after = cast(dict[str, Any], was), cast(dict[str, Any], now)
        return [
            change
            for name in sorted(before.keys() | after.keys())
            for change in differences(before.get(name), after.get(name), f"{path}.{name}" if path else name)
        ]
    if _same(was, now, path) or _is_azures_own(path):
        return []
    if _empty(was):
        return [Change(path, "added", None, _visible_text(now, path))]
    if _empty(now):
        return [Change(path, "removed", _visible_text(was, path), None)]
    return [Change(path, "changed", _visible_text(was, path), _visible_text(now, path))]


def _is_azures_own(path: str) -> bool:
    """Whether Azure itself sets the property.

    The portal links resources by `hidden-link:` and similar tags (docs: Use tags to organize your Azure
    resources). The current capacity of a model deployment is "internal use only" (azure-rest-api-specs,
    cognitiveservices.json).
    """
    return path.startswith("tags.hidden-") or path == "properties.currentCapacity"


def _same(was: Any, now: Any, path: str) -> bool:
    if _empty(was) and _empty(now):
        return True
    return _plain(was, path) == _plain(now, path)


def _plain(value: Any, path: str) -> Any:
    """A value normalized for comparison, because Azure returns some values in another form than it received.

    These are the case of ids and enums (Azure/terraform-azurerm-avm-res-web-site #348, #355), spaces in
    regions and the order of lists."""
    match value:
        case bool():
            return value
        case int() | float():
            return float(value)
        case str() if path.startswith("tags."):
            return value
        case str() if path == "location":
            return value.replace(" ", "").lower()
        case str():
            return value.lower()
        case list():
            elements = [_plain(element, path) for element in cast(list[Any], value)]
            return sorted(elements, key=repr)
        case dict():
            members = cast(dict[str, Any], value)
            return {
                name: _plain(member, f"{path}.{name}")
                for name, member in members.items()
                if not _empty(member)
            }
        case _:
            return value


def _empty(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(_empty, cast(dict[str, Any], value).values()))
    return value is None or value in ("", [])


def _visible_text(value: Any, path: str) -> str | None:
    last = path.rpartition(".")[2].lower()
    text = str(value)
    if _SECRET in text or any(word in last for word in _SECRET_WORDS):
        return None
    return text


def _paths(detailed: Mapping[str, Any]) -> list[Change]:
    """The changed paths that Pulumi lists, for values that are encrypted on both sides."""
    return [Change(path, "changed") for path in sorted(detailed) if not _is_azures_own(path)]


def _gone(gone: Sequence[Resource]) -> list[Finding]:
    """One finding for each top-level deleted resource, with its deleted child resources."""
    with_id = [resource for resource in gone if resource.id]
    tops = [
        resource
        for resource in with_id
        if not any(_is_below(resource, other) for other in with_id if other is not resource)
    ]
    findings: list[Finding] = []
    for top in tops:
        below = [resource for resource in with_id if resource is not top and _is_below(resource, top)]
        purges = [_purge(resource) for resource in (top, *below) if resource.type == MODEL_ACCOUNT]
        finding = _finding("gone", top, [])
        names = tuple(resource.name for resource in below)
        findings.append(replace(finding, gone_with=names, purge=" && ".join(purges)))
    return findings


def _purge(account: Resource) -> str:
    """A deleted account keeps its name for 48 hours unless purged (pulumi/pulumi-azure-native#2529)."""
    group, name = group_and_name(account.id)
    location = account.inputs.get("location") or "LOCATION"
    return f"az cognitiveservices account purge --location {location} --resource-group {group} --name {name}"


def _is_below(lower: Resource, upper: Resource) -> bool:
    """Deployed code has the id of its site."""
    own, other = lower.id.lower(), upper.id.lower()
    return own.startswith(f"{other}/") or (own == other and lower.type == DEPLOYED_CODE != upper.type)


def _is_code(urn: str) -> bool:
    return DEPLOYED_CODE in urn


def _changed(changed: Resource, changes: Sequence[Change]) -> list[Finding]:
    """One finding for each owner and place."""
    by_owner: dict[tuple[Owner, str], list[Change]] = {}
    for change in changes:
        rule = rule_for(changed.type, change.path)
        by_owner.setdefault((rule.owner, rule.place), []).append(change)
    return [_finding("changed", changed, owner_changes) for owner_changes in by_owner.values()]


def _finding(kind: Kind, resource: Resource, changes: Sequence[Change]) -> Finding:
    rule = rule_for(resource.type, changes[0].path if changes else GONE)
    return Finding(kind, resource.name, resource.type, resource.id, rule.owner, rule.place, tuple(changes))


def site_of(stack: Sequence[Resource]) -> Resource | None:
    return next((resource for resource in stack if resource.type == SITE), None)
