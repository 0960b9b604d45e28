"""What counts as drift and what does not, from the documents of Pulumi and Azure."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import Mock

import pytest
from azure.core.exceptions import HttpResponseError

from delivery.package import DEFAULT_OUT, GIVEN_FOLDER
from infra.roles import APP_ROLES
from ops.drift.detector import detect, restore_app_settings
from ops.drift.drift import (
    APP_SETTINGS,
    Change,
    Finding,
    app_settings,
    code,
    differences,
    refresh_findings,
    released,
    role_assignments,
)
from ops.drift.owners import FILE, GONE, Owner, names, rule_for
from ops.drift.report import Report, as_json, fix, markdown, text
from ops.output import OpsError
from ops.state import (
    DEPLOYED_CODE,
    GROUP,
    MODEL_ACCOUNT,
    ROLE_ASSIGNMENT,
    SITE,
    STORAGE_ACCOUNT,
    TABLE,
    Resource,
    resource,
)

GROUP_ID = "/subscriptions/s/resourceGroups/rg-1"
ACCOUNT_ID = f"{GROUP_ID}/providers/Microsoft.Storage/storageAccounts/st1"
TABLE_ID = f"{ACCOUNT_ID}/tableServices/default/tables/ChatState"
MODEL_ID = f"{GROUP_ID}/providers/Microsoft.CognitiveServices/accounts/oai-1"
SITE_ID = f"{GROUP_ID}/providers/Microsoft.Web/sites/func-1"


def entry(type_: str, id_: str, name: str = "one", **inputs: Any) -> dict[str, Any]:
    urn = f"urn:pulumi:prod::assistant::a:b:C${type_}::{name}"
    return {"urn": urn, "type": type_, "id": id_, "inputs": inputs, "outputs": inputs}


def step(op: str, before: dict[str, Any], after: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"op": op, "urn": before["urn"], "oldState": before, "newState": after}


def findings(*steps: dict[str, Any]) -> list[Finding]:
    return refresh_findings({"steps": list(steps)})


def site_entry(*settings: tuple[str, object]) -> dict[str, Any]:
    listed = [{"name": name, "value": value} for name, value in settings]
    return entry(SITE, SITE_ID, "function-app", siteConfig={"appSettings": listed})


def site(**settings: object) -> Resource:
    return resource(site_entry(*settings.items()))


def deployed_code(**outputs: str) -> Resource:
    return resource(entry(DEPLOYED_CODE, SITE_ID, **outputs))


def every_format(finding: Finding) -> list[str]:
    report = Report("prod", [finding])
    return [text(report), markdown(report, {}), json.dumps(as_json([report]))]


def test_an_unchanged_stack_has_no_drift() -> None:
    account = entry(STORAGE_ACCOUNT, ACCOUNT_ID, minimumTlsVersion="TLS1_2")
    codes = [entry(DEPLOYED_CODE, SITE_ID, package_hash=package_hash) for package_hash in "ab"]
    assert findings(step("refresh", account, account), step("update", *codes)) == [], "`code` compares hashes"
    assert text(Report("prod", [])) == "prod: no drift"
    assert markdown(Report("prod", []), {}) == "✅ `prod`: no drift\n"


def test_changed_properties_are_found_by_owner_with_their_old_and_new_values() -> None:
    before = entry(SITE, SITE_ID, tags={"a": "1"}, httpsOnly=True, kind="app")
    after = entry(SITE, SITE_ID, tags={"a": "2"}, httpsOnly=False, kind="app")
    assert [
        (finding.kind, finding.rule.place, finding.changes)
        for finding in findings(step("update", before, after))
    ] == [
        ("changed", "infra/components/function_host.py", (Change("httpsOnly", "changed", "True", "False"),)),
        ("changed", "`tags` in the stack's Pulumi.*.yaml", (Change("tags.a", "changed", "1", "2"),)),
    ]


@pytest.mark.parametrize(
    ("was", "now", "changes"),
    [
        ({"tags": {"a": "1"}}, {"tags": {"a": "1", "b": "2"}}, [Change("tags.b", "added", None, "2")]),
        ({"tags": {"a": "1"}}, {"tags": {}}, [Change("tags.a", "removed", "1", None)]),
        ({"tags": {"a": "Prod"}}, {"tags": {"a": "prod"}}, [Change("tags.a", "changed", "Prod", "prod")]),
        ({"x": {"y": True}}, {"x": {"y": False}}, [Change("x.y", "changed", "True", "False")]),
        ({"x": False}, {"x": None}, [Change("x", "removed", "False", None)]),
        ({"x": 0}, {"x": 1}, [Change("x", "changed", "0", "1")]),
        ({"x": ["a"]}, {"x": ["a", "b"]}, [Change("x", "changed", "['a']", "['a', 'b']")]),
        ({"x": [{"n": 1}]}, {"x": [{"n": 2}]}, [Change("x", "changed", "[{'n': 1}]", "[{'n': 2}]")]),
        # What may be a secret
        ({"connectionString": "a"}, {"connectionString": "b"}, [Change("connectionString", "changed")]),
        ({"a": {"sasToken": "a"}}, {"a": {}}, [Change("a.sasToken", "removed")]),
        ({}, {"primaryKey": "b"}, [Change("primaryKey", "added")]),
        ({"adminPassword": "a"}, {"adminPassword": "b"}, [Change("adminPassword", "changed")]),
        ({"x": "[secret]"}, {"x": "b [secret]"}, [Change("x", "changed")]),
        # What Azure writes in another form
        ({"location": "eastus2"}, {"location": "East US 2"}, []),
        ({"sku": {"name": "Standard_LRS"}}, {"sku": {"name": "standard_lrs"}}, []),
        ({"serverFarmId": f"{GROUP_ID}/x"}, {"serverFarmId": f"{GROUP_ID}/x".lower()}, []),
        ({"capacity": 50.0}, {"capacity": 50}, []),
        ({"x": [{"name": "http", "n": 1, "y": None}]}, {"x": [{"name": "HTTP", "n": 1.0}]}, []),
        ({"ports": [{"n": 1}, {"n": 10}]}, {"ports": [{"n": 1.0}, {"n": 10.0}]}, []),
        ({"origins": ["b", "a"]}, {"origins": ["a", "b"]}, []),
        ({"origins": []}, {"origins": None}, []),
        ({"cors": {"allowedOrigins": []}}, {}, []),
        # What Azure adds itself
        ({"properties": {"x": 1}}, {"properties": {"x": 1, "currentCapacity": 50}}, []),
        ({"tags": {}}, {"tags": {"hidden-link: /app-insights-resource-id": ACCOUNT_ID}}, []),
    ],
)
def test_a_difference_is_drift_unless_it_is_azures_own_form(
    was: object, now: object, changes: list[Change]
) -> None:
    assert differences(was, now) == changes


def test_a_changed_encrypted_value_is_found_by_the_paths_that_pulumi_lists() -> None:
    encrypted = entry(STORAGE_ACCOUNT, ACCOUNT_ID, x="[secret]")
    detailed = {"x": {"kind": "update"}, "properties.currentCapacity": {}}
    (finding,) = findings(step("update", encrypted, encrypted) | {"detailedDiff": detailed})
    assert finding.changes == (Change("x", "changed"),)


def test_a_deleted_resource_is_one_finding_with_its_children() -> None:
    role_id = f"{ACCOUNT_ID}/providers/Microsoft.Authorization/roleAssignments/r"
    deleted = [
        entry(TABLE, TABLE_ID, "chat-state"),
        entry(STORAGE_ACCOUNT, ACCOUNT_ID, "storage-account"),
        entry(ROLE_ASSIGNMENT, role_id, "blob-owner"),
        entry(TABLE, TABLE_ID.replace("st1", "st12"), "other"),
        entry("a:b:Component", "", "component"),
        entry(DEPLOYED_CODE, SITE_ID, "deployed-code"),
        entry(SITE, SITE_ID, "function-app"),
    ]
    finding, other, app = findings(*(step("delete", resource) for resource in deleted))
    assert (finding.kind, finding.name, finding.rule.owner) == ("gone", "storage-account", Owner.ON_CALL)
    assert finding.gone_with == ("chat-state", "blob-owner")
    assert (other.name, other.gone_with) == ("other", ())
    assert (app.name, app.gone_with) == ("function-app", ("deployed-code",))


@pytest.mark.parametrize(
    ("inputs", "location", "is_released", "command"),
    [
        ({"location": "eastus2"}, "eastus2", False, "pulumi up --refresh --stack prod"),
        ({}, "LOCATION", True, "python -m ops deploy --stack prod --again"),
    ],
)
def test_a_deleted_model_account_is_purged_before_it_is_created_again(
    inputs: dict[str, str], location: str, is_released: bool, command: str
) -> None:
    account = entry(MODEL_ACCOUNT, MODEL_ID, **inputs)
    (finding,) = findings(step("delete", entry(GROUP, GROUP_ID)), step("delete", account))
    assert fix(Report("prod", [finding], is_released), finding) == (
        f"az cognitiveservices account purge --location {location} --resource-group rg-1 --name oai-1"
        f" && {command}"
    )


@pytest.mark.parametrize(
    ("deployed", "running", "change"),
    [
        ({"package_hash": "a"}, "b", Change("package_hash", "changed", "a", "b")),
        ({"package_hash": "a"}, "", Change("package_hash", "changed", "a", "no package that answers")),
        ({}, "b", Change("package_hash", "changed", None, "b")),
    ],
)
def test_another_running_package_is_drift(deployed: dict[str, str], running: str, change: Change) -> None:
    (finding,) = code([site(), deployed_code(**deployed)], running)
    assert (finding.changes, finding.rule.owner) == ((change,), Owner.ON_CALL)
    assert code([deployed_code(package_hash="a")], "a") == []


GIVEN, BUILT = f"{GIVEN_FOLDER}/{'a' * 64}.zip", DEFAULT_OUT.as_posix()


@pytest.mark.parametrize(
    ("inputs", "outputs", "is_released"),
    [
        (GIVEN, GIVEN, True),
        (GIVEN, BUILT, True),  # an `up` of a checkout that found the same package
        (BUILT, GIVEN, True),
        (BUILT, BUILT, False),
    ],
)
def test_the_state_tells_a_released_package_from_one_built_by_a_checkout(
    inputs: str, outputs: str, is_released: bool
) -> None:
    state = replace(deployed_code(package_path=inputs), outputs={"package_path": outputs})
    assert released([site(), state]) is is_released
    assert not released([site()])


def test_app_settings_are_compared_by_name_and_their_values_are_hidden() -> None:
    deployed = site(KEPT="1", CHANGED="2", REMOVED="3")
    actual = {"KEPT": "1", "CHANGED": "s3cret", "ADDED": "s3cret"}
    (finding,) = app_settings(deployed, actual)
    assert finding.rule.owner == Owner.DEVELOPER
    assert finding.changes == (
        Change("siteConfig.appSettings.REMOVED", "removed"),
        Change("siteConfig.appSettings.ADDED", "added"),
        Change("siteConfig.appSettings.CHANGED", "changed"),
    )
    assert "s3cret" not in "".join(every_format(finding))
    command = "python -m ops drift --stack prod --restore-app-settings"
    assert fix(Report("prod", [finding]), finding) == command
    assert app_settings(site(A="1", B="2"), {"B": "2", "A": "1"}) == []


@pytest.mark.parametrize("deployed", [{}, {"OPENAI_API_KEY": "s3cret"}])
def test_a_refused_app_setting_is_drift_even_if_the_state_has_it(deployed: dict[str, str]) -> None:
    (finding,) = app_settings(site(KEPT="1", **deployed), {"KEPT": "1", "OPENAI_API_KEY": "other s3cret"})
    command = fix(Report("prod", [finding]), finding)
    assert command.startswith("az functionapp config appsettings delete ")
    assert command.endswith(" --setting-names OPENAI_API_KEY")
    for output in every_format(finding):
        assert "sends whole conversations to api.openai.com" in output
        assert "s3cret" not in output


def assignment(scope: str, name: str, role: str = "acdd") -> Any:
    """The members of azure.mgmt.authorization's RoleAssignment that are read."""
    return SimpleNamespace(
        id=f"{scope}/providers/Microsoft.Authorization/roleAssignments/{name}",
        name=name,
        scope=scope,
        role_definition_id=f"/providers/Microsoft.Authorization/roleDefinitions/{role}",
        principal_type="User",
        principal_id="u",
    )


