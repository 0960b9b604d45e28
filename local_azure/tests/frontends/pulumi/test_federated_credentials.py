"""Federated credentials of a user-assigned identity, as Azure refuses them."""

import asyncio
from pathlib import Path
from typing import Any

import grpc.aio
import pytest

from local_azure.core.store import Store
from local_azure.tests.frontends.pulumi.stack import make_group, make_identity
from local_azure.tests.frontends.pulumi.support import Engine, Inputs, Made, RefusedError, running_engine

CREDENTIAL = "azure-native:managedidentity:FederatedIdentityCredential"
ISSUER = "https://token.actions.githubusercontent.com"


def inputs(name: str = "github-main", subject: str = "repo:o/r:pull_request", **changes: Any) -> Inputs:
    return {
        "resourceGroupName": "rg",
        "resourceName": "app-id",
        "federatedIdentityCredentialResourceName": name,
        "issuer": ISSUER,
        "subject": subject,
        "audiences": ["api://AzureADTokenExchange"],
        **changes,
    }


async def make(engine: Engine, *given: Inputs) -> list[Made]:
    await make_group(engine)
    await make_identity(engine)
    return [await engine.create(CREDENTIAL, str(number), one) for number, one in enumerate(given)]


async def refused(call: Any) -> str:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.details() or ""


async def test_it_stands_below_its_identity(engine: Engine) -> None:
    (made,) = await make(engine, inputs())
    assert made.id.endswith("/userAssignedIdentities/app-id/federatedIdentityCredentials/github-main")
    assert made.outputs["subject"] == "repo:o/r:pull_request"


@pytest.mark.parametrize("name", ["ab", "-ab", "a b c", "a" * 121, "a:b"])
async def test_its_name_follows_the_rule(engine: Engine, name: str) -> None:
    with pytest.raises(RefusedError) as caught:
        await engine.check(CREDENTIAL, "x", inputs(name))
    assert list(caught.value.problems) == ["federatedIdentityCredentialResourceName"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"audiences": []}, "Exactly one audience"),
        ({"audiences": ["api://AzureADTokenExchange", "other"]}, "Exactly one audience"),
        ({"issuer": "http://token.actions.githubusercontent.com"}, "https URL"),
        ({"issuer": f"{ISSUER}?x=1"}, "https URL"),
        ({"subject": ""}, "'subject' has 0"),
        ({"subject": "s" * 601}, "'subject' has 601"),
    ],
)
async def test_what_azure_refuses(engine: Engine, changes: Inputs, said: str) -> None:
    await make(engine)
    assert said in await refused(engine.create(CREDENTIAL, "x", inputs(**changes)))


async def test_issuer_and_subject_are_there_once(engine: Engine) -> None:
    await make(engine, inputs())
    assert "already exists for this Managed Identity" in await refused(
        engine.create(CREDENTIAL, "x", inputs("another"))
    )
    await engine.create(CREDENTIAL, "y", inputs("cased", "repo:O/r:pull_request"))


async def test_an_identity_has_at_most_twenty(engine: Engine) -> None:
    await make(engine, *(inputs(f"one-{number}", f"repo:o/r:environment:{number}") for number in range(20)))
    assert "at most 20" in await refused(engine.create(CREDENTIAL, "x", inputs("more")))


async def test_two_written_at_once_meet(tmp_path: Path) -> None:
    async with running_engine(Store(tmp_path / "arm.json"), provisioning_seconds=0.1) as engine:
        await engine.configure(location="swedencentral")
        await make(engine)
        answers = await asyncio.gather(
            *(
                engine.create(CREDENTIAL, str(n), inputs(f"one-{n}", f"repo:o/r:environment:{n}"))
                for n in range(2)
            ),
            return_exceptions=True,
        )
    errors = [one for one in answers if isinstance(one, grpc.aio.AioRpcError)]
    assert len(errors) == 1
    assert "ConcurrentFederatedIdentityCredentialsWrites" in (errors[0].details() or "")


async def test_without_its_identity_it_is_refused(engine: Engine) -> None:
    await make_group(engine)
    assert "ParentResourceNotFound" in await refused(engine.create(CREDENTIAL, "x", inputs()))
