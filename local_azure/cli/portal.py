"""`portal`: changes outside Pulumi's state, as a person makes them in the Azure portal.

Resources are read from the store. Changes are ARM requests of the developer, so that Azure's checks apply.
"""

import argparse
import json
from typing import Any, cast

from local_azure.cli import gateway
from local_azure.cli.output import CommandError, note, say
from local_azure.cli.show import running
from local_azure.core import ids
from local_azure.core.store import SUBSCRIPTION_ID, Resource, Store
from local_azure.home import Home

_SITES = "Microsoft.Web/sites"
_LOCKS = "Microsoft.Authorization/locks"
_MODELS = "Microsoft.CognitiveServices"
_DELETED = f"{ids.subscription(SUBSCRIPTION_ID)}/providers/{_MODELS}/deletedAccounts"


def _resources(home: Home) -> list[Resource]:
    running(home)
    return Store(home.store_file).list()


def _arm(home: Home, method: str, path: str, body: Any = None, doing: str = "working") -> dict[str, Any]:
    return gateway.arm(home, running(home), method, path, body=body, doing=doing)


def _find(home: Home, what: str, resource_type: str | None = None) -> Resource:
    """The resource with the id, the name or the end of the id `what`. Raises CommandError."""
    resources = [
        resource
        for resource in _resources(home)
        if resource_type is None or resource["type"].lower() == resource_type.lower()
    ]
    ending = f"/{what.strip('/')}".lower()
    matching = [resource for resource in resources if ids.same(resource["id"], what)] or [
        resource for resource in resources if resource["id"].lower().endswith(ending)
    ]
    if len(matching) == 1:
        return matching[0]
    if matching:
        listed = "".join(f"\n  {resource['id']}" for resource in matching)
        raise CommandError(f"{what!r} stands for {len(matching)} resources; give more of the id:{listed}")
    names = sorted(resource["name"] for resource in resources if ids.is_tracked(resource["id"]))
    raise CommandError(
        f"there is no {resource_type or 'resource'} {what!r}; there are: {', '.join(names) or 'none'}."
    )


def list_resources(home: Home, arguments: argparse.Namespace) -> None:
    if arguments.deleted:
        resources: list[Any] = _arm(home, "GET", _DELETED)["value"]
    else:
        resources = [
            resource for resource in _resources(home) if arguments.all or ids.is_tracked(resource["id"])
        ]
    # The store has them in the order of their creation.
    resources.sort(key=lambda resource: ids.key(ids.resource_group_of(resource["id"]) or ""))
    if arguments.json:
        say(json.dumps([_summary(resource) for resource in resources], indent=2))
        return
    if not resources:
        note("There are no resources." if not arguments.deleted else "There is no deleted model account.")
    for resource in resources:
        tags = " ".join(f"{name}={value}" for name, value in resource.get("tags", {}).items())
        purge_date = resource.get("properties", {}).get("scheduledPurgeDate")
        until = f"until {purge_date}" if purge_date else ""
        # The name of a child, a lock or a role assignment says little without its parent.
        name = resource["name"] if ids.is_tracked(resource["id"]) or purge_date else resource["id"]
        say("  ".join(filter(None, [resource["type"], name, until, tags])))


def _summary(resource: dict[str, Any]) -> dict[str, Any]:
    members = {**resource, **resource.get("properties", {})}
    names = ("id", "name", "type", "location", "tags", "deletionDate", "scheduledPurgeDate")
    return {name: members[name] for name in names if name in members}


def change_setting(home: Home, arguments: argparse.Namespace) -> None:
    """Without a value the setting is removed."""
    path = f"{_find(home, arguments.app, _SITES)['id']}/config/appsettings"
    settings: dict[str, str] = _arm(home, "POST", f"{path}/list")["properties"]
    if arguments.value is not None:
        settings[arguments.name] = arguments.value
    elif arguments.name in settings:
        del settings[arguments.name]
    else:
        known = ", ".join(sorted(settings)) or "none"
        raise CommandError(f"{arguments.app} has no app setting {arguments.name!r}; it has: {known}.")
    _arm(home, "PUT", path, {"properties": settings}, doing=f"restarting {arguments.app}")
    change = "removed" if arguments.value is None else "set"
    say(f"The app setting {arguments.name} of {arguments.app} is {change}; the app has restarted.")


