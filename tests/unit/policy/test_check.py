"""Documents of `preview --json` and `stack export`, and the command that judges them."""

import io
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from policy import check, cli, waivers
from policy.model import SECRET, UNKNOWN, Resource
from tests.unit.policy.stacks import Stack, protect, put, sound, without
from tests.unit.policy.test_waivers import SOUND

SPECIAL = "4dabf18193072939515e22adb298388d"


def state(resource: Resource) -> dict[str, Any]:
    found: dict[str, Any] = {
        "urn": resource.urn,
        "type": resource.type,
        "custom": True,
        "inputs": resource.props,
    }
    if resource.outputs:
        found["outputs"] = resource.outputs
    if resource.protect:
        found["protect"] = True
    return found


def preview(stack: Stack, op: str = "create", **more: Any) -> dict[str, Any]:
    steps = [{"op": op, "urn": one.urn, "newState": state(one)} for one in stack.values()]
    return {"steps": steps, "changeSummary": {op: len(steps)}, **more}


def spoilt() -> Stack:
    stack = sound()
    put("deployments", "publicAccess", "Blob")(stack)
    without("openai-user")(stack)
    return stack


def test_a_preview_is_judged_by_what_will_stand() -> None:
    assert check.violations(preview(sound())) == []
    assert {one.rule for one in check.violations(preview(spoilt()))} == {"no-public-blobs", "exact-roles"}


def test_what_is_deleted_is_not_judged() -> None:
    document = preview(sound())
    going = state(spoilt()["deployments"])
    document["steps"].append({"op": "delete", "urn": going["urn"], "oldState": going})
    assert check.violations(document) == []


def test_a_preview_that_leaves_things_out_says_so_and_judges_no_rule_over_the_stack() -> None:
    stack = spoilt()
    document = preview({"deployments": stack["deployments"]}, op="update")
    document["changeSummary"]["same"] = 14

    judged = check.check(document)

    assert [one.rule for one in judged.violations] == ["no-public-blobs"]
    assert "14 unchanged resources" in judged.notes[0]
    assert "--show-sames" in judged.notes[0]


def test_a_preview_with_what_is_unchanged_is_judged_whole() -> None:
    judged = check.check(preview(spoilt(), op="same"))
    assert {one.rule for one in judged.violations} == {"no-public-blobs", "exact-roles"}
    assert judged.notes == []


def test_an_exported_state_is_judged_whole() -> None:
    resources = [state(one) for one in spoilt().values()]
    gone: dict[str, Any] = {**state(sound()["group"]), "delete": True, "inputs": {}}
    document: dict[str, Any] = {"version": 3, "deployment": {"resources": [*resources, gone]}}
    assert {one.rule for one in check.violations(document)} == {"no-public-blobs", "exact-roles"}


def test_protection_is_read_from_the_document() -> None:
    stack = sound("pr-7", "pr")
    protect("chat-state", on=True)(stack)
    assert [one.rule for one in check.violations(preview(stack))] == ["unprotected-ephemeral"]


def test_an_api_version_in_the_type_changes_nothing() -> None:
    document = preview(spoilt())
    for step in document["steps"]:
        step["newState"]["type"] = step["newState"]["type"].replace(":storage:", ":storage/v20240101:")
    assert "no-public-blobs" in {one.rule for one in check.violations(document)}


def test_secrets_and_unknowns_are_recognised_at_any_depth() -> None:
    sealed = {SPECIAL: "1b47061264138c4ac30d75fd1eb44270", "ciphertext": "v1:abc"}
    number = "3eeb2bf0-c639-47a8-9e75-3b44932eb421"
    assert check.plain({"a": [sealed, number, {"b": UNKNOWN}]}) == {"a": [SECRET, UNKNOWN, {"b": UNKNOWN}]}


UNUSABLE: list[tuple[dict[str, Any], str]] = [
    ({}, "neither steps nor a deployment"),
    ({"steps": {}}, "steps is not a list"),
    ({"steps": [7]}, "an element of steps is not an object"),
    ({"steps": [{"op": "create", "newState": {}}]}, "without a urn or a type"),
    ({"steps": [], "diagnostics": [{"severity": "error", "message": "no\nmore"}]}, "preview failed"),
    ({"deployment": []}, "deployment is not an object"),
    ({"steps": [], "changeSummary": {"same": "x"}}, "same is not a number"),
]


@pytest.mark.parametrize(("document", "why"), UNUSABLE)
def test_a_document_that_cannot_be_judged_is_refused(document: dict[str, Any], why: str) -> None:
    with pytest.raises(check.DocumentError, match=why):
        check.violations(document)


def write(folder: Path, name: str, document: object) -> str:
    path = folder / name
    path.write_text(json.dumps(document))
    return str(path)


def test_the_command_names_every_violation_and_ends_with_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path, "preview.json", preview(spoilt()))

    assert cli.main(["check", file]) == 1

    out = capsys.readouterr().out
    assert "no-public-blobs: deployments: publicAccess is 'Blob'" in out
    assert "exact-roles: openai-user: role assignment is missing" in out
    assert out.endswith("2 violations, 0 waived\n")


def test_the_command_ends_with_0_where_nothing_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["check", write(tmp_path, "preview.json", preview(sound()))]) == 0
    assert "0 violations" in capsys.readouterr().out


def test_the_command_reads_standard_input_and_answers_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(preview(spoilt()))))

    assert cli.main(["check", "-", "--json"]) == 1

    assert [one["rule"] for one in json.loads(capsys.readouterr().out)] == ["no-public-blobs", "exact-roles"]


def test_what_cannot_be_judged_ends_with_2_and_the_rest_is_judged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = write(tmp_path, "bad.json", [])
    good = write(tmp_path, "good.json", preview(spoilt()))

    assert cli.main(["check", bad, str(tmp_path / "missing.json"), good]) == 2

    told = capsys.readouterr()
    assert f"{bad} cannot be checked" in told.err
    assert "missing.json cannot be checked" in told.err
    assert "2 violations" in told.out


def test_a_waived_violation_is_advice_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "waivers.toml").write_text(
        SOUND.replace("2026-12-31", (waivers.today() + timedelta(days=1)).isoformat())
    )
    monkeypatch.setattr(waivers, "FILE", tmp_path / "waivers.toml")
    stack = sound()
    put("deployments", "publicAccess", "Blob")(stack)

    assert cli.main(["check", write(tmp_path, "preview.json", preview(stack))]) == 0

    out = capsys.readouterr().out
    assert "(advice) no-public-blobs is waived" in out
    assert "samples are downloaded" in out


def test_the_rules_are_listed_with_their_reasons(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["rules"]) == 0
    assert "keyless-storage" in capsys.readouterr().out


def test_a_document_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "preview.json").write_text("\ufeff" + json.dumps(preview(sound())), encoding="utf-8")
    assert cli.main(["check", str(tmp_path / "preview.json")]) == 0
