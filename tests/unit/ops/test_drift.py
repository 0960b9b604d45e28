"""What counts as drift and what does not, from the documents that Pulumi and Azure answer."""

import json
from pathlib import Path
from typing import Any

import pytest

from delivery.package import DEFAULT_OUT, GIVEN_FOLDER
from ops.drift.drift import (
    Change,
    Finding,
    RoleAssignment,
    app_settings,
    code,
    differences,
    refresh_findings,
    released,
    role_assignments,
    unnamed,
)
from ops.drift.owners import GONE, Owner, names, rule_for
from ops.drift.report import Report, as_json, fix, markdown, text
from ops.output import OpsError
from ops.state import DEPLOYED_CODE, SITE, Resource, resource

GROUP = "/subscriptions/s/resourceGroups/rg-1"
ACCOUNT_ID = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/st1"
SITE_ID = f"{GROUP}/providers/Microsoft.Web/sites/func-1"
TYPES = {
    "group": "azure-native:resources:ResourceGroup",
    "storage-account": "azure-native:storage:StorageAccount",
    "openai-account": "azure-native:cognitiveservices:Account",
    "chat-state": "azure-native:storage:Table",
    "function-app": SITE,
    "deployed-code": DEPLOYED_CODE,
    "blob-owner": "azure-native:authorization:RoleAssignment",
}


def entry(name: str, id_: str, **inputs: Any) -> dict[str, Any]:
    urn = f"urn:pulumi:prod::assistant::a:b:C${TYPES[name]}::{name}"
    return {"urn": urn, "type": TYPES[name], "id": id_, "inputs": inputs, "outputs": inputs}


def step(op: str, before: dict[str, Any], after: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"op": op, "urn": before["urn"], "oldState": before, "newState": after}


def preview(*steps: dict[str, Any]) -> dict[str, Any]:
    counted = {op: sum(1 for each in steps if each["op"] == op) for op in ("update", "delete")}
    return {"steps": list(steps), "changeSummary": counted}


def site(**settings: str) -> Resource:
    listed = [{"name": name, "value": value} for name, value in settings.items()]
    return resource(entry("function-app", SITE_ID, siteConfig={"appSettings": listed}))


def test_a_stack_that_azure_has_as_it_was_made_has_no_drift() -> None:
    account = entry("storage-account", ACCOUNT_ID, minimumTlsVersion="TLS1_2")

    assert refresh_findings(preview(step("refresh", account, account))) == []


def test_a_changed_property_is_found_with_what_it_was_and_is() -> None:
    before = entry("storage-account", ACCOUNT_ID, minimumTlsVersion="TLS1_2", kind="StorageV2")
    after = entry("storage-account", ACCOUNT_ID, minimumTlsVersion="TLS1_0", kind="StorageV2")

    (finding,) = refresh_findings(preview(step("update", before, after)))

    assert (finding.kind, finding.name, finding.owner) == ("changed", "storage-account", Owner.PLATFORM)
    assert finding.changes == (Change("minimumTlsVersion", "changed", "TLS1_2", "TLS1_0"),)


@pytest.mark.parametrize(
    ("after", "change"),
    [
        ({"a": "1", "b": "2"}, Change("tags.b", "added", None, "2")),
        ({}, Change("tags.a", "removed", "1", None)),
        ({"a": "One"}, Change("tags.a", "changed", "1", "One")),
    ],
)
def test_each_edit_of_tags_is_found(after: dict[str, str], change: Change) -> None:
    assert differences({"tags": {"a": "1"}}, {"tags": after}) == [change]


@pytest.mark.parametrize(
    ("was", "now"),
    [
        ({"location": "eastus2"}, {"location": "East US 2"}),
        ({"sku": {"name": "Standard_LRS"}}, {"sku": {"name": "standard_lrs"}}),
        ({"serverFarmId": f"{GROUP}/x"}, {"serverFarmId": f"{GROUP}/x".lower()}),
        ({"capacity": 50.0}, {"capacity": 50}),
        (
            {"alwaysReady": [{"name": "http", "instanceCount": 1}]},
            {"alwaysReady": [{"name": "HTTP", "instanceCount": 1.0}]},
        ),
        ({"properties": {"x": 1}}, {"properties": {"x": 1, "currentCapacity": 50}}),
        ({"origins": ["b", "a"]}, {"origins": ["a", "b"]}),
        ({"origins": []}, {"origins": None}),
        ({"cors": {"allowedOrigins": []}}, {}),
        ({"tags": {}}, {"tags": {"hidden-link: /app-insights-resource-id": ACCOUNT_ID}}),
    ],
)
def test_what_azure_says_in_other_words_or_adds_by_itself_is_no_drift(was: object, now: object) -> None:
    assert differences(was, now) == []


