"""The project file, the stack's file, and the configuration that a program and its providers get."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import yaml

from local_azure.engine.errors import EngineError
from local_azure.engine.values import Properties, Value, secret

if TYPE_CHECKING:
    from local_azure.engine.crypto import Crypter

Yaml = dict[str, Any]


class ConfigError(EngineError):
    pass


class _Loader(yaml.SafeLoader):
    """YAML as the CLI's library reads it: a date is text, and only `true` and `false` are booleans."""


_BOOLEAN, _DATE = "tag:yaml.org,2002:bool", "tag:yaml.org,2002:timestamp"
_Resolvers = dict[str | None, list[tuple[str, Any]]]
_Loader.yaml_implicit_resolvers = {
    first: [
        (tag, re.compile("true|True|TRUE|false|False|FALSE") if tag == _BOOLEAN else pattern)
        for tag, pattern in resolvers
        if tag != _DATE
    ]
    for first, resolvers in cast(_Resolvers, yaml.SafeLoader.yaml_implicit_resolvers).items()
}


@dataclass(frozen=True)
class Project:
    name: str
    root: Path
    program: Path
    """Folder (or file) that runs: `main`, else the folder of Pulumi.yaml."""
    options: Mapping[str, Any]
    """`runtime.options` of Pulumi.yaml."""
    schema: Mapping[str, Any]

    @property
    def folder(self) -> Path:
        return self.program if self.program.is_dir() else self.program.parent


def _load(path: Path) -> Yaml:
    try:
        data: Any = yaml.load(path.read_bytes(), _Loader)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not YAML: {error}") from error
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise ConfigError(f"{path} must be a mapping")
    return cast(Yaml, data)


def find_project(start: Path) -> Project:
    """The project of this folder or the nearest one above it. Raises ConfigError."""
    for folder in (start, *start.parents):
        for name in ("Pulumi.yaml", "Pulumi.yml"):
            if (path := folder / name).is_file():
                return _read_project(path)
    raise ConfigError(f"no Pulumi.yaml project file found (searching upwards from {start})")


def _read_project(path: Path) -> Project:
    data = _load(path)
    if not data.get("name"):
        raise ConfigError(f"{path}: project is missing a 'name' attribute")
    runtime: Any = data.get("runtime") or {}
    language = runtime.get("name") if isinstance(runtime, dict) else runtime  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - YAML
    if language != "python":
        raise ConfigError(f"{path}: the embedded engine runs Python programs; runtime is {language!r}")
    options: Yaml = (cast(Yaml, runtime).get("options") or {}) if isinstance(runtime, dict) else {}
    program = (path.parent / str(data.get("main") or ".")).resolve()
    if not program.exists():
        raise ConfigError(f"{path}: main {data.get('main')!r} does not exist")
    return Project(str(data["name"]), path.parent.resolve(), program, options, data.get("config") or {})


# --- the stack's file -------------------------------------------------------


@dataclass(frozen=True)
class Setting:
    """One configuration value: its text, or JSON text for a list or mapping."""

    text: str
    structured: bool = False
    secret: bool = False


@dataclass(frozen=True)
class StackFile:
    path: Path
    salt: str | None
    raw: Mapping[str, "yaml.Node"]

    @property
    def has_secrets(self) -> bool:
        return any(_holds_secret(node) for node in self.raw.values())


def _holds_secret(node: "yaml.Node") -> bool:
    if isinstance(node, yaml.MappingNode):
        pairs = cast("list[tuple[Any, yaml.Node]]", node.value)
        return any(key.value == "secure" or _holds_secret(value) for key, value in pairs)
    return isinstance(node, yaml.SequenceNode) and any(
        map(_holds_secret, cast("list[yaml.Node]", node.value))
    )


def read_stack_file(path: Path) -> StackFile:
    """A stack's file before anything is decrypted; a missing file is an empty one."""
    if not path.exists():
        return StackFile(path, None, {})
    data = _load(path)
    config: Any = data.get("config")
    if config is not None and not isinstance(config, dict):
        raise ConfigError(
            f"{path}: `config` must be a mapping of `<namespace>:<name>` to values, and is {config!r}: "
            f"mend the file, or take it back with `git checkout {path.name}`"
        )
    provider = data.get("secretsprovider")
    if provider not in (None, "default", "passphrase"):
        raise ConfigError(
            f"{path}: secretsprovider {provider!r}: the embedded engine runs local stacks only, "
            "whose provider is 'passphrase'"
        )
    raw: dict[str, yaml.Node] = {}
    loader: Any = _Loader(path.read_bytes())
    root: Any = loader.get_single_node()
    for name, node in cast("list[tuple[Any, Any]]", root.value if isinstance(root, yaml.MappingNode) else []):
        if name.value == "config" and isinstance(node, yaml.MappingNode):
            raw |= {str(key.value): value for key, value in cast("list[tuple[Any, yaml.Node]]", node.value)}
    for key in raw:
        if key.count(":") != 1:
            raise ConfigError(
                f"{path}: could not parse {key} as a configuration key "
                "(configuration keys should be of the form `<namespace>:<name>`)"
            )
    salt = data.get("encryptionsalt")
    return StackFile(path, str(salt) if salt else None, raw)


def _construct(node: yaml.Node) -> Any:
    loader: Any = _Loader("")
    return loader.construct_object(node, deep=True)


