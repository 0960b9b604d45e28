"""Why a resource changes: for a changed setting of the stack, or with another resource. Pure functions."""

import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from infra.settings import SETTINGS
from ops.preview.report import Change, Resource
from ops.preview.values import ABSENT, BLINDED, values

_SCALE = r"functionAppConfig\.scaleAndConcurrency\."
DETERMINED: Mapping[str, str] = {
    "location": r"location|resource_group|storage_account",
    "openaiLocation": r"location|(model_)?account|account_missing|accountName|properties\.customSub\w+",
    "modelName": r"deploymentName|properties\.model\.name|CHAT_MODEL_(DEPLOYMENT_NAME|CONTEXT_TOKENS)",
    "modelVersion": r"properties\.model\.version|CHAT_MODEL_CONTEXT_TOKENS",
    "modelSku": r"sku\.name",
    "modelCapacity": r"sku\.capacity",
    "pythonVersion": r"functionAppConfig\.runtime\.version|python_version",
    "instanceMemoryMB": _SCALE + "instanceMemoryMB",
    "maximumInstanceCount": _SCALE + "maximumInstanceCount",
    "alwaysReady": _SCALE + "alwaysReady.*",
    "httpConcurrency": _SCALE + r"triggers\.http\.perInstanceConcurrency",
    "corsOrigins": r"siteConfig\.cors\.allowedOrigins.*",
    "logRetentionDays": r"retentionInDays",
    "logDailyCapGB": r"workspaceCapping\.dailyQuotaGb",
    "tags": r"tags.*",
    "deletionProtection": r"protected|lockName",
    "nameSuffix": r"name|(account|resource|resourceGroup|workspace)Name|properties\.customSubDomainName"
    r"|(resource_)?group|(storage_|model_)?account|account_missing|site_id|scm_host|site_host",
    **{key: declared.app_setting for key, declared in SETTINGS.items() if declared.app_setting},
}
"""A setting of the stack to a pattern of the properties and app settings that it determines."""


def changed_settings(
    deployed: Mapping[str, str | None], current: Mapping[str, str], project: str
) -> tuple[Change, ...]:
    """The settings whose values differ, without the project's namespace.

    `deployed` is the configuration of the last successful `up`, in which a secret is None; without it nothing
    is known. `current` is that of the preview, in which a secret is `BLINDED`.
    """
    changes: list[Change] = []
    for key in sorted({*deployed, *current}) if deployed else ():
        name = key.removeprefix(f"{project}:")
        was, becomes = _parsed(deployed, key), _parsed(current, key)
        if was != becomes or type(was) is not type(becomes):
            changes.append(Change(name, *values((name,), was, becomes)))
    return tuple(changes)


def _parsed(config: Mapping[str, str | None], key: str) -> object:
    if key not in config:
        return ABSENT
    text = config[key]
    if text is None:
        return BLINDED
    try:
        return json.loads(text)
    except ValueError:
        return text


def setting_of(path: str, settings: Iterable[Change]) -> str:
    """The changed setting that determines a property or an app setting; empty if none does."""
    names = (setting.path for setting in settings)
    return next((name for name in names if re.fullmatch(DETERMINED.get(name, r"(?!)"), path)), "")


def with_causes(
    resources: Mapping[str, Resource], dependencies: Mapping[str, Collection[str]], minor: Collection[str]
) -> dict[str, Resource]:
    """The changed resources by key, each with its `cause`. `dependencies` has keys of other resources.

    `minor` resources are nothing in Azure (components, guards): they cause no change of another resource.
    """
    causes: dict[str, str] = {}

    def cause_of(key: str) -> str:
        if key not in causes:
            causes[key] = ""  # ends the recursion in a cycle, which only a wrong document has
            above = _above(key, resources, dependencies)
            causing = (
                other for other in above if other not in minor and _explains(resources[other], resources[key])
            )
            cause = next(causing, "")
            root = cause and (cause_of(cause) or cause)
            causes[key] = root if root != key else ""
        return causes[key]

    for key in resources:
        cause_of(key)
    roots = [resource for key, resource in resources.items() if not causes[key] and key not in minor]
    for resource in (resources[key] for key in minor if not causes[key]):

        def distance(root: Resource, resource: Resource = resource) -> tuple[bool, bool]:
            return not _settings(root) & _settings(resource), root.op != resource.op

        causes[resource.key] = min(roots, key=distance).key if roots else ""
    return {key: replace(resource, cause=causes[key]) for key, resource in resources.items()}


def _above(
    key: str, resources: Mapping[str, Resource], dependencies: Mapping[str, Collection[str]]
) -> list[str]:
    """The changed resources that a resource depends on, also by others, in the order of `resources`."""
    reached, waiting = set[str](), [key]
    while waiting:
        for other in dependencies.get(waiting.pop(), ()):
            if other in resources and other not in reached:
                reached.add(other)
                waiting.append(other)
    return [other for other in resources if other in reached and other != key]


def _explains(cause: Resource, resource: Resource) -> bool:
    """Whether a resource changes with one that it depends on, and not for itself."""
    if cause.op == resource.op and cause.op in {"create", "replace", "delete"}:
        return True
    return bool(resource.changes) and not own_changes(resource, _settings(cause))


def own_changes(resource: Resource, settings: Collection[str]) -> tuple[Change, ...]:
    """The changes that follow neither from another resource nor from these settings."""
    return tuple(
        change
        for change in resource.changes
        if change.new.kind != "unknown" and (not change.follows or change.follows not in settings)
    )


def _settings(resource: Resource) -> set[str]:
    return {change.follows for change in resource.changes} - {""}
