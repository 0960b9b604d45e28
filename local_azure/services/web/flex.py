"""What a Flex Consumption plan rejects in a function app.

Docs: Flex Consumption plan; App settings reference (Flex deprecations). The wording
of the site-configuration refusals is Azure's own (an#4168).
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from local_azure.core.change import Change, Rule
from local_azure.core.regions import words

REJECTED_SITE_CONFIG = words(
    "linuxFxVersion windowsFxVersion netFrameworkVersion pythonVersion nodeVersion phpVersion javaVersion "
    "powerShellVersion ftpsState use32BitWorkerProcess preWarmedInstanceCount functionAppScaleLimit "
    "functionsRuntimeScaleMonitoringEnabled"
)

# FUNCTIONS_EXTENSION_VERSION is deprecated too, but an old report needed it (an#3551): it passes.
REJECTED_APP_SETTINGS = words(
    "FUNCTIONS_WORKER_RUNTIME FUNCTIONS_WORKER_RUNTIME_VERSION FUNCTIONS_MAX_HTTP_CONCURRENCY "
    "FUNCTIONS_WORKER_PROCESS_COUNT FUNCTIONS_WORKER_DYNAMIC_CONCURRENCY_ENABLED "
    "SCM_DO_BUILD_DURING_DEPLOYMENT ENABLE_ORYX_BUILD WEBSITE_RUN_FROM_PACKAGE "
    "WEBSITE_CONTENTAZUREFILECONNECTIONSTRING WEBSITE_CONTENTSHARE WEBSITE_CONTENTOVERVNET "
    "WEBSITE_SKIP_CONTENTSHARE_VALIDATION WEBSITE_DNS_SERVER WEBSITE_MAX_DYNAMIC_APPLICATION_SCALE_OUT "
    "WEBSITE_VNET_ROUTE_ALL WEBSITE_MOUNT_ENABLED"
)

_PYTHONS = ("3.11", "3.12", "3.13", "3.14")
# The member of an authentication that its type needs.
_AUTHENTICATIONS = {
    "UserAssignedIdentity": "userAssignedIdentityResourceId",
    "StorageAccountConnectionString": "storageAccountConnectionStringName",
    "SystemAssignedIdentity": None,
}
_SCALE = "scaleAndConcurrency"
# Where they have a value, the SDK's types say which ones are valid.
_REQUIRED = ("runtime.name", "deployment.storage.type", "deployment.storage.authentication.type")
_MEMORY, _MEMORY_MB = f"{_SCALE}.instanceMemoryMB", (512, 2048, 4096)
_FROM_TO = {
    f"{_SCALE}.maximumInstanceCount": (40, 1000),
    f"{_SCALE}.triggers.http.perInstanceConcurrency": (1, 1000),
}
_DEFAULTS = {_MEMORY: 2048, f"{_SCALE}.maximumInstanceCount": 100}


def _site_config(site: Change) -> str:
    config = site.at("siteConfig", {})
    rejected = [
        *sorted(REJECTED_SITE_CONFIG & config.keys()),
        *(["alwaysOn"] if config.get("alwaysOn") else []),
    ]
    return ", ".join(f"Site.SiteConfig.{name[0].upper()}{name[1:]}" for name in rejected)


def _setting_names(site: Change) -> list[str]:
    return [str(setting.get("name", "")) for setting in site.at("siteConfig.appSettings", [])]


def _repeated_settings(site: Change) -> str:
    counts = Counter(name.lower() for name in _setting_names(site))
    return ", ".join(sorted(name for name in _setting_names(site) if counts[name.lower()] > 1))


def _rejected_settings(site: Change) -> str:
    # Also any name with a colon (host#11908).
    rejected = (name for name in _setting_names(site) if name.upper() in REJECTED_APP_SETTINGS or ":" in name)
    return ", ".join(f"Site.SiteConfig.AppSettings.{name}" for name in rejected)


def _config_problems(site: Change) -> Iterator[str]:
    def given(path: str) -> Any:
        return site.at(f"functionAppConfig.{path}", _DEFAULTS.get(path))

    for path in _REQUIRED:
        if given(path) is None:
            yield f"{path} is required."
    if given(_MEMORY) not in _MEMORY_MB:
        yield f"{_MEMORY} is {given(_MEMORY)}; one of {', '.join(map(str, _MEMORY_MB))}."
    if given("runtime.name") == "python" and given("runtime.version") not in _PYTHONS:
        yield f"runtime.version is {given('runtime.version')!r}; for python one of {', '.join(_PYTHONS)}."
    container = given("deployment.storage.value")
    if not str(container).startswith("https://"):
        yield f"deployment.storage.value is {container!r}; it is the URL of a blob container."
    kind = given("deployment.storage.authentication.type")
    needed = _AUTHENTICATIONS.get(kind)
    if needed and not given(f"deployment.storage.authentication.{needed}"):
        yield f"deployment.storage.authentication.{needed} is required with type {kind}."
    for path, (least, most) in _FROM_TO.items():
        if given(path) is not None and not least <= given(path) <= most:
            yield f"{path} is {given(path)}; it is {least} to {most}."
    yield from _ready_problems(given(f"{_SCALE}.alwaysReady") or [], given(f"{_SCALE}.maximumInstanceCount"))


def _ready_problems(groups: list[dict[str, Any]], maximum: int) -> Iterator[str]:
    names = [str(group.get("name", "")) for group in groups]
    for name in names:
        is_function = name.startswith("function:") and name != "function:"
        if name != name.lower() or not (is_function or name in {"http", "blob", "durable"}):
            yield (
                f"{_SCALE}.alwaysReady name is {name!r}; it is http, blob, durable or function:<name>, in "
                "lower case."
            )
    if repeated := sorted(name for name, count in Counter(names).items() if count > 1):
        yield f"{_SCALE}.alwaysReady names {', '.join(repeated)} more than once."
    counts = [group.get("instanceCount", 0) for group in groups]
    if any(count < 0 for count in counts) or sum(counts) > maximum:
        yield (
            f"{_SCALE}.alwaysReady has instance counts {counts}; none is negative and together they are at "
            f"most maximumInstanceCount ({maximum})."
        )


_INVALID = "({value}) for Flex Consumption sites is invalid.  Please remove or rename it before retrying."
_REFUSED: tuple[Rule, ...] = (
    ("BadRequest", _site_config, f"The following site configuration property {_INVALID}"),
    ("BadRequest", lambda site: "" in _setting_names(site), "An app setting has no name."),
    (
        "BadRequest",
        _repeated_settings,
        "App settings are not case-sensitive; these occur more than once: {value}.",
    ),
    ("BadRequest", _rejected_settings, f"The following app setting {_INVALID}"),
    (
        "BadRequest",
        lambda site: not site.at("functionAppConfig"),
        "Site.FunctionAppConfig is invalid.  The FunctionAppConfig section was not specified in the request, "
        "which is required for Flex Consumption sites. To proceed, please add the FunctionAppConfig section "
        "in your request.",
    ),
    (
        "BadRequest",
        lambda site: " ".join(_config_problems(site)),
        "Site.FunctionAppConfig is invalid.  {value}",
    ),
)
RULES = tuple((code, when, f"{text} (ExtendedCode 51021)") for code, when, text in _REFUSED)
