"""From a change of the program to the text of the pull request's comment."""

import os
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
def module_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    with workspace(tmp_path_factory.mktemp("preview")) as made:
        yield made


@pytest.fixture
def stack(module_stack: Workspace) -> Iterator[Workspace]:
    """The stack as committed and up; what a test changes is put back, and nothing was brought up."""
    if not module_stack.state_file().exists() or not module_stack.resources():
        module_stack.up()
    files = [path for name in ("infra", "function_app") for path in (module_stack.root / name).rglob("*.py")]
    files += [module_stack.root / "__main__.py", module_stack.root / f"Pulumi.{STACK}.yaml"]
    before = {path: path.read_bytes() for path in files}
    yield module_stack
    for path, content in before.items():
        if path.read_bytes() != content:
            path.write_bytes(content)


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


def test_a_new_stack_is_all_created(module_stack: Workspace, tmp_path: Path) -> None:
    module_stack.run("pulumi", "stack", "init", "fresh")
    ops(module_stack, "preview", "--stack", "fresh", "--out", str(tmp_path))
    report = read(tmp_path / "report-fresh.json")
    assert {one.op for one in report.resources} == {"create"}
    assert report.counts == {"create": len(report.resources) + 1}  # and the stack itself
    comment = ops(module_stack, "comment", "--reports", str(tmp_path), "--pr", "7", "--dry-run")
    assert "- **create** storage account `storage-account`\n" in comment
    assert '  - app setting `HTTP_AUTH_LEVEL`: `"function"`\n' in comment
    assert "LOST" not in comment


def test_a_stack_that_does_not_exist_is_a_failed_preview(module_stack: Workspace, tmp_path: Path) -> None:
    ops(module_stack, "preview", "--stack", "nowhere", "--out", str(tmp_path), expected=1)
    (failure,) = read(tmp_path / "report-nowhere.json").failures
    assert "no stack named 'nowhere' found" in failure.message


def test_nothing_changes_where_nothing_was_changed(stack: Workspace, tmp_path: Path) -> None:
    report, comment = preview(stack, tmp_path)
    assert report.changed == ()
    assert "Nothing changes in any environment" in comment


def test_a_changed_setting_is_told_by_its_name(stack: Workspace, tmp_path: Path) -> None:
    stack.config("httpAuthLevel", "anonymous")
    report, comment = preview(stack, tmp_path)
    assert [(one.op, one.name) for one in report.changed] == [("update", "function-app")]
    heading = "- **update** function app `function-app`"
    assert f'{heading}\n  - app setting `HTTP_AUTH_LEVEL`: `"function"` → `"anonymous"`\n' in comment
    assert "LOST" not in comment
    assert ":::unchanged" in comment


def test_changed_code_is_told_by_hash_and_size(stack: Workspace, tmp_path: Path) -> None:
    code = stack.root / "function_app" / "function_app.py"
    code.write_text(f"{code.read_text()}\n# changed\n")
    report, comment = preview(stack, tmp_path)
    assert report.package is not None
    assert report.package.old_hash == stack.outputs()["packageHash"]
    assert report.package.new_hash != report.package.old_hash
    assert (report.package.size or 0) > 100_000
    assert f"`{report.package.old_hash[:12]}` → `{report.package.new_hash[:12]}`" in comment
    assert [one.name for one in report.changed] == ["deployed-code"]


def test_a_model_in_another_region_loses_the_model_account_and_no_conversation(
    stack: Workspace, tmp_path: Path
) -> None:
    stack.config("openaiLocation", "swedencentral")
    allowed = f"{stack.outputs()['openaiAccountName']}@eastus2"
    _, comment = preview(stack, tmp_path, ASSISTANT_REPLACE=allowed)
    lost = [line for line in comment.splitlines() if line.startswith("- **DATA WILL BE LOST**")]
    assert len(lost) == 1
    assert "model account `openai-account` is replaced, for its " in lost[0]
    assert "Lost with it: its host name, its quota" in lost[0]


def test_a_replacement_that_nobody_allowed_fails_the_preview_with_what_would_be_lost(
    stack: Workspace, tmp_path: Path
) -> None:
    stack.config("location", "swedencentral")
    _, comment = preview(stack, tmp_path, 1)
    assert f"### The preview of `{STACK}` failed" in comment
    for lost in ("conversations", "host name", "quota", "ASSISTANT_REPLACE=rg-"):
        assert lost in comment