def test_an_added_role_assignment_is_found_in_the_resource_groups_of_the_stack_only() -> None:
    own = assignment(ACCOUNT_ID, "r")
    stack = [
        resource(entry(GROUP, GROUP_ID)),
        resource(entry(ROLE_ASSIGNMENT, own.id)),
        resource(entry(GROUP, "")),
    ]
    by_hand = assignment(ACCOUNT_ID, "by-hand")
    added = role_assignments(
        stack,
        [
            assignment(ACCOUNT_ID.upper(), "R"),  # Azure may return another case
            by_hand,
            assignment(GROUP_ID, "on-the-group", APP_ROLES[0].id),
            assignment("/subscriptions/s", "inherited"),
            assignment(f"{GROUP_ID}2", "of-another-group"),
        ],
    )
    assert [(finding.kind, finding.name, finding.rule.place) for finding in added] == [
        ("added", "by-hand", "infra/roles.py"),
        ("added", "on-the-group", "infra/roles.py"),
    ]
    assert fix(Report("prod", added), added[0]) == f"az role assignment delete --ids {by_hand.id}"
    assert added[0].changes[0].path == f"role acdd for User u on {ACCOUNT_ID}"
    assert added[1].changes[0].path == f"{APP_ROLES[0].name} for User u on {GROUP_ID}"


