"""The environment in which Pulumi, and programs with an Azure SDK, use local Azure and nothing else."""

from collections.abc import Mapping

from local_azure.core.store import SUBSCRIPTION_ID, TENANT_ID
from local_azure.core.tokens import DEVELOPER, Tokens, load_key
from local_azure.home import Home
from local_azure.loopback import without_proxy
from local_azure.run_state import Run
from local_azure.runtime.ports import ADDRESS
from local_azure.runtime.tls import BUNDLE_VARIABLES
from tools.pulumi import typed

PASSPHRASE = "local-azure"  # noqa: S105 # the local state holds no secret, but Pulumi requires a passphrase

# Credentials for the real Azure or for Pulumi Cloud must not reach a program that runs against local Azure,
# nor take precedence over its managed identity.
_FOREIGN_PREFIXES = ("ARM_", "AZURE_", "MSI_", "IDENTITY_", "PULUMI_BACKEND", "PULUMI_CONFIG_PASSPHRASE")
_FOREIGN = frozenset({"PULUMI_ACCESS_TOKEN", "PULUMI_CLOUD_URL"})

# pulumi/pulumi sdk/go/common/env/env.go: with these the CLI sends no request to the internet.
_OFFLINE = {
    "PULUMI_SKIP_UPDATE_CHECK": "true",
    "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
    "PULUMI_OPTION_SKIP_PLUGIN_PRE_INSTALL": "true",
    "PULUMI_ERROR_OUTPUT_STRING": "true",
    "PULUMI_SUPPRESS_NEO_LINK": "true",
}


def pulumi_environment(home: Home, run: Run, inherited: Mapping[str, str]) -> dict[str, str]:
    """`inherited` without other credentials, and with the variables that name this local Azure."""
    kept = {
        name: value
        for name, value in inherited.items()
        if name not in _FOREIGN and not name.startswith(_FOREIGN_PREFIXES)
    }
    return {
        **kept,
        **_OFFLINE,
        typed.VARIABLE: inherited.get(typed.VARIABLE, typed.LOCAL_AZURE),
        "PULUMI_HOME": str(home.pulumi_home),
        "PULUMI_BACKEND_URL": home.backend.as_uri(),
        "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
        "PULUMI_DEBUG_PROVIDERS": f"azure-native:{run.provider_port}",
        "ARM_USE_MSI": "true",
        "ARM_SUBSCRIPTION_ID": SUBSCRIPTION_ID,
        "ARM_TENANT_ID": TENANT_ID,
        "ARM_METADATA_HOSTNAME": f"{ADDRESS}:{run.gateway_port}",
        "IDENTITY_ENDPOINT": f"https://{ADDRESS}:{run.gateway_port}/msi/token",
        "IDENTITY_HEADER": Tokens(load_key(home.token_key_file)).header_for(DEVELOPER),
        **dict.fromkeys(BUNDLE_VARIABLES, str(home.ca_bundle_file)),
        **without_proxy(inherited),
    }
