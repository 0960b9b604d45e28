"""Generates files from the declared settings: `config` of each Pulumi.yaml, and docs/settings.md.

    python -m infra.settings.generate

A section of a file begins after a line with "begin: `make settings`, from MODULE" and ends before a line with
"end: `make settings`". It lists `MODULE.SETTINGS`, in a .yaml file as config and in a .md file as a table.
"""

import importlib
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from delivery.package import PROJECT_ROOT
from infra.settings.rules import to_text
from infra.settings.schema import Setting

FILES = ("Pulumi.yaml", "bootstrap/Pulumi.yaml", "docs/settings.md")
_SECTION = re.compile(
    r"(?P<begin>begin: `make settings`, from (?P<module>[\w.]+).*\n)(?:.*\n)*?(?P<end>.*end: `make settings`)"
)


def generated(path: Path) -> str:
    """The text that the file must have."""

    def section(match: re.Match[str]) -> str:
        settings = importlib.import_module(match["module"]).SETTINGS
        content = config_schema(settings) if path.suffix == ".yaml" else table(settings)
        return f"{match['begin']}{content}{match['end']}"

    return _SECTION.sub(section, path.read_text(encoding="utf-8"))


def config_schema(settings: Mapping[str, Setting[Any]]) -> str:
    config: dict[str, Any] = {}
    for key, setting in settings.items():
        rule = f". Must be {setting.rule.text}" if setting.rule.text else ""
        config[key] = {"default": setting.default, "description": f"{setting.description}{rule}"}
    return yaml.safe_dump({"config": config}, sort_keys=False, width=sys.maxsize, allow_unicode=True)


def table(settings: Mapping[str, Setting[Any]]) -> str:
    lines = [
        "| setting | default | value | what it sets | app setting | a change |",
        "|---|---|---|---|---|---|",
    ]
    for key, setting in settings.items():
        default = "none" if setting.default in ("", [], {}) else f"`{to_text(setting.default)}`"
        app_setting = f"`{setting.app_setting}`" if setting.app_setting else ""
        cells = (f"`{key}`", default, setting.rule.text, setting.description, app_setting, setting.change)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(["", *lines, "", ""])


def main() -> int:
    for name in FILES:
        path = PROJECT_ROOT / name
        text = generated(path)
        if text != path.read_text(encoding="utf-8"):
            path.write_text(text, encoding="utf-8")
            sys.stdout.write(f"wrote {name}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
