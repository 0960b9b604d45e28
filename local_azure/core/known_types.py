"""What the azure-native SDK does not say about a resource type: one row for each known type.

A type without a row gets its path by rule (`local_azure.core.derived_types`).
"""

from dataclasses import replace

from local_azure.core.resource import IN_GROUP, Behaviour, ResourceType

_GUID = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_LABEL = r"(?=.{2,60}$)[A-Za-z0-9][A-Za-z0-9-]*[A-Za-z0-9]"
_WORD = r"[A-Za-z0-9]([\w.-]{0,78}\w)?"
_WORD_RULE = "1 to 80 letters, digits, and _.- ; it starts with a letter or digit and ends with one or _"
_ALERT, _ALERT_RULE = r"[^*#&+:<>?@%{}\\/]{1,260}", r"1 to 260 characters other than *#&+:<>?@%{}\/"
_ACCOUNT = "Microsoft.Storage/storageAccounts/{accountName}"
_IDENTITY = "Microsoft.ManagedIdentity/userAssignedIdentities/{resourceName}"
_MODELS = "Microsoft.CognitiveServices/accounts/{accountName}"
_MODEL_NAME = r"(?=.{2,64}$)[A-Za-z0-9][A-Za-z0-9_.-]*"
_MODEL_RULE = "2 to 64 letters, digits, and -_. and starts with a letter or digit"
_VAULT = "Microsoft.KeyVault/vaults/{vaultName}"
_SITE = "Microsoft.Web/sites/{name}"
_ZONE = "Microsoft.Network/privateDnsZones/{privateZoneName}"
_NETWORK = "Microsoft.Network/virtualNetworks/{virtualNetworkName}"
_ENDPOINT = "Microsoft.Network/privateEndpoints/{privateEndpointName}"
_HOST_OS = ("reserved", "isXenon", "hyperV")


def _row(
    token: str,
    path: str,
    pattern: str = "",
    rule: str = "",
    *,
    replaces: tuple[str, ...] = (),
    singleton: bool = False,
    schema_only: bool = True,
) -> ResourceType:
    """`token` without `azure-native:`, and `path` from `Microsoft.` on where it is in a group."""
    path = path if path.startswith(("/", "{")) else IN_GROUP + path
    return ResourceType(
        pulumi_type=f"azure-native:{token}",
        path=path,
        name_pattern=pattern,
        name_rule=rule,
        replace_on=replaces,
        # Every type whose path ends in a fixed name exists with its parent.
        singleton=singleton or not path.endswith("}"),
        schema_only=schema_only,
    )


