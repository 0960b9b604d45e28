"""`python -m ops preview` on a Pulumi in memory, and the options of `comment`, which reads its reports."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from infra.dynamic.replacement_guard import REPLACE_VARIABLE
from ops.__main__ import main
from ops.commands import preview
from ops.engine import NO_SUCH_STACK, Completed, Pulumi, PulumiError
from ops.output import OpsError
from ops.preview.report import Report, read
from ops.state import REPLACEMENT_GUARD, TABLE
from tests.github_events import EVENTS, HEAD
from tools.pulumi import typed

URN = "urn:pulumi:dev::assistant::"
GUARDED = {"resource_group": "rg-a@eastus2", "model_account": "oai-a@eastus2", "protected": False}
STATE = {
    "deployment": {
        "resources": [
            {"urn": f"{URN}{REPLACEMENT_GUARD}::guard", "inputs": GUARDED},
            {"urn": f"{URN}{TABLE}::chat-state"},
        ]
    }
}
UPDATE = {"kind": "update", "endTime": "2026-11-25T10:00:00Z"}
HISTORY: list[dict[str, Any]] = [
    {**UPDATE, "result": "failed", "config": {}},
    {**UPDATE, "result": "succeeded", "config": {"assistant:location": {"value": "eastus2"}}},
]
DOCUMENT = json.dumps(
    {"steps": [{"op": "same", "urn": f"{URN}{TABLE}::t"}], "config": {"assistant:location": "westus3"}}
)
FAILED = json.dumps({"diagnostics": [{"severity": "error", "message": "no such region"}]})
LOCAL = {"PULUMI_BACKEND_URL": "file:///x", "ARM_METADATA_HOSTNAME": "127.0.0.1:9"}


@dataclass
class Cli:
    """A CLI in memory, which lacks the stack `new`. `started` has the folder and the command of each call."""

    previewed: Completed = field(default_factory=lambda: Completed(0, DOCUMENT, ""))
    export_error: str = ""
    started: list[str] = field(default_factory=list[str])
    previewed_with: Mapping[str, str] = field(default_factory=dict[str, str])

    def run(self, pulumi: Pulumi, *words: str) -> Completed:
        verb = words[1] if words[0] == "stack" else words[0]
        self.started.append(f"{pulumi.folder.name} {verb}")
        if verb == "export" and ("new" in words or self.export_error):
            raise PulumiError(words, 255 if self.export_error else NO_SUCH_STACK, self.export_error)
        if verb == "preview":
            self.previewed_with = pulumi.environment
            return self.previewed
        for file in (pulumi.folder / f"Pulumi.{word}.yaml" for word in words):
            if verb in {"init", "up"} and file.exists():
                file.write_text("encryptionsalt: x")
        answers: dict[str, Any] = {"export": STATE, "history": HISTORY, "ls": []}
        return Completed(0, json.dumps(answers.get(verb)), "")


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch) -> Cli:
    fake = Cli()

    def run(pulumi: Pulumi, *words: str, **_options: object) -> Completed:
        return fake.run(pulumi, *words)

    monkeypatch.setattr(Pulumi, "run", run)
    monkeypatch.setattr(preview, "head_commit", lambda: "c" * 40)
    for name in ("GITHUB_EVENT_PATH", "GITHUB_EVENT_NAME", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)
    return fake


def run_preview(folder: Path, *words: str) -> tuple[int, Report]:
    code = main(["preview", "--stack", "dev", "--out", str(folder), *words])
    return code, read(folder / "report-dev.json")


@pytest.mark.usefixtures("cli")
def test_a_preview_is_written_to_its_file_the_log_and_the_summary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    code, report = run_preview(tmp_path, "--commit", HEAD)
    assert code == 0
    assert (report.commit, report.basis, report.failures) == (HEAD, "deployed", ())
    assert [(resource.op, resource.name) for resource in report.resources] == [
        ("same", "guard"),
        ("same", "chat-state"),
    ]
    assert capsys.readouterr().out.startswith("dev: nothing changes\n\ndev:\n  Setting location changes from")
    assert "**`dev`:** Setting `location` changes" in (tmp_path / "summary.md").read_text()


def test_a_report_from_local_azure_names_the_commands_for_azure(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(typed.VARIABLE, typed.LOCAL_AZURE)
    run_preview(tmp_path)
    assert typed.as_typed("pulumi up", cli.previewed_with) == "pulumi up"


@pytest.mark.parametrize(
    ("previewed", "message"),
    [
        (Completed(1, FAILED, "other"), "no such region"),
        (Completed(1, DOCUMENT, "cannot decrypt\n"), "cannot decrypt"),
        (Completed(255, "", "no stack named 'dev' found"), "no stack named 'dev' found"),
        (Completed(1, "panic: x", ""), "panic: x"),
        (Completed(0, "[1]", ""), "[1]"),
        (Completed(137, "", "\n"), "`pulumi preview` ended with exit code 137 and printed no error."),
        (Completed(1, DOCUMENT, ""), "`pulumi preview` ended with exit code 1 and printed no error."),
        (
            "no access",
            "`pulumi stack export --stack dev` ended with exit code 255. \nno access",
        ),
    ],
)
def test_a_failed_preview_has_a_report_with_its_reason(
    cli: Cli, tmp_path: Path, previewed: Completed | str, message: str
) -> None:
    if isinstance(previewed, str):
        cli.export_error = previewed
    else:
        cli.previewed = previewed
    code, report = run_preview(tmp_path)
    assert code == 1
    assert [failure.message for failure in report.failures] == [message]


def test_a_preview_shows_every_replacement_and_the_settings_since_the_last_successful_up(cli: Cli) -> None:
    report = preview.preview(Pulumi(Path("x"), {}), None, "dev", "")
    assert cli.started == ["x export", "x history", "x preview"]
    assert cli.previewed_with == {REPLACE_VARIABLE: "rg-a@eastus2,oai-a@eastus2"}
    (setting,) = report.settings
    assert (setting.path, setting.old.text, setting.new.text) == ("location", '"eastus2"', '"westus3"')


@pytest.mark.parametrize("is_local", [True, False])
def test_a_stack_that_does_not_exist_is_created_on_local_azure_only(
    cli: Cli, is_local: bool, tmp_path: Path
) -> None:
    local = {**LOCAL, "PULUMI_BACKEND_URL": tmp_path.as_uri()}
    report = preview.preview(Pulumi(environment=local if is_local else {}), None, "new", "")
    more = ["ls", "init", "history", "preview"]
    assert [words.split()[1] for words in cli.started] == ["export", *(more if is_local else [])]
    assert bool(report.failures) is not is_local


@pytest.mark.usefixtures("cli")
def test_the_commit_is_the_head_of_the_pull_request(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    event = tmp_path / "event.json"
    event.write_text(json.dumps(EVENTS["pull_request"]))
    assert run_preview(tmp_path)[1].commit == "c" * 40
    monkeypatch.setenv("GITHUB_EVENT_PATH", str(event))
    monkeypatch.setenv("GITHUB_EVENT_NAME", "pull_request")
    assert run_preview(tmp_path)[1].commit == HEAD


def test_all_committed_environments_are_previewed(tmp_path: Path) -> None:
    with pytest.raises(OpsError, match=r"has no Pulumi\.NAME\.yaml of an environment"):
        preview.environments(tmp_path)
    for name in ("prod", "local", "pr", "dev"):
        (tmp_path / f"Pulumi.{name}.yaml").touch()
    assert preview.environments(tmp_path) == ["dev", "prod"]


@pytest.mark.parametrize(
    ("stack", "made"),
    [
        ("dev", ["base ls", "base init", "base up"]),
        ("only-head", ["head ls", "head init"]),  # a stack that the base does not have
    ],
)
def test_a_base_is_deployed_before_the_preview_and_stack_files_are_restored(
    cli: Cli, tmp_path: Path, stack: str, made: list[str]
) -> None:
    names = ("head/Pulumi.dev.yaml", "head/Pulumi.only-head.yaml", "base/Pulumi.dev.yaml")
    files = [tmp_path / name for name in names]
    for file in files:
        file.parent.mkdir(exist_ok=True)
        (file.parent / "Pulumi.yaml").write_text("name: assistant")
        file.write_text("config: {}")
    head, base = (Pulumi(tmp_path / name, {}) for name in ("head", "base"))
    report = preview.preview(head, base, stack, "")
    assert (report.basis, cli.started) == ("base", [*made, "head export", "head history", "head preview"])
    assert {file.read_text() for file in files} == {"config: {}"}


@pytest.mark.parametrize(
    "words",
    [
        ["comment", "--pr", "7"],
        ["comment", "--reports", "x"],
        ["comment", "--reports", "x", "--pr", "7", "--event", "x"],
    ],
)
def test_missing_and_contradictory_options_are_wrong_usage(words: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        (
            {**LOCAL, "PULUMI_BACKEND_URL": "azblob://state"},
            "so it runs on local Azure only: python -m local_azure",
        ),
        ({**LOCAL, "ARM_METADATA_HOSTNAME": ""}, "so it runs on local Azure only: python -m local_azure"),
        ({**LOCAL, "ARM_METADATA_HOSTNAME": "127.0.0.1.example.com"}, "so it runs on local Azure only"),
        (LOCAL, "has no Pulumi.yaml: --against must be a checkout of the base"),
    ],
)
def test_a_comparison_with_a_base_is_refused_outside_local_azure_and_without_a_checkout(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    environment: dict[str, str],
    message: str,
) -> None:
    monkeypatch.setattr(os, "environ", {**os.environ, **environment})
    assert main(["preview", "--against", str(tmp_path), "--stack", "dev", "--out", str(tmp_path)]) == 1
    assert message in capsys.readouterr().err
