"""`portal`: changes outside Pulumi's state, as a person makes them in the Azure portal.

Resources are read from the store. Changes are ARM requests of the developer, so that Azure's checks apply.
"""

import argparse
import json
from collections.abc import Callable
from typing import Any, TypeAlias, cast

from local_azure.cli import gateway
from local_azure.cli.output import CommandError, note, say
from local_azure.cli.show import running
from local_azure.core import ids
from local_azure.core.store import SUBSCRIPTION_ID, Resource, Store
from local_azure.home import Home
from local_azure.run_state import Run

_SITES = "Microsoft.Web/sites"
_LOCKS = "Microsoft.Authorization/locks"
_MODELS = "Microsoft.CognitiveServices"
_DELETED = f"{ids.subscription(SUBSCRIPTION_ID)}/providers/{_MODELS}/deletedAccounts"
_LEVELS = ("CanNotDelete", "ReadOnly")

_EPILOG = """\
WHAT is the ARM id of a resource or a resource group, its name, or the end of its id where several resources
have the name: tables/ChatState.

examples:
  python -m local_azure portal list
  python -m local_azure portal setting set func-assistant-local-abc CHAT_MODEL gpt-5
  python -m local_azure portal setting remove func-assistant-local-abc CHAT_MODEL
  python -m local_azure portal tag set rg-assistant-local-abc owner me
  python -m local_azure portal set stassistantabc properties.minimumTlsVersion TLS1_0
  python -m local_azure portal set stassistantabc properties.allowSharedKeyAccess true
  python -m local_azure portal lock add rg-assistant-local-abc
  python -m local_azure portal delete tables/ChatState
  python -m local_azure portal list --deleted
  python -m local_azure portal purge oai-assistant-local-abc

exit codes: 0 done; 1 refused, the reason is on standard error; 2 wrong usage
"""

_Action = Callable[["_Portal", argparse.Namespace], None]
_Verbs: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # pyright: ignore[reportPrivateUsage] # argparse names no public type