# fmt: off
_ROWS = (
    _row("applicationinsights:Component", "Microsoft.Insights/components/{resourceName}",
        r"(?=.{1,260}$)[^%&\\?/#<>:+\x00-\x1f]*[^%&\\?/#<>:+\x00-\x1f .]",
        r"1 to 260 characters, no %&\?/#<>:+ and no space or period last"),
    _row("applicationinsights:Workbook", "Microsoft.Insights/workbooks/{resourceName}", _GUID, "a GUID"),
    _row("authorization:ManagementLockByScope", "{scope}/providers/Microsoft.Authorization/locks/{lockName}",
        r"[\w.()-]{0,89}[\w()-]", "1 to 90 letters, digits, and -_.() , not a period at the end"),
    _row("authorization:RoleAssignment",
        "{scope}/providers/Microsoft.Authorization/roleAssignments/{roleAssignmentName}",
        replaces=("principalId",)),
    _row("authorization:RoleDefinition",
        "{scope}/providers/Microsoft.Authorization/roleDefinitions/{roleDefinitionId}"),
    _row("cognitiveservices:Account", _MODELS, _MODEL_NAME, _MODEL_RULE),
    _row("cognitiveservices:Deployment", f"{_MODELS}/deployments/{{deploymentName}}",
        _MODEL_NAME, _MODEL_RULE),
    _row("consumption:Budget", "{scope}/providers/Microsoft.Consumption/budgets/{budgetName}",
        r"[\w-]{1,63}", "1 to 63 letters, digits, - and _"),
    _row("keyvault:Key", f"{_VAULT}/keys/{{keyName}}", "[A-Za-z0-9-]{1,127}",
        "1 to 127 letters, digits and hyphens"),
    _row("keyvault:Secret", f"{_VAULT}/secrets/{{secretName}}", "[A-Za-z0-9-]{1,127}",
        "1 to 127 letters, digits and hyphens"),
    _row("keyvault:Vault", _VAULT, r"(?=.{3,24}$)[A-Za-z](-?[A-Za-z0-9])*",
        "3 to 24 letters, digits and single hyphens; it starts with a letter, a letter or digit is last"),
    _row("managedidentity:FederatedIdentityCredential",
        f"{_IDENTITY}/federatedIdentityCredentials/{{federatedIdentityCredentialResourceName}}",
        "[A-Za-z0-9][A-Za-z0-9_-]{2,119}",
        "3 to 120 letters, digits, - and _ and starts with a letter or digit"),
    _row("managedidentity:UserAssignedIdentity", _IDENTITY, "[A-Za-z0-9][A-Za-z0-9_-]{2,127}",
        "3 to 128 letters, digits, - and _ and starts with a letter or digit"),
    _row("monitor:ActionGroup", "Microsoft.Insights/actionGroups/{actionGroupName}", _ALERT, _ALERT_RULE),
    _row("monitor:DiagnosticSetting", "{resourceUri}/providers/Microsoft.Insights/diagnosticSettings/{name}"),
    _row("monitor:MetricAlert", "Microsoft.Insights/metricAlerts/{ruleName}", _ALERT, _ALERT_RULE),
    _row("monitor:ScheduledQueryRule", "Microsoft.Insights/scheduledQueryRules/{ruleName}",
        _ALERT, _ALERT_RULE),
    _row("network:NetworkSecurityGroup", "Microsoft.Network/networkSecurityGroups/{networkSecurityGroupName}",
        _WORD, _WORD_RULE),
    _row("network:PrivateDnsZoneGroup",
        f"{_ENDPOINT}/privateDnsZoneGroups/{{privateDnsZoneGroupName}}",
        _WORD, _WORD_RULE),
    _row("network:PrivateEndpoint", _ENDPOINT, _WORD, _WORD_RULE),
    _row("network:Subnet", f"{_NETWORK}/subnets/{{subnetName}}", _WORD, _WORD_RULE),
    _row("network:VirtualNetwork", _NETWORK, _WORD, _WORD_RULE),
    _row("operationalinsights:Workspace", "Microsoft.OperationalInsights/workspaces/{workspaceName}",
        "[A-Za-z0-9][A-Za-z0-9-]{2,61}[A-Za-z0-9]",
        "4 to 63 letters, digits and hyphens, no hyphen first or last"),
    _row("privatedns:PrivateZone", _ZONE, r"[\w-]{1,63}(\.[\w-]{1,63})+",
        "a domain name of two labels or more"),
    _row("privatedns:VirtualNetworkLink", f"{_ZONE}/virtualNetworkLinks/{{virtualNetworkLinkName}}",
        _WORD, _WORD_RULE),
    _row("resources:ResourceGroup", "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}",
        r"[\w().-]{0,89}[\w()-]", "1 to 90 letters, digits and -_.() , not a period at the end",
        schema_only=False),
    _row("storage:BlobContainer", f"{_ACCOUNT}/blobServices/default/containers/{{containerName}}",
        r"(?=.{3,63}$)([a-z0-9]+(-[a-z0-9]+)*|\$root|\$web|\$logs)",
        "3 to 63 lower-case letters, digits and single hyphens between them"),
    _row("storage:BlobServiceProperties", f"{_ACCOUNT}/blobServices/{{blobServicesName}}", "default",
        "only 'default'", singleton=True),
    _row("storage:ManagementPolicy", f"{_ACCOUNT}/managementPolicies/{{managementPolicyName}}", "default",
        "only 'default'"),
    _row("storage:Queue", f"{_ACCOUNT}/queueServices/default/queues/{{queueName}}",
        r"(?=.{3,63}$)[a-z0-9]+(-[a-z0-9]+)*",
        "3 to 63 lower-case letters, digits and single hyphens between them"),
    _row("storage:StorageAccount", _ACCOUNT, "[a-z0-9]{3,24}", "3 to 24 lower-case letters and digits",
        replaces=("isHnsEnabled",)),
    _row("storage:Table", f"{_ACCOUNT}/tableServices/default/tables/{{tableName}}",
        "[A-Za-z][A-Za-z0-9]{2,62}", "3 to 63 letters and digits and starts with a letter"),
    _row("web:AppServicePlan", "Microsoft.Web/serverfarms/{name}", r"[\w-]{1,60}",
        "1 to 60 letters, digits, - and _", replaces=_HOST_OS),
    _row("web:WebApp", _SITE, _LABEL, "2 to 60 letters, digits and hyphens, no hyphen first or last",
        replaces=("kind", *_HOST_OS)),
    _row("web:WebAppAuthSettingsV2", f"{_SITE}/config/authsettingsV2"),
    _row("web:WebAppFtpAllowed", f"{_SITE}/basicPublishingCredentialsPolicies/ftp", schema_only=False),
    _row("web:WebAppScmAllowed", f"{_SITE}/basicPublishingCredentialsPolicies/scm", schema_only=False),
)
# fmt: on

KNOWN = {kind.pulumi_type: kind for kind in _ROWS}
"""By token, without what their services add."""


def known(token: str, behaviour: Behaviour) -> ResourceType:
    """The type of a row, with what it does beyond its schema."""
    return replace(KNOWN[f"azure-native:{token}"], schema_only=False, **vars(behaviour))
