"""Azure regions, for resources that name one (Docs: List of Azure regions)."""

from local_azure.core import ids
from local_azure.core.errors import ArmError
from local_azure.core.schema import nearest
from local_azure.core.store import Resource
from local_azure.frontends.pulumi.diff import normal_location


def words(text: str) -> frozenset[str]:
    return frozenset(text.split())


REGIONS = frozenset(
    {
        "australiacentral", "australiacentral2", "australiaeast", "australiasoutheast", "austriaeast",
        "belgiumcentral", "brazilsouth", "brazilsoutheast", "canadacentral", "canadaeast", "centralindia",
        "centralus", "chilecentral", "denmarkeast", "eastasia", "eastus", "eastus2", "francecentral",
        "francesouth", "germanynorth", "germanywestcentral", "indonesiacentral", "israelcentral",
        "italynorth", "japaneast", "japanwest", "jioindiacentral", "jioindiawest", "koreacentral",
        "koreasouth", "malaysiawest", "mexicocentral", "newzealandnorth", "northcentralus",
        "northeurope", "norwayeast",
        "norwaywest", "polandcentral", "qatarcentral", "southafricanorth", "southafricawest",
        "southcentralus", "southindia", "southeastasia", "spaincentral", "swedencentral", "swedensouth",
        "switzerlandnorth", "switzerlandwest", "uaecentral", "uaenorth", "uksouth", "ukwest",
        "westcentralus", "westeurope", "westindia", "westus", "westus2", "westus3",
    }
)  # fmt: skip


def check_location(resource: Resource, previous: Resource | None) -> None:
    """Raises ArmError 400 for a location that is no Azure region, 409 for a change of location."""
    location = resource.get("location")
    if location is None:
        return
    is_group = resource["type"] == ids.RESOURCE_GROUP_TYPE
    if normal_location(location) not in REGIONS | {"global"}:
        raise ArmError(
            400,
            "LocationNotAvailableForResourceGroup" if is_group else "LocationNotAvailableForResourceType",
            f"The provided location '{location}' is not available for resource type '{resource['type']}'."
            f"{nearest(normal_location(location), REGIONS)} List of available regions is "
            f"'{','.join(sorted(REGIONS))}'.",
        )
    before = (previous or {}).get("location")
    if before is not None and normal_location(before) != normal_location(location):
        raise ArmError(
            409,
            "InvalidResourceGroupLocation" if is_group else "InvalidResourceLocation",
            f"The resource '{resource['name']}' already exists in location '{before}'; it cannot be created "
            f"in location '{location}'. Select another name, or delete it first.",
        )
