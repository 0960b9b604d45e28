"""The configuration that the minimal runner hands to a program is the CLI's."""

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


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "Pulumi.yaml").write_text(PROJECT)
    return tmp_path


def test_defaults_and_the_stack_file_are_text_as_the_cli_hands_them_over(root: Path) -> None:
    (root / "Pulumi.local.yaml").write_text(
        "config:\n  shop:location: westeurope\n  shop:version: 1.10\n  shop:day: 2026-03-17\n"
        "  shop:flag: no\n  shop:nothing:\n  shop:tags: {a: 1, day: 2026-03-17}\n"
        "encryptionsalt: v1:x\n"
    )

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


def test_the_project_is_found_from_a_folder_below_and_needs_no_stack_file(root: Path) -> None:
    below = root / "a" / "b"
    below.mkdir(parents=True)

    assert read_project(below, "local").config["shop:location"] == "eastus2"


def test_what_only_the_cli_knows_is_refused_in_one_message_with_the_cure(root: Path) -> None:
    (root / "Pulumi.yaml").write_text(PROJECT + "  typed: {type: string}\nmain: app\nplugins: {}\n")
    (root / "Pulumi.local.yaml").write_text(
        "environment: [e]\nconfig:\n  shop:key: {secure: v1:abc}\n  shop:deep: {list: [{secure: v1:abc}]}\n"
        '  shop:text: \'{"secure": "no secret"}\'\n'
    )

    with pytest.raises(CommandError) as refused:
        read_project(root, "local")

    message = str(refused.value)
    for name in ("main", "plugins", "environment", "typed.type", "encrypted shop:key", "encrypted shop:deep"):
        assert name in message
    assert "shop:text" not in message
    assert "make pulumi" in message


@pytest.mark.parametrize("text", ["config: [", "config: text", "- a", "config:\n  a: {b"])
def test_a_file_that_cannot_be_read_is_named(root: Path, text: str) -> None:
    (root / "Pulumi.local.yaml").write_text(text)

    with pytest.raises(CommandError, match=r"Pulumi\.local\.yaml"):
        read_project(root, "local")


def test_a_folder_without_a_project_is_named(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=str(tmp_path)):
        read_project(tmp_path, "local")
