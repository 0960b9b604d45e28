"""What Azure refuses, with its code and at its moment, beside what it accepts: one row a variant."""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from pulumi_azure_native.storage import SkuName

from local_azure.core import ids
from local_azure.core.errors import ArmError
from local_azure.core.store import Resource
from local_azure.services.cognitiveservices.resource_types import ACCOUNT_TYPE
from local_azure.tests.frontends.pulumi import stack
from local_azure.tests.frontends.pulumi.stack import Inputs
from local_azure.tests.frontends.pulumi.support import CheckError, Cloud

ACCEPTED, PREVIEW = "accepted", "preview"
NETWORK = f"{stack.GROUP_ID}/providers/Microsoft.Network/virtualNetworks"
OTHER_GUID = "7f1a9c1e-6a0e-5b7e-9b1e-0d6e0c5a7d11"
GROUP_LOCATION, TYPE_LOCATION = "LocationNotAvailableForResourceGroup", "LocationNotAvailableForResourceType"
KIND_SKU, NO_REDUNDANCY = "InvalidValuesForRequestParameters", "RedundancyConfigurationNotAvailableInRegion"
PROPERTIES, CAPACITY = "InvalidResourceProperties", "InvalidCapacity"
NO_FEATURE, RESERVED = "FeatureNotSupportedForAccount", "ReservedResourceName"


def storage(kind: str = "StorageV2", sku: str = "Standard_LRS", location: str = "eastus2") -> Inputs:
    tier = {"accessTier": "Hot"} if kind == "BlobStorage" else {}
    return stack.account_inputs("newstorage", kind=kind, sku={"name": sku}, location=location, **tier)


def openai(location: str = "eastus2", kind: str = "OpenAI", name: str = "new-ai") -> Inputs:
    return {**stack.openai_inputs(name, name), "location": location, "kind": kind}


def workspace(sku: str = "PerGB2018", *, location: str = "eastus2", **more: Any) -> Inputs:
    names = {"resourceGroupName": "rg", "workspaceName": "new-logs"}
    return {**names, "location": location, "sku": {"name": sku, **more}}


def component(location: str = "eastus2", **more: Any) -> Inputs:
    logs = f"{stack.GROUP_ID}/providers/Microsoft.OperationalInsights/workspaces/logs"
    return {
        "resourceGroupName": "rg",
        "resourceName": "insights",
        "location": location,
        "kind": "web",
        "applicationType": "web",
        "workspaceResourceId": logs,
        **more,
    }


def deployment(
    sku: str = "GlobalStandard",
    capacity: int = 10,
    model: str = "gpt-5.4-mini",
    account: str = "assistant-ai",
) -> Inputs:
    versions = {"gpt-5.4-mini": "2026-03-17", "gpt-5-nano": "2025-08-07", "gpt-5-mini": "2025-08-07"}
    version = versions.get(model, "2025-04-14")
    inputs = {**stack.deployment_inputs(model=model, version=version), "accountName": account}
    return {**inputs, "sku": {"name": sku, "capacity": capacity}}


def site(**config: Any) -> Inputs:
    return stack.site_inputs(siteConfig={"minTlsVersion": "1.2", **config})


def encrypted(infrastructure: bool | None) -> Inputs:
    wanted = {"encryption": {"requireInfrastructureEncryption": infrastructure}}
    return {} if infrastructure is None else wanted


def settings(*names: str) -> Inputs:
    return site(appSettings=[{"name": name, "value": "1"} for name in names])


def ready(count: int, memory: int, blob: int = 0) -> Inputs:
    named = [{"name": name, "instanceCount": number} for name, number in (("http", count), ("blob", blob))]
    scale = {"alwaysReady": named, "instanceMemoryMB": memory, "maximumInstanceCount": 1000}
    return stack.site_inputs(functionAppConfig={**stack.storage_inputs(), "scaleAndConcurrency": scale})


def origins(*allowed: str, credentials: bool) -> Inputs:
    return site(cors={"allowedOrigins": list(allowed), "supportCredentials": credentials})


