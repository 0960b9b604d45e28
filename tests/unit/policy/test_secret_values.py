"""Secrets are recognized; names, ids and endpoints of Azure are not taken for secrets."""

import base64
import random
import string
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.names import names
from policy.secret_values import is_harmless, is_secret_name, secret_form

REGIONS = ("eastus2", "swedencentral", "southafricanorth", "australiasoutheast", "germanywestcentral")
GUIDS = st.uuids().map(str) | st.uuids().map(lambda guid: str(guid).upper())
WORD = st.text(string.ascii_lowercase, min_size=1, max_size=12)


@given(st.integers(min_value=0))
def test_a_key_is_a_secret_without_a_name_before_it(seed: int) -> None:
    # hypothesis alone likes to try bytes that are all zero.
    source = random.Random(seed)  # noqa: S311 # a test wants the same ones again
    account_key, bus_key = (base64.b64encode(source.randbytes(size)).decode() for size in (64, 32))
    function_key = base64.urlsafe_b64encode(source.randbytes(40)).decode()
    for secret in (
        account_key,
        bus_key,
        function_key,
        source.randbytes(16).hex(),  # the keys of a model account have this form and the next
        "".join(source.choices(string.ascii_letters + string.digits, k=84)),
        f"https://func.azurewebsites.net/api/assistants?x={function_key}",
    ):
        assert secret_form(secret), secret


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("AccountKey=abc", "an account key"),
        ("Endpoint=sb://x.test/;SharedAccessKeyName=n;SharedAccessKey=abc", "an account key"),
        ("Server=db;Password=hunter2", "a password"),
        ("SharedAccessSignature sr=x", "a shared access signature"),
        ("https://st.test/c?sp=r&sig=abcdefgh", "a shared access signature"),
        ("https://func.test/api?code=abcdefghijklmnopqrst", "a function key"),
        ("-----BEGIN PRIVATE KEY-----", "a private key"),
        ("eyJhbGciOi.eyJzdWIi.", "a JSON web token"),
        ("postgres://app:hunter2@db.test/app", "an address with a password"),
        ("sk-proj-abcdefghijklmnopqrstuvwxyz", "an OpenAI key"),
        ("ghp_abcdefghijklmnopqrstuvwxyz0123456789", "a GitHub token"),
        (f"pul-{'0' * 40}", "a Pulumi token"),
        ("abc8Q~abcdefghijklmnopqrstuvwxyz0123456.-_", "a client secret of Entra"),
        ("0123456789abcdef0123456789abcdef", "a random text of 32 characters"),
    ],
)
def test_the_kind_of_a_secret_is_named(text: str, form: str) -> None:
    assert secret_form(text) == form


@given(GUIDS, GUIDS)
def test_a_text_made_of_guids_is_no_secret(guid: str, other: str) -> None:
    for text in (
        guid,
        f"ClientId={guid};Authorization=AAD",
        f"InstrumentationKey={guid};IngestionEndpoint=https://eastus2-0.in.applicationinsights.azure.com/;"
        f"LiveEndpoint=https://eastus2.livediagnostics.monitor.azure.com/;ApplicationId={other}",
        f"/subscriptions/{guid}/providers/Microsoft.Authorization/roleDefinitions/{other}",
    ):
        assert secret_form(text) is None, text


@given(st.uuids(), WORD, st.from_regex(r"[a-z][a-z0-9-]{0,40}", fullmatch=True), st.sampled_from(REGIONS))
def test_no_name_id_or_endpoint_of_a_stack_is_a_secret(
    subscription: uuid.UUID, project: str, stack: str, region: str
) -> None:
    own = names(str(subscription), project, stack, "", region)
    group = f"/subscriptions/{subscription}/resourceGroups/{own.resource_group}"
    for text in (
        region,
        *vars(own).values(),
        f"{group}/providers/Microsoft.Storage/storageAccounts/{own.storage_account}",
        f"{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{own.identity}",
        f"https://{own.storage_account}.blob.core.windows.net/deployments",
        f"https://{own.openai_account}.openai.azure.com/",
        f"https://{own.function_app}.scm.azurewebsites.net/api/publish?RemoteBuild=false&Deployer=pulumi",
        f"https://127.0.0.1:31106/{own.storage_account}/",
    ):
        assert secret_form(text) is None, text


@given(st.lists(WORD, max_size=40).map(" ".join))
def test_a_sentence_is_no_secret(text: str) -> None:
    assert secret_form(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "gpt-5.4-mini",
        "managedidentity",
        "/home/site/wwwroot/.python_packages/lib/site-packages",
        "an-assistant-that-helps-with-house-keeping-and-key-management",
        "Don't make assumptions about what values to plug into functions.",
        "https://learn.microsoft.com/azure/azure-functions/functions-bindings-openai-assistantcreate-output",
    ],
)
def test_an_ordinary_value_is_no_secret(text: str) -> None:
    assert secret_form(text) is None


@pytest.mark.parametrize(
    ("name", "is_secret"),
    [
        ("OPENAI_API_KEY", True),
        ("Db__Password", True),
        ("StorageConnectionString", True),
        ("CONNECTION_STRING", True),
        ("githubToken", True),
        ("SAS", True),
        ("CLIENTSECRET", True),
        ("CHAT_MODEL_DEPLOYMENT_NAME", False),
        ("HTTP_AUTH_LEVEL", False),
        ("MONKEY_NAME", False),
        ("AzureWebJobsStorage__tableServiceUri", False),
    ],
)
def test_a_name_for_a_secret_is_recognized(name: str, *, is_secret: bool) -> None:
    assert is_secret_name(name) == is_secret


def test_a_small_number_or_a_reference_is_harmless() -> None:
    assert all(map(is_harmless, ("", "true", "1000", "@Microsoft.KeyVault(VaultName=v;SecretName=s)")))
    assert not is_harmless("hunter2")
