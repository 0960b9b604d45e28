"""What a Flex Consumption plan rejects in the ARM properties of a function app.

Docs: Flex Consumption plan; App settings reference (Flex deprecations). The wording
of the site-configuration refusals is Azure's own (an#4168).
"""

from collections.abc import Mapping
from typing import Any

from local_azure.core.errors import ArmError

REJECTED_SITE_CONFIG = frozenset(
    {
        "linuxFxVersion",
        "windowsFxVersion",
        "netFrameworkVersion",
        "pythonVersion",
        "nodeVersion",
        "phpVersion",
        "javaVersion",
        "powerShellVersion",
        "ftpsState",
        "use32BitWorkerProcess",
        "preWarmedInstanceCount",
        "functionsRuntimeScaleMonitoringEnabled",
        "functionAppScaleLimit",
    }
)

# FUNCTIONS_EXTENSION_VERSION is deprecated too, but an old report needed it (an#3551): it passes.
REJECTED_APP_SETTINGS = frozenset(
    {
        "FUNCTIONS_WORKER_RUNTIME",
        "FUNCTIONS_WORKER_RUNTIME_VERSION",
        "FUNCTIONS_MAX_HTTP_CONCURRENCY",
        "FUNCTIONS_WORKER_PROCESS_COUNT",
        "FUNCTIONS_WORKER_DYNAMIC_CONCURRENCY_ENABLED",
        "SCM_DO_BUILD_DURING_DEPLOYMENT",
        "ENABLE_ORYX_BUILD",
        "WEBSITE_RUN_FROM_PACKAGE",
        "WEBSITE_CONTENTAZUREFILECONNECTIONSTRING",
        "WEBSITE_CONTENTSHARE",
        "WEBSITE_CONTENTOVERVNET",
        "WEBSITE_SKIP_CONTENTSHARE_VALIDATION",
        "WEBSITE_DNS_SERVER",
        "WEBSITE_MAX_DYNAMIC_APPLICATION_SCALE_OUT",
        "WEBSITE_VNET_ROUTE_ALL",
        "WEBSITE_MOUNT_ENABLED",
    }
)

PYTHON_VERSIONS = ("3.11", "3.12", "3.13", "3.14")
INSTANCE_MEMORY_MB = (512, 2048, 4096)
_RUNTIMES = ("dotnet-isolated", "node", "java", "powershell", "python", "custom")
_ALWAYS_READY_GROUPS = ("http", "blob", "durable")
_FUNCTION_GROUP = "function:"


def refuse(properties: Mapping[str, Any]) -> None:
    """ArmError 400 (extended code 51021) for the first group of rules that the site breaks."""
    site_config = properties.get("siteConfig", {})
    _refuse_site_config(site_config)
    _refuse_app_settings(site_config.get("appSettings", []))
    config = properties.get("functionAppConfig")
    if not config:
        raise _bad_request(
            "Site.FunctionAppConfig is invalid.  The FunctionAppConfig section was not specified in the "
            "request, which is required for Flex Consumption sites. To proceed, please add the "
            "FunctionAppConfig section in your request."
        )
    problems = [*runtime_problems(config), *deployment_problems(config), *scale_problems(config)]
    if problems:
        raise _bad_request(f"Site.FunctionAppConfig is invalid.  {' '.join(problems)}")


def runtime_problems(config: Mapping[str, Any]) -> list[str]:
    runtime = config.get("runtime", {})
    name, version = runtime.get("name"), runtime.get("version")
    if name not in _RUNTIMES:
        return [f"runtime.name is {name!r}; one of {', '.join(_RUNTIMES)}."]
    if name == "python" and version not in PYTHON_VERSIONS:
        return [f"runtime.version is {version!r}; for python one of {', '.join(PYTHON_VERSIONS)}."]
    return []


