"""Federated credentials of a user-assigned identity."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from local_azure.core import operations
from local_azure.core.errors import ArmError
from local_azure.services import catalogue
from local_azure.tests.frontends.pulumi import stack
from local_azure.tests.frontends.pulumi.stack import Inputs
from local_azure.tests.frontends.pulumi.support import CheckError, Cloud

CREDENTIAL = "azure-native:managedidentity:FederatedIdentityCredential"
ISSUER = "https://token.actions.githubusercontent.com"


def inputs(name: str = "github-main", subject: str = "repo:o/r:pull_request", **changes: Any) -> Inputs:
    return {
        **stack.identity_inputs(),
        "federatedIdentityCredentialResourceName": name,
        "issuer": ISSUER,
        "subject": subject,
        "audiences": ["api://AzureADTokenExchange"],
        **changes,
    }


def with_identity(cloud: Cloud) -> Cloud:
    cloud.create(stack.GROUP, stack.group_inputs())
    cloud.create(stack.IDENTITY, stack.identity_inputs())
    return cloud


@pytest.mark.parametrize("name", ["ab", "-ab", "a b c", "a" * 121, "a:b"])
def test_its_name_follows_the_rule(cloud: Cloud, name: str) -> None:
    with pytest.raises(CheckError) as error:
        cloud.create(CREDENTIAL, inputs(name))
    assert list(error.value.problems) == ["federatedIdentityCredentialResourceName"]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"audiences": []}, "audience"),
        ({"audiences": ["api://AzureADTokenExchange", "other"]}, "audience"),
        ({"issuer": "http://token.actions.githubusercontent.com"}, "https URL"),
        ({"issuer": f"{ISSUER}?x=1"}, "https URL"),
        ({"subject": ""}, "'subject' has 0"),
        ({"subject": "s" * 601}, "'subject' has 601"),
    ],
)
def test_what_azure_refuses(cloud: Cloud, changes: Inputs, text: str) -> None:
    assert text in with_identity(cloud).refusal(CREDENTIAL, inputs(**changes))


def test_it_is_a_child_of_its_identity_with_a_unique_issuer_and_subject(cloud: Cloud) -> None:
    cloud.create(stack.GROUP, stack.group_inputs())
    assert "ParentResourceNotFound" in cloud.refusal(CREDENTIAL, inputs())
    cloud.create(stack.IDENTITY, stack.identity_inputs())
    credential = cloud.create(CREDENTIAL, inputs())
    assert credential["id"] == f"{stack.IDENTITY_ID}/federatedIdentityCredentials/github-main"
    assert 'Status=409 Code="Conflict"' in cloud.refusal(CREDENTIAL, inputs("another"))
    cloud.create(CREDENTIAL, inputs("other-case", "repo:O/r:pull_request"))


def test_an_identity_has_at_most_twenty(cloud: Cloud) -> None:
    with_identity(cloud)
    for number in range(20):
        cloud.create(CREDENTIAL, inputs(f"main-{number}", f"repo:o/r:environment:{number}"))
    assert "TooManyFederatedIdentityCredentials" in cloud.refusal(CREDENTIAL, inputs("more"))


def test_two_that_are_written_at_once_conflict(tmp_path: Path) -> None:
    cloud = with_identity(Cloud(tmp_path / "arm.json", provisioning_seconds=0.01))
    kind = catalogue.find_type(CREDENTIAL)

    async def create_two() -> list[Any]:
        calls = (operations.create(cloud.azure, kind, inputs(name, name)) for name in ("first", "second"))
        return await asyncio.gather(*calls, return_exceptions=True)

    created, error = cloud.run(create_two())
    assert created["name"] == "first"
    assert isinstance(error, ArmError)
    assert error.code == "ConcurrentFederatedIdentityCredentialsWritesForSingleManagedIdentity"