def test_other_names_lose_everything(stack: Workspace, tmp_path: Path) -> None:
    stack.config("nameSuffix", "abc")
    allowed = f"{stack.outputs()['resourceGroupName']}@eastus2"
    _, comment = preview(stack, tmp_path, ASSISTANT_REPLACE=allowed)
    lost = "\n".join(line for line in comment.splitlines() if line.startswith("- **DATA WILL BE LOST**"))
    for name in ("resource group `group`", "storage account `storage-account`", "table `chat-state`"):
        assert name in lost
    assert "model account `openai-account`" in lost


def test_a_resource_that_goes_is_told_on_top(stack: Workspace, tmp_path: Path) -> None:
    edit(stack.root / "infra" / "program.py", '    DeletionGuard("', '    dict(name="')
    report, comment = preview(stack, tmp_path)
    assert [(one.op, one.name) for one in report.changed] == [("delete", "deletion-guard")]
    assert "- `local`: deletion guard `deletion-guard` is deleted.\n" in comment[: comment.index("<details>")]


def test_a_program_that_fails_is_told_with_its_last_words(stack: Workspace, tmp_path: Path) -> None:
    (stack.root / "__main__.py").write_text('raise RuntimeError("no such thing: @octocat `x`")\n')
    report, comment = preview(stack, tmp_path, 1)
    assert "RuntimeError: no such thing: @octocat `x`\n" in comment
    assert f"### The preview of `{STACK}` failed" in comment
    assert report.failures


def test_a_setting_that_cannot_be_used_is_told_with_the_command_that_mends_it(
    stack: Workspace, tmp_path: Path
) -> None:
    stack.config("modelName", "no-such-model")
    _, comment = preview(stack, tmp_path, 1)
    assert 'modelName = "no-such-model"' in comment
    assert "> pulumi config set --stack local modelName" in comment


def test_hostile_tags_stay_text(stack: Workspace, tmp_path: Path) -> None:
    stack.config("tags", {"environment": "local", "owner": "@octocat #1 `<img src=x>` https://example.com"})
    _, comment = preview(stack, tmp_path)
    found = parsed(comment)
    assert not {"img", "a"} & set(found.tags)
    assert "@octocat" in found.inside
    assert "@octocat" not in found.outside


def test_a_fork_is_compared_with_its_base_without_a_secret(
    module_stack: Workspace, tmp_path_factory: pytest.TempPathFactory
) -> None:
    base, reports = tmp_path_factory.mktemp("base") / "checkout", tmp_path_factory.mktemp("reports")
    clone(base)
    (base / ".venv").unlink()  # as git leaves a checkout
    before = {path.name: path.read_bytes() for path in base.glob("Pulumi*.yaml")}
    settings = module_stack.root / "infra" / "app_settings.py"
    text = settings.read_text()
    edit(settings, '"LEASE_TABLE":', '"A_NEW_SETTING": "@octocat",\n        "LEASE_TABLE":')
    try:
        words = ("--against", str(base), "--stack", "dev", "--out", str(reports))
        ops(module_stack, "preview", *words)
        report = read(reports / "report-dev.json")
        assert report.basis == "base"
        assert [(one.op, one.name) for one in report.changed] == [("update", "function-app")]
        assert [change.path for change in report.changed[0].changes] == ["A_NEW_SETTING"]
    finally:
        settings.write_text(text)
    assert {path.name: path.read_bytes() for path in base.glob("Pulumi*.yaml")} == before
    assert not (module_stack.root / "Pulumi.dev.yaml").read_text().count("encryptionsalt")


def test_a_base_that_does_not_come_up_is_told(module_stack: Workspace, tmp_path: Path) -> None:
    base = tmp_path / "checkout"
    clone(base)
    (base / "__main__.py").write_text('raise RuntimeError("the base is broken")\n')
    words = ("--against", str(base), "--stack", "test", "--out", str(tmp_path))
    ops(module_stack, "preview", *words, expected=1)
    (failure,) = read(tmp_path / "report-test.json").failures
    assert "the base is broken" in failure.message


def test_a_comparison_with_a_base_reaches_nothing_but_local_azure(tmp_path: Path) -> None:
    words = ["preview", "--against", str(tmp_path), "--stack", "dev", "--out", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", "ops", *words],
        env={**os.environ, "PULUMI_BACKEND_URL": "azblob://state", "ARM_METADATA_HOSTNAME": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "local Azure only: python -m local_azure exec -- python -m ops preview" in done.stderr
