"""What the program reads in a stack's file, in addition to the config that the engine passes."""

from pathlib import Path

import pulumi
import pytest

from infra.settings import python_version_of, reading
from infra.settings.stack_config import read_stack_file


def written(folder: Path, content: str) -> Path:
    path = folder / "Pulumi.dev.yaml"
    path.write_text(content, encoding="utf-8")
    return path


def test_a_key_with_and_without_the_namespace_is_refused_with_both_lines(tmp_path: Path) -> None:
    path = written(tmp_path, "config:\n  a:location: west\n  b:location: north\n  location: east\n")
    with pytest.raises(pulumi.RunError, match=r"^location is twice in Pulumi\.dev\.yaml, in lines 2 and 4"):
        read_stack_file(path, "a")


def test_the_program_reads_the_stacks_file_before_its_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path, "config:\n  assistant:location: westus\n  location: eastus2\n")
    monkeypatch.setattr(reading, "PROJECT_ROOT", tmp_path)
    monkeypatch.setattr(pulumi, "get_project", lambda: "assistant")
    monkeypatch.setattr(pulumi, "get_stack", lambda: "dev")
    with pytest.raises(pulumi.RunError, match="lines 2 and 3"):
        reading.read()


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
def test_values_are_text_as_the_engine_passes_them(tmp_path: Path, value: str, text: str) -> None:
    assert read_stack_file(written(tmp_path, f"config:\n  a:b: {value}\n"), "a") == {"b": text}


@pytest.mark.parametrize("content", ["config: 3\n", "- a\n", "config:\n  a: [\n", "\0"])
def test_a_file_that_is_no_stack_file_is_named_without_a_traceback(tmp_path: Path, content: str) -> None:
    with pytest.raises(pulumi.RunError, match=r"Pulumi\.dev\.yaml"):
        read_stack_file(written(tmp_path, content), "a")


def test_a_missing_or_empty_file_sets_nothing(tmp_path: Path) -> None:
    assert read_stack_file(tmp_path / "Pulumi.none.yaml", "a") == {}
    assert read_stack_file(written(tmp_path, "# nothing\n"), "a") == {}


SETS_3_11 = 'config:\n  assistant:pythonVersion: "3.11"\n'


@pytest.mark.parametrize(
    ("stack", "file", "content", "version"),
    [
        ("dev", "Pulumi.dev.yaml", SETS_3_11, "3.11"),
        ("dev", "Pulumi.dev.yaml", f"\ufeff{SETS_3_11}", "3.11"),
        ("dev", "Pulumi.dev.yaml", SETS_3_11.replace('"', ""), "3.11"),
        ("pr-7", "Pulumi.pr.yaml", SETS_3_11, "3.11"),
        ("pr-7", "Pulumi.pr-7.yaml", SETS_3_11, "3.13"),
        ("dev", "Pulumi.dev.yaml", "encryptionsalt: v1:x\n", "3.13"),
        ("dev", "Pulumi.dev.yaml", "", "3.13"),
        ("dev", "Pulumi.prod.yaml", SETS_3_11, "3.13"),
    ],
)
def test_a_package_is_built_for_the_python_of_the_stacks_file(
    tmp_path: Path, stack: str, file: str, content: str, version: str
) -> None:
    (tmp_path / "Pulumi.yaml").write_text("\ufeffname: assistant\n", encoding="utf-8")
    (tmp_path / file).write_text(content, encoding="utf-8")
    assert python_version_of(stack, tmp_path) == version
