from pathlib import Path

import pytest

from ops.github.summary import run_url, write

JOB = {"GITHUB_REPOSITORY": "o/r", "GITHUB_RUN_ID": "6000"}


@pytest.mark.parametrize(
    ("environment", "run_id", "url"),
    [
        (JOB, "", "https://github.com/o/r/actions/runs/6000"),
        (JOB, "5000", "https://github.com/o/r/actions/runs/5000"),
        ({**JOB, "GITHUB_SERVER_URL": "https://x.y"}, "", "https://x.y/o/r/actions/runs/6000"),
        ({"GITHUB_REPOSITORY": "o/r"}, "", ""),
        ({"GITHUB_RUN_ID": "6000"}, "", ""),
        ({**JOB, "GITHUB_RUN_ID": "x)"}, "", ""),
    ],
)
def test_a_run_has_a_url_in_a_workflow_only(environment: dict[str, str], run_id: str, url: str) -> None:
    assert run_url(environment, run_id) == url


def test_a_summary_is_appended_in_a_workflow_only(tmp_path: Path) -> None:
    file = tmp_path / "summary.md"
    write("nothing", {})
    for text in ("a", "é"):
        write(text, {"GITHUB_STEP_SUMMARY": str(file)})
    assert file.read_text(encoding="utf-8") == "a\né\n"
