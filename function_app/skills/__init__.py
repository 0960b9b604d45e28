"""The skills: functions that the model may call. Every assistant of the deployment has all of them.

Each module of this package defines `skills = func.Blueprint()` and is registered without further changes.
"""

import importlib
import pkgutil
from collections.abc import Iterator

import azure.functions as func


def blueprints() -> Iterator[func.Blueprint]:
    for module in sorted(pkgutil.iter_modules(__path__), key=lambda module: module.name):
        yield importlib.import_module(f"{__name__}.{module.name}").skills
