"""`stack …`, and `cancel`."""

import argparse
import json
from datetime import UTC, datetime
from typing import Any

from local_azure.engine import locks
from local_azure.engine.commands import arguments, state
from local_azure.engine.commands.output import UsageError, confirm, interactive, note, say
from local_azure.engine.commands.selection import Place, named


def add_to(verbs: Any, shared: list[arguments.Parser]) -> None:
    common, _ = shared
    cancel = verbs.add_parser("cancel", parents=shared, help="remove the stack's locks")
    cancel.set_defaults(run=_cancel)
    cancel.add_argument("name", nargs="?", help="the stack")
    cancel.add_argument("-y", "--yes", action="store_true", help="without asking")
    group = verbs.add_parser("stack", parents=shared, help="stacks, their outputs and their states")
    group.set_defaults(run=_show)
    group.add_argument("--show-name", action="store_true", help="only the stack's name")
    group.add_argument("-u", "--show-urns", action="store_true", help="every resource with its URN")
    stack_verbs = group.add_subparsers(dest="stack_verb", metavar="COMMAND", parser_class=arguments.Parser)
    output = stack_verbs.add_parser("output", parents=shared, help="show the stack's outputs")
    output.set_defaults(run=_output)
    output.add_argument("property", nargs="?", help="only this one")
    output.add_argument("-j", "--json", action="store_true", help="as JSON")
    output.add_argument("--show-secrets", action="store_true", help="in clear")
    listed = stack_verbs.add_parser(
        "ls", aliases=["list"], parents=[common], help="list the project's stacks"
    )
    listed.set_defaults(run=_ls)
    listed.add_argument("-j", "--json", action="store_true", help="as JSON")
    init = stack_verbs.add_parser("init", aliases=["new"], parents=shared, help="make a stack")
    init.set_defaults(run=_init)
    init.add_argument("name", nargs="?", help="its name")
    init.add_argument("--no-select", action="store_true", help="do not select it")
    init.add_argument("--secrets-provider", default="passphrase", help="`passphrase`, the only one here")
    select = stack_verbs.add_parser("select", parents=shared, help="choose the stack for the next commands")
    select.set_defaults(run=_select)
    select.add_argument("name", nargs="?", help="its name")
    select.add_argument("-c", "--create", action="store_true", help="make it if it does not exist")
    unselect = stack_verbs.add_parser("unselect", parents=[common], help="choose none")
    unselect.set_defaults(run=_unselect)
    history = stack_verbs.add_parser("history", aliases=["hist"], parents=shared, help="earlier runs")
    history.set_defaults(run=_history)
    history.add_argument("-j", "--json", action="store_true", help="as JSON")
    history.add_argument("--page", type=int, default=1, help="which page")
    history.add_argument("--page-size", type=int, default=10, help="runs on a page")
    remove = stack_verbs.add_parser(
        "rm", aliases=["remove"], parents=shared, help="remove a stack without resources"
    )
    remove.set_defaults(run=_rm)
    remove.add_argument("name", nargs="?", help="its name")
    remove.add_argument("-y", "--yes", action="store_true", help="without asking")
    remove.add_argument("-f", "--force", action="store_true", help="also when resources are left")
    remove.add_argument(
        "--preserve-config", action="store_true", help="accepted; the configuration file always stays"
    )
    state.add_to_stack(stack_verbs, shared)


def _output(args: argparse.Namespace) -> int:
    from local_azure.engine.session import stack_outputs  # noqa: PLC0415

    outputs = stack_outputs(Place.here().stack(args), show_secrets=args.show_secrets)
    if args.property:
        if args.property not in outputs:
            raise UsageError(f"current stack does not have output property '{args.property}'")
        value = outputs[args.property]
        say(json.dumps(value, indent=2) if args.json or not isinstance(value, str) else value)
    elif args.json:
        say(json.dumps(outputs, indent=2, ensure_ascii=False))
    else:
        say(f"Current stack outputs ({len(outputs)}):")
        width = max((len(key) for key in outputs), default=0)
        if outputs:
            say(f"    {'OUTPUT':<{max(width, 6)}}  VALUE")
        for key, value in sorted(outputs.items()):
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            say(f"    {key:<{max(width, 6)}}  {text}")
        if not outputs:
            say("    No output values currently in this stack")
    return 0


def _ls(args: argparse.Namespace) -> int:
    place = Place.here()
    selected = place.selected()
    rows: list[dict[str, Any]] = []
    for name in place.backend.stacks(place.project.name):
        latest = place.backend.latest(place.project.name, name)
        row: dict[str, Any] = {"name": name, "current": name == selected}
        if updated := latest.get("manifest", {}).get("time"):
            row["lastUpdate"] = _milliseconds(datetime.fromisoformat(updated))
        rows.append(row | {"resourceCount": len(latest.get("resources") or ())})
    if args.json:
        say(json.dumps(rows, indent=2))
        return 0
    say(f"{'NAME':<20}  {'LAST UPDATE':<20}  RESOURCE COUNT")
    for row in rows:
        mark = "*" if row["current"] else ""
        updated = row.get("lastUpdate", "n/a")[:19]
        say(f"{row['name'] + mark:<20}  {updated:<20}  {row['resourceCount']}")
    return 0