EXAMPLE = Report(
    "prod",
    [
        Finding(
            "changed",
            "@everyone` <img src=x>",
            STORAGE_ACCOUNT,
            ACCOUNT_ID,
            (
                Change("a", "changed", "1", "2"),
                Change("@everyone\n# b", "removed", "1\x1b`", None),
                Change("c", "added", None, "2"),
                Change("d", "changed"),
                Change("e", "changed", "x" * 81, None),
            ),
        ),
        Finding("gone", "chat-state", TABLE, TABLE_ID, (), ("a", "b"), purge="az purge"),
        Finding("added", "by-hand", ROLE_ASSIGNMENT, "/id", (Change("Owner for User u", "added"),)),
        Finding("changed", "app", SITE, SITE_ID, (Change(f"{APP_SETTINGS}.X", "added"),), command="az fix"),
    ],
)


def test_the_text_and_the_issue_have_the_layout_of_the_examples() -> None:
    """Kinds, values, hostile names, owners with and without a name, lost data, and counts."""
    folder = Path(__file__).parent
    body = markdown(EXAMPLE, {Owner.PLATFORM: "@org/platform"})
    assert body == (folder / "example_drift.md").read_text()
    assert text(EXAMPLE) == (folder / "example_drift.txt").read_text().removesuffix("\n")
    assert text(Report("prod", EXAMPLE.findings[:1])).startswith("prod: 1 finding\n")


