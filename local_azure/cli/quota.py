"""`quota`: the quotas of the subscription, which limit deployments of models and always-ready apps."""

import argparse

from local_azure import quotas
from local_azure.cli.output import CommandError, note, say
from local_azure.core.errors import ArmError
from local_azure.core.regions import REGIONS
from local_azure.home import Home

_RESTORE = "default"


def quota(home: Home, arguments: argparse.Namespace) -> None:
    name: str | None = arguments.name
    region: str | None = arguments.region
    if name not in (None, *quotas.DEFAULTS):
        raise CommandError(f"there is no quota {name}. `python -m local_azure quota` lists all.")
    if region not in (None, *REGIONS):
        raise CommandError(f"there is no region {region}; the name of a region is as eastus2.")
    if region is not None and arguments.limit is None:
        raise CommandError("--region takes a name and a limit: quota NAME LIMIT --region REGION.")
    try:
        if name is not None and arguments.limit is not None:
            _set(home, f"{region}/{name}" if region else name, arguments.limit)
        else:
            _list(quotas.read(home.quotas_file), [name] if name else list(quotas.DEFAULTS))
    except ArmError as error:
        raise CommandError(error.message) from error


def _set(home: Home, key: str, text: str) -> None:
    if text != _RESTORE and not text.isdecimal():
        raise CommandError(f"the limit is {text!r}: it is a whole number, or `{_RESTORE}`.")
    home.prepare()
    quotas.write(home.quotas_file, key, None if text == _RESTORE else int(text))
    note(f"{key} {'has its default again' if text == _RESTORE else f'is {text}'}. What exists already stays.")


def _list(limits: dict[str, int], names: list[str]) -> None:
    for name in names:
        default = quotas.DEFAULTS[name]
        regional = {key: limit for key, limit in limits.items() if key.endswith(f"/{name}")}
        for key, limit in {name: limits.get(name, default), **regional}.items():
            say(f"{key}  {limit}" + (f"  (default {default})" if limit != default else ""))