def _decrypted(value: Any, crypter: "Crypter | None", path: Path) -> tuple[Any, bool]:
    """The value with every `{secure: ...}` in clear, and whether there was one."""
    if isinstance(value, dict):
        items = cast(Yaml, value)
        if items.keys() == {"secure"}:
            if crypter is None:
                raise ConfigError(
                    f"{path}: a value is secure and there is no encryptionsalt to decrypt it with"
                )
            return crypter.decrypt(str(items["secure"])), True
        pairs = {key: _decrypted(item, crypter, path) for key, item in items.items()}
        return {key: item for key, (item, _) in pairs.items()}, any(hidden for _, hidden in pairs.values())
    if isinstance(value, list):
        found = [_decrypted(item, crypter, path) for item in cast("list[Any]", value)]
        return [item for item, _ in found], any(hidden for _, hidden in found)
    return value, False


def _setting(node: "yaml.Node", crypter: "Crypter | None", path: Path) -> Setting:
    if isinstance(node, yaml.ScalarNode):
        # The text as it stands in the file: `1.10` is not the number 1.1.
        return Setting("" if node.tag == "tag:yaml.org,2002:null" else str(node.value))
    value, hidden = _decrypted(_construct(node), crypter, path)
    if isinstance(value, str):
        return Setting(value, secret=hidden)
    return Setting(json.dumps(value, separators=(",", ":")), structured=True, secret=hidden)


def file_settings(file: StackFile, crypter: "Crypter | None") -> dict[str, Setting]:
    """What stands in the stack's file, decrypted; without the project's defaults."""
    return {key: _setting(node, crypter, file.path) for key, node in file.raw.items()}


# --- schema -----------------------------------------------------------------

_SCHEMA_KEYS = {"type", "items", "default", "value", "description", "secret"}


def _entry(declared: Any) -> Yaml:
    if isinstance(declared, dict) and cast(Yaml, declared).keys() <= _SCHEMA_KEYS:
        return cast(Yaml, declared)
    return {"value": declared}


def _default(value: Any) -> Setting:
    if isinstance(value, bool):
        return Setting(str(value).lower())
    if isinstance(value, str | int):
        return Setting(str(value))
    return Setting(json.dumps(value, separators=(",", ":")), structured=True)


def _fits(kind: str, items: Yaml | None, value: Any) -> bool:
    if kind == "string":
        return isinstance(value, str)
    if kind == "integer":
        if isinstance(value, str):
            return value.lstrip("+-").isdigit() and value.isascii()
        return not isinstance(value, bool) and isinstance(value, int | float) and float(value).is_integer()
    if kind == "boolean":
        return isinstance(value, bool) or value in ("true", "false")
    if kind == "object":
        return isinstance(value, dict)
    if not isinstance(value, list) or items is None:
        return False
    return all(_fits(str(items["type"]), items.get("items"), item) for item in cast("list[Any]", value))


def _type_name(kind: str, items: Yaml | None) -> str:
    return (
        f"array<{_type_name(str(items['type']), items.get('items'))}>" if kind == "array" and items else kind
    )


def _listed(keys: list[str]) -> str:
    quoted = [f"'{key}'" for key in sorted(keys)]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} and {quoted[-1]}"


@dataclass(frozen=True)
class Config:
    """Configuration keys `namespace:name`."""

    settings: Mapping[str, Setting]

    def texts(self) -> dict[str, str]:
        return {key: setting.text for key, setting in sorted(self.settings.items())}

    def secret_keys(self) -> list[str]:
        return [key for key, setting in sorted(self.settings.items()) if setting.secret]

    def blinded(self) -> dict[str, str]:
        return {key: "[secret]" if item.secret else item.text for key, item in sorted(self.settings.items())}

    def of_package(self, package: str) -> Properties:
        """Inputs of the package's default provider; a dynamic provider gets all keys, namespaces included."""
        whole = package == "pulumi-python"
        found: Properties = {}
        for key, setting in self.settings.items():
            namespace, name = key.split(":")
            if whole or namespace == package:
                value: Value = setting.text
                found[key if whole else name] = secret(value) if setting.secret else value
        return found


def read_config(project: Project, stack: str, file: StackFile, crypter: "Crypter | None") -> Config:
    """The stack's configuration checked against the project's schema, defaults applied.

    Raises ConfigError with the CLI's wording; every wrong type is named in one message.
    """
    settings = file_settings(file, crypter)
    missing: list[str] = []
    for key, declared in sorted(project.schema.items()):
        entry = _entry(declared)
        name = key if ":" in key else f"{project.name}:{key}"
        if name in settings:
            continue
        default = entry.get("default", entry.get("value"))
        if default is not None:
            settings[name] = _default(default)
        elif name.startswith(f"{project.name}:"):
            missing.append(key)
    if missing:
        values = "values" if len(missing) > 1 else "value"
        raise ConfigError(f"Stack '{stack}' is missing configuration {values} {_listed(missing)}")
    problems: list[str] = []
    for key, declared in sorted(project.schema.items()):
        entry = _entry(declared)
        setting = settings.get(key if ":" in key else f"{project.name}:{key}")
        if setting is None or "type" not in entry:
            continue
        about = f"Stack '{stack}' with configuration key '{key}' must be"
        if entry.get("secret") and not setting.secret:
            problems.append(f"{about} encrypted as it's secret")
        elif not _fits(
            entry["type"],
            entry.get("items"),
            json.loads(setting.text) if setting.structured else setting.text,
        ):
            problems.append(f"{about} of type '{_type_name(entry['type'], entry.get('items'))}'")
    if problems:
        raise ConfigError("\n".join(problems))
    return Config(settings)