def test_json_has_each_finding_with_its_fix() -> None:
    (report,) = as_json([EXAMPLE])
    assert (report["stack"], len(report["findings"])) == ("prod", 4)
    changes = [{"path": "a", "kind": "changed", "was": "1", "now": "2"}]
    assert report["findings"][0] | {"changes": report["findings"][0]["changes"][:1]} == {
        "kind": "changed",
        "name": "@everyone` <img src=x>",
        "type": STORAGE_ACCOUNT,
        "id": ACCOUNT_ID,
        "owner": "platform engineer",
        "place": "infra/components/storage.py",
        "fix": "pulumi up --refresh --stack prod",
        "goneWith": [],
        "changes": changes,
    }
    assert report["findings"][1]["goneWith"] == ["a", "b"]


def test_a_large_report_fits_into_an_issue_and_counts_the_rest() -> None:
    changes = tuple(Change(f"p{number}" * 20, "changed", "x" * 999, "y" * 999) for number in range(23))
    types = (STORAGE_ACCOUNT, SITE, DEPLOYED_CODE)
    many = [
        Finding("changed", f"name-{number}", types[number % 3], "id" * 100, changes)
        for number in range(1_200)
    ]
    body = markdown(Report("prod", many), {})
    assert len(body.encode()) < 65_536
    written = body.count("- **changed**")
    assert f"- … and {1_200 - written} more: `python -m ops drift --stack prod`" in body
    assert body.count("  - changed `p") == 20 * written
    assert body.count("  - … and 3 more") == written


