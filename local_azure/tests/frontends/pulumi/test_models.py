import pytest

from local_azure.core.errors import ArmError
from local_azure.core.store import Resource
from local_azure.services.cognitiveservices.models import MODELS
from local_azure.services.cognitiveservices.resource_types import refuse_deployment

TODAY = "2026-11-23"


def deployment(
    name: str = "gpt-5.4-mini",
    version: str | None = "2026-03-17",
    *,
    form: str = "OpenAI",
    sku: str = "GlobalStandard",
    capacity: int = 1,
    policy: str = "Microsoft.DefaultV2",
) -> Resource:
    model = {"format": form, "name": name, **({"version": version} if version else {})}
    return Resource(
        id="/subscriptions/s/resourceGroups/rg/providers/Microsoft.CognitiveServices/accounts/a/deployments/d",
        name="d",
        type="Microsoft.CognitiveServices/accounts/deployments",
        sku={"name": sku, "capacity": capacity},
        properties={"model": model, "raiPolicyName": policy},
    )


def refused(wanted: Resource, day: str = TODAY) -> ArmError:
    with pytest.raises(ArmError) as caught:
        refuse_deployment(wanted, None, day)
    return caught.value


@pytest.mark.parametrize(
    "model", [one for one in MODELS if one.stage != "Deprecated"], ids=lambda one: one.name
)
def test_current_and_legacy_models_are_deployed(model: object) -> None:
    found = next(one for one in MODELS if one == model)
    assert refuse_deployment(deployment(found.name, found.version), None, TODAY) is found


def test_without_a_version_the_model_has_its_own() -> None:
    assert refuse_deployment(deployment(version=None), None, TODAY).version == "2026-03-17"


def test_a_deprecated_model_takes_no_new_deployment_but_keeps_an_old_one() -> None:
    old = deployment("gpt-4o-mini", "2024-07-18")
    assert refused(old).code == "ServiceModelDeprecated"
    assert refuse_deployment(old, old, TODAY).name == "gpt-4o-mini"


def test_a_retired_model_is_refused_even_where_it_was_deployed() -> None:
    wanted = deployment("gpt-5", "2025-08-07")
    with pytest.raises(ArmError, match="retired"):
        refuse_deployment(wanted, wanted, "2027-02-09")


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        (deployment("gpt-5.4-mimi"), "DeploymentModelNotSupported"),
        (deployment(version="2020-01-01"), "DeploymentModelNotSupported"),
        (deployment(form="openai"), "DeploymentModelNotSupported"),
        (deployment(sku="Fast"), "InvalidResourceProperties"),
        (deployment(capacity=0), "InvalidCapacity"),
        (deployment(policy="None"), "InvalidResourceProperties"),
    ],
)
def test_what_azure_does_not_deploy(wanted: Resource, code: str) -> None:
    assert (refused(wanted).status, refused(wanted).code) == (400, code)


def test_an_unknown_model_names_the_nearest() -> None:
    assert "Did you mean 'gpt-5.4-mini'?" in refused(deployment("gpt-5.4-mimi")).message