def deployment_problems(config: Mapping[str, Any]) -> list[str]:
    storage = config.get("deployment", {}).get("storage", {})
    authentication = storage.get("authentication", {})
    kind = authentication.get("type")
    problems: list[str] = []
    if storage.get("type") != "blobContainer":
        problems.append(f"deployment.storage.type is {storage.get('type')!r}; it is 'blobContainer'.")
    if not str(storage.get("value", "")).startswith("https://"):
        problems.append(
            f"deployment.storage.value is {storage.get('value')!r}; it is the URL of a blob container."
        )
    needs = {
        "UserAssignedIdentity": "userAssignedIdentityResourceId",
        "StorageAccountConnectionString": "storageAccountConnectionStringName",
        "SystemAssignedIdentity": None,
    }
    if kind not in needs:
        problems.append(f"deployment.storage.authentication.type is {kind!r}; one of {', '.join(needs)}.")
    needed = needs.get(kind)
    if needed is not None and not authentication.get(needed):
        problems.append(f"deployment.storage.authentication.{needed} is required with type {kind}.")
    return problems


def scale_problems(config: Mapping[str, Any]) -> list[str]:
    scale = config.get("scaleAndConcurrency", {})
    problems: list[str] = []
    memory = scale.get("instanceMemoryMB", 2048)
    if memory not in INSTANCE_MEMORY_MB:
        allowed = ", ".join(map(str, INSTANCE_MEMORY_MB))
        problems.append(f"scaleAndConcurrency.instanceMemoryMB is {memory}; one of {allowed}.")
    maximum = scale.get("maximumInstanceCount", 100)
    if not 40 <= maximum <= 1000:
        problems.append(f"scaleAndConcurrency.maximumInstanceCount is {maximum}; it is 40 to 1000.")
    concurrency = scale.get("triggers", {}).get("http", {}).get("perInstanceConcurrency")
    if concurrency is not None and not 1 <= concurrency <= 1000:
        problems.append(
            f"scaleAndConcurrency.triggers.http.perInstanceConcurrency is {concurrency}; it is 1 to 1000."
        )
    return [*problems, *_always_ready_problems(scale.get("alwaysReady", []), maximum)]


def _always_ready_problems(groups: list[Mapping[str, Any]], maximum: int) -> list[str]:
    problems: list[str] = []
    names = [str(group.get("name", "")) for group in groups]
    for name in names:
        known = name in _ALWAYS_READY_GROUPS or (name.startswith(_FUNCTION_GROUP) and name != _FUNCTION_GROUP)
        if not known or name != name.lower():
            problems.append(
                f"scaleAndConcurrency.alwaysReady name is {name!r}; it is http, blob, durable or "
                f"function:<name>, in lower case."
            )
    duplicates = sorted({name for name in names if names.count(name) > 1})
    if duplicates:
        problems.append(f"scaleAndConcurrency.alwaysReady names {', '.join(duplicates)} more than once.")
    counts = [group.get("instanceCount", 0) for group in groups]
    if any(count < 0 for count in counts) or sum(counts) > maximum:
        problems.append(
            f"scaleAndConcurrency.alwaysReady has instance counts {counts}; none is negative and together "
            f"they are at most maximumInstanceCount ({maximum})."
        )
    return problems


def _refuse_site_config(site_config: Mapping[str, Any]) -> None:
    always_on = ["alwaysOn"] if site_config.get("alwaysOn") is True else []
    keys = [*sorted(REJECTED_SITE_CONFIG & site_config.keys()), *always_on]
    if keys:
        named = ", ".join(f"Site.SiteConfig.{key[0].upper()}{key[1:]}" for key in keys)
        raise _invalid("site configuration property", named)


def _refuse_app_settings(settings: list[Mapping[str, Any]]) -> None:
    names = [str(setting.get("name", "")) for setting in settings]
    if not all(names):
        raise _bad_request("An app setting has no name.")
    lower = [name.lower() for name in names]
    duplicates = sorted({name for name in names if lower.count(name.lower()) > 1})
    if duplicates:
        text = f"App settings are not case-sensitive; these occur more than once: {', '.join(duplicates)}."
        raise _bad_request(text)
    # Also any name with a colon (host#11908).
    rejected = [name for name in names if name.upper() in REJECTED_APP_SETTINGS or ":" in name]
    if rejected:
        named = ", ".join(f"Site.SiteConfig.AppSettings.{name}" for name in rejected)
        raise _invalid("app setting", named)


def _invalid(what: str, named: str) -> ArmError:
    return _bad_request(
        f"The following {what} ({named}) for Flex Consumption sites is invalid.  "
        f"Please remove or rename it before retrying."
    )


def _bad_request(message: str) -> ArmError:
    return ArmError(400, "BadRequest", f"{message} (ExtendedCode 51021)")
