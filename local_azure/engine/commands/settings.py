"""`config`: the settings in a stack's file, whose comments stay where they are."""

import argparse
import io
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from local_azure.engine.backend import write_atomically
from local_azure.engine.commands import arguments
from local_azure.engine.commands.output import UsageError, say
from local_azure.engine.commands.selection import Place
from local_azure.engine.config import ConfigError, Setting, file_settings, read_stack_file
from local_azure.engine.values import parse_path

if TYPE_CHECKING:
    from local_azure.engine.crypto import Crypter
    from local_azure.engine.session import Stack

Keys = tuple[str | int, ...]


def add_to(verbs: Any, shared: list[arguments.Parser]) -> None:
    shared = [*shared, arguments.config_file()]
    group = verbs.add_parser("config", parents=shared, help="the stack's settings")
    group.set_defaults(run=_list)
    group.add_argument("-j", "--json", action="store_true", help="as JSON")
    group.add_argument("--show-secrets", action="store_true", help="in clear")
    config_verbs = group.add_subparsers(dest="config_verb", metavar="COMMAND", parser_class=arguments.Parser)
    get = config_verbs.add_parser("get", parents=shared, help="show one setting")
    get.set_defaults(run=_get)
    get.add_argument("-j", "--json", action="store_true", help="as JSON")
    put = config_verbs.add_parser("set", parents=shared, help="set one setting")
    put.set_defaults(run=_set)
    remove = config_verbs.add_parser("rm", aliases=["remove"], parents=shared, help="remove one setting")
    remove.set_defaults(run=_rm)
    for verb in (get, put, remove):
        verb.add_argument("key", help="NAME or NAMESPACE:NAME")
        verb.add_argument("--path", action="store_true", help="KEY leads into a mapping or list: `tags.team`")
    put.add_argument("value", nargs="?", help="else from standard input")
    put.add_argument("--secret", action="store_true", help="encrypt it")
    put.add_argument("--plaintext", action="store_true", help="do not encrypt it, which is the rule")


def _keys(args: argparse.Namespace, project: str) -> Keys:
    """The path below `config:`; its first part is `namespace:name`. Raises UsageError."""
    try:
        first, *rest = parse_path(args.key) if args.path else (args.key,)
    except ValueError as error:
        raise UsageError(f"invalid configuration key: {error}") from error
    name = str(first)
    if name.count(":") > 1 or not name.rpartition(":")[2]:
        raise UsageError(
            f"invalid configuration key: could not parse {name} as a configuration key "
            "(configuration keys should be of the form `<namespace>:<name>`)"
        )
    return (name if ":" in name else f"{project}:{name}", *rest)


def _crypter(stack: "Stack", salt: str | None, *, create: bool = False) -> "Crypter":
    from local_azure.engine.crypto import Crypter, passphrase  # noqa: PLC0415
    from local_azure.engine.state import deployment_of, salt_of  # noqa: PLC0415

    phrase = passphrase(dict(os.environ))
    salt = salt or salt_of(deployment_of(stack.load()))
    if salt is None and create:
        return Crypter.create(phrase)
    if salt is None:
        raise ConfigError(
            f"{stack.file}: a value is secure and there is no encryptionsalt to decrypt it with"
        )
    return Crypter.unlock(phrase, salt)


def _settings(stack: "Stack") -> dict[str, Setting]:
    file = read_stack_file(stack.file)
    return file_settings(file, _crypter(stack, file.salt) if file.has_secrets else None)


def _shown(setting: Setting, *, secrets: bool) -> dict[str, Any]:
    if setting.secret and not secrets:
        return {"secret": True}
    found: dict[str, Any] = {"value": setting.text}
    if setting.structured:
        found["objectValue"] = json.loads(setting.text)
    return found | {"secret": setting.secret}


def _list(args: argparse.Namespace) -> int:
    place = Place.here()
    settings = _settings(place.stack(args))
    if args.json:
        shown = {key: _shown(item, secrets=args.show_secrets) for key, item in sorted(settings.items())}
        say(json.dumps(shown, indent=2, ensure_ascii=False))
        return 0
    rows = {
        key.removeprefix(f"{place.project.name}:"): item.text
        if args.show_secrets or not item.secret
        else "[secret]"
        for key, item in settings.items()
    }
    width = max((len(key) for key in (*rows, "KEY")), default=3)
    for key, text in (("KEY", "VALUE"), *sorted(rows.items())):
        indented = text.replace("\n", "\n" + " " * (width + 2))
        say(f"{key:<{width}}  {indented}")
    return 0


