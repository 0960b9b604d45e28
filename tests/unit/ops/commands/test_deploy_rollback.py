"""What `deploy` and `rollback` decide before they begin, and what they print."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from delivery.package import PACKAGE_VARIABLE, PUSH_AGAIN_VARIABLE, Package, content_hash, zip_bytes
from delivery.publish import Answer
from ops.azure import Azure
from ops.commands import deploy
from ops.commands.rollback import target_of
from ops.engine import Pulumi
from ops.output import OpsError
from ops.release import pulumi_stack, releasing
from ops.release.archive import Release, open_archive
from ops.release.releasing import commit_of
from ops.state import SITE, STORAGE_ACCOUNT
from tests.unit.ops.world import World, exported, resource, returns

A, B, C, UNLISTED = "a" * 64, "b" * 64, "c" * 64, "d" * 64


def release(package_hash: str, result: Any = "good", commit: str = "") -> Release:
    return Release(package_hash, commit, "2026-11-25T01:00:00+00:00", result)


# The list, newest first; the package that the site reports; the target.
TARGETS: list[tuple[list[Release], str, Release | None]] = [
    ([release(B), release(A)], B, release(A)),
    ([release(B), release(A)], "", release(A)),
    ([release(C), release(B), release(A)], B, release(C)),
    ([release(B), release(A)], UNLISTED, release(B)),
    ([release(B), release(C, "failed"), release(B), release(A)], B, release(A)),
    ([release(B), release(C, "failed"), release(B), release(A)], C, release(B)),
    ([release(A)], A, None),
    ([release(A)], "", None),
    ([release(A)], UNLISTED, release(A)),
    ([release(B), release(A, "failed"), release(A)], B, None),
    ([release(B), release(A), release(A, "failed")], B, release(A)),
    ([release(C), release(B, "rolled back"), release(A)], C, release(A)),
    *(
        ([release(C, result), *older], runs, target)
        for result in ("unfinished", "failed", "rolled back")
        for runs in ("", A, C, UNLISTED)
        for older, target in (
            ([release(B), release(A)], release(B)),
            ([release(A)], release(A)),
            ([release(A, "failed")], None),
        )
    ),
    ([release(B, "unfinished"), release(B), release(A)], B, release(B)),
    ([release(A, "unfinished"), release(B, "failed"), release(A)], "", release(A)),
    ([release(A, "unfinished"), release(B, "rolled back"), release(A)], B, release(A)),
    ([release(B, "failed"), release(C, "failed"), release(B), release(A)], "", release(A)),
    ([], "", None),
    ([], UNLISTED, None),
]


@pytest.mark.parametrize(("history", "runs", "target"), TARGETS)
def test_a_rollback_without_a_hash_has_a_target(
    history: list[Release], runs: str, target: Release | None
) -> None:
    if target is not None:
        assert target_of(history, None, runs, "prod") == target
        return
    with pytest.raises(OpsError, match="no good release to roll back to"):
        target_of(history, None, runs, "prod")


@pytest.mark.parametrize("result", ["good", "rolled back"])
def test_any_package_that_was_good_can_be_named(result: str) -> None:
    assert target_of([release(B), release(A, result)], A, B, "prod").package_hash == A


@pytest.mark.parametrize("history", [[], [release(A, "failed")], [release(A, "unfinished"), release(B)]])
def test_a_package_that_was_never_good_is_refused_with_the_command_that_deploys_it(
    history: list[Release],
) -> None:
    with pytest.raises(OpsError, match=f"ops deploy --stack prod --hash {A}"):
        target_of(history, A, B, "prod")
    with pytest.raises(OpsError, match="is not a package hash"):
        target_of(history, "A", B, "prod")


def test_the_commit_of_a_package_is_in_the_list_or_the_current_one() -> None:
    history = [release(A, commit="first"), release(B)]

    assert commit_of(history, A, {"GITHUB_SHA": "now"}) == "first"
    assert commit_of(history, B, {"GITHUB_SHA": "now"}) == "now"
    assert commit_of(history, C, {"GITHUB_SHA": "now"}) == "now"


def package(folder: Path, code: str) -> Path:
    path = folder / f"{code}.zip"
    path.write_bytes(zip_bytes({"function_app.py": code.encode()}))
    return path


def test_a_package_of_this_checkout_is_built_for_the_python_of_the_stack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = package(tmp_path, "a")
    monkeypatch.setattr(deploy, "python_version_of", {"dev": "3.11"}.__getitem__)
    monkeypatch.setattr(deploy, "build_package", {"3.11": Package(str(path), A, 1)}.__getitem__)

    assert deploy.package_of(None, "dev") == (path, content_hash(path))


# The commands

SITE_ID = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Web/sites/func"
STATE = exported(
    resource("function-app", SITE, id=SITE_ID, outputs={"defaultHostName": "func.example"}),
    resource(
        "storage", STORAGE_ACCOUNT, id="x", outputs={"primaryEndpoints": {"table": "https://t.example/"}}
    ),
)


class Site:
    """The stack prod, whose smoke test passes unless `fails`, and its archive."""

    def __init__(self, world: World) -> None:
        self.world, self.fails = world, ""
        self.archive_url = (world.folder / "archive").as_uri()
        self.smoke_options: list[tuple[float, bool]] = []
        world.cli.deployed = STATE
        world.patch.setenv("GITHUB_SHA", "0123abc")
        world.patch.setattr(releasing, "Pulumi", world.pulumi)
        world.patch.setattr(pulumi_stack, "SmokeTest", self._smoke_test)
        for module in ("commands.deploy", "commands.rollback", "release.release"):
            world.patch.setattr(f"ops.{module}.PACKAGES", world.folder / "packages")

    def _smoke_test(self, url: str, key: Callable[[], str], _session: object, **options: Any) -> Any:
        assert (url, key()) == ("https://func.example", "s3cret-key")
        self.smoke_options.append((options["timeout"], options["post_message"]))
        return SimpleNamespace(run=self._smoke)

    def _smoke(self, package_hash: str) -> list[str]:
        if self.fails == package_hash:
            raise OpsError("cannot be tested")
        self.world.cli.outputs["packageHash"] = package_hash
        return ["PUT answers 202"]

    def run(self, command: str, *words: str) -> tuple[int, str]:
        """The exit code and everything that was printed."""
        code, output, errors = self.world.ops(
            command, "--stack", "prod", "--archive", self.archive_url, *words
        )
        return code, output + errors

    def deploy(self, code: str, *words: str) -> str:
        """Deploy this code. Returns its hash."""
        path = package(self.world.folder, code)
        assert self.run("deploy", "--package", str(path), *words)[0] == 0
        return content_hash(path)

    def results(self) -> list[str]:
        archive = open_archive(self.archive_url, returns(None))
        return [release.result for release in archive.releases("assistant", "prod")]


@pytest.fixture
def site(world: World) -> Site:
    return Site(world)


def test_packages_are_deployed_and_rolled_back(site: Site, tmp_path: Path) -> None:
    site.world.patch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    code, printed = site.run("deploy", "--package", str(package(tmp_path, "a")))
    assert code == 0
    assert "a rollback is not possible" in printed
    assert "of commit 0123abc on stack prod" in printed
    assert site.world.cli.changes() == ["stack init prod --no-select", "up --stack prod --yes --skip-preview"]
    first, second = content_hash(tmp_path / "a.zip"), site.deploy("b", "--commit", "other", "--patience", "3")
    assert site.smoke_options == [(90, True), (3, True)]

    code, printed = site.run("rollback", "--dry-run")
    assert (code, site.results()) == (0, ["good", "good"])
    assert f"would deploy package {first} (commit 0123abc) again" in printed
    assert f"{second[:12]}  other         good" in printed

    code, printed = site.run("rollback", "--no-smoke-message")
    assert (code, site.results()) == (0, ["good", "rolled back", "good"])
    assert f"package {first} of commit 0123abc" in printed
    assert site.smoke_options[-1] == (90, False)
    pushes = [environment.get(PUSH_AGAIN_VARIABLE) for environment in site.world.cli.environments_of("up")]
    assert pushes == [None, "1", "1"], "this site reports no package"

    assert site.run("deploy", "--hash", second)[0] == 0
    assert site.run("rollback", "--to", first)[0] == 0
    assert "`prod` is deployed" in (tmp_path / "summary.md").read_text()


def test_the_current_package_is_deployed_again_with_a_refresh(site: Site) -> None:
    code, printed = site.run("deploy", "--again")
    assert (code, site.world.cli.changes()) == (1, [])
    assert "has no package yet. To deploy one: python -m ops deploy --stack prod --hash HASH" in printed
    package_hash = site.deploy("a")

    assert site.run("deploy", "--again")[0] == 0

    assert site.world.cli.changes()[-1] == "up --stack prod --yes --skip-preview --refresh"
    assert "preview --stack prod --json --refresh" in site.world.cli.commands
    assert site.world.cli.environments_of("up")[-1][PACKAGE_VARIABLE].endswith(f"{package_hash}.zip")


def test_a_package_that_cannot_be_tested_has_its_own_exit_code(site: Site, tmp_path: Path) -> None:
    site.fails = content_hash(package(tmp_path, "a"))

    code, printed = site.run("deploy", "--package", str(tmp_path / "a.zip"))

    assert (code, site.results()) == (6, ["unfinished"])
    assert "the smoke test could not run: cannot be tested" in printed
    assert site.run("rollback")[0] == 1


@pytest.mark.parametrize("words", [("deploy", "--hash"), ("rollback", "--to")])
def test_a_killed_job_is_recovered_before_the_push(site: Site, words: tuple[str, str]) -> None:
    package_hash = site.deploy("a")
    operation = {"type": "creating", "resource": {"urn": resource("table")["urn"]}}
    site.world.cli.states["prod"] = {"deployment": {"pending_operations": [operation]}}

    assert site.run(*words, package_hash)[0] == 0

    refresh, up = site.world.cli.changes()[-2:]
    assert refresh == "refresh --stack prod --yes --skip-preview --clear-pending-creates"
    assert up.startswith("up ")


def step(op: str, type_: str, name: str) -> dict[str, str]:
    return {"op": op, "urn": f"urn:pulumi:prod::assistant::assistant:storage:ChatStorage${type_}::{name}"}


def test_a_deployment_that_would_lose_data_is_refused(site: Site, tmp_path: Path) -> None:
    site.world.cli.states["prod"] = STATE
    site.world.cli.preview = {
        "steps": [
            step("same", "azure-native:storage:StorageAccount", "kept"),
            step("update", "azure-native:storage:Table", "updated"),
            step("delete-replaced", "azure-native:storage:StorageAccount", "storage-account"),
            step("replace", "azure-native:storage:StorageAccount", "storage-account"),
            step("delete", "azure-native:storage:Table", "chat-state"),
            step("replace", "azure-native:web:WebApp", "function-app"),
        ]
    }
    words = ("deploy", "--package", str(package(tmp_path, "a")), "--allow-data-loss", "storage-account")

    code, printed = site.run(*words)

    assert (code, site.world.cli.changes()) == (1, [])
    assert "DATA WOULD BE LOST with chat-state: nothing was changed" in printed
    assert "add: --allow-data-loss chat-state\n" in printed

    code, printed = site.run(*words, "--allow-data-loss", "chat-state", "--dry-run")

    assert (code, site.world.cli.changes()) == (0, [])
    for line in ("updated (update)", "storage-account (delete-replaced)", "function-app (replace)"):
        assert f"    {line}\n" in printed
    assert "  change 5 resources with `pulumi up`:\n" in printed
    assert "kept (same)" not in printed


def test_a_dry_run_does_not_create_the_stack(site: Site, tmp_path: Path) -> None:
    code, printed = site.run("deploy", "--package", str(package(tmp_path, "a")), "--dry-run")

    assert (code, site.world.cli.changes(), site.results()) == (0, [], [])
    assert f"Would deploy package {content_hash(tmp_path / 'a.zip')} to stack prod:\n" in printed
    for part in (
        "\n  add the package to file://",
        "\n  create the stack, and all",
        "leave the package there",
    ):
        assert part in printed
    code, printed = site.run("deploy", "--package", "missing.zip")
    assert (code, site.world.cli.changes()) == (1, [])
    assert "missing.zip cannot be read as a zip" in printed


def test_a_dry_run_names_every_step_and_changes_nothing(site: Site) -> None:
    first, second = site.deploy("a"), site.deploy("b")
    before = len(site.world.cli.changes())

    code, printed = site.run("deploy", "--hash", second, "--no-smoke-message", "--dry-run")

    assert (code, len(site.world.cli.changes())) == (0, before)
    assert printed.startswith(
        f"Would deploy package {second} to stack prod:\n"
        f"  use the package in {site.archive_url}\n"
        "  change no resource; `pulumi up` pushes the package if the site runs another one\n"
        "  test the site: its health, create an assistant, delete it\n"
        f"  if the site fails the test, deploy package {first} again\n"
    )


def test_a_stack_that_nobody_has_declared_is_refused(site: Site, tmp_path: Path) -> None:
    site.world.cli.states["test"] = STATE
    path = str(package(tmp_path, "a"))

    code, output, errors = site.world.ops("deploy", "--stack", "pord", "--package", path)

    assert (code, output, site.world.cli.changes()) == (1, "", [])
    assert "neither a stack 'pord' nor its settings" in errors
    assert "The stacks are test, the environments dev, prod" in errors


def test_everything_that_is_missing_is_named_at_once(site: Site) -> None:
    def sign_in(*_: object) -> None:
        raise OpsError("ARM_SUBSCRIPTION_ID is not set: export it")

    site.world.patch.setattr(Azure, "sign_in", sign_in)
    del site.world.environment["PULUMI_BACKEND_URL"]

    code, _, errors = site.world.ops("rollback", "--stack", "")

    assert code == 1
    for part in (
        "PULUMI_BACKEND_URL is not set",
        "ARM_SUBSCRIPTION_ID is not set",
        "no stack is named: --stack S (make rollback STACK=S); the environments are dev, prod",
    ):
        assert f"\n  {part}" in errors


@pytest.mark.parametrize(
    ("answers", "running"),
    [
        ([(200, {"package": A})], A),
        ([(503, ""), (200, {"status": "ok"}), (200, {"package": A})], A),
        ([(200, "[]"), OpsError("not trusted"), (500, {"package": A})], ""),
    ],
)
def test_the_running_package_is_what_the_site_reports_within_three_answers(
    world: World, answers: list[tuple[int, object] | OpsError], running: str
) -> None:
    def health(_session: object, url: str) -> Any:
        assert url == "https://func.example"
        answer = answers.pop(0)
        if isinstance(answer, OpsError):
            raise answer
        return Answer(answer[0], json.dumps(answer[1]))

    world.patch.setattr(pulumi_stack, "health", health)
    world.patch.setattr(pulumi_stack.time, "sleep", returns(None))
    stack = pulumi_stack.PulumiStack(world.pulumi(), "prod", cast("Azure", world.azure))
    assert stack.running_package() == ""

    world.cli.outputs["functionAppUrl"] = "https://func.example"
    assert stack.running_package() == running
    assert answers == []


def test_what_azure_no_longer_has_is_what_a_refresh_would_delete(world: World) -> None:
    gone, changed = resource("blob-owner", id="/r"), resource("site", id="/s", inputs={"x": 1})
    steps: list[dict[str, Any]] = [
        {"op": "delete", "urn": gone["urn"], "oldState": gone},
        {"op": "update", "urn": changed["urn"], "oldState": changed, "newState": {**changed, "inputs": {}}},
    ]
    world.patch.setattr(Pulumi, "refresh_preview", returns({"steps": steps}))

    assert pulumi_stack.PulumiStack(world.pulumi(), "prod", cast("Azure", world.azure)).gone() == [
        "blob-owner"
    ]
