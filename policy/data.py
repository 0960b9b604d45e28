"""The values that the rules use, as data. Tests compare it with the programs and the SDK."""

import re

from delivery.refused_settings import REFUSED_SETTINGS
from policy.types_without_tags import types_without_tags

STORAGE_ACCOUNT = "azure-native:storage:StorageAccount"
BLOB_CONTAINER = "azure-native:storage:BlobContainer"
TABLE = "azure-native:storage:Table"
MODEL_ACCOUNT = "azure-native:cognitiveservices:Account"
LOG_WORKSPACE = "azure-native:operationalinsights:Workspace"
APP_INSIGHTS = "azure-native:applicationinsights:Component"
SITE = "azure-native:web:WebApp"
SCM_LOGIN = "azure-native:web:WebAppScmAllowed"
FTP_LOGIN = "azure-native:web:WebAppFtpAllowed"
SITE_SETTINGS = "azure-native:web:WebAppApplicationSettings"
SITE_CONNECTIONS = "azure-native:web:WebAppConnectionStrings"
ROLE_ASSIGNMENT = "azure-native:authorization:RoleAssignment"
ROLE_DEFINITION = "azure-native:authorization:RoleDefinition"
VAULT = "azure-native:keyvault:Vault"
IDENTITY = "azure-native:managedidentity:UserAssignedIdentity"
RESOURCE_GROUP = "azure-native:resources:ResourceGroup"
LOCKS = frozenset(
    f"azure-native:authorization:ManagementLock{where}"
    for where in ("ByScope", "AtResourceLevel", "AtResourceGroupLevel", "AtSubscriptionLevel")
)

# --- tags ----------------------------------------------------------------------------------------

REQUIRED_TAGS = ("project", "stack", "environment")

TAGLESS = types_without_tags() | {
    # May have tags, but is part of an account that has them.
    "azure-native:cognitiveservices:Deployment",
}
"""Types of azure-native that need no tags; all other types must have them."""

PLACEHOLDER = re.compile(
    r"(?i)\s*|[<{\[].*[>}\]]|x{3,}|\?+|\.{3}|-+|todo\b.*|tbd|tba|n/?a|none|null|undefined|unknown|fixme\b.*"
    r"|change[-_ ]?me|place[-_ ]?holder|example|sample|foo|bar|(my|your)[-_ ].*|(insert|replace)[-_ ].*"
)
"""Matches a tag value that is only a placeholder."""

# --- production ----------------------------------------------------------------------------------

PRODUCTION = frozenset({"prod", "production"})
"""Names of stacks, and values of the tag `environment`."""

PROTECTED_IN_PRODUCTION = frozenset({RESOURCE_GROUP, STORAGE_ACCOUNT, TABLE, MODEL_ACCOUNT})
"""Types that hold data or whose name stays blocked after deletion, and their resource group."""

DELETION_LOCKS = frozenset({"CanNotDelete", "ReadOnly"})

# --- app settings --------------------------------------------------------------------------------

FLEX_REFUSES = frozenset({"FUNCTIONS_WORKER_RUNTIME", "SCM_DO_BUILD_DURING_DEPLOYMENT", "ENABLE_ORYX_BUILD"})
FLEX_DEPRECATES = frozenset(
    {
        "FUNCTIONS_EXTENSION_VERSION",
        "FUNCTIONS_WORKER_RUNTIME_VERSION",
        "FUNCTIONS_MAX_HTTP_CONCURRENCY",
        "FUNCTIONS_WORKER_PROCESS_COUNT",
        "FUNCTIONS_WORKER_DYNAMIC_CONCURRENCY_ENABLED",
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
"""Docs: App settings reference for Azure Functions, Flex Consumption plan deprecations. Upper case."""

FLEX_HAS_NO = frozenset({"WEBSITE_TIME_ZONE", "TZ"})
"""Settings for what Flex Consumption does not have (Docs: Flex Consumption plan, limits)."""

SECRET_SETTINGS = frozenset(
    {
        "AZUREWEBJOBSSTORAGE",  # a connection string; the settings for an identity have `__`
        "AZUREWEBJOBSDASHBOARD",
        "APPINSIGHTS_INSTRUMENTATIONKEY",
        *REFUSED_SETTINGS,
    }
)
"""Settings that are always a secret, whatever their value. Upper case."""

KNOWN_GOOD_SETTINGS = {
    # Settings whose names look like those of secrets, and the values that they may have.
    "APPLICATIONINSIGHTS_CONNECTION_STRING": re.compile(
        r"InstrumentationKey=[0-9a-fA-F-]{36}(;\w+=[^;=]+)*;?"
    ),
    "AzureWebJobsStorage__credential": re.compile("managedidentity"),
    "AzureOpenAI__credential": re.compile("managedidentity"),
}
"""The key of Application Insights only identifies the component: local authentication is disabled."""
