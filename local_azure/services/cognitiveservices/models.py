"""Chat models that Azure OpenAI deploys (Docs: Model retirement schedule, updated 2026-09-02)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from local_azure.core.regions import words

Stage = Literal["GA", "Legacy", "Deprecated"]


@dataclass(frozen=True)
class Chat:
    """The limits of a model for chat requests, in tokens.

    Docs: Azure OpenAI quotas and limits (requests of tier 1), Foundry models sold by Azure (tokens).
    From gpt-5.2 on both are inferred from gpt-5.1 and gpt-5-mini.
    """

    context: int
    """Prompt and answer together."""
    prompt: int
    answer: int
    requests_per_unit: int
    """Requests a minute for each unit of capacity (1,000 tokens a minute)."""
    reasoning: bool = False
    """Rejects `max_tokens` and the sampling parameters (Docs: Azure OpenAI reasoning models)."""


@dataclass(frozen=True)
class Model:
    """`retires`: the first day on which calls fail, yyyy-mm-dd.

    Legacy models take new deployments, Deprecated ones do not.
    """

    name: str
    version: str
    stage: Stage
    retires: str
    chat: Chat

    def stage_on(self, day: str) -> Stage | Literal["Retired"]:
        return "Retired" if day >= self.retires else self.stage


_4O = Chat(128_000, 128_000, 16_384, 6)
_4_1 = Chat(1_047_576, 1_047_576, 32_768, 1)
_5 = Chat(400_000, 272_000, 128_000, 10, reasoning=True)
_5_SMALL = replace(_5, requests_per_unit=1)

MODELS: tuple[Model, ...] = (
    Model("gpt-4o-mini", "2024-07-18", "Deprecated", "2027-04-14", _4O),
    Model("gpt-4o", "2024-11-20", "Legacy", "2027-04-14", _4O),
    Model("gpt-4.1", "2025-04-14", "Legacy", "2027-04-14", _4_1),
    Model("gpt-4.1-mini", "2025-04-14", "Legacy", "2027-04-14", _4_1),
    Model("gpt-4.1-nano", "2025-04-14", "Legacy", "2027-04-14", _4_1),
    Model("gpt-5", "2025-08-07", "GA", "2027-02-09", _5),
    Model("gpt-5-mini", "2025-08-07", "GA", "2027-02-09", _5_SMALL),
    Model("gpt-5-nano", "2025-08-07", "GA", "2027-02-09", _5_SMALL),
    Model("gpt-5.1", "2025-11-13", "GA", "2027-05-15", _5),
    Model("gpt-5.2", "2025-12-11", "GA", "2027-06-08", _5),
    Model("gpt-5.4", "2026-03-05", "GA", "2027-09-02", _5),
    Model("gpt-5.4-mini", "2026-03-17", "GA", "2027-09-21", _5_SMALL),
    Model("gpt-5.4-nano", "2026-03-17", "GA", "2027-09-21", _5_SMALL),
    Model("gpt-5.5", "2026-04-24", "GA", "2027-10-26", _5),
    Model("gpt-5.6-luna", "2026-07-09", "GA", "2028-01-11", _5),
    Model("gpt-5.6-sol", "2026-07-09", "GA", "2028-01-11", _5),
    Model("gpt-5.6-terra", "2026-07-09", "GA", "2028-01-11", _5),
)

# Docs: Azure OpenAI model region tables (azure-ai-docs, model-matrix, dated 2026-04-30).
_US_ZONE = words("centralus eastus eastus2 northcentralus southcentralus westus westus3")
_EU_ZONE = words(
    "francecentral germanywestcentral italynorth polandcentral spaincentral swedencentral westeurope"
)
_ZONES = _US_ZONE | _EU_ZONE
_SOME = _ZONES | words(
    "australiaeast brazilsouth canadaeast japaneast koreacentral norwayeast southafricanorth southindia "
    "switzerlandnorth uaenorth uksouth"
)
_MOST = _SOME | words("southeastasia")
_ALL = _MOST | words("canadacentral switzerlandwest")
_STANDARD = words("eastus eastus2 northcentralus southcentralus swedencentral westus westus3")
_5_5 = words("eastus2 polandcentral southcentralus swedencentral")

ACCOUNT_REGIONS: Mapping[str, frozenset[str]] = {
    "OpenAI": _ALL,
    "AIServices": _ALL
    | words("centralindia eastasia japanwest northeurope qatarcentral westcentralus westus2"),
}
"""By kind of account."""


def _skus(
    everywhere: frozenset[str], zones: frozenset[str], standard: frozenset[str] | None = None
) -> Mapping[str, frozenset[str]]:
    regional = {} if standard is None else {"Standard": standard}
    return {"GlobalStandard": everywhere, "DataZoneStandard": zones, **regional}


_4O_STANDARD = _STANDARD | words(
    "australiaeast canadaeast centralus francecentral japaneast norwayeast southindia switzerlandnorth "
    "uksouth"
)
_4_1_MINI_STANDARD = _STANDARD | words(
    "australiaeast canadaeast francecentral japaneast southindia switzerlandnorth uksouth westeurope"
)
_REGIONS: Mapping[str, Mapping[str, frozenset[str]]] = {
    "gpt-4o": _skus(_SOME, _ZONES, _4O_STANDARD),
    "gpt-4.1": _skus(_MOST, _ZONES, _STANDARD | words("switzerlandnorth")),
    "gpt-4.1-mini": _skus(_MOST, _ZONES, _4_1_MINI_STANDARD),
    **dict.fromkeys(("gpt-5", "gpt-5-mini", "gpt-5-nano"), _skus(_MOST, _ZONES)),
    "gpt-5.1": _skus(
        _ALL, _US_ZONE | words("francecentral swedencentral"), _US_ZONE | words("swedencentral")
    ),
    "gpt-5.4": _skus(_ALL, _ZONES),
    **dict.fromkeys(("gpt-5.2", "gpt-5.4-mini", "gpt-5.4-nano"), _skus(_ALL, _US_ZONE)),
    "gpt-5.5": _skus(_5_5, _5_5),
}
_UNLISTED = _skus(_ALL, _ALL, _ALL)
"""For a model that is newer than the source."""

# Docs: Provisioned throughput, table of models (2026-03-20).
_NOT_PROVISIONED = ("gpt-4o-mini", "gpt-5-nano", "gpt-5.4-mini", "gpt-5.4-nano")
_SMALL = ("gpt-4.1-mini", "gpt-4.1-nano", "gpt-5-mini")

# Docs: Quota tier 1 (2026-08-20), in thousand tokens a minute; "" is any other model. 100 PTU are assumed.
_QUOTAS: Mapping[str, Mapping[str, int]] = {
    "GlobalStandard": {
        "": 1000,
        **dict.fromkeys(("gpt-4.1-mini", "gpt-4.1-nano", "gpt-5-nano", "gpt-5.4-nano"), 5000),
    },
    "DataZoneStandard": {
        "": 300,
        **dict.fromkeys(("gpt-4.1-mini", "gpt-4.1-nano", "gpt-5-nano", "gpt-5.4-nano"), 2000),
        **dict.fromkeys(("gpt-5.5", "gpt-5.6-luna", "gpt-5.6-sol", "gpt-5.6-terra"), 333),
    },
    "Standard": {"": 300, "gpt-4.1-mini": 6000},
}


def offers(model: str) -> Mapping[str, frozenset[str]]:
    """The SKUs of deployments of a model, and the regions of each. DeveloperTier is for fine-tuned models."""
    standard = _REGIONS.get(model, _UNLISTED)
    everywhere, zones = standard["GlobalStandard"], standard["DataZoneStandard"]
    provisioned: Mapping[str, frozenset[str]] = {
        "GlobalProvisionedManaged": everywhere,
        "DataZoneProvisionedManaged": zones,
        "ProvisionedManaged": _ALL,
    }
    offered = {**standard, "GlobalBatch": everywhere, "DataZoneBatch": zones}
    return offered if model in _NOT_PROVISIONED else {**offered, **provisioned}


def capacity_step(model: str, sku: str) -> tuple[int, int]:
    """The least capacity of a deployment, and the step from there."""
    if not sku.endswith("ProvisionedManaged"):
        return 1, 1
    if sku != "ProvisionedManaged":
        return 15, 5
    return (25, 25) if model in _SMALL else (50, 50)


def default_quota(model: str, sku: str) -> int:
    """The capacity of all deployments in one region together."""
    if sku.endswith("Batch"):
        return 1_000_000
    quotas = _QUOTAS.get(sku, {"": 100})
    return quotas.get(model, quotas[""])


def quota_name(model: str, sku: str) -> str:
    """The name of the usage in Azure's lists of a region. Provisioned capacity is of any model."""
    return f"OpenAI.{sku}" if sku.endswith("ProvisionedManaged") else f"OpenAI.{sku}.{model}"


RAI_POLICIES = ("Microsoft.Default", "Microsoft.DefaultV2")


def find_model(name: str, version: str | None) -> Model | None:
    """The model; without a version, the newest one of that name."""
    matching = [model for model in MODELS if model.name == name and version in (None, model.version)]
    return max(matching, key=lambda model: model.version, default=None)