@pytest.mark.parametrize(
    ("was", "now"),
    [(True, False), (False, None), (0, 1), ("a", "b"), (["a"], ["a", "b"]), ([{"n": 1}], [{"n": 2}])],
)
def test_what_is_not_the_same_is_drift(was: object, now: object) -> None:
    assert differences({"x": {"y": was}}, {"x": {"y": now}})


def test_a_tag_is_told_apart_by_its_case() -> None:
    assert differences({"tags": {"a": "Prod"}}, {"tags": {"a": "prod"}})


@pytest.mark.parametrize("path", ["connectionString", "sasToken", "primaryKey", "adminPassword"])
def test_a_value_that_may_be_a_secret_is_not_told(path: str) -> None:
    (change,) = differences({path: "s3cret"}, {path: "other"})

    assert (change.was, change.now) == (None, None)


def test_a_sealed_value_that_changed_is_found_by_pulumis_own_list() -> None:
    sealed = entry("storage-account", ACCOUNT_ID, x="[secret]")
    changed = step("update", sealed, sealed) | {"detailedDiff": {"x": {"kind": "update"}}}

    (finding,) = refresh_findings(preview(changed))

    assert finding.changes == (Change("x", "changed"),)


def test_what_stood_below_a_resource_that_is_gone_went_with_it() -> None:
    account = entry("storage-account", ACCOUNT_ID)
    table = entry("chat-state", f"{ACCOUNT_ID}/tableServices/default/tables/ChatState")
    role = entry("blob-owner", f"{ACCOUNT_ID}/providers/Microsoft.Authorization/roleAssignments/r")

    (finding,) = refresh_findings(
        preview(step("delete", table), step("delete", account), step("delete", role))
    )

    assert (finding.kind, finding.name, finding.owner) == ("gone", "storage-account", Owner.ON_CALL)
    assert set(finding.gone_with) == {"chat-state", "blob-owner"}


def test_a_model_account_that_is_gone_is_purged_before_it_is_made_again() -> None:
    account = entry(
        "openai-account", f"{GROUP}/providers/Microsoft.CognitiveServices/accounts/oai-1", location="eastus2"
    )

    (finding,) = refresh_findings(preview(step("delete", entry("group", GROUP)), step("delete", account)))

    assert fix(Report("prod", [finding]), finding) == (
        "az cognitiveservices account purge --location eastus2 --resource-group rg-1 --name oai-1"
        " && pulumi up --refresh --stack prod"
    )


def test_the_code_goes_with_its_site_and_not_the_other_way_round() -> None:
    (finding,) = refresh_findings(
        preview(
            step("delete", entry("deployed-code", SITE_ID)), step("delete", entry("function-app", SITE_ID))
        )
    )

    assert (finding.name, finding.gone_with) == ("function-app", ("deployed-code",))


def test_a_name_that_begins_like_another_is_not_below_it() -> None:
    found = refresh_findings(
        preview(
            step("delete", entry("storage-account", ACCOUNT_ID)),
            step("delete", entry("chat-state", f"{ACCOUNT_ID}2/tableServices/default/tables/ChatState")),
        )
    )

    assert {finding.name for finding in found} == {"storage-account", "chat-state"}


def test_other_code_is_found_once_whether_or_not_the_document_shows_it() -> None:
    state = resource(entry("deployed-code", SITE_ID, package_hash="a" * 64))
    shown = step("update", entry("deployed-code", SITE_ID), entry("deployed-code", SITE_ID))

    (finding,) = code([state], "b" * 64)

    assert finding.changes == (Change("package_hash", "changed", "a" * 64, "b" * 64),)
    assert finding.owner == Owner.ON_CALL
    assert refresh_findings(preview(shown)) == []
    assert unnamed(preview(shown), code_changed=True) == 0
    assert unnamed({"steps": [], "changeSummary": {"update": 1}}, code_changed=True) == 0


GIVEN, BUILT = f"{GIVEN_FOLDER}/{'a' * 64}.zip", DEFAULT_OUT.as_posix()