def rows(
    what: str, token: str, inputs: Callable[[str], Inputs], outcomes: Mapping[str, str]
) -> list[tuple[str, str, Inputs, str]]:
    """A row for each of the words, by outcome, that `|` separates."""
    return [
        (f"{what}: {words}", token, inputs(words), outcome)
        for outcome, listed in outcomes.items()
        for words in listed.split("|")
    ]


def model_deployment(words: str) -> Inputs:
    model, sku, capacity = words.split()
    return deployment(sku, int(capacity), model)


STANDARD, ZONAL = "Standard_LRS Standard_GRS Standard_RAGRS", "Standard_ZRS Standard_GZRS Standard_RAGZRS"
KIND_SKUS = {
    "StorageV2": f"{STANDARD} {ZONAL} Premium_LRS",
    "Storage": f"{STANDARD} Premium_LRS",
    "BlobStorage": STANDARD,
    "BlockBlobStorage": "Premium_LRS Premium_ZRS",
    "FileStorage": "Premium_LRS Premium_ZRS PremiumV2_LRS PremiumV2_ZRS StandardV2_LRS StandardV2_GRS "
    "StandardV2_ZRS StandardV2_GZRS",
}
# fmt: off
NEW: list[tuple[str, str, Inputs, str]] = [
    *rows("group", stack.GROUP, lambda location: stack.group_inputs("new", location=location),
        {GROUP_LOCATION: "global|francesouth|moon", ACCEPTED: "East US 2|newzealandnorth"}),
    *rows("storage", stack.ACCOUNT, lambda location: storage(location=location),
        {TYPE_LOCATION: "global|southafricawest|jioindiawest|moon", ACCEPTED: "westindia|West US 3"}),
    *rows("account", stack.OPENAI, lambda words: openai(*words.split()),
        {"InvalidApiSetId": "global OpenAI|westus2 OpenAI|northeurope OpenAI|global AIServices|"
         "eastus2 Cognition",
         TYPE_LOCATION: "ukwest OpenAI|westindia OpenAI|moon OpenAI",
         ACCEPTED: "swedencentral OpenAI|switzerlandwest OpenAI|westus2 AIServices"}),
    *rows("workspace", stack.WORKSPACE, lambda location: workspace(location=location),
        {TYPE_LOCATION: "global|westindia", ACCEPTED: "westcentralus"}),
    *rows("component", stack.COMPONENT, component,
        {TYPE_LOCATION: "global|westcentralus", ACCEPTED: "canadaeast"}),
    *rows("plan", stack.PLAN, lambda location: stack.plan_inputs("new", location=location),
        {TYPE_LOCATION: "global|canadaeast|qatarcentral", ACCEPTED: "ukwest"}),
    *rows("zone redundant plan", stack.PLAN,
        lambda location: stack.plan_inputs("new", location=location, zoneRedundant=True),
        {"BadRequest": "westus|northcentralus|ukwest", ACCEPTED: "eastus2"}),
    *rows("identity", stack.IDENTITY, lambda location: {**stack.identity_inputs("new"), "location": location},
        {TYPE_LOCATION: "global", ACCEPTED: "northeurope"}),
    *rows("vault", stack.VAULT, lambda location: {**stack.vault_inputs("kv-new"), "location": location},
        {TYPE_LOCATION: "global"}),
    *rows("redundancy", stack.ACCOUNT, lambda words: storage(*words.split()),
        {NO_REDUNDANCY: "StorageV2 Standard_ZRS westus|StorageV2 Standard_GZRS northcentralus|"
         "StorageV2 Standard_RAGZRS canadaeast|StorageV2 Standard_GZRS italynorth|"
         "StorageV2 Standard_GRS polandcentral|StorageV2 Standard_RAGRS spaincentral|"
         "BlockBlobStorage Premium_ZRS westus",
         ACCEPTED: "StorageV2 Standard_ZRS italynorth|StorageV2 Standard_GRS westus|"
         "StorageV2 Standard_RAGZRS swedencentral",
         PREVIEW: "StorageV3 Standard_LRS|StorageV2 Standard_XRS"}),
    *(
        (f"{kind} {sku.value}", stack.ACCOUNT, storage(kind, sku.value), expected)
        for kind, accepted in KIND_SKUS.items()
        for sku in SkuName
        for expected in [ACCEPTED if sku.value in accepted.split() else KIND_SKU]
    ),
    *rows("infrastructure encryption", stack.ACCOUNT, lambda kind: {**storage(kind), **encrypted(True)},
        {NO_FEATURE: "Storage|BlobStorage", ACCEPTED: "StorageV2"}),
    *rows("deployment", stack.DEPLOYMENT, model_deployment,
        {PROPERTIES: "gpt-5.4-mini Standard 10|gpt-5.4-mini GlobalProvisionedManaged 15|"
         "gpt-5.4-mini DeveloperTier 1|gpt-5.4-mini Fast 1",
         CAPACITY: "gpt-5.4-mini GlobalStandard 0|gpt-4.1 GlobalProvisionedManaged 10|"
         "gpt-4.1 GlobalProvisionedManaged 17|gpt-4.1 DataZoneProvisionedManaged 14|"
         "gpt-4.1 ProvisionedManaged 25",
         "InsufficientQuota": "gpt-5.4-mini GlobalStandard 1001|gpt-5.4-mini DataZoneStandard 301|"
         "gpt-4.1 ProvisionedManaged 150",
         ACCEPTED: "gpt-5.4-mini GlobalStandard 1000|gpt-5.4-mini DataZoneStandard 10|"
         "gpt-5.4-mini GlobalBatch 1000|gpt-4.1 Standard 10|gpt-5-nano GlobalStandard 5000|"
         "gpt-4.1 GlobalProvisionedManaged 15|gpt-4.1 ProvisionedManaged 50|"
         "gpt-5-mini ProvisionedManaged 25"}),
    *rows("subdomain", stack.OPENAI, lambda subdomain: stack.openai_inputs("new-ai", subdomain),
        {"CustomDomainInUse": "Assistant-AI|deleted-ai", ACCEPTED: "free-ai"}),
    ("no subdomain", stack.OPENAI, {**openai(), "properties": {}}, ACCEPTED),
    *rows("type of a user", stack.ASSIGNMENT, lambda kind: stack.assignment_inputs(principalType=kind),
        {"UnmatchedPrincipalType": "ServicePrincipal|Group", PREVIEW: "Robot", ACCEPTED: "User"}),
    *rows("assignment at another scope than the first", stack.ASSIGNMENT,
        lambda name: stack.assignment_inputs(stack.ACCOUNT_ID, roleAssignmentName=name),
        {"RoleAssignmentUpdateNotPermitted": OTHER_GUID.upper(),
         ACCEPTED: OTHER_GUID.replace("7f", "8f")}),
    *rows("app setting", stack.SITE, lambda name: settings("B", name),
        {"BadRequest": "my-setting|my setting| A|AzureWebJobs.my-function.Disabled|café",
         ACCEPTED: "AzureWebJobsStorage__clientId|AzureWebJobs.create.Disabled"}),
    ("origin * with credentials", stack.SITE, origins("*", credentials=True), "BadRequest"),
    ("origin * without credentials", stack.SITE, origins("*", credentials=False), ACCEPTED),
    ("an origin with credentials", stack.SITE, origins("https://a.example", credentials=True), ACCEPTED),
    *rows("Key Vault identity", stack.SITE,
        lambda identity: stack.site_inputs(keyVaultReferenceIdentity=identity),
        {"BadRequest": f"{stack.IDENTITY_ID}x|app-id",
         ACCEPTED: f"{stack.IDENTITY_ID.upper()}|SystemAssigned"}),
    *rows("subnet", stack.SITE, lambda subnet: stack.site_inputs(virtualNetworkSubnetId=subnet),
        {"BadRequest": f"app|{NETWORK}/net|{NETWORK}/net/subnets/absent|{NETWORK}/net/subnets/plain|"
         f"{NETWORK}/net/subnets/snet_app|{NETWORK}/absent/subnets/app",
         ACCEPTED: f"{NETWORK}/net/subnets/app|{NETWORK}/net/subnets/inline"}),
    *rows("ready instances", stack.SITE, lambda words: ready(*map(int, words.split())),
        {"BadRequest": "200 2048 51|126 4096", ACCEPTED: "250 2048|200 2048 50"}),
    *rows("app", stack.SITE, lambda name: stack.site_inputs(name=name),
        {RESERVED: "azure|Xbox|my-microsoft-app|windows-app|login-app",
         ACCEPTED: "app-login|azure-app|office-hours"}),
    *rows("storage named", stack.ACCOUNT, stack.account_inputs,
        {RESERVED: "loginstorage", ACCEPTED: "storagelogin"}),
    *rows("workspace of SKU", stack.WORKSPACE, workspace,
        {"BadRequest": "Free|Standard|Premium|CapacityReservation", PREVIEW: "Cheap", ACCEPTED: "PerGB2018"}),
    *rows("workspace that reserves GB", stack.WORKSPACE,
        lambda level: workspace("CapacityReservation", capacityReservationLevel=int(level)),
        {"BadRequest": "150", ACCEPTED: "100"}),
    *rows("ingestion mode", stack.COMPONENT, lambda mode: component(ingestionMode=mode),
        {"BadRequest": "ApplicationInsights|ApplicationInsightsWithDiagnosticSettings",
         PREVIEW: "Classic",
         ACCEPTED: "LogAnalytics"}),
    *rows("tag", stack.GROUP, lambda name: stack.group_inputs("new", tags={name: "x"}),
        {"InvalidTagName": "azureOwner|Microsoft.owner|WINDOWS",
         ACCEPTED: "azd-env-name|my-azure|hidden-title"}),
    ("tag of an account", stack.ACCOUNT, {**storage(), "tags": {"Windows11": "x"}}, "InvalidTagName"),
]
# fmt: on