def change_tag(home: Home, arguments: argparse.Namespace) -> None:
    """Without a value the tag is removed."""
    resource, key, value = _find(home, arguments.what), arguments.key, arguments.value
    tags = resource.get("tags", {})
    if value is None and key.lower() not in map(str.lower, tags):
        raise CommandError(f"{resource['name']} has no tag {key!r}; it has: {', '.join(tags) or 'none'}.")
    operation = "Delete" if value is None else "Merge"
    body = {"operation": operation, "properties": {"tags": {key: value or ""}}}
    _arm(home, "PATCH", f"{resource['id']}/providers/Microsoft.Resources/tags/default", body)
    change = f"has no tag {key} any more" if value is None else f"has the tag {key} = {value}"
    say(f"{resource['name']} {change}.")


def set_property(home: Home, arguments: argparse.Namespace) -> None:
    resource = _find(home, arguments.what)
    try:
        body: object = json.loads(arguments.value)  # so that `true` and `5` are no strings
    except ValueError:
        body = arguments.value
    for name in reversed(arguments.path.split(".")):
        body = {name: body}
    _arm(home, "PATCH", resource["id"], body, doing=f"changing {resource['name']}")
    before = json.dumps(_member(resource, arguments.path))
    after = json.dumps(_member(_find(home, resource["id"]), arguments.path))
    say(f"{resource['name']}: {arguments.path} {before} → {after}")


def _member(value: Any, path: str) -> Any:
    for name in path.split("."):
        value = cast("dict[str, Any]", value).get(name) if isinstance(value, dict) else None
    return value


def delete(home: Home, arguments: argparse.Namespace) -> None:
    resource = _find(home, arguments.what)
    _arm(home, "DELETE", resource["id"], doing=f"deleting {resource['name']}")
    say(f"{resource['type']} {resource['name']} is deleted.")


def add_lock(home: Home, arguments: argparse.Namespace) -> None:
    resource = _find(home, arguments.what)
    lock = ids.build(resource["id"], _LOCKS, arguments.name)
    _arm(home, "PUT", lock, {"properties": {"level": arguments.level}})
    say(f"{resource['name']} has the lock {arguments.name} ({arguments.level}).")


def remove_lock(home: Home, arguments: argparse.Namespace) -> None:
    resource = _find(home, arguments.what)
    locks = {
        lock["name"]: lock["id"]
        for lock in _resources(home)
        if lock["type"].lower() == _LOCKS.lower() and ids.same(ids.parse(lock["id"])[0], resource["id"])
    }
    chosen = [name for name in locks if arguments.name is None or name.lower() == arguments.name.lower()]
    if len(chosen) != 1:
        known = ", ".join(locks) or "none"
        raise CommandError(f"which lock of {resource['name']}? It has: {known}. Name it with --name.")
    _arm(home, "DELETE", locks[chosen[0]])
    say(f"{resource['name']} has no lock {chosen[0]} any more.")


def purge(home: Home, arguments: argparse.Namespace) -> None:
    deleted: list[Resource] = _arm(home, "GET", _DELETED)["value"]
    name = arguments.name.lower()
    matching = [account for account in deleted if name in {account["name"].lower(), account["id"].lower()}]
    if len(matching) != 1:
        listed = "".join(f"\n  {account['id']}" for account in (matching or deleted)) or " none."
        problem = "stands for several deleted accounts" if matching else "is no deleted account; there are"
        raise CommandError(f"{arguments.name!r} {problem}:{listed}")
    _arm(home, "DELETE", matching[0]["id"], doing=f"purging {arguments.name}")
    say(f"The model account {arguments.name} is purged: its name is free again.")
