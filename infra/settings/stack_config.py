"""How a project's settings are read: keys with rules, and one error with every problem.

infra/settings.py has the keys of the main program, bootstrap/settings.py those of the project before it.
Pure, but for `stack_config` and `read_stack_file`.
"""

import json
import shlex
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

import pulumi
import yaml
from pulumi.runtime import get_config_env, is_config_secret
from pulumi.runtime.config import CONFIG

from infra.settings.rules import Command, RefusedError, command, nearest
from infra.stacks import EPHEMERAL_CONFIG, pull_request_of

T = TypeVar("T")
_yaml: Any = yaml  # its types leave nodes unknown


@dataclass(frozen=True)
class Problem:
    """One setting that cannot be used, and what mends it."""

    key: str
    value: str
    rule: str
    commands: tuple[Command, ...]


class InvalidSettingsError(pulumi.RunError):
    """Every problem of a stack's settings in one message; the engine prints it without a traceback."""

    def __init__(self, problems: Sequence[Problem], stack: str, *, pulumi_command: str = "pulumi") -> None:
        self.problems = tuple(problems)
        noun = "setting" if len(problems) == 1 else "settings"
        lines = [f"stack {stack} has {len(problems)} {noun} that cannot be used:"]
        where = ("--stack", stack)
        if pull_request_of(stack) is not None:
            where = (*where, "--config-file", EPHEMERAL_CONFIG)
        for problem in problems:
            lines += ["", f"  {problem.key} = {_shown(problem.value)}", f"    {problem.rule}"]
            for verb, *arguments in problem.commands:
                lines.append(f"    > {pulumi_command} config {shlex.join([verb, *where, *arguments])}")
        super().__init__("\n".join(lines))


@dataclass(frozen=True)
class Key(Generic[T]):
    """A setting: its name in the stack's config, its default there, and the rule for its text."""

    name: str
    default: Any
    read: Callable[[str], T]


def stack_config() -> tuple[dict[str, str], set[str]]:
    """The project's own keys of the stack that runs now, as text, and which of them are secret."""
    # pulumi.Config answers only for keys one asks it for. All of them, also the unknown ones, stand where the
    # language host puts them: in PULUMI_CONFIG and, once the program runs (or under mocks), in CONFIG.
    everything = {**get_config_env(), **CONFIG.get()}
    namespace = f"{pulumi.get_project()}:"
    raw = {
        name.removeprefix(namespace): str(text)
        for name, text in everything.items()
        if name.startswith(namespace)
    }
    return raw, {name for name in raw if is_config_secret(namespace + name)}


@dataclass(frozen=True)
class StackFile:
    """`config` by whole key, as text as the engine hands it over; and the keys that the file has twice."""

    config: Mapping[str, str]
    duplicates: tuple[Problem, ...]


def read_stack_file(path: Path) -> StackFile:
    """A `Pulumi.STACK.yaml`; an empty one where there is no file. Raises `pulumi.RunError`.

    YAML's libraries differ in what they make of a key that stands twice: one refuses it, another takes the
    last.
    """
    try:
        root: yaml.Node | None = _yaml.compose(path.read_bytes(), yaml.SafeLoader)
    except FileNotFoundError:
        root = None
    except (OSError, ValueError, yaml.YAMLError) as error:
        message = f"{path} cannot be read: {error}. `git diff {path.name}` shows what was changed."
        raise pulumi.RunError(message) from error
    config = next((value for name, value in _members(root, path.name) if name.value == "config"), None)
    return StackFile(
        {str(name.value): _text(value) for name, value in _members(config, f"config of {path.name}")},
        tuple(_duplicates(root, path.name)) if root is not None else (),
    )


def _members(node: yaml.Node | None, what: str) -> list[tuple[yaml.Node, yaml.Node]]:
    """Names and values of a mapping; none of what is empty."""
    if isinstance(node, yaml.MappingNode):
        return cast("list[tuple[yaml.Node, yaml.Node]]", node.value)
    if node is None or node.tag == "tag:yaml.org,2002:null":
        return []
    raise pulumi.RunError(f"{what}, line {node.start_mark.line + 1}: it must be a mapping of keys to values")


def _text(node: yaml.Node) -> str:
    """A scalar as it stands in the file, so that 1.10 and a date stay what they are; JSON for the rest."""
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
            rule = f"stands twice in {file}, in lines {lines[key]} and {line}: remove one of them"
            yield Problem(key, _text(value), rule, ())
        lines[key] = line
        yield from _duplicates(value, file, key)


def read_values(
    keys: Mapping[str, Key[Any]], raw: Mapping[str, str], secret_keys: Collection[str] = ()
) -> tuple[dict[str, Any], list[Problem]]:
    """Values by name, without those that have a problem, and all problems, unknown keys among them."""
    problems = [
        _unknown(name, raw[name], name in secret_keys, keys) for name in sorted(raw.keys() - keys.keys())
    ]
    values: dict[str, Any] = {}
    for name, key in keys.items():
        text = raw.get(name, key.default if isinstance(key.default, str) else json.dumps(key.default))
        try:
            if name in secret_keys:
                text = "[secret]"
                raise RefusedError(
                    "is stored as a secret, but Azure shows every setting here: store it as plain text"
                )
            values[name] = key.read(text)
        except RefusedError as refused:
            problems.append(Problem(name, text, refused.rule, refused.commands(name)))
    return values, problems


def value_of(values: Mapping[str, Any], key: Key[T]) -> T:
    return values[key.name]


def _unknown(name: str, text: str, secret: bool, keys: Collection[str]) -> Problem:
    remove = command(name, None)
    known, path = name, ""
    for mark in (".", "["):  # `tags.owner` set without --path is a key of that name
        if mark in known:
            known = known[: known.index(mark)]
            path = name[len(known) :]
    meant = nearest(known, keys)
    if meant is None:
        return Problem(
            name, "[secret]" if secret else text, f"is no setting; there are {', '.join(keys)}", (remove,)
        )
    mends = (remove,) if secret else (remove, command(meant, text, path))
    return Problem(
        name, "[secret]" if secret else text, f"is no setting; the nearest is {meant}{path}", mends
    )


def _shown(text: str) -> str:
    return json.dumps(text if len(text) <= 80 else text[:77] + "...", ensure_ascii=False)
