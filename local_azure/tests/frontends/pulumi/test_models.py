from typing import Any

import pytest

from local_azure.core.errors import ArmError
from local_azure.core.store import Resource
from local_azure.services.cognitiveservices.models import MODELS, Model
from local_azure.services.cognitiveservices.resource_types import refuse_deployment

TODAY = "2026-11-23"


def deployment(
    name: str = "gpt-5.4-mini", version: str | None = "2026-03-17", *, form: str = "OpenAI", **changes: Any
) -> Resource:
    model = {"format": form, "name": name, **({"version": version} if version else {})}
    return Resource(
        id="/subscriptions/s/resourceGroups/rg/providers/Microsoft.CognitiveServices/accounts/a/deployments/d",
        name="d",
        type="Microsoft.CognitiveServices/accounts/deployments",
        sku={"name": changes.get("sku", "GlobalStandard"), "capacity": changes.get("capacity", 1)},
        properties={"model": model, "raiPolicyName": changes.get("policy", "Microsoft.DefaultV2")},
    )


@pytest.mark.parametrize(
    "model", [model for model in MODELS if model.stage != "Deprecated"], ids=lambda model: model.name
)
def test_current_and_legacy_models_are_deployed(model: Model) -> None:
    assert refuse_deployment(deployment(model.name, model.version), None, TODAY) is model


def test_the_version_has_a_default() -> None:
    assert refuse_deployment(deployment(version=None), None, TODAY).version == "2026-03-17"


@pytest.mark.parametrize(
    ("refused", "before", "day", "text"),
    [
        (deployment("gpt-5.4-mimi"), None, TODAY, "DeploymentModelNotSupported"),
        (deployment("gpt-5.4-mimi"), None, TODAY, "Did you mean 'gpt-5.4-mini'?"),
        (deployment(version="2020-01-01"), None, TODAY, "DeploymentModelNotSupported"),
        (deployment(form="openai"), None, TODAY, "DeploymentModelNotSupported"),
        (deployment(policy="None"), None, TODAY, "InvalidResourceProperties"),
        (deployment("gpt-4o-mini", "2024-07-18"), None, TODAY, "ServiceModelDeprecated"),
        # A retired model is refused even where it is deployed.
        (deployment("gpt-5", "2025-08-07"), deployment("gpt-5", "2025-08-07"), "2027-02-09", "retired"),
    ],
)
def test_what_azure_does_not_deploy(refused: Resource, before: Resource | None, day: str, text: str) -> None:
    with pytest.raises(ArmError) as error:
        refuse_deployment(refused, before, day)
    assert error.value.status == 400
    assert text in str(error.value)


def test_a_deprecated_model_stays_deployed() -> None:
    deployed = deployment("gpt-4o-mini", "2024-07-18")
    assert refuse_deployment(deployed, deployed, TODAY).name == "gpt-4o-mini"
