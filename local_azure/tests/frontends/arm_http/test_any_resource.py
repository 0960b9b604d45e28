"""What Azure's management SDKs read, and any resource by its id: requests as the SDKs send them."""

from functools import reduce
from typing import Any

from local_azure.services.storage.resource_types import ACCOUNT_TYPE
from local_azure.tests.frontends.arm_http.conftest import World
from local_azure.tests.frontends.pulumi import stack
from local_azure.tests.frontends.pulumi.stack import ACCOUNT_ID, GROUP_ID, PLAN_ID, SUBSCRIPTION

MODELS = f"{SUBSCRIPTION}/providers/Microsoft.CognitiveServices"
OPENAI_ID = f"{GROUP_ID}/providers/Microsoft.CognitiveServices/accounts/assistant-ai"
SITE_ID = f"{GROUP_ID}/providers/Microsoft.Web/sites/assistant-app"
ROLES = f"{GROUP_ID}/providers/Microsoft.Authorization/roleDefinitions"
SUBDOMAINS = "CognitiveServices/checkDomainAvailability"
USAGE = "OpenAI.GlobalStandard.gpt-5.4-mini"
BUS_ID = f"{GROUP_ID}/providers/Microsoft.ServiceBus/namespaces/bus"

READS: tuple[tuple[str, str, Any, str, object], ...] = (
    # method, path, body, member of the response, its value
    ("GET", "/subscriptions", None, "value.0.state", "Enabled"),
    ("GET", f"{SUBSCRIPTION}/locations", None, "value.0.name", "australiacentral"),
    ("GET", f"{SUBSCRIPTION}/providers", None, "value.0.namespace", "Microsoft.Authorization"),
    ("GET", f"{SUBSCRIPTION}/providers/microsoft.web", None, "registrationState", "Registered"),
    ("GET", f"{SUBSCRIPTION}/providers/Microsoft.None", None, "error.code", "InvalidResourceNamespace"),
    ("GET", f"{SUBSCRIPTION}/providers/{ACCOUNT_TYPE}", None, "value.0.name", "assistantsa"),
    ("GET", f"{ACCOUNT_ID}/tableServices/default/tables", None, "value.0.name", "ChatState"),
    ("GET", f"{ACCOUNT_ID}/tableServices/default/tables/ChatState", None, "name", "ChatState"),
    ("GET", f"{ACCOUNT_ID}/blobServices/default/containers", None, "value.0.name", "deployments"),
    ("GET", f"{ACCOUNT_ID}/blobServices/default", None, "name", "default"),
    ("GET", f"{ACCOUNT_ID}/queueServices/default/queues", None, "value", []),
    ("GET", f"{ACCOUNT_ID}x/tableServices/default/tables", None, "error.code", "ResourceNotFound"),
    ("POST", f"{ACCOUNT_ID}/listKeys", None, "keys.1.keyName", "key2"),
    ("GET", f"{OPENAI_ID}/deployments", None, "value.0.properties.model.name", "gpt-5.4-mini"),
    ("GET", f"{OPENAI_ID}/models", None, "value.0.name", "gpt-4o-mini"),
    ("POST", f"{OPENAI_ID}/listKeys", None, "error.code", "BadRequest"),
    ("GET", f"{MODELS}/locations/eastus2/models", None, "value.0.model.skus.0.name", "GlobalStandard"),
    ("GET", f"{SITE_ID}/config/web", None, "properties.minTlsVersion", "1.2"),
    ("GET", f"{SITE_ID}/config", None, "value.0.name", "web"),
    ("POST", f"{SITE_ID}/config/connectionstrings/list", None, "properties", {}),
    ("POST", f"{SITE_ID}/config/keys/list", None, "error.code", "NotFound"),
    ("GET", f"{SITE_ID}/basicPublishingCredentialsPolicies/scm", None, "name", "scm"),
    ("GET", f"{PLAN_ID}x", None, "error.code", "ResourceNotFound"),
    ("GET", "/subscriptions/other/resourceGroups/rg", None, "error.code", "SubscriptionNotFound"),
    ("GET", f"{GROUP_ID}x", None, "error.code", "ResourceGroupNotFound"),
    ("GET", f"{GROUP_ID}x/providers/Microsoft.Web/sites", None, "error.code", "ResourceGroupNotFound"),
    ("GET", f"{ROLES}?$filter=roleName eq 'Reader'", None, "value.0.properties.type", "BuiltInRole"),
    ("GET", f"{ROLES}?$filter=type eq 'CustomRole'", None, "value.0.properties.roleName", "Settings"),
    ("GET", f"{ROLES}?$filter=name eq 'Reader'", None, "error.code", "UnsupportedQuery"),
    ("GET", stack.role(stack.BLOB_OWNER), None, "properties.roleName", "Storage Blob Data Owner"),
    ("GET", f"{ROLES}/{stack.BLOB_OWNER[:-1]}0", None, "error.code", "RoleDefinitionDoesNotExist"),
    *(
        ("POST", f"{SUBSCRIPTION}/providers/Microsoft.{path}", body, member, value)
        for path, body, member, value in (
            ("Storage/checkNameAvailability", {"name": "assistantsa"}, "reason", "AlreadyExists"),
            ("Storage/checkNameAvailability", {"name": "Upper"}, "reason", "AccountNameInvalid"),
            ("Storage/checkNameAvailability", {"name": "free1"}, "nameAvailable", True),
            ("Storage/checkNameAvailability", {}, "error.code", "InvalidRequestContent"),
            ("Other/checkNameAvailability", {"name": "x"}, "error.code", "InvalidResourceNamespace"),
            ("Web/checknameavailability", {"name": "ASSISTANT-app"}, "nameAvailable", False),
            ("KeyVault/checkNameAvailability", {"name": "kv-state"}, "reason", "AlreadyExists"),
            (SUBDOMAINS, {"subdomainName": "assistant-ai"}, "isSubdomainAvailable", False),
            (SUBDOMAINS, {"subdomainName": "other-ai"}, "isSubdomainAvailable", True),
        )
    ),
)


