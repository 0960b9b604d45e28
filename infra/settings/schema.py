"""Declares settings, and reads their values or reports all problems of a stack in one error.

A program declares its settings as fields of frozen, keyword-only dataclasses, which may be nested:
infra/settings/declarations.py for the stack, bootstrap/settings.py for the bootstrap.
"""

import json
import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Generic, TypeVar, cast

import pulumi

from infra.settings.rules import Command, InvalidValueError, Rule, command, nearest, to_text
from infra.stacks import EPHEMERAL_CONFIG, pull_request_of
from tools.pulumi.typed import as_typed

T = TypeVar("T")


@dataclass(frozen=True)
class Setting(Generic[T]):
    """`key` in the stack's config. `default`: as in YAML. `change`: what a change does to the deployed stack.

    `app_setting`: the app setting of the function app that the value becomes, if any.
    """

    key: str
    default: Any
    rule: Rule[T]
    description: str
    change: str
    app_setting: str


def setting(
    key: str, default: object, rule: Rule[T], description: str, *, change: str = "", app_setting: str = ""
) -> T:
    """Declare a setting as a field of a dataclass. The field has no default: `build` passes every value."""
    change = change or ("the app restarts" if app_setting else "update in place")
    declared = Setting(key, default, rule, description, change, app_setting)
    return cast("T", field(metadata={"setting": declared}))


def _fields(group: object) -> list[tuple[str, type, Setting[Any] | None]]:
    """Name, type and declaration of each field; no declaration for a nested group."""
    return [
        (member.name, cast("type", member.type), member.metadata.get("setting"))
        for member in fields(cast("Any", group))
    ]


def settings_of(group: type) -> dict[str, Setting[Any]]:
    """The settings of a dataclass, nested ones included, by key, in the order of their declarations."""
    settings: dict[str, Setting[Any]] = {}
    for _, nested, declared in _fields(group):
        settings |= {declared.key: declared} if declared else settings_of(nested)
    return settings


def build(group: type[T], values: Mapping[str, Any]) -> T:
    """The dataclass from the values of its settings by key, which must be complete."""
    return group(
        **{
            name: values[declared.key] if declared else build(nested, values)
            for name, nested, declared in _fields(group)
        }
    )


def app_settings_of(group: object) -> dict[str, str]:
    """The app settings that fields of `group` become. An empty text is left out: the app has a default."""
    texts = {
        declared.app_setting: to_text(getattr(group, name))
        for name, _, declared in _fields(group)
        if declared and declared.app_setting
    }
    return {name: text for name, text in texts.items() if text}


@dataclass(frozen=True)
class Problem:
    """A setting whose value cannot be used, the rule that it breaks, and the commands that fix it."""

    key: str
    value: str
    rule: str
    commands: tuple[Command, ...]


class InvalidSettingsError(pulumi.RunError):
    """Every problem of a stack's settings in one message; the engine prints it without a traceback."""

    def __init__(self, problems: Sequence[Problem], stack: str, *, pulumi_command: str = "") -> None:
        self.problems = tuple(problems)
        noun = "setting" if len(problems) == 1 else "settings"
        lines = [f"stack {stack} has {len(problems)} {noun} that cannot be used:"]
        options = ("--stack", stack)
        if pull_request_of(stack) is not None:
            options = (*options, "--config-file", EPHEMERAL_CONFIG)
        for problem in problems:
            lines += ["", f"  {problem.key} = {_quoted(problem.value)}", f"    {problem.rule}"]
            for verb, *arguments in problem.commands:
                words = f"config {shlex.join([verb, *options, *arguments])}"
                lines.append(
                    f"    > {f'{pulumi_command} {words}' if pulumi_command else as_typed(f'pulumi {words}')}"
                )
        super().__init__("\n".join(lines))


def read_values(
    settings: Mapping[str, Setting[Any]], raw: Mapping[str, str], secret_keys: Collection[str] = ()
) -> tuple[dict[str, Any], list[Problem]]:
    """Valid values by key, and the problems of all others, unknown keys among them."""
    problems = [
        _unknown(key, raw[key], key in secret_keys, settings) for key in sorted(raw.keys() - settings.keys())
    ]
    values: dict[str, Any] = {}
    for key, declared in settings.items():
        text = raw.get(key, to_text(declared.default))
        try:
            if key in secret_keys:
                text = "[secret]"
                raise InvalidValueError(
                    "is stored as a secret, but Azure displays every setting here: store it as plain text"
                )
            values[key] = declared.rule.parse(text)
        except InvalidValueError as error:
            problems.append(Problem(key, text, error.rule, error.commands(key)))
    return values, problems


def _unknown(key: str, text: str, is_secret: bool, settings: Collection[str]) -> Problem:
    remove = command(key, None)
    name, path = key, ""
    for mark in (".", "["):  # `tags.owner` set without --path is a key of that name
        if mark in name:
            name = name[: name.index(mark)]
            path = key[len(name) :]
    value = "[secret]" if is_secret else text
    meant = nearest(name, settings)
    if meant is None:
        return Problem(key, value, f"is not a setting; there are {', '.join(settings)}", (remove,))
    fixes = (remove,) if is_secret else (remove, command(meant, text, path))
    return Problem(key, value, f"is not a setting; the nearest is {meant}{path}", fixes)


def _quoted(text: str) -> str:
    return json.dumps(text if len(text) <= 80 else text[:77] + "...", ensure_ascii=False)
