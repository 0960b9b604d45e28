"""What the azure-native SDK does not say about a resource type: one row for each known type.

A type without a row gets its path by rule (`local_azure.core.derived_types`).
"""

from typing import NamedTuple

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


class Row(NamedTuple):
    """`token`: without `azure-native:`. `path`: the ARM id, from `Microsoft.` on where it is in a group.

    `pattern` and `rule`: the resource's own name, as a pattern and in words ("… takes {rule}").
    `replaces`: paths of inputs whose change replaces, besides the names and the location.
    `singleton`: exists with its parent, as every type whose path ends in a fixed name does.
    """

    token: str
    path: str
    pattern: str = ""
    rule: str = ""
    replaces: tuple[str, ...] = ()
    singleton: bool = False


# fmt: off
ROWS = (
    Row("applicationinsights:Component", "Microsoft.Insights/components/{resourceName}",
        r"(?=.{1,260}$)[^%&\\?/#<>:+\x00-\x1f]*[^%&\\?/#<>:+\x00-\x1f .]",
        r"1 to 260 characters, no %&\?/#<>:+ and no space or period last"),
    Row("applicationinsights:Workbook", "Microsoft.Insights/workbooks/{resourceName}", _GUID, "a GUID"),
    Row("authorization:ManagementLockByScope", "{scope}/providers/Microsoft.Authorization/locks/{lockName}",
        r"[\w.()-]{0,89}[\w()-]", "1 to 90 letters, digits, and -_.() , not a period at the end"),
    Row("authorization:RoleAssignment",
        "{scope}/providers/Microsoft.Authorization/roleAssignments/{roleAssignmentName}",
        replaces=("principalId",)),
    Row("authorization:RoleDefinition",
        "{scope}/providers/Microsoft.Authorization/roleDefinitions/{roleDefinitionId}"),
    Row("cognitiveservices:Account", _MODELS, _MODEL_NAME, _MODEL_RULE),
    Row("cognitiveservices:Deployment", f"{_MODELS}/deployments/{{deploymentName}}",
        _MODEL_NAME, _MODEL_RULE),
    Row("consumption:Budget", "{scope}/providers/Microsoft.Consumption/budgets/{budgetName}",
        r"[\w-]{1,63}", "1 to 63 letters, digits, - and _"),
    Row("keyvault:Key", f"{_VAULT}/keys/{{keyName}}", "[A-Za-z0-9-]{1,127}",
        "1 to 127 letters, digits and hyphens"),
    Row("keyvault:Secret", f"{_VAULT}/secrets/{{secretName}}", "[A-Za-z0-9-]{1,127}",
        "1 to 127 letters, digits and hyphens"),
    Row("keyvault:Vault", _VAULT, r"(?=.{3,24}$)[A-Za-z](-?[A-Za-z0-9])*",
        "3 to 24 letters, digits and single hyphens; it starts with a letter, a letter or digit is last"),
    Row("managedidentity:FederatedIdentityCredential",
        f"{_IDENTITY}/federatedIdentityCredentials/{{federatedIdentityCredentialResourceName}}",
        "[A-Za-z0-9][A-Za-z0-9_-]{2,119}",
        "3 to 120 letters, digits, - and _ and starts with a letter or digit"),
    Row("managedidentity:UserAssignedIdentity", _IDENTITY, "[A-Za-z0-9][A-Za-z0-9_-]{2,127}",
        "3 to 128 letters, digits, - and _ and starts with a letter or digit"),
    Row("monitor:ActionGroup", "Microsoft.Insights/actionGroups/{actionGroupName}", _ALERT, _ALERT_RULE),
    Row("monitor:DiagnosticSetting", "{resourceUri}/providers/Microsoft.Insights/diagnosticSettings/{name}"),
    Row("monitor:MetricAlert", "Microsoft.Insights/metricAlerts/{ruleName}", _ALERT, _ALERT_RULE),
    Row("monitor:ScheduledQueryRule", "Microsoft.Insights/scheduledQueryRules/{ruleName}",
        _ALERT, _ALERT_RULE),
    Row("network:NetworkSecurityGroup", "Microsoft.Network/networkSecurityGroups/{networkSecurityGroupName}",
        _WORD, _WORD_RULE),
    Row("network:PrivateDnsZoneGroup",
        f"{_ENDPOINT}/privateDnsZoneGroups/{{privateDnsZoneGroupName}}",
        _WORD, _WORD_RULE),
    Row("network:PrivateEndpoint", _ENDPOINT, _WORD, _WORD_RULE),
    Row("network:Subnet", f"{_NETWORK}/subnets/{{subnetName}}", _WORD, _WORD_RULE),
    Row("network:VirtualNetwork", _NETWORK, _WORD, _WORD_RULE),
    Row("operationalinsights:Workspace", "Microsoft.OperationalInsights/workspaces/{workspaceName}",
        "[A-Za-z0-9][A-Za-z0-9-]{2,61}[A-Za-z0-9]",
        "4 to 63 letters, digits and hyphens, no hyphen first or last"),
    Row("privatedns:PrivateZone", _ZONE, r"[\w-]{1,63}(\.[\w-]{1,63})+",
        "a domain name of two labels or more"),
    Row("privatedns:VirtualNetworkLink", f"{_ZONE}/virtualNetworkLinks/{{virtualNetworkLinkName}}",
        _WORD, _WORD_RULE),
    Row("resources:ResourceGroup", "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}",
        r"[\w().-]{0,89}[\w()-]", "1 to 90 letters, digits and -_.() , not a period at the end"),
    Row("storage:BlobContainer", f"{_ACCOUNT}/blobServices/default/containers/{{containerName}}",
        r"(?=.{3,63}$)([a-z0-9]+(-[a-z0-9]+)*|\$root|\$web|\$logs)",
        "3 to 63 lower-case letters, digits and single hyphens between them"),
    Row("storage:BlobServiceProperties", f"{_ACCOUNT}/blobServices/{{blobServicesName}}", "default",
        "only 'default'", singleton=True),
    Row("storage:ManagementPolicy", f"{_ACCOUNT}/managementPolicies/{{managementPolicyName}}", "default",
        "only 'default'"),
    Row("storage:Queue", f"{_ACCOUNT}/queueServices/default/queues/{{queueName}}",
        r"(?=.{3,63}$)[a-z0-9]+(-[a-z0-9]+)*",
        "3 to 63 lower-case letters, digits and single hyphens between them"),
    Row("storage:StorageAccount", _ACCOUNT, "[a-z0-9]{3,24}", "3 to 24 lower-case letters and digits",
        replaces=("isHnsEnabled",)),
    Row("storage:Table", f"{_ACCOUNT}/tableServices/default/tables/{{tableName}}",
        "[A-Za-z][A-Za-z0-9]{2,62}", "3 to 63 letters and digits and starts with a letter"),
    Row("web:AppServicePlan", "Microsoft.Web/serverfarms/{name}", r"[\w-]{1,60}",
        "1 to 60 letters, digits, - and _", replaces=_HOST_OS),
    Row("web:WebApp", _SITE, _LABEL, "2 to 60 letters, digits and hyphens, no hyphen first or last",
        replaces=("kind", *_HOST_OS)),
    Row("web:WebAppAuthSettingsV2", f"{_SITE}/config/authsettingsV2"),
    Row("web:WebAppFtpAllowed", f"{_SITE}/basicPublishingCredentialsPolicies/ftp"),
    Row("web:WebAppScmAllowed", f"{_SITE}/basicPublishingCredentialsPolicies/scm"),
)
# fmt: on

_BY_TOKEN = {f"azure-native:{row.token}": row for row in ROWS}


def known(token: str, behaviour: Behaviour | None = None) -> ResourceType:
    """The type of a row. Without a behaviour it has its schema only."""
    row = _BY_TOKEN[f"azure-native:{token}"]
    path = row.path if row.path.startswith(("/", "{")) else IN_GROUP + row.path
    return ResourceType(
        pulumi_type=f"azure-native:{token}",
        path=path,
        name_pattern=row.pattern,
        name_rule=row.rule,
        replace_on=row.replaces,
        singleton=row.singleton or not path.endswith("}"),
        schema_only=behaviour is None,
        **vars(behaviour or Behaviour()),
    )
