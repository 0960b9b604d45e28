"""What `deploy` and `rollback` decide before they begin."""

from pathlib import Path
from typing import Any

import pytest

from delivery.package import Package, content_hash, zip_bytes
from ops.commands import deploy
from ops.commands.rollback import target_of
from ops.output import OpsError
from ops.release import releasing
from ops.release.archive import Release
from ops.release.pulumi_stack import changes, data_lost
from ops.release.releasing import commit_of, refuse_data_loss

A, B, C = "a" * 64, "b" * 64, "c" * 64


def release(package_hash: str, result: Any = "good", commit: str = "") -> Release:
    return Release(package_hash, commit, "2026-11-25T01:00:00+00:00", result)


def step(op: str, kind: str, name: str) -> dict[str, str]:
    return {"op": op, "urn": f"urn:pulumi:prod::assistant::assistant:storage:ChatStorage${kind}::{name}"}


UNLISTED = "d" * 64

# The list, newest first; what the site answers; where a rollback goes.
TARGETS: list[tuple[str, list[Release], str, Release | None]] = [
    ("the newest is good and runs", [release(B), release(A)], B, release(A)),
    ("the newest is good and nothing answers", [release(B), release(A)], "", release(A)),
    ("an older one runs than the newest good", [release(C), release(B), release(A)], B, release(C)),
    ("what runs is in no list", [release(B), release(A)], UNLISTED, release(B)),
    (
        "it went back over a failed one",
        [release(B), release(C, "failed"), release(B), release(A)],
        B,
        release(A),
    ),
    ("what failed runs after all", [release(B), release(C, "failed"), release(B), release(A)], C, release(B)),
    ("the only one is good and runs", [release(A)], A, None),
    ("the only one is good and nothing answers", [release(A)], "", None),
    ("the only one is good and another runs", [release(A)], UNLISTED, release(A)),
    ("a good one before failed since", [release(B), release(A, "failed"), release(A)], B, None),
    *(
        case
        for result in ("unfinished", "failed", "rolled back")
        for runs in ("", A, B, C, UNLISTED)
        for case in (
            (
                f"the newest is {result}, {runs[:1]} runs",
                [release(C, result), release(B), release(A)],
                runs,
                release(B),
            ),
            (
                f"the only good one is below what is {result}, {runs[:1]} runs",
                [release(C, result), release(A)],
                runs,
                release(A),
            ),
            (
                f"none is good below what is {result}, {runs[:1]} runs",
                [release(C, result), release(A, "failed")],
                runs,
                None,
            ),
        )
    ),
    ("the good one was begun again", [release(B, "unfinished"), release(B), release(A)], B, release(B)),
    ("going back was begun", [release(A, "unfinished"), release(B, "failed"), release(A)], "", release(A)),
    (
        "going back by hand was begun",
        [release(A, "unfinished"), release(B, "rolled back"), release(A)],
        B,
        release(A),
    ),
    (
        "the one gone back to failed too",
        [release(B, "failed"), release(C, "failed"), release(B), release(A)],
        "",
        release(A),
    ),
    ("nothing was released", [], "", None),
    ("nothing was released and something runs", [], UNLISTED, None),
]


@pytest.mark.parametrize(
    ("history", "runs", "target"), [pytest.param(*case, id=name) for name, *case in TARGETS]
)
def test_where_a_rollback_goes(history: list[Release], runs: str, target: Release | None) -> None:
    if target is not None:
        assert target_of(history, None, runs, "prod") == target
        return
    with pytest.raises(OpsError, match="no good release to roll back to"):
        target_of(history, None, runs, "prod")


@pytest.mark.parametrize("result", ["good", "rolled back"])
def test_any_package_that_was_good_can_be_named(result: str) -> None:
    assert target_of([release(B), release(A, result)], A, B, "prod").package_hash == A


@pytest.mark.parametrize("history", [[], [release(A, "failed")], [release(A, "unfinished")]])
def test_a_package_that_was_never_good_is_refused_with_the_command_that_deploys_it(
    history: list[Release],
) -> None:
    with pytest.raises(OpsError, match=f"ops deploy --stack prod --hash {A}"):
        target_of(history, A, B, "prod")


def test_a_packages_commit_is_the_one_of_its_first_deployment_or_the_workflows() -> None:
    history = [release(A, commit="first"), release(B, commit="")]

    assert commit_of(history, A, {"GITHUB_SHA": "now"}) == "first"
    assert commit_of(history, B, {"GITHUB_SHA": "now"}) == "now"


def package_for(folder: Path, *tags: str) -> Path:
    path = folder / "package.zip"
    wheels = {f"w{tag}.dist-info/WHEEL": f"Tag: {tag}\n".encode() for tag in tags}
    path.write_bytes(zip_bytes({"function_app.py": b"", **wheels}))
    return path


def test_a_package_for_another_python_than_the_stacks_is_refused_before_anything_is_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pythons = {"dev": "3.11", "prod": "3.12"}
    monkeypatch.setattr(releasing, "python_version_of", pythons.__getitem__)
    package = package_for(tmp_path, "cp312-cp312-manylinux2014_x86_64", "cp38-abi3-any", "py3-none-any")

    releasing.refuse_other_python(package, A, "prod")
    with pytest.raises(OpsError) as refused:
        releasing.refuse_other_python(package, A, "dev")

    for told in (
        f"package {A} was made for Python 3.12, and pythonVersion of stack dev is 3.11: nothing was changed",
        "pulumi config set pythonVersion 3.12 --stack dev",
        "python -m infra.package --stack dev --out FILE",
    ):
        assert told in str(refused.value)


def test_a_package_of_this_checkout_is_built_for_the_python_of_the_stack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built_for: list[str] = []
    path = package_for(tmp_path)

    def build(python_version: str) -> Package:
        built_for.append(python_version)
        return Package(str(path), A, 1)

    monkeypatch.setattr(deploy, "python_version_of", {"dev": "3.11"}.__getitem__)
    monkeypatch.setattr(deploy, "build_package", build)

    assert deploy.package_of(None, "dev") == (path, content_hash(path))
    assert built_for == ["3.11"]


def test_what_keeps_data_and_would_go_is_named_once() -> None:
    preview = {
        "steps": [
            step("same", "azure-native:storage:StorageAccount", "kept"),
            step("update", "azure-native:storage:Table", "updated"),
            step("delete-replaced", "azure-native:storage:StorageAccount", "storage-account"),
            step("replace", "azure-native:storage:StorageAccount", "storage-account"),
            step("delete", "azure-native:storage:Table", "chat-state"),
            step("replace", "azure-native:web:WebApp", "function-app"),
        ]
    }

    assert data_lost(preview) == ["storage-account", "chat-state"]
    assert "kept (same)" not in changes(preview)


def test_data_goes_only_where_each_name_is_allowed() -> None:
    with pytest.raises(OpsError, match=r"DATA WOULD BE LOST with chat-state.*--allow-data-loss chat-state"):
        refuse_data_loss(["storage-account", "chat-state"], frozenset({"storage-account"}))

    refuse_data_loss(["chat-state"], frozenset({"chat-state"}))
