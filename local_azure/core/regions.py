"""Azure's regions, and what each of them has; refreshed by hand.

Docs: List of Azure regions (zones, pairs, restricted access). Flex Consumption: the regions that
Azure-Samples/functions-quickstart-python-http-azd allows. The rest: the lists in Azure's own refusals.
"""


def words(text: str) -> frozenset[str]:
    return frozenset(text.split())


ZONED = words(
    "australiaeast austriaeast belgiumcentral brazilsouth canadacentral centralindia centralus chilecentral "
    "denmarkeast eastasia eastus eastus2 francecentral germanywestcentral indonesiacentral israelcentral "
    "italynorth japaneast japanwest koreacentral malaysiawest mexicocentral newzealandnorth northeurope "
    "norwayeast polandcentral qatarcentral southafricanorth southcentralus southeastasia spaincentral "
    "swedencentral switzerlandnorth uaenorth uksouth westeurope westus2 westus3"
)
"""With availability zones."""

RESTRICTED = words(
    "australiacentral2 brazilsoutheast francesouth germanynorth jioindiacentral jioindiawest koreasouth "
    "norwaywest southafricawest swedensouth switzerlandwest uaecentral"
)
"""Only for subscriptions that were given access."""

REGIONS = (
    ZONED
    | RESTRICTED
    | words(
        "australiacentral australiasoutheast canadaeast northcentralus southindia ukwest westcentralus "
        "westindia westus"
    )
)
UNPAIRED = words(
    "austriaeast belgiumcentral chilecentral denmarkeast indonesiacentral israelcentral italynorth "
    "malaysiawest mexicocentral newzealandnorth polandcentral qatarcentral spaincentral"
)
"""Without a second region, to which geo-redundant storage replicates."""

FLEX_CONSUMPTION = words(
    "australiaeast australiasoutheast brazilsouth canadacentral centralindia centralus eastasia eastus "
    "eastus2 francecentral germanywestcentral italynorth japaneast koreacentral northcentralus northeurope "
    "norwayeast southafricanorth southcentralus southeastasia southindia spaincentral swedencentral uaenorth "
    "uksouth ukwest westcentralus westeurope westus westus2 westus3"
)

COGNITIVE_SERVICES = (REGIONS | {"global"}) - words(
    "australiacentral australiacentral2 brazilsoutheast chilecentral francesouth germanynorth koreasouth "
    "norwaywest southafricawest swedensouth uaecentral ukwest westindia"
)

OF_TYPE = {
    "microsoft.resources/resourcegroups": REGIONS - RESTRICTED,
    "microsoft.storage/storageaccounts": REGIONS - RESTRICTED,
    "microsoft.cognitiveservices/accounts": COGNITIVE_SERVICES,
    "microsoft.operationalinsights/workspaces": REGIONS - words("swedensouth westindia"),
    "microsoft.insights/components": REGIONS - words("francesouth swedensouth westcentralus westindia"),
    "microsoft.web/serverfarms": FLEX_CONSUMPTION,
    "microsoft.web/sites": FLEX_CONSUMPTION,
    "microsoft.managedidentity/userassignedidentities": REGIONS,
    "microsoft.keyvault/vaults": REGIONS,
    "microsoft.network/virtualnetworks": REGIONS,
    "microsoft.network/privateendpoints": REGIONS,
    "microsoft.network/privatednszones": words("global"),
    "microsoft.network/privatednszones/virtualnetworklinks": words("global"),
}
"""By type in lower case. Of any other type, all regions and `global`."""


def regions_of(resource_type: str) -> frozenset[str]:
    return OF_TYPE.get(resource_type.lower(), REGIONS | {"global"})


def normal_location(location: str) -> str:
    """The region `westus2` for its display name `West US 2`, too."""
    return location.replace(" ", "").lower()
