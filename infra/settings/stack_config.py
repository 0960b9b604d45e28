"""A stack's config as text: what the engine passes to the program, and what the stack's file has."""

import json
from pathlib import Path
from typing import Any, cast

import pulumi
import yaml
from pulumi.runtime import get_config_env, is_config_secret
from pulumi.runtime.config import CONFIG

_yaml: Any = yaml  # its types leave nodes unknown


def stack_config() -> tuple[dict[str, str], set[str]]:
    """The current stack's config without the project's namespace, as text; and its keys that are secret."""
    # pulumi.Config returns only keys whose names are known. The language host puts all of them into
    # PULUMI_CONFIG and, once the program runs (or under mocks), into CONFIG.
    config_values = {**get_config_env(), **CONFIG.get()}
    namespace = f"{pulumi.get_project()}:"
    raw = {
        name.removeprefix(namespace): str(text)
        for name, text in config_values.items()
        if name.startswith(namespace)
    }
    return raw, {name for name in raw if is_config_secret(namespace + name)}


def read_stack_file(path: Path, project: str) -> dict[str, str]:
    """The config of a `Pulumi.STACK.yaml`: key to text as the engine passes it; empty if there is no file.

    In the file a key may have the project's namespace or none: the CLI writes it, and the committed files do
    without it, so that a project of another name can use them. Raises `pulumi.RunError`, also if a key is
    there in both forms, since the CLI then uses one of them at random.
    """
    try:
        root: yaml.Node | None = _yaml.compose(path.read_bytes(), yaml.SafeLoader)
    except FileNotFoundError:
        root = None
    except (OSError, ValueError, yaml.YAMLError) as error:
        message = f"{path} cannot be read: {error}. `git diff {path.name}` shows what was changed."
        raise pulumi.RunError(message) from error
    config = next((value for name, value in _members(root, path.name) if name.value == "config"), None)
    values: dict[str, str] = {}
    lines: dict[str, int] = {}
    for name, value in _members(config, f"config of {path.name}"):
        key, line = str(name.value).removeprefix(f"{project}:"), name.start_mark.line + 1
        if key in values:
            raise pulumi.RunError(
                f"{key} is twice in {path.name}, in lines {lines[key]} and {line}: remove one of them"
            )
        values[key], lines[key] = _text(value), line
    return values


def _members(node: yaml.Node | None, what: str) -> list[tuple[yaml.Node, yaml.Node]]:
    """Names and values of a mapping; none if it is empty."""
    if isinstance(node, yaml.MappingNode):
        return cast("list[tuple[yaml.Node, yaml.Node]]", node.value)
    if node is None or node.tag == "tag:yaml.org,2002:null":
        return []
    raise pulumi.RunError(f"{what}, line {node.start_mark.line + 1}: it must be a mapping of keys to values")


def _text(node: yaml.Node) -> str:
    """A scalar as it is in the file, so that 1.10 and a date keep their text; JSON for the rest."""
    if isinstance(node, yaml.ScalarNode):
        return "" if node.tag == "tag:yaml.org,2002:null" else str(node.value)
    loader: Any = yaml.SafeLoader("")
    return json.dumps(loader.construct_object(node, deep=True), default=str)
