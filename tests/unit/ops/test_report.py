import json
from pathlib import Path
from typing import Any

import pytest

from ops.output import OpsError
from ops.preview.report import (
    CHANGES,
    FILE_BYTES,
    NAME_CHARS,
    TEXT_CHARS,
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

REPORT = Report(
    stack="dev",
    commit="a" * 40,
    made="2026-11-25T10:00:00Z",
    basis="deployed",
    counts={"update": 1, "same": 2},
    resources=(
        Resource(
            "update",
            "azure-native:web:WebApp",
            "function-app",
            "assistant:functionHost:FunctionHost::function-host",
            ("siteConfig",),
            (Change("A", Value("absent"), Value("text", '"x"'), setting=True),),
            left_out=3,
        ),
        Resource("same", "azure-native:storage:Table", "chat-state"),
    ),
    package=Package("a" * 64, "b" * 64, 1_234_567),
    failures=(Failure("function-app", "no such region"),),
)


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    assert read(write(REPORT, tmp_path / "new" / "folder")) == REPORT


def test_a_report_with_no_code_no_commit_and_no_changes_is_read_again(tmp_path: Path) -> None:
    empty = Report("prod", "", "2026-11-25T10:00:00Z", "base", {}, ())
    assert read(write(empty, tmp_path)) == empty


def test_the_known_environments_come_in_the_order_of_deployment(tmp_path: Path) -> None:
    for stack in ("prod", "alpha", "dev", "test"):
        write(Report(stack, "", "2026-11-25T10:00:00Z", "deployed", {}, ()), tmp_path)
    assert [report.stack for report in read_all(tmp_path)] == ["dev", "test", "prod", "alpha"]


def test_too_many_details_are_counted_so_that_the_file_is_taken(tmp_path: Path) -> None:
    change = Change("p" * NAME_CHARS, Value("text", "\u0101" * TEXT_CHARS), Value("text", "x" * TEXT_CHARS))
    many = tuple(Resource("update", "t", f"r{number}", changes=(change,) * CHANGES) for number in range(100))
    path = write(Report("dev", "", "2026-11-25T10:00:00Z", "deployed", {}, many), tmp_path)
    assert path.stat().st_size <= FILE_BYTES
    found = read(path)
    assert all(len(one.changes) + one.left_out == CHANGES for one in found.resources)
    assert len(found.resources[0].changes) > 0


def tampered(tmp_path: Path, *path: str | int, value: object) -> Path:
    file = write(REPORT, tmp_path)
    content: Any = json.loads(file.read_text())
    place = content
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = value
    file.write_text(json.dumps(content))
    return file


NO_REPORTS: list[tuple[tuple[str | int, ...], object]] = [
    (("version",), 2),
    (("version",), True),
    (("extra",), 1),
    (("stack",), "../dev"),
    (("stack",), "dev\n"),
    (("stack",), "<b>"),
    (("commit",), "HEAD"),
    (("made",), "today"),
    (("made",), "2026-11-25T10:00:00Z\n"),
    (("basis",), "azure"),
    (("counts",), {"evil": 1}),
    (("counts", "update"), -1),
    (("counts", "update"), "1"),
    (("resources",), {}),
    (("resources",), [{}]),
    (("resources", 0, "op"), "destroy"),
    (("resources", 0, "name"), "n" * (NAME_CHARS + 1)),
    (("resources", 0, "more"), ""),
    (("resources", 0, "changes", 0, "old", "kind"), "html"),
    (("resources", 0, "changes", 0, "new", "text"), "t" * (TEXT_CHARS + 1)),
    (("resources", 0, "changes", 0, "new", "text"), None),
    (("resources", 0, "changes", 0, "setting"), "yes"),
    (("resources", 0, "changes"), [None] * (CHANGES + 1)),
    (("package", "new_hash"), "b" * 63),
    (("package", "size"), 1.5),
    (("failures", 0, "message"), ["x"]),
]


@pytest.mark.parametrize(("path", "value"), NO_REPORTS)
def test_what_is_not_exactly_a_report_is_refused(
    tmp_path: Path, path: tuple[str | int, ...], value: object
) -> None:
    with pytest.raises(OpsError, match="violates the rule"):
        read(tampered(tmp_path, *path, value=value))


@pytest.mark.parametrize(
    "content", [b"", b"\xff", b"[" * 200_000, b'{"version": NaN}', b"1" * 5_000, b"null"]
)
def test_a_file_that_is_no_report_at_all_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "report-dev.json"
    file.write_bytes(content)
    with pytest.raises(OpsError, match="is no"):
        read(file)


def test_a_file_that_is_too_large_is_not_even_read(tmp_path: Path) -> None:
    file = tmp_path / "report-dev.json"
    file.write_bytes(b" " * (FILE_BYTES + 1))
    with pytest.raises(OpsError, match="at most"):
        read(file)


def test_a_link_to_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "report-dev.json").symlink_to(write(REPORT, tmp_path / "elsewhere"))
    with pytest.raises(OpsError, match="not a regular file"):
        read_all(tmp_path)


def test_a_report_under_another_stacks_name_is_refused(tmp_path: Path) -> None:
    write(REPORT, tmp_path).rename(tmp_path / "report-prod.json")
    with pytest.raises(OpsError, match="another stack"):
        read_all(tmp_path)


def test_a_folder_without_reports_or_with_too_many_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OpsError, match="has 0 files"):
        read_all(tmp_path / "none")
    for number in range(21):
        (tmp_path / f"report-s{number}.json").touch()
    with pytest.raises(OpsError, match="has 21 files"):
        read_all(tmp_path)
