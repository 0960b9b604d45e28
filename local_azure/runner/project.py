# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""A Pulumi project with the config of a stack, as the CLI passes it to a program."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from local_azure.cli.output import CommandError

_KNOWN = {"name", "description", "runtime", "template", "config", "encryptionsalt", "secretsprovider"}


class Project(NamedTuple):
    name: str
    root: str
    stack: str
    config: dict[str, str]  # `namespace:key` to text; JSON for lists and mappings


def read_project(start: Path, stack: str) -> Project:
    """Reads Pulumi.yaml in `start` or above, and the stack's file. Raises CommandError with every problem."""
    root = next((folder for folder in (start, *start.parents) if (folder / "Pulumi.yaml").is_file()), start)
    stack_file = root / f"Pulumi.{stack}.yaml"
    config: dict[str, str] = {}
    if not stack_file.is_file() and (names := sorted(path.name for path in root.glob("Pulumi.*.yaml"))):
        raise CommandError(f"{root} has no {stack_file.name}; it has: {', '.join(names)}.")
    try:
        project: Any = yaml.safe_load((root / "Pulumi.yaml").read_text())
        text = stack_file.read_text()
        # Also with scalars as they are written: `1.10` is not the number 1.1.
        values, texts = yaml.safe_load(text) or {}, yaml.load(text, yaml.BaseLoader)  # noqa: S506 # strings
        problems = [*((project.keys() | values.keys()) - _KNOWN)]
        namespace = f"{project['name']}:"
        for key, declared in (project.get("config") or {}).items():
            setting = declared if isinstance(declared, dict) else {"value": declared}
            problems += [f"{key}.{word}" for word in setting.keys() - {"default", "description", "value"}]
            if (default := setting.get("default", setting.get("value"))) is not None:
                config[key if ":" in key else namespace + key] = _text(default, default)
        for key, value in (values.get("config") or {}).items():
            problems += [f"the encrypted {key}"] * ('"secure":' in _text(value, None))
            config[key if ":" in key else namespace + key] = _text(value, texts["config"][key])
        if not problems:
            return Project(str(project["name"]), str(root), stack, config)
        cause = f"only the Pulumi CLI supports {', '.join(sorted(problems))}: run `make pulumi` and use it"
    except (OSError, AttributeError, KeyError, ValueError, yaml.YAMLError) as error:
        cause = f"{type(error).__name__}: {error}"
    raise CommandError(f"the minimal runner cannot use Pulumi.yaml or {stack_file}: {cause}.")


def _text(value: object, text: object) -> str:
    as_json = json.dumps(value, separators=(",", ":"), default=str)
    return "" if value is None else text if isinstance(text, str) else as_json
