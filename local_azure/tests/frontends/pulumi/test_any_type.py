"""Types that the project does not use, over the provider protocol: with a row, and by rule."""

from typing import Any, NamedTuple

import grpc.aio
import pytest
from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, plugin_pb2, provider_pb2

from local_azure.frontends.pulumi import guard
from local_azure.services import catalogue
from local_azure.tests.frontends.pulumi import stack
from local_azure.tests.frontends.pulumi.stack import GROUP_ID, Inputs
from local_azure.tests.frontends.pulumi.support import CheckError, Engine

NONE = provider_pb2.DiffResponse.DIFF_NONE
IN_GROUP = f"{GROUP_ID}/providers/"
NETWORK_ID = f"{IN_GROUP}Microsoft.Network/virtualNetworks/vnet"
ZONE_NAME = "privatelink.blob.core.windows.net"
ZONE_ID = f"{IN_GROUP}Microsoft.Network/privateDnsZones/{ZONE_NAME}"
RG: Inputs = {"resourceGroupName": "rg"}


class Case(NamedTuple):
    """`change` updates; each of `wrong` fails with the text; `parents` are created before it."""

    token: str
    inputs: Inputs
    path: str
    change: Inputs
    wrong: tuple[tuple[Inputs, str], ...]
    parents: tuple[tuple[str, Inputs], ...] = ()


