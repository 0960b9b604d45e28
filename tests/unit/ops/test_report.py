import json
from pathlib import Path
from typing import Any

import pytest

from ops.output import OpsError
from ops.preview.report import (
    FILE_BYTES,
    Change,
    Failure,
    Package,
    Report,
    Resource,
    Value,
    read,
    read_all,
    write,
)

MADE = "2026-11-25T10:00:00Z"
REPORT = Report(
    stack="dev",
    commit="a" * 40,
    made=MADE,
    basis="deployed",
    settings=(Change("httpAuthLevel", Value("text", '"function"'), Value("hidden")),),
    resources=(
        Resource(
            "update",
            "azure-native:web:WebApp",
            "function-app",
            "assistant:functionHost:FunctionHost::function-host",
            ("siteConfig",),
            (Change("A", Value("absent"), Value("text", '"x"'), app_setting=True, follows="b"),),
            cause="t::n",
        ),
        Resource("same", "azure-native:storage:Table", "chat-state"),
    ),
    package=Package("a" * 64, "b" * 64, 1_234_567),
    failures=(Failure("function-app", "no such region"),),
)


@pytest.mark.parametrize("report", [REPORT, Report("prod", "", MADE, "base")])
def test_a_written_report_is_read_unchanged(tmp_path: Path, report: Report) -> None:
    assert read(write(report, tmp_path / "new" / "folder")) == report


def test_a_report_that_is_too_large_to_be_read_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(OpsError, match="a report has at most 2097152"):
        write(Report("dev", "", MADE, "deployed", failures=(Failure("", "x" * FILE_BYTES),)), tmp_path)
    assert not list(tmp_path.iterdir())


def test_environments_are_sorted_in_the_order_of_deployment(tmp_path: Path) -> None:
    for stack in ("prod", "alpha", "dev", "test"):
        write(Report(stack, "", MADE, "deployed"), tmp_path)
    assert [report.stack for report in read_all(tmp_path)] == ["dev", "test", "prod", "alpha"]


WRONG_MEMBERS: list[tuple[tuple[str | int, ...], object]] = [
    (("version",), 2),
    (("extra",), 1),
    (("stack",), "../dev"),
    (("stack",), "dev\n"),
    (("stack",), "d" * 101),
    (("commit",), "HEAD"),
    (("made",), "2026-11-25T10:00:00Z\n"),
    (("basis",), "azure"),
    (("resources",), [{}]),
    (("settings", 0, "path"), None),
    (("resources", 0, "op"), "destroy"),
    (("resources", 0, "cause"), 1),
    (("resources", 0, "changes", 0, "old", "kind"), "html"),
    (("resources", 0, "changes", 0, "app_setting"), "yes"),
    (("package", "size"), -1),
    (("package", "size"), 10**400),
    (("package", "new_hash"), "b" * 63),
    (("package", "size"), 1.5),
    (("failures", 0, "message"), ["x"]),
]


@pytest.mark.parametrize(("path", "value"), WRONG_MEMBERS)
def test_a_file_that_differs_from_the_format_is_refused(
    tmp_path: Path, path: tuple[str | int, ...], value: object
) -> None:
    file = write(REPORT, tmp_path)
    content: Any = json.loads(file.read_text())
    parent = content
    for part in path[:-1]:
        parent = parent[part]
    parent[path[-1]] = value
    file.write_text(json.dumps(content))
    with pytest.raises(OpsError, match="violates the rule"):
        read(file)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        *((content, "is not") for content in (b"", b"\xff", b"[" * 200_000, b"1" * 5_000, b"null")),
        (b'{"version": NaN}', "is not"),
        (b" " * (FILE_BYTES + 1), "at most"),
    ],
)
def test_a_file_without_a_report_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "report-dev.json"
    file.write_bytes(content)
    with pytest.raises(OpsError, match=message):
        read(file)


def test_a_link_to_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "report-dev.json").symlink_to(write(REPORT, tmp_path / "elsewhere"))
    with pytest.raises(OpsError, match="not a regular file"):
        read_all(tmp_path)


def test_a_report_under_the_name_of_another_stack_is_refused(tmp_path: Path) -> None:
    write(REPORT, tmp_path).rename(tmp_path / "report-prod.json")
    with pytest.raises(OpsError, match="another stack"):
        read_all(tmp_path)


@pytest.mark.parametrize("count", [0, 21])
def test_a_folder_without_reports_or_with_too_many_is_refused(tmp_path: Path, count: int) -> None:
    for number in range(count):
        (tmp_path / f"report-s{number}.json").touch()
    with pytest.raises(OpsError, match=f"has {count} files"):
        read_all(tmp_path if count else tmp_path / "missing")
