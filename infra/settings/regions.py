"""Azure regions and what is in them, as data; refreshed by hand.

Azure refuses a region only when it creates a resource there, and by then `delete_before_replace` has
deleted the one in the old region. So a region that is not listed here is refused at preview, unless the
setting `unlistedRegions` names it.

Sources, read on 2026-11-30. None of them is a promise, and quota differs by subscription:

- Flex Consumption: the regions that Azure-Samples/functions-quickstart-python-http-azd (infra/main.bicep,
  commit 0bb0f10) allows. Current list: `az functionapp list-flexconsumption-locations -o table`.
- Models: MicrosoftDocs/azure-ai-docs, articles/foundry/openai/includes/model-matrix/region-*.md, dated
  2026-04-30. Current list: `az cognitiveservices model list --location L -o table`.
"""

from collections.abc import Mapping


def _regions(text: str) -> frozenset[str]:
    return frozenset(text.split())


FLEX_REGIONS = _regions(
    "australiaeast australiasoutheast brazilsouth canadacentral centralindia centralus eastasia eastus "
    "eastus2 francecentral germanywestcentral italynorth japaneast koreacentral northcentralus northeurope "
    "norwayeast southafricanorth southcentralus southeastasia southindia spaincentral swedencentral uaenorth "
    "uksouth ukwest westcentralus westeurope westus westus2 westus3"
)
REGIONS = FLEX_REGIONS | _regions(
    "canadaeast israelcentral mexicocentral polandcentral qatarcentral switzerlandnorth switzerlandwest"
)
"""All regions that are known by name."""

_US_ZONE = _regions("centralus eastus eastus2 northcentralus southcentralus westus westus3")
_EU_ZONE = _regions(
    "francecentral germanywestcentral italynorth polandcentral spaincentral swedencentral westeurope"
)
_SOME = (
    _US_ZONE
    | _EU_ZONE
    | _regions(
        "brazilsouth canadaeast norwayeast switzerlandnorth uksouth australiaeast japaneast koreacentral "
        "southindia southafricanorth uaenorth"
    )
)
_MOST = _SOME | _regions("southeastasia")
_ALL = _MOST | _regions("canadacentral switzerlandwest")
_STANDARD = _regions("eastus eastus2 northcentralus southcentralus swedencentral westus westus3")

MODEL_REGIONS: Mapping[str, Mapping[str, frozenset[str]]] = {
    "gpt-4o": {
        "GlobalStandard": _SOME,
        "DataZoneStandard": _US_ZONE | _EU_ZONE,
        "Standard": _STANDARD
        | _regions(
            "australiaeast canadaeast centralus francecentral japaneast norwayeast southindia "
            "switzerlandnorth uksouth"
        ),
    },
    "gpt-4.1": {
        "GlobalStandard": _MOST,
        "DataZoneStandard": _US_ZONE | _EU_ZONE,
        "Standard": _STANDARD | _regions("switzerlandnorth"),
    },
    "gpt-4.1-mini": {
        "GlobalStandard": _MOST,
        "DataZoneStandard": _US_ZONE | _EU_ZONE,
        "Standard": _STANDARD
        | _regions(
            "australiaeast canadaeast francecentral japaneast southindia switzerlandnorth uksouth westeurope"
        ),
    },
    "gpt-5": {"GlobalStandard": _MOST, "DataZoneStandard": _US_ZONE | _EU_ZONE},
    "gpt-5-mini": {"GlobalStandard": _MOST, "DataZoneStandard": _US_ZONE | _EU_ZONE},
    "gpt-5-nano": {"GlobalStandard": _MOST, "DataZoneStandard": _US_ZONE | _EU_ZONE},
    "gpt-5.1": {
        "GlobalStandard": _ALL,
        "DataZoneStandard": _US_ZONE | _regions("francecentral swedencentral"),
        "Standard": _US_ZONE | _regions("swedencentral"),
    },
    "gpt-5.2": {"GlobalStandard": _ALL, "DataZoneStandard": _US_ZONE},
    "gpt-5.4": {"GlobalStandard": _ALL, "DataZoneStandard": _US_ZONE | _EU_ZONE},
    "gpt-5.4-mini": {"GlobalStandard": _ALL, "DataZoneStandard": _US_ZONE},
    "gpt-5.4-nano": {"GlobalStandard": _ALL, "DataZoneStandard": _US_ZONE},
    "gpt-5.5": {
        "GlobalStandard": _regions("eastus2 polandcentral southcentralus swedencentral"),
        "DataZoneStandard": _regions("eastus2 polandcentral southcentralus swedencentral"),
    },
}
"""Model name, SKU -> regions. The source is older than gpt-5.6: for a model without a row only the region is
checked."""

MODEL_ACCOUNT_REGIONS = _ALL
"""Where the source lists any of these models."""


def model_regions(model: str, sku: str) -> frozenset[str]:
    """The regions for a deployment of the model; empty for a SKU that the model does not have."""
    skus = MODEL_REGIONS.get(model)
    return MODEL_ACCOUNT_REGIONS if skus is None else skus.get(sku, frozenset())
