"""How a project's settings are read: keys with rules, and one error with every problem.

infra/settings.py has the keys of the main program, bootstrap/settings.py those of the project before it.
Pure, but for `stack_config`.
"""

import json
import shlex
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import pulumi
from pulumi.runtime import get_config_env, is_config_secret
from pulumi.runtime.config import CONFIG

from infra.rules import Command, RefusedError, command, nearest
from infra.stacks import EPHEMERAL_CONFIG, pull_request_of

T = TypeVar("T")


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