@pytest.mark.parametrize(
    ("inputs", "outputs", "is_released"),
    [
        (GIVEN, GIVEN, True),
        (GIVEN, BUILT, True),  # found deployed already, by an `up` of a checkout
        (BUILT, GIVEN, True),  # the other way round
        (BUILT, BUILT, False),
    ],
)
def test_the_state_says_whether_a_stacks_package_was_released_or_built_from_a_checkout(
    inputs: str, outputs: str, is_released: bool
) -> None:
    deployed = entry("deployed-code", SITE_ID, package_path=inputs) | {"outputs": {"package_path": outputs}}

    assert released([site(), resource(deployed)]) is is_released
    assert not released([site()])


@pytest.mark.parametrize("changed", ["group", "deployed-code"])
def test_a_released_stack_is_mended_with_the_package_that_it_has_when_the_command_is_run(
    changed: str,
) -> None:
    before = entry(changed, GROUP) | {"outputs": {"package_hash": "a" * 64}}
    (finding,) = (
        code([resource(before)], "b" * 64)
        if changed == "deployed-code"
        else refresh_findings(
            preview(step("update", before, {**before, "inputs": {"tags": {"owner": "me"}}}))
        )
    )

    assert (
        fix(Report("prod", [finding], released=True), finding) == "python -m ops deploy --stack prod --again"
    )
    assert fix(Report("prod", [finding]), finding) == "pulumi up --refresh --stack prod"


def test_an_app_that_answers_no_package_is_drift_too() -> None:
    (finding,) = code([resource(entry("deployed-code", SITE_ID, package_hash="a" * 64))], "")

    assert finding.changes[0].now == "no package that answers"


def test_a_change_that_is_counted_and_not_shown_is_told() -> None:
    missing = unnamed({"steps": [], "changeSummary": {"update": 2}}, code_changed=True)

    assert missing == 1
    assert not Report("prod", [], missing).clean
    assert "1 more resources changed" in text(Report("prod", [], missing))


def test_app_settings_are_compared_by_name_and_no_value_is_told() -> None:
    deployed = site(KEPT="1", CHANGED="2", REMOVED="3")

    (finding,) = app_settings(deployed, {"KEPT": "1", "CHANGED": "s3cret", "ADDED": "s3cret"})

    assert finding.owner == Owner.DEVELOPER
    assert finding.changes == (
        Change("siteConfig.appSettings.REMOVED", "removed"),
        Change("siteConfig.appSettings.ADDED", "added"),
        Change("siteConfig.appSettings.CHANGED", "changed"),
    )
    report = Report("prod", [finding])
    assert "s3cret" not in text(report) + markdown(report, {}) + json.dumps(as_json([report]))
    assert "--restore-app-settings" in fix(report, finding)


@pytest.mark.parametrize("deployed", [{}, {"OPENAI_API_KEY": "s3cret"}])
def test_a_setting_that_no_site_may_have_is_drift_also_where_the_state_has_it(
    deployed: dict[str, str],
) -> None:
    (finding,) = app_settings(site(KEPT="1", **deployed), {"KEPT": "1", "OPENAI_API_KEY": "s3cret"})

    report = Report("prod", [finding])
    assert fix(report, finding).startswith("az functionapp config appsettings delete ")
    assert fix(report, finding).endswith(" --setting-names OPENAI_API_KEY")
    for shown in (text(report), markdown(report, {}), json.dumps(as_json([report]))):
        assert "sends whole conversations to api.openai.com" in shown
        assert "s3cret" not in shown
    assert "it cannot be kept" in markdown(report, {})


def test_the_same_app_settings_in_another_order_are_no_drift() -> None:
    assert app_settings(site(A="1", B="2"), {"B": "2", "A": "1"}) == []


def test_a_sealed_app_setting_is_compared_by_name_alone() -> None:
    sealed = resource(
        entry(
            "function-app", SITE_ID, siteConfig={"appSettings": [{"name": "A", "value": {"ciphertext": "x"}}]}
        )
    )

    assert app_settings(sealed, {"A": "whatever"}) == []
    assert app_settings(sealed, {})


def test_sealed_app_settings_cannot_be_looked_at_and_that_is_said() -> None:
    with pytest.raises(OpsError, match="encrypted"):
        app_settings(resource(entry("function-app", SITE_ID, siteConfig={"ciphertext": "x"})), {})


def assignment(scope: str, name: str = "r") -> RoleAssignment:
    id_ = f"{scope}/providers/Microsoft.Authorization/roleAssignments/{name}"
    return RoleAssignment(id_, name, scope, "Owner", "User u")


