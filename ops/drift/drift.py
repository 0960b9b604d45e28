"""Computes the differences between the state of a stack and Azure from three sources. Pure functions.

- `pulumi refresh --preview-only --json`: resources that were changed or deleted. It does not see app settings
  (pulumi/pulumi-azure-native#4263), and its document omits changed dynamic resources: only deployed code can.
- Azure's lists: the app settings of the site, and role assignments; one that was added is in no stack.
- the health route of the site: the package that it runs.

What Azure itself changes or adds is not drift (see `_is_azures_own`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

from delivery.package import GIVEN_FOLDER
from delivery.refused_settings import refused_settings, removal_command
from infra.roles import APP_ROLES
from ops.drift.owners import GONE, Rule, rule_for
from ops.state import (
    DEPLOYED_CODE,
    GROUP,
    MODEL_ACCOUNT,
    ROLE_ASSIGNMENT,
    SITE,
    Resource,
    group_and_name,
    resource,
    type_and_name,
)

if TYPE_CHECKING:
    from azure.mgmt.authorization.v2022_04_01.models import RoleAssignment

_ROLE_NAMES = {role.id: role.name for role in APP_ROLES}
_SECRET_WORDS = ("key", "secret", "password", "token", "connectionstring", "sas")
_SECRET = "[secret]"  # noqa: S105 # how Pulumi writes a secret
APP_SETTINGS = "siteConfig.appSettings"

ChangeKind = Literal["added", "removed", "changed"]


@dataclass(frozen=True)
class Change:
    """A changed property. `was` and `now` are None if they are unknown, or are or may be secrets."""

    path: str
    kind: ChangeKind
    was: str | None = None
    now: str | None = None


@dataclass(frozen=True)
class Finding:
    """A difference between the state and Azure.

    `name` is the logical name in the program, or the Azure name of what was added there. `gone_with` lists
    the logical names of the child resources of a deleted resource. `purge` is the command that must run
    before the resource can be created again. `command` fixes what the program cannot define.
    """

    kind: Literal["gone", "changed", "added"]
    name: str
    type: str
    id: str
    changes: tuple[Change, ...] = ()
    gone_with: tuple[str, ...] = ()
    purge: str = ""
    command: str = ""

    @property
    def rule(self) -> Rule:
        return rule_for(self.type, self.changes[0].path if self.changes else GONE)


def refresh_findings(preview: Mapping[str, Any]) -> list[Finding]:
    """The changes that a refresh would make to the state, except those of deployed code (see `code`).

    The changes of a resource are one finding for each rule that applies to them.
    """
    steps: list[dict[str, Any]] = preview.get("steps") or []
    findings = _gone([resource(step["oldState"]) for step in steps if step["op"] == "delete"])
    for step in steps:
        if step["op"] == "update" and type_and_name(step["urn"])[0] != DEPLOYED_CODE:
            before, after = resource(step["oldState"]), resource(step["newState"])
            # For values that are encrypted on both sides there are only the paths that Pulumi lists.
            paths: Iterable[str] = step.get("detailedDiff") or ()
            listed = [Change(path, "changed") for path in sorted(paths) if not _is_azures_own(path)]
            changes_by_rule: dict[Rule, list[Change]] = {}
            for change in differences(before.inputs, after.inputs) or listed:
                changes_by_rule.setdefault(rule_for(before.type, change.path), []).append(change)
            findings += [_changed(before, changes) for changes in changes_by_rule.values()]
    return findings


def code(stack: Sequence[Resource], running: str) -> list[Finding]:
    """`running` is the package hash that the site reports, empty if it reports none."""
    now = running or "no package that answers"
    return [
        _changed(deployed, [Change("package_hash", "changed", package_hash, now)])
        for deployed in stack
        if deployed.type == DEPLOYED_CODE
        and (package_hash := deployed.outputs.get("package_hash")) != running
    ]


def released(stack: Sequence[Resource]) -> bool:
    """Whether the package of the stack was deployed by `ops deploy` and not built by `up` from a checkout.

    Inputs and outputs are checked: an `up` that finds the same package deployed keeps the old outputs.
    """
    return any(
        str(side.get("package_path", "")).startswith(f"{GIVEN_FOLDER}/")
        for deployed_code in stack
        if deployed_code.type == DEPLOYED_CODE
        for side in (deployed_code.inputs, deployed_code.outputs)
    )


def app_settings(site: Resource, actual: Mapping[str, str]) -> list[Finding]:
    """The changed app settings, by name. Values are not returned: one added in the portal may be a secret.

    A refused setting is a finding even if the state has it; its effect is given instead of its value.
    """
    expected, refused = settings_of(site), refused_settings(actual)
    common = (expected.keys() & actual.keys()) - refused.keys()
    names_by_kind: dict[ChangeKind, Iterable[str]] = {
        "removed": expected.keys() - actual.keys(),
        "added": actual.keys() - expected.keys() - refused.keys(),
        "changed": (name for name in common if expected[name] != actual[name]),
    }
    changes = [
        Change(f"{APP_SETTINGS}.{name}", kind)
        for kind, names in names_by_kind.items()
        for name in sorted(names)
    ]
    findings = [_changed(site, changes)] if changes else []
    if refused:
        changes = [Change(f"{APP_SETTINGS}.{name}", "added", now=why) for name, why in refused.items()]
        findings.append(_changed(site, changes, removal_command(site.id, refused)))
    return findings


def settings_of(site: Resource) -> dict[str, str]:
    """The deployed app settings from the state, which has them as plain text: the program has no secrets."""
    settings: list[dict[str, str]] = site.inputs["siteConfig"]["appSettings"]
    return {setting["name"]: setting["value"] for setting in settings}


def role_assignments(stack: Sequence[Resource], actual: Iterable["RoleAssignment"]) -> list[Finding]:
    """The role assignments on the stack's resources that are not in the state.

    Those that are inherited from a higher scope are ignored.
    """
    known = {resource.id.lower() for resource in stack}
    groups = [resource.id.lower() for resource in stack if resource.type == GROUP and resource.id]
    findings: list[Finding] = []
    for assignment in actual:
        id_, scope = assignment.id or "", assignment.scope or ""
        if id_.lower() in known or not any(f"{scope.lower()}/".startswith(f"{group}/") for group in groups):
            continue
        role_id = (assignment.role_definition_id or "").rpartition("/")[2]
        role = _ROLE_NAMES.get(role_id, f"role {role_id}")
        principal = f"{assignment.principal_type or 'principal'} {assignment.principal_id}"
        change = Change(f"{role} for {principal} on {scope}", "added")
        findings.append(Finding("added", assignment.name or "", ROLE_ASSIGNMENT, id_, (change,)))
    return findings


def differences(was: Any, now: Any, path: str = "") -> list[Change]:
    """The changes between two values of a property, one for each leaf."""
    if isinstance(was, dict) and isinstance(now, dict):
        before, after = cast(dict[str, Any], was), cast(dict[str, Any], now)
        return [
            change
            for name in sorted(before.keys() | after.keys())
            for change in differences(before.get(name), after.get(name), f"{path}.{name}" if path else name)
        ]
    if _is_azures_own(path) or (_empty(was) and _empty(now)) or _plain(was, path) == _plain(now, path):
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


def _plain(value: Any, path: str) -> Any:
    """A value normalized for comparison, because Azure returns some values in another form than it received.

    These are the case of ids and enums (Azure/terraform-azurerm-avm-res-web-site #348, #355), spaces in
    regions and the order of lists."""
    match value:
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


def _gone(gone: Sequence[Resource]) -> list[Finding]:
    """One finding for each top-level deleted resource, with its deleted child resources."""
    with_id = [resource for resource in gone if resource.id]
    findings: list[Finding] = []
    for top in with_id:
        if any(_is_below(top, other) for other in with_id):
            continue
        below = [resource for resource in with_id if _is_below(resource, top)]
        purges = [_purge(resource) for resource in (top, *below) if resource.type == MODEL_ACCOUNT]
        names = tuple(resource.name for resource in below)
        findings.append(Finding("gone", top.name, top.type, top.id, (), names, " && ".join(purges)))
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


def _changed(changed: Resource, changes: Sequence[Change], command: str = "") -> Finding:
    return Finding("changed", changed.name, changed.type, changed.id, tuple(changes), command=command)


def site_of(stack: Sequence[Resource]) -> Resource | None:
    return next((resource for resource in stack if resource.type == SITE), None)
