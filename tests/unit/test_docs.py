"""What the documents say of the project's files is true."""

import re
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from infra.settings import SETTINGS
from infra.settings.generate import FILES as GENERATED
from infra.settings.generate import generated
from infra.stacks import EPHEMERAL_CONFIG

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FILES = {
    "dev": "Pulumi.dev.yaml",
    "test": "Pulumi.test.yaml",
    "prod": "Pulumi.prod.yaml",
    "pr-N": EPHEMERAL_CONFIG,
}


def _table(document: Path, first: str) -> list[dict[str, str]]:
    """The rows of the table whose header line holds these words, by column."""
    lines = document.read_text().splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("|") and first in line)
    header = [cell.strip(" `") for cell in lines[start].strip("|").split("|")]
    rows: list[dict[str, str]] = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append(
            dict(zip(header, (cell.strip(" `*") for cell in line.strip("|").split("|")), strict=True))
        )
    return rows


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        groups = cast("dict[str, int]", value)
        return f"{sum(groups.values())} instance" if groups else "none"
    return str(value)


def test_the_environments_at_a_glance_are_those_of_their_files() -> None:
    rows = {row[""]: row for row in _table(ROOT / "docs" / "environments.md", "`pr-N`")}
    configs: dict[str, dict[str, Any]] = {
        name: yaml.safe_load((ROOT / file).read_text())["config"] for name, file in FILES.items()
    }

    told = {key: {name: row[name] for name in FILES} for key, row in rows.items() if key in SETTINGS}
    true = {
        key: {name: _shown(config.get(key, SETTINGS[key].default)) for name, config in configs.items()}
        for key in told
    }
    differing = {key for config in configs.values() for key in config if key not in ("tags", "location")}
    assert told == true
    assert told.keys() == differing, "every setting in which the environments differ is in the table"


@pytest.mark.parametrize("file", GENERATED)
def test_what_is_written_from_the_declared_settings_is_up_to_date(file: str) -> None:
    text = (ROOT / file).read_text(encoding="utf-8")
    assert "begin: `make settings`" in text
    assert text == generated(ROOT / file), f"run `make settings`, which writes {file}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_file_that_a_document_links_to_is_there(document: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)(?:#[^)]*)?\)", document.read_text())
    assert [link for link in links if not (document.parent / link).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_make_target_and_module_that_a_document_names_is_there(document: Path) -> None:
    text = document.read_text()
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", text, re.MULTILINE))
    modules = set(re.findall(r"(?:^|[`/ ])python -m ([a-z_]+)", text))

    assert named - targets == set()
    assert {name for name in modules if not (ROOT / name / "__main__.py").exists()} == set()