def put(cloud: Cloud, kind: str, resource_id: str, **properties: Any) -> None:
    """A resource that these tests only refer to."""
    name = ids.name_of(resource_id)
    cloud.store.put(Resource(id=resource_id, name=name, type=kind, properties=properties))


@pytest.fixture(scope="module")
def store_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("refusals") / "arm.json"
    cloud = Cloud(file)
    cloud.create_stack()
    cloud.delete(cloud.create(stack.OPENAI, stack.openai_inputs("deleted-ai", "deleted-ai")))
    cloud.create(stack.OPENAI, stack.openai_inputs())
    cloud.create(stack.OPENAI, openai("swedencentral", name="europe-ai"))
    cloud.create(stack.WORKSPACE, {**workspace(), "workspaceName": "logs"})
    cloud.create(stack.ASSIGNMENT, stack.assignment_inputs(stack.PLAN_ID, roleAssignmentName=OTHER_GUID))
    delegations = [{"name": "flex", "serviceName": "Microsoft.App/environments"}]
    subnets = [{"name": "inline", "properties": {"delegations": [{"properties": delegations[0]}]}}]
    put(cloud, "Microsoft.Network/virtualNetworks", f"{NETWORK}/net", subnets=subnets)
    for name, delegated in (("app", delegations), ("snet_app", delegations), ("plain", [])):
        kind = "Microsoft.Network/virtualNetworks/subnets"
        put(cloud, kind, f"{NETWORK}/net/subnets/{name}", delegations=delegated)
    return file


