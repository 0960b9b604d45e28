"""What Azure refuses, with its code and at its moment, beside what it accepts: one row a variant."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from pulumi_azure_native.storage import SkuName

from local_azure.core import ids, operations
from local_azure.core.errors import ArmError
from local_azure.core.store import Resource
from local_azure.services import catalogue
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
SKUS = [sku.value for sku in SkuName]
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


def settings(*names: str) -> Inputs:
    return site(appSettings=[{"name": name, "value": "1"} for name in names])


def ready(count: int, memory: int, **groups: int) -> Inputs:
    named = [{"name": name, "instanceCount": number} for name, number in {"http": count, **groups}.items()]
    scale = {"alwaysReady": named, "instanceMemoryMB": memory, "maximumInstanceCount": 1000}
    return stack.site_inputs(functionAppConfig={**stack.storage_inputs(), "scaleAndConcurrency": scale})


def subnet(name: str) -> Inputs:
    return stack.site_inputs(virtualNetworkSubnetId=f"{NETWORK}/net/subnets/{name}")


def origins(*allowed: str, credentials: bool) -> Inputs:
    return site(cors={"allowedOrigins": list(allowed), "supportCredentials": credentials})


NEW: list[tuple[str, str, Inputs, str]] = [
    *(
        (f"group in {location}", stack.GROUP, stack.group_inputs("new", location=location), expected)
        for location, expected in (
            ("global", GROUP_LOCATION),
            ("francesouth", GROUP_LOCATION),
            ("moon", GROUP_LOCATION),
            ("East US 2", ACCEPTED),
            ("newzealandnorth", ACCEPTED),
        )
    ),
    *(
        (f"storage in {location}", stack.ACCOUNT, storage(location=location), expected)
        for location, expected in (
            ("global", TYPE_LOCATION),
            ("southafricawest", TYPE_LOCATION),
            ("jioindiawest", TYPE_LOCATION),
            ("westindia", ACCEPTED),
            ("West US 3", ACCEPTED),
        )
    ),
    *(
        (f"{kind} account in {location}", stack.OPENAI, openai(location, kind), expected)
        for kind, location, expected in (
            ("OpenAI", "global", "InvalidApiSetId"),
            ("OpenAI", "westus2", "InvalidApiSetId"),
            ("OpenAI", "northeurope", "InvalidApiSetId"),
            ("OpenAI", "ukwest", TYPE_LOCATION),
            ("OpenAI", "westindia", TYPE_LOCATION),
            ("OpenAI", "moon", TYPE_LOCATION),
            ("OpenAI", "Sweden Central", ACCEPTED),
            ("OpenAI", "switzerlandwest", ACCEPTED),
            ("AIServices", "global", "InvalidApiSetId"),
            ("AIServices", "westus2", ACCEPTED),
            ("Cognition", "eastus2", "InvalidApiSetId"),
        )
    ),
    *(
        (f"workspace in {location}", stack.WORKSPACE, workspace(location=location), expected)
        for location, expected in (
            ("global", TYPE_LOCATION),
            ("westindia", TYPE_LOCATION),
            ("westcentralus", ACCEPTED),
        )
    ),
    *(
        (f"component in {location}", stack.COMPONENT, component(location), expected)
        for location, expected in (
            ("global", TYPE_LOCATION),
            ("westcentralus", TYPE_LOCATION),
            ("canadaeast", ACCEPTED),
        )
    ),
    *(
        (f"plan in {location}", stack.PLAN, stack.plan_inputs("new", location=location), expected)
        for location, expected in (
            ("global", TYPE_LOCATION),
            ("canadaeast", TYPE_LOCATION),
            ("qatarcentral", TYPE_LOCATION),
            ("ukwest", ACCEPTED),
        )
    ),
    (
        "identity in global",
        stack.IDENTITY,
        {**stack.identity_inputs("new"), "location": "global"},
        TYPE_LOCATION,
    ),
    ("vault in global", stack.VAULT, {**stack.vault_inputs("kv-new"), "location": "global"}, TYPE_LOCATION),
    *(
        (
            f"zone redundant plan in {location}",
            stack.PLAN,
            stack.plan_inputs("new", location=location, zoneRedundant=True),
            expected,
        )
        for location, expected in (
            ("westus", "BadRequest"),
            ("northcentralus", "BadRequest"),
            ("eastus2", ACCEPTED),
        )
    ),
    *(
        (f"{sku} in {location}", stack.ACCOUNT, storage("StorageV2", sku, location), expected)
        for sku, location, expected in (
            ("Standard_ZRS", "westus", NO_REDUNDANCY),
            ("Standard_GZRS", "northcentralus", NO_REDUNDANCY),
            ("Standard_RAGZRS", "canadaeast", NO_REDUNDANCY),
            ("Standard_GZRS", "italynorth", NO_REDUNDANCY),
            ("Standard_GRS", "polandcentral", NO_REDUNDANCY),
            ("Standard_RAGRS", "spaincentral", NO_REDUNDANCY),
            ("Standard_ZRS", "italynorth", ACCEPTED),
            ("Standard_GRS", "westus", ACCEPTED),
            ("Standard_RAGZRS", "swedencentral", ACCEPTED),
        )
    ),
    (
        "BlockBlobStorage Premium_ZRS in westus",
        stack.ACCOUNT,
        storage("BlockBlobStorage", "Premium_ZRS", "westus"),
        NO_REDUNDANCY,
    ),
    *(
        (
            f"{kind} {sku}",
            stack.ACCOUNT,
            storage(kind, sku),
            ACCEPTED if sku in accepted.split() else KIND_SKU,
        )
        for kind, accepted in (
            (
                "StorageV2",
                "Standard_LRS Standard_GRS Standard_RAGRS Standard_ZRS Standard_GZRS Standard_RAGZRS "
                "Premium_LRS",
            ),
            ("Storage", "Standard_LRS Standard_GRS Standard_RAGRS Premium_LRS"),
            ("BlobStorage", "Standard_LRS Standard_GRS Standard_RAGRS"),
            ("BlockBlobStorage", "Premium_LRS Premium_ZRS"),
            (
                "FileStorage",
                "Premium_LRS Premium_ZRS StandardV2_LRS StandardV2_GRS StandardV2_ZRS StandardV2_GZRS "
                "PremiumV2_LRS PremiumV2_ZRS",
            ),
        )
        for sku in SKUS
    ),
    ("unknown kind", stack.ACCOUNT, storage("StorageV3"), PREVIEW),
    ("unknown SKU", stack.ACCOUNT, storage(sku="Standard_XRS"), PREVIEW),
    (
        "infrastructure encryption of v1",
        stack.ACCOUNT,
        {**storage("Storage"), "encryption": {"requireInfrastructureEncryption": True}},
        NO_FEATURE,
    ),
    (
        "infrastructure encryption of v2",
        stack.ACCOUNT,
        {**storage(), "encryption": {"requireInfrastructureEncryption": True}},
        ACCEPTED,
    ),
    *(
        (f"{model} as {sku} with {capacity}", stack.DEPLOYMENT, deployment(sku, capacity, model), expected)
        for model, sku, capacity, expected in (
            ("gpt-5.4-mini", "Standard", 10, PROPERTIES),
            ("gpt-5.4-mini", "GlobalProvisionedManaged", 15, PROPERTIES),
            ("gpt-5.4-mini", "DeveloperTier", 1, PROPERTIES),
            ("gpt-5.4-mini", "Fast", 1, PROPERTIES),
            ("gpt-5.4-mini", "DataZoneStandard", 10, ACCEPTED),
            ("gpt-5.4-mini", "GlobalBatch", 1000, ACCEPTED),
            ("gpt-4.1", "Standard", 10, ACCEPTED),
            ("gpt-5.4-mini", "GlobalStandard", 0, CAPACITY),
            ("gpt-5.4-mini", "GlobalStandard", 1000, ACCEPTED),
            ("gpt-5.4-mini", "GlobalStandard", 1001, "InsufficientQuota"),
            ("gpt-5.4-mini", "DataZoneStandard", 301, "InsufficientQuota"),
            ("gpt-5-nano", "GlobalStandard", 5000, ACCEPTED),
            ("gpt-4.1", "GlobalProvisionedManaged", 10, CAPACITY),
            ("gpt-4.1", "GlobalProvisionedManaged", 17, CAPACITY),
            ("gpt-4.1", "GlobalProvisionedManaged", 15, ACCEPTED),
            ("gpt-4.1", "DataZoneProvisionedManaged", 14, CAPACITY),
            ("gpt-4.1", "ProvisionedManaged", 25, CAPACITY),
            ("gpt-4.1", "ProvisionedManaged", 50, ACCEPTED),
            ("gpt-4.1", "ProvisionedManaged", 150, "InsufficientQuota"),
            ("gpt-5-mini", "ProvisionedManaged", 25, ACCEPTED),
        )
    ),
    (
        "a subdomain that another account has",
        stack.OPENAI,
        stack.openai_inputs("new-ai", "Assistant-AI"),
        "CustomDomainInUse",
    ),
    (
        "a subdomain that a deleted account has",
        stack.OPENAI,
        stack.openai_inputs("new-ai", "deleted-ai"),
        "CustomDomainInUse",
    ),
    ("an account without a subdomain", stack.OPENAI, {**openai(), "properties": {}}, ACCEPTED),
    *(
        (f"a {kind} for a user", stack.ASSIGNMENT, stack.assignment_inputs(principalType=kind), expected)
        for kind, expected in (
            ("ServicePrincipal", "UnmatchedPrincipalType"),
            ("Group", "UnmatchedPrincipalType"),
            ("Robot", PREVIEW),
            ("User", ACCEPTED),
        )
    ),
    (
        "an assignment with the name of another, at another scope",
        stack.ASSIGNMENT,
        stack.assignment_inputs(stack.ACCOUNT_ID, roleAssignmentName=OTHER_GUID.upper()),
        "RoleAssignmentUpdateNotPermitted",
    ),
    *(
        (f"app setting {name!r}", stack.SITE, settings(name), expected)
        for name, expected in (
            ("my-setting", "BadRequest"),
            ("my setting", "BadRequest"),
            (" A", "BadRequest"),
            ("AzureWebJobs.my-function.Disabled", "BadRequest"),
            ("AzureWebJobsStorage__clientId", ACCEPTED),
            ("AzureWebJobs.create.Disabled", ACCEPTED),
        )
    ),
    ("origin * with credentials", stack.SITE, origins("*", credentials=True), "BadRequest"),
    ("origin * without credentials", stack.SITE, origins("*", credentials=False), ACCEPTED),
    ("an origin with credentials", stack.SITE, origins("https://a.example", credentials=True), ACCEPTED),
    *(
        (
            f"Key Vault identity {identity}",
            stack.SITE,
            stack.site_inputs(keyVaultReferenceIdentity=identity),
            expected,
        )
        for identity, expected in (
            (f"{stack.IDENTITY_ID}x", "BadRequest"),
            ("app-id", "BadRequest"),
            (stack.IDENTITY_ID.upper(), ACCEPTED),
            ("SystemAssigned", ACCEPTED),
        )
    ),
    ("a subnet's name for its id", stack.SITE, stack.site_inputs(virtualNetworkSubnetId="app"), "BadRequest"),
    (
        "a network for a subnet",
        stack.SITE,
        stack.site_inputs(virtualNetworkSubnetId=f"{NETWORK}/net"),
        "BadRequest",
    ),
    ("missing subnet", stack.SITE, subnet("absent"), "BadRequest"),
    ("subnet without delegation", stack.SITE, subnet("plain"), "BadRequest"),
    ("subnet with an underscore", stack.SITE, subnet("snet_app"), "BadRequest"),
    ("delegated subnet", stack.SITE, subnet("app"), ACCEPTED),
    ("delegated subnet inside its network", stack.SITE, subnet("inline"), ACCEPTED),
    ("ready memory over the quota", stack.SITE, ready(200, 2048, blob=51), "BadRequest"),
    ("ready memory of 4 GB over the quota", stack.SITE, ready(126, 4096), "BadRequest"),
    ("ready memory of the quota", stack.SITE, ready(250, 2048), ACCEPTED),
    *(
        (f"an app named {name}", stack.SITE, stack.site_inputs(name=name), expected)
        for name, expected in (
            ("azure", RESERVED),
            ("Xbox", RESERVED),
            ("my-microsoft-app", RESERVED),
            ("windows-app", RESERVED),
            ("login-app", RESERVED),
            ("app-login", ACCEPTED),
            ("azure-app", ACCEPTED),
            ("office-hours", ACCEPTED),
        )
    ),
    (
        "a storage account named loginstorage",
        stack.ACCOUNT,
        {**storage(), "accountName": "loginstorage"},
        RESERVED,
    ),
    *(
        (f"workspace with {sku}", stack.WORKSPACE, workspace(sku), expected)
        for sku, expected in (
            ("Free", "BadRequest"),
            ("Standard", "BadRequest"),
            ("Premium", "BadRequest"),
            ("CapacityReservation", "BadRequest"),
            ("PerGB2018", ACCEPTED),
            ("Cheap", PREVIEW),
        )
    ),
    *(
        (
            f"workspace that reserves {level} GB",
            stack.WORKSPACE,
            workspace("CapacityReservation", capacityReservationLevel=level),
            expected,
        )
        for level, expected in ((150, "BadRequest"), (100, ACCEPTED))
    ),
    *(
        (f"component with mode {mode}", stack.COMPONENT, component(ingestionMode=mode), expected)
        for mode, expected in (
            ("ApplicationInsights", "BadRequest"),
            ("ApplicationInsightsWithDiagnosticSettings", "BadRequest"),
            ("LogAnalytics", ACCEPTED),
            ("Classic", PREVIEW),
        )
    ),
    *(
        (f"tag {name}", token, inputs | {"tags": {name: "x"}}, expected)
        for token, inputs in ((stack.GROUP, stack.group_inputs("new")), (stack.ACCOUNT, storage()))
        for name, expected in (
            ("azureOwner", "InvalidTagName"),
            ("Microsoft.owner", "InvalidTagName"),
            ("WINDOWS", "InvalidTagName"),
            ("azd-env-name", ACCEPTED),
            ("my-azure", ACCEPTED),
            ("hidden-title", ACCEPTED),
        )
    ),
]


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
    ("token", "inputs", "expected"), [row[1:] for row in NEW], ids=[row[0].replace("/", "|") for row in NEW]
)
def test_a_new_resource_is_accepted_or_refused_as_on_azure(
    world: Cloud, token: str, inputs: Inputs, expected: str
) -> None:
    before, services = world.store.list(), set(world.services.exists)
    assert outcome(world, token, inputs) == expected
    if expected != ACCEPTED:
        assert (world.store.list(), world.services.exists) == (before, services)


def encrypted(twice: bool | None) -> Inputs:
    return {} if twice is None else {"encryption": {"requireInfrastructureEncryption": twice}}


@pytest.mark.parametrize(
    ("token", "old", "new", "expected"),
    [
        *(
            (stack.ACCOUNT, storage(old, "Standard_LRS"), storage(new, "Standard_LRS"), expected)
            for old, new, expected in (
                ("StorageV2", "Storage", KIND_SKU),
                ("StorageV2", "BlobStorage", KIND_SKU),
                ("Storage", "StorageV2", ACCEPTED),
                ("BlobStorage", "StorageV2", ACCEPTED),
            )
        ),
        *(
            (stack.ACCOUNT, storage(sku=old), storage(sku=new), expected)
            for old, new, expected in (
                ("Standard_LRS", "Standard_ZRS", KIND_SKU),
                ("Standard_ZRS", "Standard_LRS", KIND_SKU),
                ("Standard_GRS", "Standard_GZRS", KIND_SKU),
                ("Standard_RAGZRS", "Standard_RAGRS", KIND_SKU),
                ("Standard_LRS", "Premium_LRS", "StorageAccountTypeCannotBeChanged"),
                ("Standard_LRS", "Standard_GRS", ACCEPTED),
                ("Standard_RAGRS", "Standard_LRS", ACCEPTED),
                ("Standard_ZRS", "Standard_GZRS", ACCEPTED),
            )
        ),
        (
            stack.ACCOUNT,
            storage("FileStorage", "Premium_LRS"),
            storage("FileStorage", "Premium_ZRS"),
            KIND_SKU,
        ),
        *(
            (stack.ACCOUNT, {**storage(), **encrypted(old)}, {**storage(), **encrypted(new)}, expected)
            for old, new, expected in (
                (None, True, "InvalidRequestPropertyValue"),
                (False, True, "InvalidRequestPropertyValue"),
                (True, False, "InvalidRequestPropertyValue"),
                (True, True, ACCEPTED),
                (None, False, ACCEPTED),
            )
        ),
        (stack.OPENAI, openai(), {**openai(), "properties": {}}, "BadRequest"),
        (stack.OPENAI, openai(), {**stack.openai_inputs("new-ai", "other")}, "BadRequest"),
        (stack.OPENAI, openai(), {**stack.openai_inputs("new-ai", "New-AI")}, ACCEPTED),
        (stack.OPENAI, {**openai(), "properties": {}}, openai(), ACCEPTED),
        (stack.DEPLOYMENT, deployment(capacity=900), deployment(capacity=1000), ACCEPTED),
        (stack.DEPLOYMENT, deployment(capacity=900), deployment(capacity=1001), "InsufficientQuota"),
        (stack.ASSIGNMENT, stack.assignment_inputs(), stack.assignment_inputs(description="x"), ACCEPTED),
        (
            stack.ASSIGNMENT,
            stack.assignment_inputs(),
            stack.assignment_inputs(guid=stack.BLOB_OWNER),
            "RoleAssignmentUpdateNotPermitted",
        ),
        (stack.SITE, ready(250, 2048), ready(251, 2048), "BadRequest"),
        (stack.SITE, ready(250, 2048), ready(250, 512), ACCEPTED),
        (stack.SITE, settings("A"), settings("A", "b-c"), "BadRequest"),
        (stack.WORKSPACE, workspace(), workspace("Free"), "BadRequest"),
        (
            stack.GROUP,
            stack.group_inputs("new"),
            stack.group_inputs("new", location="westus"),
            "InvalidResourceGroupLocation",
        ),
        (
            stack.IDENTITY,
            stack.identity_inputs("new"),
            {**stack.identity_inputs("new"), "location": "East US 2"},
            ACCEPTED,
        ),
        (
            stack.IDENTITY,
            stack.identity_inputs("new"),
            {**stack.identity_inputs("new"), "location": "westus"},
            "InvalidResourceLocation",
        ),
    ],
)
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


@pytest.mark.parametrize("subdomain", ["other-ai", None])
def test_a_patch_neither_changes_nor_removes_a_subdomain(world: Cloud, subdomain: str | None) -> None:
    kind = catalogue.find_type(stack.OPENAI)
    changes = {"properties": {"customSubDomainName": subdomain}}
    account = f"{stack.GROUP_ID}/providers/{ACCOUNT_TYPE}/assistant-ai"
    with pytest.raises(ArmError, match="cannot be changed or removed"):
        world.run(operations.patch(world.azure, kind, account, changes))
