import stat
from pathlib import Path

import pytest

from local_azure.functions_host import bundle, cors, deployments, host_json, keys
from local_azure.functions_host.bundle import BundleError
from local_azure.functions_host.configuration import Configuration, MissingSettingError
from local_azure.functions_host.cors import Cors
from local_azure.functions_host.deployments import Deployment, DeploymentList, Status
from local_azure.functions_host.host_json import LEVELS, HostJson, HostJsonError

ORIGIN = {"Origin": "https://a.example"}


def test_keys_are_made_once_and_only_their_owner_reads_them(tmp_path: Path) -> None:
    file = tmp_path / "site" / "keys.json"
    made = keys.load_or_create(file)
    assert keys.load_or_create(file) == made
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert made.master != made.default


def test_a_function_key_is_of_one_function_in_any_case_of_its_name() -> None:
    host_keys = keys.HostKeys("master", "default")
    key = host_keys.of_function("GetState")
    levels = [host_keys.level(key, function) for function in ("getstate", "Other", None)]
    assert levels == ["function", "anonymous", "anonymous"]
    assert host_keys.level("\udc80", None) == "anonymous"


def test_cors_answers_a_preflight_of_an_allowed_origin_only() -> None:
    allowed = Cors(("https://A.example/",), support_credentials=True)
    request = {**ORIGIN, "Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "x-a"}
    assert cors.preflight(allowed, "OPTIONS", request) == {
        "Access-Control-Allow-Origin": "https://a.example",
        "Vary": "Origin",
        "Access-Control-Allow-Credentials": "true",
        "Access-Control-Allow-Methods": "PUT",
        "Access-Control-Allow-Headers": "x-a",
    }
    assert cors.preflight(allowed, "OPTIONS", {**request, "Origin": "https://b.example"}) == {}
    assert cors.preflight(allowed, "PUT", request) is None
    assert cors.preflight(Cors(), "OPTIONS", request) is None


def test_cors_for_everyone_never_allows_credentials() -> None:
    everyone = Cors(("*",), support_credentials=True)
    assert cors.response_headers(everyone, ORIGIN) == {"Access-Control-Allow-Origin": "*"}
    assert cors.response_headers(everyone, {}) == {}


@pytest.mark.parametrize(
    ("bundle_id", "version_range", "version", "openai"),
    [
        (bundle.PREVIEW, "[4.45.0, 4.46.0)", "4.45.0", "0.19.0-alpha"),
        (bundle.PREVIEW, "[4.45.0, 4.48.0)", "4.45.0", "0.19.0-alpha"),
        (bundle.PREVIEW, "[4.*, 5.0.0)", "4.48.0", "0.21.0-alpha"),
        (bundle.PREVIEW.lower(), "(4.44.0, 4.45.0]", "4.45.0", "0.19.0-alpha"),
        (bundle.PREVIEW, "[4.44.0]", "4.44.0", "0.19.0-alpha"),
        (bundle.GENERAL, "[4.*, 5.0.0)", "4.38.0", None),
    ],
)
def test_a_bundle_range_resolves_to_the_newest_known(
    bundle_id: str, version_range: str, version: str, openai: str | None
) -> None:
    resolved = bundle.resolve(bundle_id, version_range)
    assert (resolved.version, resolved.openai) == (version, openai)
    assert ("assistantcreate" in resolved.types) is (openai is not None)


@pytest.mark.parametrize(
    ("bundle_id", "version_range", "message"),
    [
        ("Other", "[4.*, 5.0.0)", "'Other' is unknown"),
        (bundle.PREVIEW, "[3.*, 4.0.0)", "no version of"),
        (bundle.PREVIEW, "(4.48.0, 5.0.0)", "no version of"),
        (bundle.PREVIEW, "latest", "not a range"),
    ],
)
def test_a_bundle_that_is_not_known_is_an_error(bundle_id: str, version_range: str, message: str) -> None:
    with pytest.raises(BundleError, match=message):
        bundle.resolve(bundle_id, version_range)


def test_settings_are_found_in_any_case_and_with_either_separator() -> None:
    settings = Configuration(
        {"AzureWebJobsStorage__clientId": "c", "MODEL": "gpt", "AzureWebJobs_Hello_Disabled": "1"}
    )
    assert settings.get("azurewebjobsstorage:CLIENTID") == "c"
    assert settings.resolve("%model%-x") == "gpt-x"
    assert settings.is_disabled("hello")
    assert not settings.is_disabled("Other")
    with pytest.raises(MissingSettingError, match="NOT_SET"):
        settings.resolve("%NOT_SET%")


def test_host_json_changes_the_defaults_of_the_host() -> None:
    assert host_json.parse('{"version": "2.0"}') == HostJson("api", None, "", {})
    changes = '"extensions": {"http": {"routePrefix": ""}}, "logging": {"logLevel": {"default": "Error"}}'
    changed = HostJson("", None, "", {"default": LEVELS["error"]})
    assert host_json.parse(f'{{"version": "2.0", {changes}}}') == changed


def test_every_problem_of_host_json_is_told_at_once() -> None:
    text = '{"extensions": 5, "extensionBundle": {"id": "x"}, "logging": {"logLevel": {"default": "loud"}}}'
    with pytest.raises(HostJsonError) as caught:
        host_json.parse(text)
    for word in ("version", "extensions", "extensionBundle", "logLevel.default"):
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "not valid JSON"), ("[]", "JSON object"), ("{", "not valid JSON"), ('{"version": "1.0"}', "'1.0'")],
)
def test_a_host_json_that_is_not_valid_is_an_error(text: str, message: str) -> None:
    with pytest.raises(HostJsonError, match=message):
        host_json.parse(text)


def test_the_longest_category_decides_what_is_logged() -> None:
    settings = HostJson(
        log_levels={
            "default": LEVELS["information"],
            "Microsoft": LEVELS["error"],
            "Microsoft.Azure": LEVELS["warning"],
        }
    )
    assert settings.logs("Function.A", LEVELS["information"])
    assert not settings.logs("Microsoft.Azure.WebJobs", LEVELS["information"])
    assert settings.logs("Microsoft.Azure.WebJobs", LEVELS["warning"])
    assert not settings.logs("Microsoft.Other", LEVELS["warning"])


def test_a_deployment_that_local_azure_did_not_finish_is_cancelled_after_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "deployments.json"
    DeploymentList(file).put(Deployment("d", "tests", deployments.now(), Status.DEPLOYING))
    (restored,) = DeploymentList(file).newest_first()
    assert restored.status is Status.CANCELLED


def test_only_the_newest_deployments_are_kept(tmp_path: Path) -> None:
    kept = DeploymentList(tmp_path / "deployments.json")
    for number in range(deployments.LIMIT + 3):
        kept.put(Deployment(str(number), "tests", deployments.now(), Status.SUCCESS))
    assert len(kept.newest_first()) == deployments.LIMIT
    assert kept.get("0") is None
    latest = kept.get("latest")
    assert latest is not None
    assert latest.id == str(deployments.LIMIT + 2)