def _get(args: argparse.Namespace) -> int:
    place = Place.here()
    stack = place.stack(args)
    name, *rest = _keys(args, place.project.name)
    setting = _settings(stack).get(str(name))
    value: Any = None
    if setting is not None:
        value = json.loads(setting.text) if rest and setting.structured else setting.text
        for part in rest:
            try:
                value = value[part]
            except (KeyError, IndexError, TypeError):
                setting = None
                break
    if setting is None:
        raise UsageError(f"configuration key '{args.key}' not found for stack '{stack.name}'")
    text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
    if args.json:
        whole = _shown(setting, secrets=True) if not rest else {"value": text, "secret": setting.secret}
        text = json.dumps(whole, indent=2, ensure_ascii=False)
    say(text)
    return 0


def _set(args: argparse.Namespace) -> int:
    place = Place.here()
    stack = place.stack(args)
    keys = _keys(args, place.project.name)
    text = args.value if args.value is not None else sys.stdin.read().rstrip("\r\n")
    file = _File(stack.file)
    if args.secret:
        crypter = _crypter(stack, file.salt, create=True)
        file.set(keys, {"secure": crypter.encrypt(text)})
        file.salt = crypter.salt
    else:
        file.set(keys, _inner(text) if len(keys) > 1 else text)
    file.save()
    return 0


def _inner(text: str) -> Any:
    """Inside of mappings and lists the CLI takes truths and whole numbers for what they are."""
    if text in ("true", "false"):
        return text == "true"
    return int(text) if text.removeprefix("-").isdecimal() and str(int(text)) == text else text


def _rm(args: argparse.Namespace) -> int:
    place = Place.here()
    file = _File(place.stack(args).file)
    file.remove(_keys(args, place.project.name))
    file.save()
    return 0


class _File:
    """A stack's file as ruamel.yaml keeps it: with comments, order and quotes."""

    def __init__(self, path: Path) -> None:
        from ruamel.yaml import YAML  # noqa: PLC0415 - 0.1 s, which only this command pays

        read_stack_file(path)  # raises ConfigError for what must not be written over
        self._path = path
        self._yaml: Any = YAML()
        self._yaml.preserve_quotes = True
        self._yaml.width = 2**16
        self._yaml.indent(mapping=2, sequence=4, offset=2)
        self._content: Any = (self._yaml.load(path.read_bytes()) if path.exists() else None) or {}

    @property
    def salt(self) -> str | None:
        return self._content.get("encryptionsalt")

    @salt.setter
    def salt(self, salt: str) -> None:
        if self.salt != salt:
            self._content["encryptionsalt"] = salt

    def set(self, keys: Keys, value: Any) -> None:
        if not self._content.get("config"):
            self._content["config"] = self._yaml.map()
        inner: Any = self._content["config"]
        for at, part in enumerate(keys[:-1]):
            child = inner[part] if _has(inner, part) else None
            if not isinstance(child, list if isinstance(keys[at + 1], int) else dict):
                child = self._yaml.seq() if isinstance(keys[at + 1], int) else self._yaml.map()
                _put(inner, part, child, keys)
            inner = cast(Any, child)
        _put(inner, keys[-1], _scalar(value), keys)

    def remove(self, keys: Keys) -> None:
        inner: Any = self._content.get("config")
        for part in keys[:-1]:
            inner = inner[part] if _has(inner, part) else None
        if _has(inner, keys[-1]):
            del inner[keys[-1]]

    def save(self) -> None:
        out = io.BytesIO()
        self._yaml.dump(self._content, out)
        write_atomically(self._path, out.getvalue())


def _has(inner: Any, part: str | int) -> bool:
    if isinstance(inner, list):
        return isinstance(part, int) and part < len(cast("list[Any]", inner))
    return isinstance(inner, dict) and part in inner


def _put(inner: Any, part: str | int, value: Any, keys: Keys) -> None:
    if isinstance(inner, list):
        items = cast("list[Any]", inner)
        if not isinstance(part, int) or part > len(items):
            raise UsageError(f"could not set config: {'.'.join(map(str, keys))}: array index out of range")
        items[part : part + 1] = [value]
    elif part in inner or not inner:
        inner[part] = value
    else:
        # First and not last: a comment below the last setting belongs to what follows the settings.
        inner.insert(0, part, value)


def _scalar(value: Any) -> Any:
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString, LiteralScalarString  # noqa: PLC0415

    if not isinstance(value, str):
        return value
    if "\n" in value:
        return LiteralScalarString(value)
    plain = value.replace("_", "a").replace(" ", "a").replace("/", "a").isalpha() and value.lower() not in (
        "true",
        "false",
        "null",
        "yes",
        "no",
        "on",
        "off",
        "y",
        "n",
    )
    return value if plain and value == value.strip() else DoubleQuotedScalarString(value)
