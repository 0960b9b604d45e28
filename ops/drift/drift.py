"""What differs between a stack's state and Azure, from what three places say. Pure.

- `pulumi refresh --preview-only --json`: resources changed or gone. It never sees app settings
  (pulumi/pulumi-azure-native#4263), and its document leaves a dynamic resource out that only changed.
- Azure's lists: the site's app settings, and role assignments, where one that was added is nobody's resource.
- the site itself: the package that it runs.

What Azure changes or adds by itself is no drift; `_is_azures_own` says what that is.
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
_SECRET = "[secret]"  # noqa: S105 # how Pulumi writes one
APP_SETTINGS = "siteConfig.appSettings"


@dataclass(frozen=True)
class Change:
    """One property. `was` and `now` are None where they are not told: they are, or may be, secrets."""

    path: str
    kind: Literal["added", "removed", "changed"]
    was: str | None = None
    now: str | None = None


@dataclass(frozen=True)
class Finding:
    """`name` is the logical name in the program; of what was added in Azure, its name there.

    `gone_with` are the logical names of what stood below a resource that is gone; `purge` is the command
    without which it cannot be made again. `command` is the only one that puts right what no program may say.
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


def refreshed(preview: Mapping[str, Any]) -> list[Finding]:
    """What a refresh would change in the state, apart from deployed code (see `code`)."""
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
    """How many changed resources the document counts, but does not show."""
    steps: list[dict[str, Any]] = preview.get("steps") or []
    summary: dict[str, int] = preview.get("changeSummary") or {}
    counted = summary.get("update", 0)
    named = {step["urn"] for step in steps if step["op"] == "update" and not _is_code(step["urn"])}
    return max(0, counted - len(named) - int(code_changed))


def code(stack: Sequence[Resource], answered: str) -> list[Finding]:
    """`answered` is the hash of the package that the site answers, empty where it answers none."""
    return [
        _finding(
            "changed",
            deployed_code,
            [
                Change(
                    "package_hash",
                    "changed",
                    deployed_code.outputs["package_hash"],
                    answered or "no package that answers",
                )
            ],
        )
        for deployed_code in stack
        if deployed_code.type == DEPLOYED_CODE and deployed_code.outputs.get("package_hash") != answered
    ]


def released(stack: Sequence[Resource]) -> bool:
    """Whether the stack's package was handed to `up`, as `ops deploy` does, and not built from a checkout.

    Either side counts: an `up` that finds the same package deployed keeps the outputs that were there.
    """
    given = [
        str(side.get("package_path", "")).startswith(f"{GIVEN_FOLDER}/")
        for deployed_code in stack
        if deployed_code.type == DEPLOYED_CODE
        for side in (deployed_code.inputs, deployed_code.outputs)
    ]
    return any(given)


def app_settings(site: Resource, actual: Mapping[str, str]) -> list[Finding]:
    """Settings by name. No value leaves this function: one that was added in the portal may be a secret.

    What no site may have is a finding also where the state has it, with what it does in place of a value.
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
    """The app settings that the state says were deployed; None for a value that is sealed in it.

    Raises OpsError where all are sealed.
    """
    config: Any = site.inputs.get("siteConfig")
    listed: Any = cast(dict[str, Any], config).get("appSettings") if isinstance(config, dict) else None
    if not isinstance(listed, list):
        raise OpsError(
            f"the state of {site.name} shows no app settings: they are sealed, or were never deployed"
        )
    return {
        str(setting["name"]): setting["value"] if isinstance(setting["value"], str) else None
        for setting in cast(list[dict[str, Any]], listed)
    }


@dataclass(frozen=True)
class RoleAssignment:
    """As Azure lists it. `role` is a name, or the id of one that is not known here."""

    id: str
    name: str
    scope: str
    role: str
    principal: str


def role_assignments(stack: Sequence[Resource], actual: Sequence[RoleAssignment]) -> list[Finding]:
    """Grants on something of the stack that are not in the state. What is inherited from above is not the
    stack's business."""
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
    """What changed between two values of a property, leaf by leaf."""
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
    """`hidden-link:` and its like are tags by which the portal remembers what belongs together (docs: Use
    tags to organize your Azure resources); a model deployment's current capacity is "internal use only"
    (azure-rest-api-specs, cognitiveservices.json).
    """
    return path.startswith("tags.hidden-") or path == "properties.currentCapacity"


def _same(was: Any, now: Any, path: str) -> bool:
    if _empty(was) and _empty(now):
        return True
    return _plain(was, path) == _plain(now, path)


def _plain(value: Any, path: str) -> Any:
    """A value without what Azure answers in another way than it was told: the case of ids and enums
    (Azure/terraform-azurerm-avm-res-web-site #348, #355), spaces in regions, the order of lists."""
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
    """Where the values do not tell (both are sealed), Pulumi's own list of paths does."""
    return [Change(path, "changed") for path in sorted(detailed) if not _is_azures_own(path)]


def _gone(gone: Sequence[Resource]) -> list[Finding]:
    """One finding for what stood on its own; what stood below it went with it."""
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
    """A deleted account keeps its name for 48 hours, and only a purge gives it back
    (pulumi/pulumi-azure-native#2529)."""
    group, name = group_and_name(account.id)
    location = account.inputs.get("location") or "LOCATION"
    return f"az cognitiveservices account purge --location {location} --resource-group {group} --name {name}"


def _is_below(lower: Resource, upper: Resource) -> bool:
    """Deployed code has its site's id."""
    own, other = lower.id.lower(), upper.id.lower()
    return own.startswith(f"{other}/") or (own == other and lower.type == DEPLOYED_CODE != upper.type)


def _is_code(urn: str) -> bool:
    return DEPLOYED_CODE in urn


def _changed(changed: Resource, changes: Sequence[Change]) -> list[Finding]:
    """One finding for each owner."""
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
