"""Chat models that Azure OpenAI deploys (Docs: Model retirement schedule, updated 2026-09-02)."""

from dataclasses import dataclass, replace
from typing import Literal

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
    efforts: tuple[str, ...] = ()
    """Values of `reasoning_effort`; only reasoning models have any.

    Those reject `max_tokens` and the sampling parameters (Docs: Azure OpenAI reasoning models).
    """


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
_5 = Chat(400_000, 272_000, 128_000, 10, ("minimal", "low", "medium", "high"))
_5_SMALL = replace(_5, requests_per_unit=1)
_5_1 = replace(_5, efforts=("none", "low", "medium", "high"))
_5_2 = replace(_5, efforts=("none", "low", "medium", "high", "xhigh"))
_5_2_SMALL = replace(_5_2, requests_per_unit=1)

MODELS: tuple[Model, ...] = (
    Model("gpt-4o-mini", "2024-07-18", "Deprecated", "2027-04-14", _4O),
    Model("gpt-4o", "2024-11-20", "Legacy", "2027-04-14", _4O),
    Model("gpt-4.1", "2025-04-14", "Legacy", "2027-04-14", _4_1),
    Model("gpt-4.1-mini", "2025-04-14", "Legacy", "2027-04-14", _4_1),
    Model("gpt-4.1-nano", "2025-04-14", "Legacy", "2027-04-14", _4_1),
    Model("gpt-5", "2025-08-07", "GA", "2027-02-09", _5),
    Model("gpt-5-mini", "2025-08-07", "GA", "2027-02-09", _5_SMALL),
    Model("gpt-5-nano", "2025-08-07", "GA", "2027-02-09", _5_SMALL),
    Model("gpt-5.1", "2025-11-13", "GA", "2027-05-15", _5_1),
    Model("gpt-5.2", "2025-12-11", "GA", "2027-06-08", _5_2),
    Model("gpt-5.4", "2026-03-05", "GA", "2027-09-02", _5_2),
    Model("gpt-5.4-mini", "2026-03-17", "GA", "2027-09-21", _5_2_SMALL),
    Model("gpt-5.4-nano", "2026-03-17", "GA", "2027-09-21", _5_2_SMALL),
    Model("gpt-5.5", "2026-04-24", "GA", "2027-10-26", _5_2),
    Model("gpt-5.6-luna", "2026-07-09", "GA", "2028-01-11", _5_2),
    Model("gpt-5.6-sol", "2026-07-09", "GA", "2028-01-11", _5_2),
    Model("gpt-5.6-terra", "2026-07-09", "GA", "2028-01-11", _5_2),
)

DEPLOYMENT_SKUS = (
    "Standard",
    "GlobalStandard",
    "DataZoneStandard",
    "GlobalBatch",
    "DataZoneBatch",
    "ProvisionedManaged",
    "GlobalProvisionedManaged",
    "DataZoneProvisionedManaged",
    "DeveloperTier",
)

RAI_POLICIES = ("Microsoft.Default", "Microsoft.DefaultV2")


def find_model(name: str, version: str | None) -> Model | None:
    """The model; without a version, the newest one of that name."""
    matching = [model for model in MODELS if model.name == name and version in (None, model.version)]
    return max(matching, key=lambda model: model.version, default=None)
