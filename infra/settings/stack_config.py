"""A stack's config as text: what the engine passes to the program, and what the stack's file has."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pulumi
import yaml
from pulumi.runtime import get_config_env, is_config_secret
from pulumi.runtime.config import CONFIG

from infra.settings.schema import Problem

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


@dataclass(frozen=True)
class StackFile:
    """`config`: key, without the project's namespace, to text as the engine passes it.

    `duplicates`: keys that are in the file twice.
    """

    config: Mapping[str, str]
    duplicates: tuple[Problem, ...]


def read_stack_file(path: Path, project: str) -> StackFile:
    """Read a `Pulumi.STACK.yaml`, which is empty if there is no file. Raises `pulumi.RunError`.

    In the file a key may have the project's namespace or none: the CLI writes it, and the committed files do
    without it, so that a project of another name can use them. YAML libraries differ on a duplicate key: one
    refuses it, another uses the last value.
    """
    try:
        root: yaml.Node | None = _yaml.compose(path.read_bytes(), yaml.SafeLoader)
    except FileNotFoundError:
        root = None
    except (OSError, ValueError, yaml.YAMLError) as error:
        message = f"{path} cannot be read: {error}. `git diff {path.name}` shows what was changed."
        raise pulumi.RunError(message) from error
    config = next((value for name, value in _members(root, path.name) if name.value == "config"), None)
    members = _members(config, f"config of {path.name}")
    for name, _ in members:
        name.value = str(name.value).removeprefix(f"{project}:")
    return StackFile(
        {str(name.value): _text(value) for name, value in members},
        tuple(_duplicates(root, path.name)) if root is not None else (),
    )


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


def _duplicates(node: yaml.Node, file: str, path: str = "") -> Iterator[Problem]:
    if isinstance(node, yaml.SequenceNode):
        for index, element in enumerate(cast("list[yaml.Node]", node.value)):
            yield from _duplicates(element, file, f"{path}[{index}]")
    if not isinstance(node, yaml.MappingNode):
        return
    lines: dict[str, int] = {}
    for name, value in _members(node, file):
        key, line = f"{path}.{name.value}".removeprefix(".").removeprefix("config."), name.start_mark.line + 1
        if key in lines:
            rule = f"is twice in {file}, in lines {lines[key]} and {line}: remove one of them"
            yield Problem(key, _text(value), rule, ())
        lines[key] = line
        yield from _duplicates(value, file, key)