NETWORK_INPUTS = {**RG, "virtualNetworkName": "vnet", "addressSpace": {"addressPrefixes": ["10.0.0.0/16"]}}
NETWORK = ("network:VirtualNetwork", NETWORK_INPUTS)
ZONE = ("privatedns:PrivateZone", {**RG, "privateZoneName": ZONE_NAME, "location": "global"})
ENDPOINT_INPUTS = {**RG, "privateEndpointName": "pe", "subnet": {"id": f"{NETWORK_ID}/x"}}
ENDPOINT = ("network:PrivateEndpoint", ENDPOINT_INPUTS)
BUS = ("servicebus:Namespace", {**RG, "namespaceName": "bus", "sku": {"name": "Standard"}})
SERVER = ("sql:Server", {**RG, "serverName": "server", "administratorLogin": "a"})
HUBS = ("eventhub:Namespace", {**RG, "namespaceName": "hubs", "sku": {"name": "Basic"}})
CRITERION = {
    "criterionType": "StaticThresholdCriterion",
    "name": "errors",
    "metricName": "Http5xx",
    "operator": "GreaterThan",
    "threshold": 0,
    "timeAggregation": "Total",
}
METRICS = {"odataType": "Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria", "allOf": [CRITERION]}
ALERT: Inputs = {
    "criteria": METRICS,
    "enabled": True,
    "evaluationFrequency": "PT5M",
    "scopes": [GROUP_ID],
    "severity": 1,
    "windowSize": "PT5M",
}
BUDGET: Inputs = {
    "scope": GROUP_ID,
    "amount": 50,
    "category": "Cost",
    "timeGrain": "Monthly",
    "timePeriod": {"startDate": "2026-12-01T00:00:00Z"},
}
# fmt: off
CASES = (
    Case(*NETWORK, "Microsoft.Network/virtualNetworks/vnet", {"tags": {"a": "b"}},
        (({"virtualNetworkName": "-"}, "80 letters"), ({"addresSpace": {}}, "Did you mean 'addressSpace'"))),
    Case("network:Subnet",
        {**RG, "virtualNetworkName": "vnet", "subnetName": "apps", "addressPrefix": "10.0.0.0/24"},
        "Microsoft.Network/virtualNetworks/vnet/subnets/apps", {"addressPrefix": "10.0.1.0/24"},
        (({"privateEndpointNetworkPolicies": "On"}, "'NetworkSecurityGroupEnabled'"),), (NETWORK,)),
    Case("privatedns:VirtualNetworkLink",
        {**ZONE[1], "virtualNetworkLinkName": "link", "virtualNetwork": {"id": NETWORK_ID}},
        f"Microsoft.Network/privateDnsZones/{ZONE_NAME}/virtualNetworkLinks/link",
        {"registrationEnabled": True}, (({"virtualNetwork": {"id": 1}}, "virtualNetwork.id"),), (ZONE,)),
    Case("network:PrivateDnsZoneGroup",
        {**RG, "privateEndpointName": "pe", "privateDnsZoneGroupName": "group"},
        "Microsoft.Network/privateEndpoints/pe/privateDnsZoneGroups/group",
        {"privateDnsZoneConfigs": [{"name": "blob", "privateDnsZoneId": ZONE_ID}]},
        (({"privateDnsZoneConfigs": [{"zone": "x"}]}, "privateDnsZoneConfigs[0].zone"),), (ENDPOINT,)),
    Case("monitor:MetricAlert", {**RG, "ruleName": "errors", "location": "global", **ALERT},
        "Microsoft.Insights/metricAlerts/errors", {"severity": 2},
        (({"severity": None}, "missing required property 'severity'"),
         ({"criteria": {"odataType": "x"}}, "SingleResourceMultipleMetricCriteria"),
         ({"criteria": {**METRICS, "allOf": [{**CRITERION, "operator": "Above"}]}}, "'GreaterThan'"))),
    Case("consumption:Budget", {"budgetName": "monthly", **BUDGET},
        "Microsoft.Consumption/budgets/monthly", {"amount": 60},
        (({"timeGrain": "Weekly"}, "'Monthly'"), ({"amount": "50"}, "the string '50'"))),
    Case(*BUS, "Microsoft.Servicebus/namespaces/bus", {"disableLocalAuth": True},
        (({"sku": {"name": "Gold"}}, "'Premium'"),)),
    Case("servicebus:Queue", {**RG, "namespaceName": "bus", "queueName": "jobs"},
        "Microsoft.Servicebus/namespaces/bus/queues/jobs", {"maxDeliveryCount": 3},
        (({"maxDeliveryCount": 1.5}, "integer"), ({"queueName": "a/b"}, "a/b")), (BUS,)),
    Case("sql:Database", {**RG, "serverName": "server", "databaseName": "main"},
        "Microsoft.Sql/servers/server/databases/main", {"maxSizeBytes": 1024},
        (({"licenseType": "Free"}, "'BasePrice'"),), (SERVER,)),
    Case("cosmosdb:DatabaseAccount",
        {**RG, "accountName": "docs", "databaseAccountOfferType": "Standard", "locations": []},
        "Microsoft.Cosmosdb/databaseAccounts/docs", {"disableLocalAuth": True},
        (({"locations": None}, "missing required property 'locations'"),)),
    Case("containerregistry:Registry", {**RG, "registryName": "images", "sku": {"name": "Basic"}},
        "Microsoft.Containerregistry/registries/images", {"adminUserEnabled": False},
        (({"sku": {}}, "missing required property 'sku.name'"),)),
    Case("eventgrid:Topic", {**RG, "topicName": "events"}, "Microsoft.Eventgrid/topics/events",
        {"publicNetworkAccess": "Disabled"}, (({"inputSchema": "XML"}, "'CloudEventSchemaV1_0'"),)),
    Case("eventhub:EventHub", {**RG, "namespaceName": "hubs", "eventHubName": "hub"},
        "Microsoft.Eventhub/namespaces/hubs/eventHubs/hub", {"partitionCount": 2},
        (({"status": "On"}, "'Active'"),), (HUBS,)),
    Case("app:ManagedEnvironment", {**RG, "environmentName": "apps"},
        "Microsoft.App/managedEnvironments/apps", {"zoneRedundant": True},
        (({"vnetConfiguration": {"internal": "no"}}, "vnetConfiguration.internal"),)),
    Case("search:Service", {**RG, "searchServiceName": "find", "sku": {"name": "basic"}},
        "Microsoft.Search/searchServices/find", {"replicaCount": 2},
        (({"sku": {"name": "Basic"}}, "Did you mean 'basic'?"),)),
    Case("web:WebAppAuthSettingsV2", {**RG, "name": "assistant-app"},
        "Microsoft.Web/sites/assistant-app/config/authsettingsV2",
        {"globalValidation": {"requireAuthentication": True}},
        (({"globalValidation": {"unauthenticatedClientAction": "Ask"}}, "'Return401'"),),
        (*((token.partition(":")[2], inputs) for token, inputs in stack.BEFORE_SITE[1:]),
         ("web:WebApp", stack.site_inputs()))),
)
# By rule: what the SDK calls the parent, and which name is the type's own, differs from type to type.
PATHS = {
    "containerservice:AgentPool": "managedClusters/{resourceName}/agentPools/{agentPoolName}",
    "redis:FirewallRule": "redis/{cacheName}/firewallRules/{ruleName}",
    "automation:Variable": "automationAccounts/{automationAccountName}/variables/{variableName}",
    "network:Route": "routeTables/{routeTableName}/routes/{routeName}",
    "netapp:ElasticCapacityPool": "elasticAccounts/{accountName}/elasticCapacityPools/{poolName}",
    "cosmosdb:DatabaseAccountMongoDBCollection": "databaseAccounts/{accountName}"
    "/databaseAccountMongoDBDatabases/{databaseName}/databaseAccountMongoDBCollections/{collectionName}",
    "sql:InstanceFailoverGroup": "locations/{locationName}/instanceFailoverGroups/{failoverGroupName}",
    "recoveryservices:ProtectionIntent": "vaults/{vaultName}/fabrics/{fabricName}"
    "/intentObjects/{intentObjectName}",
    "web:WebAppPremierAddOn": "sites/{name}/webAppPremierAddOns/{premierAddOnName}",
    "web:WebAppMetadata": "sites/{name}/webAppMetadatas/default",
}
# fmt: on


