"""`logs`, `keys` and `rows`."""

import argparse
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from local_azure import run_state
from local_azure.cli import gateway
from local_azure.cli.output import CommandError, counted, note, say
from local_azure.core.store import Resource, Store
from local_azure.home import Home
from local_azure.run_state import Run

_SITES = "Microsoft.Web/sites"
_ACCOUNTS = "Microsoft.Storage/storageAccounts"


def logs(home: Home, arguments: argparse.Namespace) -> None:
    """With `follow` until Ctrl-C; without a name also logs that appear meanwhile."""
    names = sorted(file.stem for file in home.logs.glob("*.log"))
    if arguments.name is not None and arguments.name not in names:
        known = f"there are {', '.join(names)}" if names else "there are none yet"
        raise CommandError(f"no log is called {arguments.name!r}: {known}.")
    prefixed = arguments.name is None and (arguments.follow or len(names) > 1)
    ends: dict[Path, int] = {}
    for file in _logs(home, arguments.name):
        content = file.read_bytes()
        ends[file] = len(content)
        _print(file, content.splitlines()[-arguments.lines :], prefixed=prefixed)
    while arguments.follow:
        time.sleep(0.3)
        for file in _logs(home, arguments.name):
            size, end = file.stat().st_size if file.exists() else 0, ends.get(file, 0)
            ends[file] = start = end if size >= end else 0  # a shorter one was moved to NAME.1
            if size > start:
                content = file.read_bytes()
                ends[file] = content.rfind(b"\n", start) + 1 or start
                _print(file, content[start : ends[file]].splitlines(), prefixed=prefixed)


def _logs(home: Home, name: str | None) -> list[Path]:
    return [home.logs / f"{name}.log"] if name else sorted(home.logs.glob("*.log"))


def _print(file: Path, lines: list[bytes], *, prefixed: bool) -> None:
    prefix = f"{file.stem}: " if prefixed else ""
    if lines:
        say("\n".join(prefix + line.decode(errors="replace") for line in lines))


def keys(home: Home, arguments: argparse.Namespace) -> None:
    run = running(home)
    site = named(home, _SITES, arguments.app, "function app")
    answer = gateway.arm(home, run, "POST", f"{site['id']}/host/default/listKeys")
    host_keys: dict[str, str] = {**answer["functionKeys"], "master": answer["masterKey"]}
    if arguments.name is None:
        say("\n".join(f"{name}  {value}" for name, value in host_keys.items()))
    elif arguments.name in host_keys:
        say(host_keys[arguments.name])
    else:
        raise CommandError(f"{site['name']} has no key {arguments.name!r}; it has: {', '.join(host_keys)}.")


def rows(home: Home, arguments: argparse.Namespace) -> None:
    running(home)
    account = named(home, _ACCOUNTS, arguments.account, "storage account")
    endpoint = str(account.get("properties", {})["primaryEndpoints"]["table"])
    entities = _entities(home, endpoint, arguments.table, account["name"], arguments.partition)
    note(f"{arguments.table} in storage account {account['name']}: {counted(len(entities), 'row')}")
    for entity in entities:
        say("\n".join(_entity_lines(entity)))


def _entities(
    home: Home, endpoint: str, table: str, account: str, partition: str | None
) -> list[Mapping[str, Any]]:
    # Imported here: the Azure SDK takes longer than all of any other command.
    from azure.core.exceptions import HttpResponseError  # noqa: PLC0415
    from azure.data.tables import TableServiceClient  # noqa: PLC0415

    from local_azure.cli.developer import Developer  # noqa: PLC0415

    # The SDK leaves its keyword arguments untyped.
    service: Any = TableServiceClient(
        endpoint, credential=Developer(home), connection_verify=str(home.ca_file)
    )
    with service:
        try:
            client = service.get_table_client(table)
            if partition is None:
                return list(client.list_entities())
            return list(client.query_entities("PartitionKey eq @key", parameters={"key": partition}))
        except HttpResponseError as error:
            if getattr(error, "error_code", "") not in ("TableNotFound", "ResourceNotFound", "InvalidUri"):
                raise CommandError(f"storage account {account} rejects the query: {error.message}") from error
            known = ", ".join(sorted(item.name for item in service.list_tables())) or "none"
            raise CommandError(
                f"storage account {account} has no table {table!r}; it has: {known}."
            ) from error


def _entity_lines(entity: Mapping[str, Any]) -> list[str]:
    """Both keys, then the properties; a value with several lines keeps them."""
    lines = [f"{entity['PartitionKey']} / {entity['RowKey']}"]
    for name, value in entity.items():
        if name not in {"PartitionKey", "RowKey"}:
            text = value.isoformat() if hasattr(value, "isoformat") else str(value)
            lines.append(f"    {name}: " + text.replace("\n", "\n        "))
    return lines


def running(home: Home) -> Run:
    run = run_state.find(home)
    if run is None:
        raise CommandError(f"local Azure does not run in {home.root}: `python -m local_azure start`.")
    return run


def named(home: Home, resource_type: str, name: str | None, kind: str) -> Resource:
    """The resource of that name; without a name, the only one of its type. Raises CommandError."""
    resources = Store(home.store_file).list(resource_type)
    candidates = [
        resource for resource in resources if name is None or resource["name"].lower() == name.lower()
    ]
    if candidates and (name is not None or len(candidates) == 1):
        return candidates[0]
    names = ", ".join(resource["name"] for resource in resources) or "none"
    if name is None:
        raise CommandError(f"which {kind}? There are: {names}.")
    raise CommandError(f"there is no {kind} {name!r}; there are: {names}.")
