"""The documents agree with the project's files."""

import itertools
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


def _table(document: Path, first: str) -> dict[str, dict[str, str]]:
    """The rows of the table whose header line contains `first`, by their first cell: cells by column."""
    lines = document.read_text().splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("|") and first in line)
    header, _, *rows = (
        [cell.strip(" `*") for cell in line.strip("|").split("|")]
        for line in itertools.takewhile(lambda line: line.startswith("|"), lines[start:])
    )
    return {row[0]: dict(zip(header, row, strict=True)) for row in rows}


def _in_words(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        groups = cast("dict[str, int]", value)
        return f"{sum(groups.values())} instance" if groups else "none"
    return str(value)


def test_the_environments_at_a_glance_are_those_of_their_files() -> None:
    rows = _table(ROOT / "docs" / "environments.md", "`pr-N`")
    configs: dict[str, dict[str, Any]] = {
        name: yaml.safe_load((ROOT / file).read_text())["config"] for name, file in FILES.items()
    }
    differing = {key for config in configs.values() for key in config}
    differing -= {"tags", "location"}

    assert rows.keys() & SETTINGS.keys() == differing, "the settings in which the environments differ"
    for key in differing:
        for name, config in configs.items():
            value = config.get(key, SETTINGS[key].default)
            assert rows[key][name] == _in_words(value), f"{key} of {name}"


@pytest.mark.parametrize("file", GENERATED)
def test_a_file_that_is_generated_from_the_settings_is_up_to_date(file: str) -> None:
    text = (ROOT / file).read_text(encoding="utf-8")
    assert "begin: `make settings`" in text
    assert text == generated(ROOT / file), f"run `make settings`, which writes {file}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_file_that_a_document_links_to_exists(document: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)(?:#[^)]*)?\)", document.read_text())
    assert [link for link in links if not (document.parent / link).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_make_target_and_module_that_a_document_names_exists(document: Path) -> None:
    text = document.read_text()
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", text, re.MULTILINE))
    modules = set(re.findall(r"(?:^|[`/ ])python -m ([a-z_]+)", text))

    assert named - targets == set()
    assert {name for name in modules if not (ROOT / name / "__main__.py").exists()} == set()
