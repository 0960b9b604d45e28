"""What assistants can do beside talking: one module per skill, and each is found here.

A skill is a function that the model may call. A module makes its own `skills = func.Blueprint()`;
nothing else needs to know of it. Every assistant of the deployment has every skill.
"""

import importlib
import pkgutil
from collections.abc import Iterator

import azure.functions as func


def blueprints() -> Iterator[func.Blueprint]:
    for module in sorted(pkgutil.iter_modules(__path__), key=lambda one: one.name):
        yield importlib.import_module(f"{__name__}.{module.name}").skills