def member(content: Any, path: str) -> object:
    return reduce(lambda part, name: part[int(name) if name.isdigit() else name], path.split("."), content)


def test_usual_reads_are_answered_as_on_azure(world: World) -> None:
    world.create_site()
    for token, inputs in (
        (stack.TABLE, stack.in_account(tableName="ChatState")),
        (stack.OPENAI, stack.openai_inputs()),
        (stack.DEPLOYMENT, stack.deployment_inputs()),
        (stack.VAULT, stack.vault_inputs()),
        (stack.ROLE, stack.role_inputs(roleName="Settings")),
    ):
        world.create(token, inputs)
    world.delete(world.store.list("Microsoft.KeyVault/vaults")[0])
    for method, path, body, name, value in READS:
        content = world.send(method, path, body).json()
        assert member(content, name) == value, path
    usages = world.send("GET", f"{MODELS}/locations/eastus2/usages").json()["value"]
    [usage] = [usage for usage in usages if usage["name"]["value"] == USAGE]
    assert (usage["currentValue"], usage["limit"]) == (10, 1000)
    assert world.send("HEAD", f"{ACCOUNT_ID}/blobServices/default").status_code == 204


def test_keys_of_a_model_account_are_listed_while_it_takes_keys(world: World) -> None:
    world.create(stack.GROUP, stack.group_inputs())
    inputs = stack.openai_inputs()
    inputs["properties"]["disableLocalAuth"] = False
    world.create(stack.OPENAI, inputs)
    assert {*world.send("POST", f"{OPENAI_ID}/listKeys").json()} == {"key1", "key2"}
    world.create(stack.LOCK, stack.lock_inputs(GROUP_ID, "ReadOnly"))
    assert world.send("POST", f"{OPENAI_ID}/listKeys").json()["error"]["code"] == "ScopeLocked"


def test_a_resource_of_any_type_is_put_read_changed_listed_and_deleted(world: World) -> None:
    world.create(stack.GROUP, stack.group_inputs())
    body = {"location": "eastus2", "sku": {"name": "Standard"}}
    assert world.send("HEAD", BUS_ID).status_code == 404
    assert world.send("PUT", BUS_ID, {**body, "sku": {"name": "Gold"}}).status_code == 400
    assert [world.send("PUT", BUS_ID, body).status_code for _ in range(2)] == [201, 200]
    assert world.send("HEAD", BUS_ID).status_code == 204
    changed = world.send(
        "PATCH", BUS_ID, {"tags": {"a": "b"}, "properties": {"disableLocalAuth": True}}
    ).json()
    assert changed == world.send("GET", BUS_ID).json()
    assert changed["properties"] == {"disableLocalAuth": True, "provisioningState": "Succeeded"}
    removed = world.send("PATCH", BUS_ID, {"tags": None, "properties": {"disableLocalAuth": None}}).json()
    assert (removed["tags"], removed["properties"]) == ({}, {"provisioningState": "Succeeded"})
    assert world.send("PUT", BUS_ID, body).json()["sku"] == {"name": "Standard"}
    for name in ("one", "two", "three"):
        assert world.send("PUT", f"{BUS_ID}/queues/{name}", {}).status_code == 201

    names: list[str] = []
    path = f"{BUS_ID}/queues?$top=2"
    while path:
        page = world.send("GET", path).json()
        names += [queue["name"] for queue in page["value"]]
        path = page.get("nextLink", "").removeprefix(world.clients.cloud.endpoint).removesuffix("/")
        path = path.replace("api-version=2022-04-01&", "")
    assert names == ["one", "two", "three"]

    assert [world.send("DELETE", BUS_ID).status_code for _ in range(2)] == [200, 204]
    assert world.send("GET", BUS_ID).json()["error"]["code"] == "ResourceNotFound"
    assert world.send("GET", f"{BUS_ID}/queues").status_code == 404


def test_a_sites_configuration_is_changed_by_its_own_id(world: World) -> None:
    world.create_site()
    changed = world.send("PATCH", f"{SITE_ID}/config/web", {"properties": {"http20Enabled": True}}).json()
    assert changed["properties"] == {"minTlsVersion": "1.2", "http20Enabled": True}
    assert world.services.configured == ["assistant-app", "assistant-app"]