def test_a_role_that_was_given_by_hand_is_found_on_the_stacks_own_scopes_only() -> None:
    own = resource(entry("blob-owner", assignment(ACCOUNT_ID).id))
    stack = [resource(entry("group", GROUP)), own]
    actual = [
        assignment(ACCOUNT_ID.upper()),  # Azure may answer in another case
        assignment(ACCOUNT_ID, "by-hand"),
        assignment(GROUP, "on-the-group"),
        assignment("/subscriptions/s", "inherited"),
        assignment(f"{GROUP}2", "of-another-group"),
    ]

    found = role_assignments(stack, actual)

    assert [finding.name for finding in found] == ["by-hand", "on-the-group"]
    assert fix(Report("prod", found), found[0]) == f"az role assignment delete --ids {actual[1].id}"
    assert "Owner for User u" in text(Report("prod", found))


def test_changes_of_one_resource_go_to_the_owners_of_each() -> None:
    before = entry("function-app", SITE_ID, tags={"a": "1"}, httpsOnly=True)
    after = entry("function-app", SITE_ID, tags={"a": "2"}, httpsOnly=False)

    found = refresh_findings(preview(step("update", before, after)))

    assert {(finding.changes[0].path, finding.place) for finding in found} == {
        ("tags.a", "`tags` in the stack's Pulumi.*.yaml"),
        ("httpsOnly", "infra/components/function_host.py"),
    }


def test_data_that_is_lost_is_said_loudly() -> None:
    (finding,) = refresh_findings(preview(step("delete", entry("chat-state", f"{ACCOUNT_ID}/x"))))

    assert "DATA IS LOST" in text(Report("prod", [finding]))
    assert "DATA IS LOST" in markdown(Report("prod", [finding]), {})


def test_owners_are_mentioned_by_name_and_values_never_are() -> None:
    hostile = "@everyone` <img src=x> [a](http://b)\n# title"
    before = entry("storage-account", ACCOUNT_ID, tags={"a": "1"})
    after = entry("storage-account", ACCOUNT_ID, tags={"a": hostile, hostile: "x"})

    told = markdown(
        Report("prod", refresh_findings(preview(step("update", before, after)))),
        {Owner.PLATFORM: "@org/platform"},
    )

    assert "For the platform engineer (@org/platform)" in told
    lines = told.splitlines()
    assert all(not line.startswith("# title") for line in lines)
    for line in lines:
        assert "@everyone" not in "".join(line.split("`")[0::2]), "outside code"


def test_a_report_of_very_much_fits_into_an_issue() -> None:
    many = [
        Finding(
            "changed",
            f"name-{n}" * 10,
            "type" * 20,
            "id" * 100,
            owner,
            "infra/",
            tuple(Change(f"p{m}" * 20, "changed", "x" * 999, "y" * 999) for m in range(50)),
        )
        for owner in Owner
        for n in range(400)
    ]

    assert len(markdown(Report("prod", many), {})) < 65_536


@pytest.mark.parametrize(
    ("type_", "path", "owner"),
    [
        ("azure-native:web:WebApp", "siteConfig.appSettings.X", Owner.DEVELOPER),
        ("azure-native:web:WebApp", "httpsOnly", Owner.PLATFORM),
        ("azure-native:cognitiveservices:Deployment", "sku.capacity", Owner.DEVELOPER),
        ("azure-native:cognitiveservices:Account", "tags.a", Owner.PLATFORM),
        ("some:other:Type", "x", Owner.PLATFORM),
        ("azure-native:web:WebApp", GONE, Owner.ON_CALL),
    ],
)
def test_every_finding_has_an_owner(type_: str, path: str, owner: Owner) -> None:
    assert rule_for(type_, path).owner == owner


def test_the_committed_owners_can_be_read() -> None:
    assert set(names()) <= set(Owner)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ('"janitor" = "@x"', "is not one of the owners"),
        ('"on call" = "x y"', "is neither @user"),
        ('"on call" = "@x` @y"', "is neither @user"),
        ("on call", "cannot be read"),
    ],
)
def test_a_wrong_file_of_owners_is_refused_with_what_is_wrong(
    tmp_path: Path, content: str, told: str
) -> None:
    (tmp_path / "owners.toml").write_text(content)

    with pytest.raises(OpsError, match=told):
        names(tmp_path / "owners.toml")


def test_owners_that_nobody_named_are_no_error(tmp_path: Path) -> None:
    (tmp_path / "owners.toml").write_text('\ufeff"on call" = ""', encoding="utf-8")

    assert names(tmp_path / "owners.toml") == {}
    assert names(tmp_path / "nowhere.toml") == {}
