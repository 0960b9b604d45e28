import re
from typing import Any

import pytest

from local_azure.core import change
from local_azure.core.errors import ArmError
from local_azure.core.store import Resource
from local_azure.services.web import flex
from local_azure.tests.frontends.pulumi.stack import GROUP_ID

AZURE: Any = None  # these rules look at the site alone
AUTHENTICATION = {"type": "UserAssignedIdentity", "userAssignedIdentityResourceId": "/id"}
STORAGE = {"type": "blobContainer", "value": "https://127.0.0.1:1/a/c", "authentication": AUTHENTICATION}


def site(**config: Any) -> dict[str, Any]:
    runtime = {"name": "python", "version": "3.12"}
    return {"functionAppConfig": {"runtime": runtime, "deployment": {"storage": STORAGE}, **config}}


def scale(**changes: Any) -> dict[str, Any]:
    return {"scaleAndConcurrency": changes}


def storage(**changes: Any) -> dict[str, Any]:
    return {"deployment": {"storage": {**STORAGE, **changes}}}


def refuse(properties: dict[str, Any]) -> None:
    site = Resource(id=f"{GROUP_ID}/sites/app", name="app", type="Microsoft.Web/sites", properties=properties)
    change.refuse(flex.RULES, change.Change(AZURE, site))


def refusal(properties: dict[str, Any]) -> str:
    with pytest.raises(ArmError) as error:
        refuse(properties)
    assert (error.value.status, error.value.code) == (400, "BadRequest")
    return error.value.message


def test_rejected_site_config_is_named_as_azure_names_it() -> None:
    config = {"alwaysOn": True, **dict.fromkeys(flex.REJECTED_SITE_CONFIG, "v4.6"), "minTlsVersion": "1.2"}
    named = re.findall(r"Site\.SiteConfig\.(\w+)", refusal({**site(), "siteConfig": config}))
    assert named[-1] == "AlwaysOn"
    assert {name[0].lower() + name[1:] for name in named[:-1]} == flex.REJECTED_SITE_CONFIG


def test_rejected_app_settings_are_named() -> None:
    names = [*flex.REJECTED_APP_SETTINGS, "functions_extension", "A:B"]
    lower = [name.lower() for name in names]
    for given in (names, lower):
        settings = [{"name": name, "value": "1"} for name in given]
        message = refusal({**site(), "siteConfig": {"appSettings": settings}})
        named = re.findall(r"Site\.SiteConfig\.AppSettings\.([\w:]+)", message)
        assert named == [name for name in given if name != "functions_extension"]


@pytest.mark.parametrize("names", [["A", "a"], [""]])
def test_app_settings_have_a_unique_name(names: list[str]) -> None:
    settings = [{"name": name, "value": "1"} for name in names]
    assert "pp setting" in refusal({**site(), "siteConfig": {"appSettings": settings}})


@pytest.mark.parametrize(
    "config",
    [
        {},
        scale(instanceMemoryMB=512, maximumInstanceCount=40),
        scale(instanceMemoryMB=4096, maximumInstanceCount=1000),
        scale(alwaysReady=[{"name": "function:create", "instanceCount": 2}, {"name": "http"}]),
        scale(triggers={"http": {"perInstanceConcurrency": 1000}}),
    ],
)
def test_a_keyless_app_within_the_limits_is_accepted(config: dict[str, Any]) -> None:
    site_config: dict[str, Any] = {
        "minTlsVersion": "1.2",
        "alwaysOn": False,
        "cors": {},
        "appSettings": [{"name": "AzureWebJobsStorage__credential", "value": "managedidentity"}],
    }
    refuse({**site(**config), "siteConfig": site_config})


@pytest.mark.parametrize(
    ("config", "text"),
    [
        (scale(instanceMemoryMB=1024), "instanceMemoryMB is 1024"),
        (scale(maximumInstanceCount=39), "maximumInstanceCount is 39"),
        (scale(maximumInstanceCount=1001), "maximumInstanceCount is 1001"),
        (scale(triggers={"http": {"perInstanceConcurrency": 0}}), "perInstanceConcurrency is 0"),
        (scale(triggers={"http": {"perInstanceConcurrency": 1001}}), "perInstanceConcurrency is 1001"),
        (scale(alwaysReady=[{"name": "HTTP", "instanceCount": 1}]), "'HTTP'"),
        (scale(alwaysReady=[{"name": "function:", "instanceCount": 1}]), "'function:'"),
        (scale(alwaysReady=[{"name": "http", "instanceCount": -1}]), "[-1]"),
        (scale(alwaysReady=[{"name": "http", "instanceCount": 101}]), "[101]"),
        (scale(alwaysReady=[{"name": "http"}, {"name": "http"}]), "names http"),
        ({"runtime": {}}, "runtime.name is None"),
        ({"runtime": {"name": "ruby"}}, "runtime.name is 'ruby'"),
        ({"runtime": {"name": "python", "version": "3.10"}}, "runtime.version is '3.10'"),
        ({"runtime": {"name": "python"}}, "runtime.version is None"),
        (storage(type="share"), "deployment.storage.type"),
        (storage(value="deployments"), "deployment.storage.value"),
        (storage(authentication={"type": "Key"}), "authentication.type"),
        (storage(authentication={"type": "UserAssignedIdentity"}), "userAssignedIdentityResourceId"),
    ],
)
def test_a_wrong_function_app_config_is_refused_with_the_value(config: dict[str, Any], text: str) -> None:
    assert text in refusal(site(**config))


def test_the_function_app_config_is_required_and_all_its_problems_are_in_one_message() -> None:
    assert "FunctionAppConfig section was not specified" in refusal({})
    message = refusal(site(runtime={}, **scale(instanceMemoryMB=1)))
    assert "runtime.name" in message
    assert "instanceMemoryMB" in message