@pytest.fixture
def prepared(store_file: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(store_file, tmp_path))


@pytest.fixture
def world(prepared: Path) -> Cloud:
    return Cloud(prepared)


def outcome(cloud: Cloud, token: str, inputs: Inputs, *, update: bool = False) -> str:
    try:
        (cloud.update if update else cloud.create)(token, inputs)
    except CheckError:
        return PREVIEW
    except ArmError as error:
        return error.code if 400 <= error.status < 500 else f"{error.code} {error.status}"
    return ACCEPTED


@pytest.mark.parametrize(
    ("token", "inputs", "expected"), [row[1:] for row in NEW], ids=[row[0] for row in NEW]
)
def test_a_new_resource_is_accepted_or_refused_as_on_azure(
    world: Cloud, token: str, inputs: Inputs, expected: str
) -> None:
    before, services = world.store.list(), set(world.services.exists)
    assert outcome(world, token, inputs) == expected
    if expected != ACCEPTED:
        assert (world.store.list(), world.services.exists) == (before, services)


def changes(
    token: str, inputs: Callable[[str], Inputs], outcomes: Mapping[str, str]
) -> list[tuple[str, Inputs, Inputs, str]]:
    """As `rows`, of `old>new`."""
    return [
        (token, inputs(pair.partition(">")[0]), inputs(pair.partition(">")[2]), outcome)
        for outcome, listed in outcomes.items()
        for pair in listed.split("|")
    ]