@pytest.mark.parametrize(
    ("type_", "path", "owner"),
    [
        (SITE, "siteConfig.appSettings.X", Owner.DEVELOPER),
        (SITE, "httpsOnly", Owner.PLATFORM),
        ("azure-native:cognitiveservices:Deployment", "sku.capacity", Owner.DEVELOPER),
        (MODEL_ACCOUNT, "tags.a", Owner.PLATFORM),
        ("some:other:Type", "x", Owner.PLATFORM),
        (SITE, GONE, Owner.ON_CALL),
    ],
)
def test_every_finding_has_an_owner(type_: str, path: str, owner: Owner) -> None:
    assert rule_for(type_, path).owner == owner


def test_the_committed_owners_can_be_read() -> None:
    assert FILE.is_file()
    assert set(names()) <= set(Owner)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ('"janitor" = "@x"', "is not one of the owners"),
        ('"on call" = "x y"', "is neither @user"),
        ('"on call" = "@x` @y"', "is neither @user"),
        ("on call", "cannot be read"),
    ],
)
def test_a_wrong_file_of_owners_is_refused(tmp_path: Path, content: str, problem: str) -> None:
    (tmp_path / "owners.toml").write_text(content)
    with pytest.raises(OpsError, match=problem):
        names(tmp_path / "owners.toml")


def test_owners_without_a_name_are_no_error(tmp_path: Path) -> None:
    (tmp_path / "owners.toml").write_text(
        '\ufeff"on call" = ""\n"platform engineer" = "@a/b"', encoding="utf-8"
    )
    assert names(tmp_path / "owners.toml") == {Owner.PLATFORM: "@a/b"}
    assert names(tmp_path / "missing.toml") == {}


def pulumi_with(*entries: dict[str, Any]) -> Any:
    return Mock(export=Mock(return_value={"deployment": {"resources": entries}}))


FORBIDDEN = HttpResponseError("no")
FORBIDDEN.status_code = 403


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([], "stack prod has no function app"),
        (
            [site_entry(("A", "1"))],
            "func-1 cannot be written: no. This requires .* Microsoft.Web/sites/config/write$",
        ),
    ],
)
def test_app_settings_that_cannot_be_restored_are_an_error_with_its_reason(
    entries: list[dict[str, Any]], message: str
) -> None:
    azure: Any = Mock()
    azure.web.web_apps.update_application_settings.side_effect = FORBIDDEN
    with pytest.raises(OpsError, match=message):
        restore_app_settings(pulumi_with(*entries), azure, "prod")


def test_an_empty_stack_has_no_drift() -> None:
    assert not detect(pulumi_with(), cast("Any", None), "prod").findings
