"""The minimal runner passes the same config to a program as the CLI."""

from pathlib import Path

import pytest

from local_azure.cli.output import CommandError
from local_azure.runner.project import read_project

PROJECT = """\
name: shop
runtime: python
config:
  location: {default: eastus2, description: region}
  count: {default: 5}
  flag: {value: true}
  list: {default: []}
  empty: {default: ""}
  plain: text
  azure-native:location: {value: westus2}
"""
STACK = """\
encryptionsalt: v1:x
config:
  shop:location: westeurope
  shop:version: 1.10
  shop:day: 2026-03-17
  shop:flag: no
  shop:nothing:
  shop:tags: {a: 1, day: 2026-03-17}
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "Pulumi.yaml").write_text(PROJECT)
    return tmp_path


def test_an_unknown_stack_is_refused_with_the_existing_ones(root: Path) -> None:
    for name in ("dev", "local"):
        (root / f"Pulumi.{name}.yaml").write_text("")
    with pytest.raises(
        CommandError, match=r"has no Pulumi\.x\.yaml; it has: Pulumi\.dev\.yaml, Pulumi\.local"
    ):
        read_project(root, "x")


def test_the_values_are_those_of_the_stack_file_else_the_defaults_as_text(root: Path) -> None:
    (root / "Pulumi.local.yaml").write_text(STACK)

    project = read_project(root, "local")

    assert (project.name, project.root, project.stack) == ("shop", str(root), "local")
    assert project.config == {
        "shop:location": "westeurope",
        "shop:count": "5",
        "shop:flag": "no",
        "shop:list": "[]",
        "shop:empty": "",
        "shop:plain": "text",
        "azure-native:location": "westus2",
        "shop:version": "1.10",
        "shop:day": "2026-03-17",
        "shop:nothing": "",
        "shop:tags": '{"a":1,"day":"2026-03-17"}',
    }


def test_the_project_may_be_in_a_folder_above(root: Path) -> None:
    below = root / "a" / "b"
    below.mkdir(parents=True)
    (root / "Pulumi.local.yaml").write_text("")

    assert read_project(below, "local").config["shop:location"] == "eastus2"


def test_all_that_needs_the_cli_is_refused_in_one_message(root: Path) -> None:
    (root / "Pulumi.yaml").write_text(PROJECT + "  typed: {type: string}\nmain: app\nplugins: {}\n")
    (root / "Pulumi.local.yaml").write_text(
        "environment: [e]\nconfig:\n  shop:key: {secure: v1:abc}\n  shop:deep: {list: [{secure: v1:abc}]}\n"
        '  shop:text: \'{"secure": "no secret"}\'\n'
    )

    with pytest.raises(CommandError) as error:
        read_project(root, "local")

    message = str(error.value)
    for name in ("main", "plugins", "environment", "typed.type", "encrypted shop:key", "encrypted shop:deep"):
        assert name in message
    assert "shop:text" not in message
    assert "make pulumi" in message


@pytest.mark.parametrize(
    ("file", "text", "stack", "cause"),
    [
        *(
            ("Pulumi.local.yaml", text, "local", "")
            for text in ("config: [", "config: text", "- a", "config:\n  a: {b")
        ),
        ("Pulumi.yaml", None, "local", ""),
        *(("Pulumi.local.yaml", None, stack, "FileNotFoundError: ") for stack in ("nope", "../../etc")),
    ],
)
def test_an_invalid_or_missing_file_is_named(
    root: Path, file: str, text: str | None, stack: str, cause: str
) -> None:
    if text is None:
        (root / file).unlink(missing_ok=True)
    else:
        (root / file).write_text(text)

    with pytest.raises(CommandError, match=f"{root}/Pulumi.{stack}.yaml: {cause}"):
        read_project(root, stack)
