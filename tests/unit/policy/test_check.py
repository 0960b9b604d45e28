"""Documents of `preview --json` and `stack export`, and the command that judges them."""

import io
import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from policy import check, cli, waivers
from policy.model import SECRET, UNKNOWN, Resource
from tests.unit.policy.stacks import Stack, protect, put, valid_stack, without

BROKEN = {"no-public-blobs", "exact-roles"}


def state(resource: Resource) -> dict[str, Any]:
    return {
        "urn": resource.urn,
        "type": resource.type,
        "custom": True,
        "inputs": resource.props,
        "outputs": resource.outputs,
        "protect": resource.protect,
    }


def preview(stack: Stack, op: str = "create") -> dict[str, Any]:
    steps = [{"op": op, "urn": resource.urn, "newState": state(resource)} for resource in stack.values()]
    return {"steps": steps, "changeSummary": {op: len(steps)}}


def broken_stack() -> Stack:
    stack = valid_stack()
    put("deployments", "publicAccess", "Blob")(stack)
    without("openai-user")(stack)
    return stack


def rules_broken(document: dict[str, Any]) -> set[str]:
    return {violation.rule for violation in check.check(document).violations}


def test_a_preview_is_judged_by_the_resources_after_the_update() -> None:
    document = preview(valid_stack())
    deleted = state(broken_stack()["deployments"])
    document["steps"] += [
        {"op": "delete", "urn": deleted["urn"], "oldState": deleted},
        {"op": "delete-replaced", "urn": deleted["urn"], "newState": deleted},
    ]
    assert rules_broken(document) == set()
    assert rules_broken(preview(broken_stack())) == BROKEN


def test_a_preview_without_unchanged_resources_is_not_judged_by_rules_of_the_stack() -> None:
    document = preview({"deployments": broken_stack()["deployments"]}, op="update")
    document["changeSummary"]["same"] = 14

    judgement = check.check(document)

    assert [violation.rule for violation in judgement.violations] == ["no-public-blobs"]
    assert "14 unchanged resources" in judgement.notes[0]
    assert "--show-sames" in judgement.notes[0]


def test_a_preview_with_unchanged_resources_is_judged_as_a_whole() -> None:
    judgement = check.check(preview(broken_stack(), op="same"))
    assert {violation.rule for violation in judgement.violations} == BROKEN
    assert judgement.notes == []


def test_an_exported_state_is_judged_as_a_whole() -> None:
    resources = [state(resource) for resource in broken_stack().values()]
    deleted: dict[str, Any] = {**state(valid_stack()["group"]), "delete": True, "inputs": {}}
    assert rules_broken({"version": 3, "deployment": {"resources": [*resources, deleted]}}) == BROKEN


def test_protection_is_read_from_the_document() -> None:
    stack = valid_stack("pr-7", "pr")
    protect("chat-state", on=True)(stack)
    assert rules_broken(preview(stack)) == {"unprotected-ephemeral"}


def test_an_api_version_in_the_type_changes_nothing() -> None:
    document = preview(broken_stack())
    for step in document["steps"]:
        step["newState"]["type"] = step["newState"]["type"].replace(":storage:", ":storage/v20240101:")
    assert rules_broken(document) == BROKEN


def test_secrets_and_unknown_values_are_recognized_at_any_depth() -> None:
    sealed = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "ciphertext": "v1:abc"}
    number = "3eeb2bf0-c639-47a8-9e75-3b44932eb421"
    assert check.plain({"a": [sealed, number, {"b": UNKNOWN}]}) == {"a": [SECRET, UNKNOWN, {"b": UNKNOWN}]}


EXPECTED = "must be the output of `pulumi preview --json`"
UNUSABLE: list[tuple[object, str]] = [
    ([], "no JSON object"),
    ({}, EXPECTED),
    ({"steps": [7]}, EXPECTED),
    ({"steps": [{"op": "create", "newState": {}}]}, EXPECTED),
    ({"deployment": []}, EXPECTED),
    ({"steps": [], "changeSummary": {"same": "x"}}, EXPECTED),
    ({"steps": [], "diagnostics": [{"severity": "error", "message": "no\nmore"}]}, "the preview failed"),
]


@pytest.mark.parametrize(("document", "problem"), UNUSABLE)
def test_a_document_that_cannot_be_judged_ends_with_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], document: object, problem: str
) -> None:
    path = write(tmp_path, document)
    assert cli.main(["check", path]) == 2
    printed = capsys.readouterr().err
    assert f"error: {path} cannot be checked: " in printed
    assert problem in printed


def test_a_file_that_cannot_be_read_ends_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", str(tmp_path / "missing.json")]) == 2
    assert "missing.json cannot be checked: [Errno 2]" in capsys.readouterr().err


def write(folder: Path, document: object) -> str:
    path = folder / "preview.json"
    path.write_text("\ufeff" + json.dumps(document), encoding="utf-8")
    return str(path)


def test_the_command_reads_standard_input_names_every_violation_and_ends_with_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(preview(broken_stack()))))

    assert cli.main(["check", "-"]) == 1

    printed = capsys.readouterr().out
    assert "no-public-blobs: deployments: publicAccess is 'Blob'" in printed
    assert "exact-roles: openai-user: role assignment is missing" in printed
    assert printed.endswith(f"-: {len(broken_stack())} resources, 2 violations, 0 waived\n")


def test_the_command_ends_with_0_and_reports_what_is_waived_as_advice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    waiver = waivers.Waiver(
        "no-public-blobs", "assistant", "deployments", ["dev"], "samples", "a", date(2099, 1, 1)
    )
    monkeypatch.setattr(waivers, "load", lambda _: ([waiver], ["another is not valid"]))  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    stack = valid_stack()
    put("deployments", "publicAccess", "Blob")(stack)

    assert cli.main(["check", write(tmp_path, preview(stack))]) == 0

    printed = capsys.readouterr()
    assert "(advice) no-public-blobs is waived until 2099-01-01 by a: samples. deployments: " in printed.out
    assert "0 violations, 1 waived" in printed.out
    assert "preview.json: another is not valid" in printed.err


def test_the_rules_are_listed_with_their_reasons(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["rules"]) == 0
    assert (
        "keyless-models\n    Model accounts accept Entra identities only.\n    Whoever"
        in capsys.readouterr().out
    )
