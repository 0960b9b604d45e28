"""Chat models that Azure OpenAI deploys (Docs: Model retirement schedule, updated 2026-09-02)."""

from dataclasses import dataclass
from typing import Literal

Stage = Literal["GA", "Legacy", "Deprecated"]


@dataclass(frozen=True)
class Model:
    """`retires`: the day from which no call is answered, yyyy-mm-dd.

    Legacy models take new deployments, Deprecated ones do not.
    """

    name: str
    version: str
    stage: Stage
    retires: str

    def stage_on(self, day: str) -> Stage | Literal["Retired"]:
        return "Retired" if day >= self.retires else self.stage


MODELS: tuple[Model, ...] = (
    Model("gpt-4o-mini", "2024-07-18", "Deprecated", "2027-04-14"),
    Model("gpt-4o", "2024-11-20", "Legacy", "2027-04-14"),
    Model("gpt-4.1", "2025-04-14", "Legacy", "2027-04-14"),
    Model("gpt-4.1-mini", "2025-04-14", "Legacy", "2027-04-14"),
    Model("gpt-4.1-nano", "2025-04-14", "Legacy", "2027-04-14"),
    Model("gpt-5", "2025-08-07", "GA", "2027-02-09"),
    Model("gpt-5-mini", "2025-08-07", "GA", "2027-02-09"),
    Model("gpt-5-nano", "2025-08-07", "GA", "2027-02-09"),
    Model("gpt-5.1", "2025-11-13", "GA", "2027-05-15"),
    Model("gpt-5.2", "2025-12-11", "GA", "2027-06-08"),
    Model("gpt-5.4", "2026-03-05", "GA", "2027-09-02"),
    Model("gpt-5.4-mini", "2026-03-17", "GA", "2027-09-21"),
    Model("gpt-5.4-nano", "2026-03-17", "GA", "2027-09-21"),
    Model("gpt-5.5", "2026-04-24", "GA", "2027-10-26"),
    Model("gpt-5.6-luna", "2026-07-09", "GA", "2028-01-11"),
    Model("gpt-5.6-sol", "2026-07-09", "GA", "2028-01-11"),
    Model("gpt-5.6-terra", "2026-07-09", "GA", "2028-01-11"),
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
    found = [one for one in MODELS if one.name == name and version in (None, one.version)]
    return max(found, key=lambda one: one.version, default=None)
