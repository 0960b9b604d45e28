"""What looks like a secret is found; what Azure hands out as names, ids and places is not."""

import base64
import random
import string
import uuid
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.names import names
from policy.secret_values import is_harmless, is_secret_name, secret_form

REGIONS = ("eastus2", "swedencentral", "southafricanorth", "australiasoutheast", "germanywestcentral")
GUIDS = st.uuids().map(str) | st.uuids().map(lambda one: str(one).upper())
SEEDS = st.integers(min_value=0)
WORD = st.text(string.ascii_lowercase, min_size=1, max_size=12)


def random_bytes(seed: int, length: int) -> bytes:
    """Bytes as a key has them: hypothesis alone likes to try those that are all zero."""
    return random.Random(seed).randbytes(length)  # noqa: S311 # a test wants the same ones again


def base64_of(seed: int, length: int) -> str:
    return base64.b64encode(random_bytes(seed, length)).decode()


@given(SEEDS)
def test_an_account_key_is_found_alone_and_in_a_connection_string(seed: int) -> None:
    key = base64_of(seed, 64)
    assert secret_form(key)
    assert secret_form(
        f"DefaultEndpointsProtocol=https;AccountName=st;AccountKey={key};EndpointSuffix=core.windows.net"
    )


@given(SEEDS)
def test_the_key_of_a_service_bus_is_found(seed: int) -> None:
    key = base64_of(seed, 32)
    assert secret_form(key)
    assert secret_form(f"Endpoint=sb://x.servicebus.windows.net/;SharedAccessKeyName=n;SharedAccessKey={key}")


@given(SEEDS)
def test_the_keys_of_a_model_account_are_found(seed: int) -> None:
    letters = random.Random(seed).choices(string.ascii_letters + string.digits, k=84)  # noqa: S311 # as above
    assert secret_form(random_bytes(seed, 16).hex())
    assert secret_form("".join(letters))


@given(SEEDS)
def test_the_key_of_a_function_app_is_found(seed: int) -> None:
    key = base64.urlsafe_b64encode(random_bytes(seed, 40)).decode()
    assert secret_form(key)
    assert secret_form(f"https://func.azurewebsites.net/api/assistants?code={key}")


@given(SEEDS)
def test_a_shared_access_signature_is_found(seed: int) -> None:
    signature = quote(base64_of(seed, 32), safe="")
    assert secret_form(f"https://st.blob.core.windows.net/c?sv=2024-11-04&sp=r&sig={signature}")
    assert secret_form(
        f"BlobEndpoint=https://st.blob.core.windows.net;SharedAccessSignature=sv=2024&sig={signature}"
    )


@given(SEEDS)
def test_a_token_and_a_private_key_are_found(seed: int) -> None:
    payload = base64.urlsafe_b64encode(random_bytes(seed, 60)).decode().rstrip("=")
    assert secret_form(f"eyJhbGciOiJSUzI1NiJ9.{payload}.{payload}")
    assert secret_form(
        f"-----BEGIN RSA PRIVATE KEY-----\n{base64_of(seed, 48)}\n-----END RSA PRIVATE KEY-----"
    )


@pytest.mark.parametrize(
    "text",
    [
        "Server=db;Password=hunter2",
        "postgres://app:hunter2@db.test/app",
        "sk-proj-abcdefghijklmnopqrstuvwxyz",
        "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
        "abc8Q~abcdefghijklmnopqrstuvwxyz0123456.-_",
    ],
)
def test_other_forms_are_found(text: str) -> None:
    assert secret_form(text)


@given(GUIDS, GUIDS)
def test_a_guid_and_what_is_made_of_guids_is_none(one: str, other: str) -> None:
    for text in (
        one,
        f"ClientId={one};Authorization=AAD",
        f"InstrumentationKey={one};IngestionEndpoint=https://eastus2-0.in.applicationinsights.azure.com/;"
        f"LiveEndpoint=https://eastus2.livediagnostics.monitor.azure.com/;ApplicationId={other}",
        f"/subscriptions/{one}/providers/Microsoft.Authorization/roleDefinitions/{other}",
    ):
        assert secret_form(text) is None, text


@given(st.uuids(), WORD, st.from_regex(r"[a-z][a-z0-9-]{0,40}", fullmatch=True), st.sampled_from(REGIONS))
def test_no_name_id_or_endpoint_of_a_stack_is_one(
    subscription: uuid.UUID, project: str, stack: str, region: str
) -> None:
    made = names(str(subscription), project, stack, "", region)
    group = f"/subscriptions/{subscription}/resourceGroups/{made.resource_group}"
    for text in (
        region,
        *vars(made).values(),
        f"{group}/providers/Microsoft.Storage/storageAccounts/{made.storage_account}",
        f"{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{made.identity}",
        f"https://{made.storage_account}.blob.core.windows.net/deployments",
        f"https://{made.openai_account}.openai.azure.com/",
        f"https://{made.function_app}.scm.azurewebsites.net/api/publish?RemoteBuild=false&Deployer=pulumi",
        f"https://127.0.0.1:31106/{made.storage_account}/",
    ):
        assert secret_form(text) is None, text


@given(st.lists(WORD, max_size=40).map(" ".join))
def test_a_sentence_is_none(text: str) -> None:
    assert secret_form(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "true",
        "gpt-5.4-mini",
        "managedidentity",
        "/home/site/wwwroot/.python_packages/lib/site-packages",
        "an-assistant-that-helps-with-house-keeping-and-key-management",
        "Don't make assumptions about what values to plug into functions.",
        "https://learn.microsoft.com/azure/azure-functions/functions-bindings-openai-assistantcreate-output",
    ],
)
def test_ordinary_values_are_none(text: str) -> None:
    assert secret_form(text) is None


@pytest.mark.parametrize(
    "name",
    ["OPENAI_API_KEY", "Db__Password", "StorageConnectionString", "CONNECTION_STRING", "githubToken", "SAS"],
)
def test_a_name_for_a_secret_is_one(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    ["CHAT_MODEL_DEPLOYMENT_NAME", "HTTP_AUTH_LEVEL", "MONKEY_NAME", "AzureWebJobsStorage__tableServiceUri"],
)
def test_another_name_is_none(name: str) -> None:
    assert not is_secret_name(name)


def test_a_small_number_or_a_reference_can_be_no_secret() -> None:
    assert all(map(is_harmless, ("", "true", "1000", "@Microsoft.KeyVault(VaultName=v;SecretName=s)")))
    assert not is_harmless("hunter2")
