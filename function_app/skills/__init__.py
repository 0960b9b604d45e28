"""The skills: functions that the model may call. Every assistant of the deployment has all of them.

Each module of this package defines `skills = func.Blueprint()` and is registered without further changes.
"""

import importlib
import pkgutil
from collections.abc import Iterator

import azure.functions as func


def blueprints() -> Iterator[func.Blueprint]:
    """Raises TypeError for a module without `skills`."""
    for name in sorted(module.name for module in pkgutil.iter_modules(__path__)):
        blueprint = getattr(importlib.import_module(f"{__name__}.{name}"), "skills", None)
        if not isinstance(blueprint, func.Blueprint):
            raise TypeError(
                f"function_app/skills/{name}.py has no blueprint: add the line `skills = func.Blueprint()` "
                "after `import azure.functions as func`, and decorate its functions with `@skills.…`"
            )
        yield blueprint