@pytest.mark.parametrize(("token", "path"), PATHS.items())
def test_a_type_without_a_row_is_below_the_type_that_its_inputs_name(token: str, path: str) -> None:
    path_by_rule = catalogue.find_type(f"azure-native:{token}").path
    assert path_by_rule.rpartition("/providers/")[2].partition("/")[2] == path


async def refused(call: Any) -> str:
    with pytest.raises((grpc.aio.AioRpcError, CheckError)) as error:
        await call
    return str(error.value)


@pytest.mark.parametrize("case", CASES, ids=[case.token for case in CASES])
async def test_a_type_without_a_file_lives_as_on_azure(engine: Engine, case: Case) -> None:
    token = f"azure-native:{case.token}"
    assert "ResourceGroupNotFound" in await refused(engine.create(token, case.inputs))
    await engine.create(stack.GROUP, stack.group_inputs())
    for number, (parent, inputs) in enumerate(case.parents):
        if number == len(case.parents) - 1:
            assert "NotFound" in await refused(engine.create(token, case.inputs))
        await engine.create(f"azure-native:{parent}", inputs)
    for changes, text in case.wrong:
        given = {name: value for name, value in {**case.inputs, **changes}.items() if value is not None}
        assert text in await refused(engine.check(token, given))

    created = await engine.create(token, case.inputs)
    assert created.id == IN_GROUP + case.path
    assert created.outputs["azureApiVersion"] == catalogue.find_type(token).api_version
    again = await engine.check(token, case.inputs, old=created.inputs)
    assert (await engine.diff(token, created.inputs, again)).changes == NONE
    assert await engine.read(token, created.id, created) == created
    assert (await engine.read(token, created.id)) is not None  # an import

    difference = await engine.diff(token, created.inputs, {**created.inputs, **case.change})
    assert (difference.changes, list(difference.replaces)) == (provider_pb2.DiffResponse.DIFF_SOME, [])
    name = catalogue.find_type(token).name_input
    renamed = await engine.diff(token, created.inputs, {**created.inputs, name: "other"})
    assert list(renamed.replaces) == [name]
    updated = await engine.update(token, created, **case.change)
    assert await engine.read(token, created.id, updated) == updated

    drifted = await engine.read(token, created.id, created)  # the state has not seen the update
    assert drifted is not None
    assert case.change.items() <= drifted.inputs.items()

    await engine.delete(token, created.id)
    assert await engine.read(token, created.id, updated) is None


