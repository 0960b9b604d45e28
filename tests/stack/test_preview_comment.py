"""From a change of the program to the text of the pull request's comment."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.preview.report import Report, read
from tests.gfm import parsed
from tests.workspace import COMMAND_DEADLINE, STACK, Workspace, clone, workspace

pytestmark = pytest.mark.cli


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A clone in which no stack is up: a comparison leaves the stack of its base there."""
    with workspace(tmp_path_factory.mktemp("head")) as clone:
        yield clone


def ops(stack: Workspace, *words: str, expected: int = 0, **environment: str) -> str:
    """`python -m ops WORDS` on the workspace's local Azure; its standard output."""
    done = subprocess.run(
        [sys.executable, "-m", "local_azure", "exec", "--", sys.executable, "-m", "ops", *words],
        cwd=stack.root,
        env={**stack.environment, **environment},
        capture_output=True,
        text=True,
        timeout=COMMAND_DEADLINE,
        check=False,
    )
    assert done.returncode == expected, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def preview(
    stack: Workspace, folder: Path, expected: int = 0, *more: str, **environment: str
) -> tuple[Report, str]:
    """The report and the comment of a preview of the workspace's stack."""
    ops(stack, "preview", "--stack", STACK, "--out", str(folder), *more, expected=expected, **environment)
    comment = ops(stack, "comment", "--reports", str(folder), "--pr", "7", "--dry-run")
    parsed(comment)  # every element is closed, in order
    return read(folder / f"report-{STACK}.json"), comment


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_setting_the_code_and_a_resource_that_goes_are_named_and_hostile_tags_stay_text(
    stack: Workspace, tmp_path: Path
) -> None:
    stack.config("httpAuthLevel", "anonymous")
    stack.config("tags", {"environment": "local", "owner": "@octocat #1 `<img src=x>` https://example.com"})
    code = stack.root / "function_app" / "function_app.py"
    code.write_text(f"{code.read_text()}\n# changed\n")
    edit(stack.root / "infra" / "program.py", '    DeletionGuard("', '    dict(name="')

    report, comment = preview(stack, tmp_path)

    operations = {resource.name: resource.op for resource in report.changed}
    for name, operation in (
        ("function-app", "update"),
        ("deployed-code", "update"),
        ("deletion-guard", "delete"),
    ):
        assert operations[name] == operation
    paragraph = comment.partition("<details>")[0]
    assert 'Setting `httpAuthLevel` changes from `"function"` to `"anonymous"`' in paragraph
    assert "everybody may call the API, without a key" in paragraph
    assert "Deletion guard `deletion-guard` is deleted." in paragraph
    heading = "- **update** function app `function-app`"
    setting = '  - app setting `HTTP_AUTH_LEVEL`: `"function"` → `"anonymous"`\n'
    assert setting in comment[comment.index(heading) :]
    assert "LOST" not in comment
    assert report.package is not None
    assert report.package.old_hash == stack.outputs()["packageHash"]
    assert report.package.new_hash != report.package.old_hash
    assert (report.package.size or 0) > 100_000
    assert f"`{report.package.old_hash[:12]}` → `{report.package.new_hash[:12]}`" in comment
    document = parsed(comment)
    assert not {"img", "a"} & set(document.tags)
    assert "@octocat" in document.inside
    assert "@octocat" not in document.outside


def test_a_replacement_is_one_root_with_the_setting_that_is_its_reason_and_what_is_lost(
    stack: Workspace, tmp_path: Path
) -> None:
    stack.config("nameSuffix", "b2")
    report, comment = preview(stack, tmp_path)
    assert [resource.name for resource in report.changed if not resource.cause] == ["group"]
    paragraph = comment.partition("<details>")[0]
    for text in ("DATA WILL BE LOST: all conversations,", "host name", "quota"):
        assert text in paragraph
    assert 'Setting `nameSuffix` changes from `""` to `"b2"`: resource group `group` is replaced' in paragraph


def test_a_program_that_fails_is_quoted(stack: Workspace, tmp_path: Path) -> None:
    (stack.root / "__main__.py").write_text('raise RuntimeError("no such thing: @octocat `x`")\n')
    report, comment = preview(stack, tmp_path, 1)
    assert "RuntimeError: no such thing: @octocat `x`\n" in comment
    assert f"**`{STACK}`: the preview failed.**" in comment
    assert report.failures


def test_a_fork_is_compared_with_its_base_without_a_secret(
    head: Workspace, tmp_path_factory: pytest.TempPathFactory
) -> None:
    base, reports = tmp_path_factory.mktemp("base") / "checkout", tmp_path_factory.mktemp("reports")
    clone(base)
    (base / ".venv").unlink()  # as git leaves a checkout
    before = {path.name: path.read_bytes() for path in base.glob("Pulumi*.yaml")}
    settings = head.root / "infra" / "app_settings.py"
    text = settings.read_text()
    edit(settings, '"LEASE_TABLE":', '"A_NEW_SETTING": "@octocat",\n        "LEASE_TABLE":')
    try:
        words = ("--against", str(base), "--stack", "dev", "--out", str(reports))
        ops(head, "preview", *words)
        report = read(reports / "report-dev.json")
        assert report.basis == "base"
        assert [(resource.op, resource.name) for resource in report.changed] == [("update", "function-app")]
        assert [change.path for change in report.changed[0].changes] == ["A_NEW_SETTING"]
    finally:
        settings.write_text(text)
    assert {path.name: path.read_bytes() for path in base.glob("Pulumi*.yaml")} == before
    assert not (head.root / "Pulumi.dev.yaml").read_text().count("encryptionsalt")


def test_a_base_that_does_not_come_up_is_a_failure(head: Workspace, tmp_path: Path) -> None:
    base = tmp_path / "checkout"
    clone(base)
    (base / "__main__.py").write_text('raise RuntimeError("the base is broken")\n')
    words = ("--against", str(base), "--stack", "test", "--out", str(tmp_path))
    ops(head, "preview", *words, expected=1)
    (failure,) = read(tmp_path / "report-test.json").failures
    assert "the base is broken" in failure.message