def _milliseconds(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _show(args: argparse.Namespace) -> int:
    place = Place.here()
    name = place.name(args)
    if args.show_name:
        say(name)
        return 0
    latest = place.backend.latest(place.project.name, name)
    resources: list[dict[str, Any]] = latest.get("resources") or []
    say(f"Current stack is {name}:")
    say(f"    Last updated: {latest.get('manifest', {}).get('time', 'never')}")
    say(f"Current stack resources ({len(resources)}):")
    for resource in resources:
        protected = "  (protected)" if resource.get("protect") else ""
        say(f"    {resource['type']}  {resource['urn'].rpartition('::')[2]}{protected}")
        if args.show_urns:
            say(f"        URN: {resource['urn']}")
    return 0


def _history(args: argparse.Namespace) -> int:
    place = Place.here()
    runs = place.backend.history(place.project.name, place.name(args))
    first = (max(args.page, 1) - 1) * args.page_size
    runs = runs[first : first + args.page_size]
    if args.json:
        say(json.dumps([_run(run) for run in runs], indent=2, ensure_ascii=False))
        return 0
    for run in runs:
        changes = ", ".join(f"{number} {op}" for op, number in sorted(run["resourceChanges"].items()))
        began = _milliseconds(datetime.fromtimestamp(run["startTime"], UTC))[:19]
        say(f"{began}  {run['kind']:<8} {run['result']:<10} {changes}  {run['message']}".rstrip())
    if not runs:
        say("Stack has never been updated")
    return 0


def _run(run: dict[str, Any]) -> dict[str, Any]:
    """A run as the CLI lists it (P:pkg/cmd/pulumi/stack/stack_history.go)."""
    shown = {key: run[key] for key in ("version", "kind", "message", "environment", "result")}
    for key in ("startTime", "endTime"):
        shown[key] = _milliseconds(datetime.fromtimestamp(run[key], UTC))
    shown["config"] = {key: _setting(value) for key, value in run["config"].items()}
    return shown | {"resourceChanges": run["resourceChanges"]}


def _setting(value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        return {"value": value, "secret": False}
    text = json.dumps(value, separators=(",", ":"))
    if '"secure":' in text:
        return {"secret": True}
    return {"value": text, "objectValue": value, "secret": False}


def _unselect(_: argparse.Namespace) -> int:
    Place.here().select(None)
    note("Stack was unselected")
    return 0


def _init(args: argparse.Namespace) -> int:
    name = named(args)
    if not name:
        raise UsageError("missing stack name: stack init NAME")
    place = Place.here()
    _make(place, name, args)
    if not args.no_select:
        place.select(name)
    return 0


def _make(place: Place, name: str, args: argparse.Namespace) -> None:
    from local_azure.engine.session import make_stack  # noqa: PLC0415

    provider = getattr(args, "secrets_provider", "passphrase")
    if provider not in ("default", "passphrase"):
        raise UsageError(
            f"secrets provider {provider!r}: the embedded engine runs local stacks only, whose provider is "
            "'passphrase'"
        )
    if not all(part.isalnum() for part in name.replace("-", "a").replace("_", "a").replace(".", "a")):
        raise UsageError(
            f"stack name {name!r} may only contain alphanumerics, hyphens, underscores and periods"
        )
    if place.exists(name):
        raise UsageError(f"stack '{name}' already exists")
    make_stack(place.stack_named(name, args))
    note(f"Created stack '{name}'")


def _select(args: argparse.Namespace) -> int:
    name = named(args)
    if not name:
        raise UsageError("missing stack name: stack select NAME")
    place = Place.here()
    if args.create and not place.exists(name):
        _make(place, name, args)
    place.select(place.name(args))
    return 0


def _rm(args: argparse.Namespace) -> int:
    place = Place.here()
    name = place.name(args)
    latest = place.backend.latest(place.project.name, name)
    if latest.get("resources") and not args.force:
        raise UsageError(
            f"'{name}' still has resources; removal rejected. Run `pulumi destroy` first, or use --force"
        )
    confirm(args, f"This will permanently remove the '{name}' stack!", name)
    place.forget(name)
    say(f"Stack '{name}' has been removed!")
    return 0


def _cancel(args: argparse.Namespace) -> int:
    place = Place.here()
    name = place.name(args)
    if interactive(args):  # the CLI asks nobody where nobody can answer
        confirm(args, f"Remove all locks of stack {name}?", "yes")
    removed = locks.cancel(place.backend.folder, place.project.name, name)
    for lock in removed:
        say(f"removed the lock of {lock}")
    if not removed:
        say(f"stack {name} has no locks")
    return 0