# fmt: off
CHANGED: list[tuple[str, Inputs, Inputs, str]] = [
    *changes(stack.ACCOUNT, storage,
        {KIND_SKU: "StorageV2>Storage|StorageV2>BlobStorage",
         ACCEPTED: "Storage>StorageV2|BlobStorage>StorageV2"}),
    *changes(stack.ACCOUNT, lambda sku: storage(sku=sku),
        {KIND_SKU: "Standard_LRS>Standard_ZRS|Standard_ZRS>Standard_LRS|Standard_GRS>Standard_GZRS|"
         "Standard_RAGZRS>Standard_RAGRS",
         "StorageAccountTypeCannotBeChanged": "Standard_LRS>Premium_LRS",
         ACCEPTED: "Standard_LRS>Standard_GRS|Standard_RAGRS>Standard_LRS|Standard_ZRS>Standard_GZRS"}),
    *changes(stack.ACCOUNT, lambda wanted: {**storage(), **encrypted(json.loads(wanted))},
        {"InvalidRequestPropertyValue": "null>true|false>true|true>false",
         ACCEPTED: "true>true|null>false|true>null"}),
    *changes(stack.OPENAI,
        lambda name: {**openai(), "properties": {"customSubDomainName": name} if name else {}},
        {"BadRequest": "new-ai>|new-ai>other", ACCEPTED: "new-ai>New-AI|>new-ai"}),
    *changes(stack.DEPLOYMENT, lambda capacity: deployment(capacity=int(capacity)),
        {"InsufficientQuota": "900>1001", ACCEPTED: "900>1000"}),
    *changes(stack.ASSIGNMENT, lambda guid: stack.assignment_inputs(guid=guid),
        {"RoleAssignmentUpdateNotPermitted": f"{stack.TABLE_CONTRIBUTOR}>{stack.BLOB_OWNER}",
         ACCEPTED: f"{stack.BLOB_OWNER}>{stack.BLOB_OWNER}"}),
    *changes(stack.SITE, lambda words: ready(*map(int, words.split())),
        {"BadRequest": "250 2048>251 2048", ACCEPTED: "250 2048>250 512"}),
    *changes(stack.SITE, settings, {"BadRequest": "A>b-c", ACCEPTED: "A>B"}),
    *changes(stack.WORKSPACE, workspace, {"BadRequest": "PerGB2018>Free"}),
    *changes(stack.GROUP, lambda location: stack.group_inputs("new", location=location),
        {"InvalidResourceGroupLocation": "eastus2>westus", ACCEPTED: "eastus2>East US 2"}),
    *changes(stack.IDENTITY, lambda location: {**stack.identity_inputs("new"), "location": location},
        {"InvalidResourceLocation": "eastus2>westus", ACCEPTED: "eastus2>East US 2"}),
]
# fmt: on


@pytest.mark.parametrize(("token", "old", "new", "expected"), CHANGED)
def test_a_change_is_accepted_or_refused_as_on_azure(
    world: Cloud, token: str, old: Inputs, new: Inputs, expected: str
) -> None:
    world.create(token, old)
    before = world.store.list()
    assert outcome(world, token, new, update=True) == expected
    if expected != ACCEPTED:
        assert world.store.list() == before


@pytest.mark.parametrize(
    ("kind", "sku", "table", "container"),
    [
        ("StorageV2", "Standard_ZRS", ACCEPTED, ACCEPTED),
        ("Storage", "Standard_LRS", ACCEPTED, ACCEPTED),
        ("StorageV2", "Premium_LRS", NO_FEATURE, ACCEPTED),
        ("BlockBlobStorage", "Premium_LRS", NO_FEATURE, ACCEPTED),
        ("FileStorage", "Premium_LRS", NO_FEATURE, NO_FEATURE),
        ("FileStorage", "StandardV2_LRS", NO_FEATURE, NO_FEATURE),
    ],
)
def test_a_storage_account_has_the_services_of_its_kind_and_performance(
    world: Cloud, kind: str, sku: str, table: str, container: str
) -> None:
    world.create(stack.ACCOUNT, storage(kind, sku))
    names = {"resourceGroupName": "rg", "accountName": "newstorage"}
    assert outcome(world, stack.TABLE, {**names, "tableName": "ChatState"}) == table
    assert outcome(world, stack.CONTAINER, {**names, "containerName": "deployments"}) == container


