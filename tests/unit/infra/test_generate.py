from pathlib import Path

import pytest

from infra.settings import generate

SECTION = "# begin: `make settings`, from infra.settings.declarations\n{}# end: `make settings`\n"


def test_outdated_sections_are_written_and_the_rest_of_a_file_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(generate, "PROJECT_ROOT", tmp_path)
    monkeypatch.setattr(generate, "FILES", ("a.yaml", "b.md"))
    outdated = SECTION.format("old\n")
    for name in generate.FILES:
        (tmp_path / name).write_text(f"before\n{outdated}after\n")

    assert generate.main() == 0
    assert capsys.readouterr().out == "wrote a.yaml\nwrote b.md\n"
    schema, table = ((tmp_path / name).read_text() for name in generate.FILES)
    assert "  modelCapacity:\n    default: 50\n    description: Quota of the deployment;" in schema
    assert ". Must be a whole number of thousand tokens per minute from 1 to 100000\n" in schema
    assert "| `nameSuffix` | none | " in table
    assert "| `CHAT_MODEL_TEMPERATURE` | the app restarts |\n" in table
    for text in (schema, table):
        assert text.startswith("before\n# begin: ")
        assert text.endswith("# end: `make settings`\nafter\n")
        assert "old" not in text.splitlines()

    assert generate.main() == 0
    assert capsys.readouterr().out == ""