class _Portal:
    def __init__(self, home: Home) -> None:
        self._home = home
        self._run: Run = running(home)

    def resources(self) -> list[Resource]:
        return Store(self._home.store_file).list()

    def arm(self, method: str, path: str, body: object = None, *, doing: str = "working") -> dict[str, Any]:
        return gateway.arm(self._home, self._run, method, path, body=body, doing=doing)

    def find(self, what: str, resource_type: str | None = None) -> Resource:
        """Raises CommandError, with the candidates where there are several."""
        resources = [
            resource
            for resource in self.resources()
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
        folder = what.strip("/").rpartition("/")[0].lower()  # `tables` of tables/ChatState
        beside = [
            resource
            for resource in resources
            if resource["id"].lower().endswith(f"/{folder}/{resource['name'].lower()}")
        ]
        tracked = [resource for resource in resources if ids.is_tracked(resource["id"])]
        listed = ", ".join(sorted(resource["name"] for resource in beside or tracked)) or "none"
        raise CommandError(f"there is no {resource_type or 'resource'} {what!r}; there are: {listed}.")


def portal(home: Home, arguments: argparse.Namespace) -> int:
    chosen = _parser().parse_args(arguments.arguments)
    action: _Action = chosen.action
    action(_Portal(home), chosen)
    return 0


def _list(portal: _Portal, arguments: argparse.Namespace) -> None:
    if arguments.deleted:
        resources: list[Any] = portal.arm("GET", _DELETED)["value"]
    else:
        resources = [
            resource for resource in portal.resources() if arguments.all or ids.is_tracked(resource["id"])
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


def _change_setting(portal: _Portal, arguments: argparse.Namespace) -> None:
    """Without a value the setting is removed."""
    path = f"{portal.find(arguments.app, _SITES)['id']}/config/appsettings"
    settings: dict[str, str] = portal.arm("POST", f"{path}/list")["properties"]
    if arguments.value is not None:
        settings[arguments.name] = arguments.value
    elif arguments.name in settings:
        del settings[arguments.name]
    else:
        known = ", ".join(sorted(settings)) or "none"
        raise CommandError(f"{arguments.app} has no app setting {arguments.name!r}; it has: {known}.")
    portal.arm("PUT", path, {"properties": settings}, doing=f"restarting {arguments.app}")
    change = "removed" if arguments.value is None else "set"
    say(f"The app setting {arguments.name} of {arguments.app} is {change}; the app has restarted.")


def _change_tag(portal: _Portal, arguments: argparse.Namespace) -> None:
    """Without a value the tag is removed."""
    resource, key, value = portal.find(arguments.what), arguments.key, arguments.value
    tags = resource.get("tags", {})
    if value is None and key.lower() not in map(str.lower, tags):
        raise CommandError(f"{resource['name']} has no tag {key!r}; it has: {', '.join(tags) or 'none'}.")
    operation = "Delete" if value is None else "Merge"
    body = {"operation": operation, "properties": {"tags": {key: value or ""}}}
    portal.arm("PATCH", f"{resource['id']}/providers/Microsoft.Resources/tags/default", body)
    change = f"has no tag {key} any more" if value is None else f"has the tag {key} = {value}"
    say(f"{resource['name']} {change}.")


def _set(portal: _Portal, arguments: argparse.Namespace) -> None:
    resource = portal.find(arguments.what)
    try:
        body: object = json.loads(arguments.value)  # so that `true` and `5` are no strings
    except ValueError:
        body = arguments.value
    for name in reversed(arguments.path.split(".")):
        body = {name: body}
    portal.arm("PATCH", resource["id"], body, doing=f"changing {resource['name']}")
    before = json.dumps(_member(resource, arguments.path))
    after = json.dumps(_member(portal.find(resource["id"]), arguments.path))
    say(f"{resource['name']}: {arguments.path} {before} → {after}")


def _member(value: Any, path: str) -> Any:
    for name in path.split("."):
        value = cast("dict[str, Any]", value).get(name) if isinstance(value, dict) else None
    return value


def _delete(portal: _Portal, arguments: argparse.Namespace) -> None:
    resource = portal.find(arguments.what)
    portal.arm("DELETE", resource["id"], doing=f"deleting {resource['name']}")
    say(f"{resource['type']} {resource['name']} is deleted.")


def _add_lock(portal: _Portal, arguments: argparse.Namespace) -> None:
    resource = portal.find(arguments.what)
    lock = ids.build(resource["id"], _LOCKS, arguments.name)
    portal.arm("PUT", lock, {"properties": {"level": arguments.level}})
    say(f"{resource['name']} has the lock {arguments.name} ({arguments.level}).")


def _remove_lock(portal: _Portal, arguments: argparse.Namespace) -> None:
    resource = portal.find(arguments.what)
    locks = {
        lock["name"]: lock["id"]
        for lock in portal.resources()
        if lock["type"].lower() == _LOCKS.lower() and ids.same(ids.parse(lock["id"])[0], resource["id"])
    }
    chosen = [name for name in locks if arguments.name is None or name.lower() == arguments.name.lower()]
    if len(chosen) != 1:
        known = ", ".join(locks) or "none"
        raise CommandError(f"which lock of {resource['name']}? It has: {known}. Name it with --name.")
    portal.arm("DELETE", locks[chosen[0]])
    say(f"{resource['name']} has no lock {chosen[0]} any more.")


def _purge(portal: _Portal, arguments: argparse.Namespace) -> None:
    deleted: list[Resource] = portal.arm("GET", _DELETED)["value"]
    name = arguments.name.lower()
    matching = [account for account in deleted if name in {account["name"].lower(), account["id"].lower()}]
    if len(matching) != 1:
        listed = "".join(f"\n  {account['id']}" for account in (matching or deleted)) or " none."
        problem = "stands for several deleted accounts" if matching else "is no deleted account; there are"
        raise CommandError(f"{arguments.name!r} {problem}:{listed}")
    portal.arm("DELETE", matching[0]["id"], doing=f"purging {arguments.name}")
    say(f"The model account {arguments.name} is purged: its name is free again.")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m local_azure portal",
        description="Change what is in local Azure behind Pulumi's back, with Azure's own checks.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(metavar="VERB", required=True)

    listing = _verb(verbs, "list", "show the resource groups and resources", _list)
    listing.add_argument("--all", action="store_true", help="also children, locks and role assignments")
    listing.add_argument("--deleted", action="store_true", help="deleted model accounts that are still kept")
    listing.add_argument("--json", action="store_true", help="print JSON")

    setting = _group(verbs, "setting", "set or remove an app setting")
    summary = "set an app setting; the app restarts"
    _verb(setting, "set", summary, _change_setting, "app", "name", "value")
    summary = "remove an app setting; the app restarts"
    _verb(setting, "remove", summary, _change_setting, "app", "name").set_defaults(value=None)

    tag = _group(verbs, "tag", "set or remove a tag")
    _verb(tag, "set", "set a tag", _change_tag, "what", "key", "value")
    _verb(tag, "remove", "remove a tag", _change_tag, "what", "key").set_defaults(value=None)

    lock = _group(verbs, "lock", "add or remove a lock")
    add = _verb(lock, "add", "lock a resource, with all below it", _add_lock, "what")
    add.add_argument("--level", choices=_LEVELS, default=_LEVELS[0], help=f"default {_LEVELS[0]}")
    add.add_argument("--name", default="portal", help="the lock's name (default portal)")
    remove = _verb(lock, "remove", "remove a lock", _remove_lock, "what")
    remove.add_argument("--name", help="the lock's name (default: the only one)")

    _verb(verbs, "set", "set a property: PATH as properties.minimumTlsVersion", _set, "what", "path", "value")
    _verb(verbs, "delete", "delete a resource, or a group with all in it", _delete, "what")
    _verb(verbs, "purge", "purge a deleted model account", _purge, "name")
    return parser


def _group(verbs: _Verbs, name: str, summary: str) -> _Verbs:
    return verbs.add_parser(name, help=summary).add_subparsers(metavar="VERB", required=True)


def _verb(
    verbs: _Verbs, name: str, summary: str, action: _Action, *positional: str
) -> argparse.ArgumentParser:
    parser = verbs.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
    for argument in positional:
        parser.add_argument(argument, metavar=argument.upper())
    parser.set_defaults(action=action)
    return parser
