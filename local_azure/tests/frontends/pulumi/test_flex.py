from typing import Any

import pytest

from local_azure.core.errors import ArmError
from local_azure.services.web import flex

STORAGE = {
    "type": "blobContainer",
    "value": "https://127.0.0.1:1/a/c",
    "authentication": {"type": "UserAssignedIdentity", "userAssignedIdentityResourceId": "/id"},
}
CONFIG: dict[str, Any] = {
    "runtime": {"name": "python", "version": "3.12"},
    "deployment": {"storage": STORAGE},
}


def refusal(**properties: Any) -> str:
    with pytest.raises(ArmError) as caught:
        flex.refuse({"functionAppConfig": CONFIG, **properties})
    assert (caught.value.status, caught.value.code) == (400, "BadRequest")
    return caught.value.message


def test_a_keyless_app_passes() -> None:
    site_config: dict[str, Any] = {
        "minTlsVersion": "1.2",
        "http20Enabled": True,
        "alwaysOn": False,
        "cors": {},
        "appSettings": [{"name": "AzureWebJobsStorage__credential", "value": "managedidentity"}],
    }
    flex.refuse({"functionAppConfig": CONFIG, "siteConfig": site_config})


@pytest.mark.parametrize("key", sorted(flex.REJECTED_SITE_CONFIG))
def test_rejected_site_config_is_named_as_azure_names_it(key: str) -> None:
    named = f"(Site.SiteConfig.{key[0].upper()}{key[1:]})"
    assert named in refusal(siteConfig={key: "v4.6"})


def test_always_on_is_refused_and_several_keys_come_at_once() -> None:
    message = refusal(siteConfig={"alwaysOn": True, "linuxFxVersion": "x"})
    assert "(Site.SiteConfig.LinuxFxVersion, Site.SiteConfig.AlwaysOn)" in message


@pytest.mark.parametrize("name", [*sorted(flex.REJECTED_APP_SETTINGS), "functions_worker_runtime", "A:B"])
def test_rejected_app_settings_are_named(name: str) -> None:
    settings = [{"name": name, "value": "1"}, {"name": "FINE", "value": "1"}]
    assert f"(Site.SiteConfig.AppSettings.{name})" in refusal(siteConfig={"appSettings": settings})


@pytest.mark.parametrize("names", [["A", "a"], [""]])
def test_app_settings_have_a_name_and_only_once(names: list[str]) -> None:
    assert "pp setting" in refusal(siteConfig={"appSettings": [{"name": n, "value": "1"} for n in names]})


def test_the_function_app_config_is_required() -> None:
    assert "FunctionAppConfig section was not specified" in refusal(functionAppConfig=None)


@pytest.mark.parametrize(
    ("scale", "named"),
    [
        ({"instanceMemoryMB": 1024}, "instanceMemoryMB is 1024"),
        ({"maximumInstanceCount": 39}, "maximumInstanceCount is 39"),
        ({"maximumInstanceCount": 1001}, "maximumInstanceCount is 1001"),
        ({"triggers": {"http": {"perInstanceConcurrency": 0}}}, "perInstanceConcurrency is 0"),
        ({"triggers": {"http": {"perInstanceConcurrency": 1001}}}, "perInstanceConcurrency is 1001"),
        ({"alwaysReady": [{"name": "HTTP", "instanceCount": 1}]}, "alwaysReady name is 'HTTP'"),
        ({"alwaysReady": [{"name": "function:", "instanceCount": 1}]}, "alwaysReady name is 'function:'"),
        ({"alwaysReady": [{"name": "http", "instanceCount": -1}]}, "instance counts [-1]"),
        ({"alwaysReady": [{"name": "http", "instanceCount": 101}]}, "instance counts [101]"),
        ({"alwaysReady": [{"name": "http"}, {"name": "http"}]}, "names http more than once"),
    ],
)
def test_scale_limits(scale: dict[str, Any], named: str) -> None:
    assert any(named in problem for problem in flex.scale_problems({"scaleAndConcurrency": scale}))


@pytest.mark.parametrize(
    "scale",
    [
        {},
        {"instanceMemoryMB": 512, "maximumInstanceCount": 40},
        {"instanceMemoryMB": 4096, "maximumInstanceCount": 1000},
        {
            "alwaysReady": [
                {"name": "function:create", "instanceCount": 2},
                {"name": "http", "instanceCount": 1},
            ]
        },
        {"triggers": {"http": {"perInstanceConcurrency": 1000}}},
    ],
)
def test_scale_within_limits(scale: dict[str, Any]) -> None:
    assert flex.scale_problems({"scaleAndConcurrency": scale}) == []


@pytest.mark.parametrize(
    "runtime", [{}, {"name": "ruby"}, {"name": "python", "version": "3.10"}, {"name": "python"}]
)
def test_runtimes_that_flex_does_not_have(runtime: dict[str, str]) -> None:
    assert flex.runtime_problems({"runtime": runtime})


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"type": "share"}, "deployment.storage.type"),
        ({"value": "deployments"}, "deployment.storage.value"),
        ({"authentication": {"type": "Key"}}, "authentication.type"),
        ({"authentication": {"type": "UserAssignedIdentity"}}, "userAssignedIdentityResourceId is required"),
    ],
)
def test_deployment_storage(change: dict[str, Any], named: str) -> None:
    config = {"deployment": {"storage": {**STORAGE, **change}}}
    assert any(named in problem for problem in flex.deployment_problems(config))


def test_everything_wrong_in_the_function_app_config_comes_in_one_message() -> None:
    message = refusal(
        functionAppConfig={**CONFIG, "runtime": {}, "scaleAndConcurrency": {"instanceMemoryMB": 1}}
    )
    assert "runtime.name" in message
    assert "instanceMemoryMB" in message
