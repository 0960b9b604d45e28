"""What the program makes of a stack's file, beside what the engine hands over."""

import json
from pathlib import Path

import pulumi
import pytest

from infra.settings import InvalidSettingsError, python_version_of, reading
from infra.settings.stack_config import read_stack_file
from tests.unit.infra.recording import ROOT


def written(folder: Path, content: str) -> Path:
    path = folder / "Pulumi.dev.yaml"
    path.write_text(content, encoding="utf-8")
    return path


def test_a_key_that_stands_twice_is_named_with_the_file_and_both_lines(tmp_path: Path) -> None:
    content = "config:\n  assistant:location: westus\n  assistant:tags:\n    owner: a\n    owner: b\n"
    path = written(tmp_path, content + "  location: eastus2\n")
    assert [
        (problem.key, problem.value, problem.rule)
        for problem in read_stack_file(path, "assistant").duplicates
    ] == [
        (
            "tags.owner",
            "b",
            "is twice in Pulumi.dev.yaml, in lines 4 and 5: remove one of them",
        ),
        (
            "location",
            "eastus2",
            "is twice in Pulumi.dev.yaml, in lines 2 and 6: remove one of them",
        ),
    ]


def test_a_second_config_section_is_a_key_that_stands_twice(tmp_path: Path) -> None:
    path = written(tmp_path, "config:\n  a:b: 1\nconfig:\n  a:c: 2\n")
    assert [problem.key for problem in read_stack_file(path, "assistant").duplicates] == ["config"]


def test_a_key_that_stands_twice_in_an_element_of_a_list_is_named_with_its_path(tmp_path: Path) -> None:
    path = written(tmp_path, "config:\n  a:b: [{x: 1}, {x: 1, x: 2}]\n")
    assert [problem.key for problem in read_stack_file(path, "assistant").duplicates] == ["a:b[1].x"]


def test_the_same_key_in_two_mappings_is_no_duplicate(tmp_path: Path) -> None:
    path = written(tmp_path, "config:\n  a:b: [{x: 1}, {x: 2}]\n  a:c: {x: 1}\n  b:c: {x: 1}\n")
    assert read_stack_file(path, "assistant").duplicates == ()


def test_the_program_refuses_a_stack_file_with_a_key_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path, "config:\n  assistant:location: westus\n  assistant:location: eastus2\n")
    monkeypatch.setattr(reading, "PROJECT_ROOT", tmp_path)
    monkeypatch.setattr(pulumi, "get_project", lambda: "assistant")
    monkeypatch.setattr(pulumi, "get_stack", lambda: "dev")
    monkeypatch.setenv("PULUMI_CONFIG", json.dumps({"assistant:modelCapacity": "[1]"}))
    with pytest.raises(InvalidSettingsError) as caught:
        reading.read()
    assert "lines 2 and 3" in str(caught.value)
    assert "pulumi config set --stack dev modelCapacity" in str(caught.value), "all problems in one message"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("2026-03-17", "2026-03-17"),
        ("1.10", "1.10"),
        ("yes", "yes"),
        ("", ""),
        ("~", ""),
        ('"0.5"', "0.5"),
        ("[a, 1]", '["a", 1]'),
        ("{at: 2026-03-17}", '{"at": "2026-03-17"}'),
    ],
)
def test_values_are_text_as_the_engine_hands_them_over(tmp_path: Path, value: str, text: str) -> None:
    assert read_stack_file(written(tmp_path, f"config:\n  a:b: {value}\n"), "a").config == {"b": text}


def test_a_byte_order_mark_is_no_part_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").write_text("\ufeffname: assistant\n", encoding="utf-8")
    written(tmp_path, "\ufeffconfig:\n  assistant:pythonVersion: '3.11'\n")
    assert python_version_of("dev", tmp_path) == "3.11"


@pytest.mark.parametrize("content", ["config: 3\n", "- a\n", "config:\n  a: [\n", "\0"])
def test_a_file_that_is_no_stack_file_is_named_without_a_traceback(tmp_path: Path, content: str) -> None:
    with pytest.raises(pulumi.RunError, match=r"Pulumi\.dev\.yaml"):
        read_stack_file(written(tmp_path, content), "a")


def test_a_missing_or_empty_file_sets_nothing(tmp_path: Path) -> None:
    assert read_stack_file(tmp_path / "Pulumi.none.yaml", "a").config == {}
    assert read_stack_file(written(tmp_path, "# nothing\n"), "a").config == {}


@pytest.mark.parametrize(
    "path",
    [*ROOT.glob("Pulumi*.yaml"), *(ROOT / "bootstrap").glob("Pulumi*.yaml")],
    ids=lambda path: path.name,
)
def test_no_committed_file_has_a_key_twice(path: Path) -> None:
    assert read_stack_file(path, "assistant").duplicates == ()