async def test_the_engine_warns_once_of_each_type_that_has_its_schema_only(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    messages: list[str] = []

    class Log(engine_pb2_grpc.EngineServicer):
        async def Log(self, request: engine_pb2.LogRequest, context: Any) -> Empty:  # noqa: ARG002, N802
            messages.append(request.message)
            return Empty()

    def file_backend(_port: int) -> dict[str, str]:
        return {guard.BACKEND_VARIABLE: "file:///x"}

    monkeypatch.setattr(guard, "environment_of_listener", file_backend)
    server = grpc.aio.server()
    engine_pb2_grpc.add_EngineServicer_to_server(Log(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    await engine.stub.Attach(plugin_pb2.PluginAttach(address=f"127.0.0.1:{port}"))
    for _ in range(2):
        await engine.check("azure-native:network:VirtualNetwork", NETWORK_INPUTS)
        await engine.check("azure-native:servicebus:Namespace", BUS[1])
        await engine.check(stack.GROUP, stack.group_inputs())
    await server.stop(None)
    known, by_rule = messages
    assert known.startswith("azure-native:network:VirtualNetwork: ")
    assert "Microsoft.Servicebus/namespaces/{namespaceName}" in by_rule
    assert "namespaceName, location replace" in by_rule


async def test_an_output_that_only_azure_computes_is_an_error_where_it_is_read(engine: Engine) -> None:
    await engine.create(stack.GROUP, stack.group_inputs())
    bus = await engine.create("azure-native:servicebus:Namespace", BUS[1])
    endpoint = bus.outputs["serviceBusEndpoint"]
    settings = [{"name": "BUS", "value": f"Endpoint={endpoint};"}]
    site = stack.site_inputs(siteConfig={"appSettings": settings})
    with pytest.raises(CheckError) as error:
        await engine.check(stack.SITE, site)
    reason = error.value.problems["siteConfig.appSettings[0].value"]
    assert "'serviceBusEndpoint' of azure-native:servicebus:Namespace" in reason
    assert "serviceBusEndpoint" not in engine.cloud.store.require(bus.id).get("properties", {})
    assert bus.outputs["provisioningState"] == "Succeeded"


async def test_functions_of_any_type_get_it_and_list_nothing(engine: Engine) -> None:
    await engine.create(stack.GROUP, stack.group_inputs())
    bus = await engine.create("azure-native:servicebus:Namespace", BUS[1])
    got = await engine.invoke(
        "azure-native:servicebus:getNamespace", resourceGroupName="rg", namespaceName="bus"
    )
    assert got == {"id": bus.id, **bus.outputs}
    keys = engine.invoke(
        "azure-native:servicebus:listNamespaceKeys", resourceGroupName="rg", namespaceName="bus"
    )
    assert "no function azure-native:servicebus:listNamespaceKeys" in await refused(keys)


async def test_a_missing_grandparent_is_named(engine: Engine) -> None:
    await engine.create(stack.GROUP, stack.group_inputs())
    await engine.create("azure-native:eventhub:Namespace", HUBS[1])
    inputs = {**RG, "namespaceName": "hubs", "eventHubName": "hub", "consumerGroupName": "group"}
    text = await refused(engine.create("azure-native:eventhub:ConsumerGroup", inputs))
    assert "namespaces/hubs/eventHubs/hub' could not be found" in text