@pytest.mark.parametrize(
    ("model", "sku", "account", "expected"),
    [
        ("gpt-5.4-mini", "GlobalStandard", "europe-ai", ACCEPTED),
        ("gpt-5.4-mini", "DataZoneStandard", "europe-ai", PROPERTIES),
        ("gpt-4.1", "DataZoneStandard", "europe-ai", ACCEPTED),
        ("gpt-4.1", "Standard", "europe-ai", ACCEPTED),
    ],
)
def test_a_model_has_its_skus_in_some_regions(
    world: Cloud, model: str, sku: str, account: str, expected: str
) -> None:
    assert outcome(world, stack.DEPLOYMENT, deployment(sku, 10, model, account)) == expected


def test_deployments_of_a_model_in_a_region_share_a_quota_that_can_be_set(prepared: Path) -> None:
    quotas: dict[str, int] = {}
    world = Cloud(prepared, quotas=lambda: quotas)
    world.create(stack.DEPLOYMENT, deployment(capacity=600))
    world.create(stack.OPENAI, openai(name="second-ai"))
    second = deployment(capacity=600, account="second-ai")
    refusal = world.refusal(stack.DEPLOYMENT, second)
    assert "require 600 new capacity in quota OpenAI.GlobalStandard.gpt-5.4-mini" in refusal
    assert "available capacity 400. The current quota usage is 600 and the quota limit is 1000" in refusal
    for other in (
        deployment(capacity=600, account="europe-ai"),
        deployment(capacity=600, account="second-ai", model="gpt-4.1"),
    ):
        assert outcome(world, stack.DEPLOYMENT, other) == ACCEPTED
    quotas["OpenAI.GlobalStandard.gpt-5.4-mini"] = 1200
    rest = {**second, "deploymentName": "rest"}
    assert outcome(world, stack.DEPLOYMENT, rest) == ACCEPTED
    quotas["swedencentral/OpenAI.GlobalStandard.gpt-5.4-mini"] = 600
    more = {**second, "deploymentName": "more", "accountName": "europe-ai"}
    assert outcome(world, stack.DEPLOYMENT, more) == "InsufficientQuota"


def test_apps_of_a_region_share_the_memory_that_is_ready(prepared: Path) -> None:
    quotas: dict[str, int] = {}
    world = Cloud(prepared, quotas=lambda: quotas)
    for number, location in enumerate(("eastus2", "eastus2", "swedencentral")):
        world.create(stack.PLAN, stack.plan_inputs(f"plan-{number}", location=location))
    apps = [
        {**ready(130, 2048), "name": f"app-{number}", "location": location}
        | {"serverFarmId": f"{stack.GROUP_ID}/providers/Microsoft.Web/serverfarms/plan-{number}"}
        for number, location in enumerate(("eastus2", "eastus2", "swedencentral"))
    ]
    assert [outcome(world, stack.SITE, app) for app in apps] == [ACCEPTED, "BadRequest", ACCEPTED]
    quotas["FlexConsumption.MemoryMB"] = 600_000
    assert outcome(world, stack.SITE, apps[1]) == ACCEPTED


def test_an_account_with_deployments_is_deleted_with_its_group_only(world: Cloud) -> None:
    account = world.store.require(f"{stack.GROUP_ID}/providers/{ACCOUNT_TYPE}/assistant-ai")
    chat = world.create(stack.DEPLOYMENT, deployment())
    with pytest.raises(
        ArmError, match=f"CannotDeleteResource.*'{ACCOUNT_TYPE}/assistant-ai/deployments/chat'"
    ):
        world.delete(account)
    world.delete(chat)
    world.delete(account)
    world.create(stack.DEPLOYMENT, deployment(account="europe-ai"))
    world.delete(world.store.require(stack.GROUP_ID))
    assert world.store.list(ACCOUNT_TYPE) == []
