import subprocess
import sys

import pytest

from local_azure.core.schema import Choice, MapOf, ObjectRef, Scalar, check, object_type, resource_schema
from local_azure.frontends.pulumi.values import UNKNOWN
from local_azure.services import catalogue
from local_azure.tests.frontends.pulumi import stack

SITE = resource_schema(stack.SITE).inputs


def problems(token: str, inputs: stack.Inputs) -> dict[str, str]:
    return {one.path: one.reason for one in check(inputs, resource_schema(token).inputs)}


def test_every_type_of_the_catalogue_is_a_type_of_the_sdk() -> None:
    for kind in catalogue.TYPES.values():
        known = kind.schema.inputs
        assert set(kind.path_inputs) <= set(known), kind.pulumi_type
        assert set(kind.renames) <= set(known) | set(kind.schema.outputs), kind.pulumi_type
        assert {path.partition(".")[0] for path in kind.replace_on} <= set(known), kind.pulumi_type


def test_names_are_those_on_the_wire() -> None:
    assert {"serverFarmId", "siteConfig", "httpsOnly"} <= set(SITE)


def test_nested_types_enums_and_maps_are_read_from_the_sdk() -> None:
    assert isinstance(SITE["siteConfig"].kind, ObjectRef)
    assert SITE["tags"].kind == MapOf(Scalar("string"))
    kind = resource_schema(stack.ACCOUNT).inputs["kind"].kind
    assert isinstance(kind, Choice)
    assert "StorageV2" in kind.values


def test_outputs_know_what_inputs_lack() -> None:
    outputs = resource_schema(stack.SITE).outputs
    assert "defaultHostName" in outputs
    identity = outputs["identity"].kind
    assert isinstance(identity, ObjectRef)
    assert isinstance(object_type(identity)["userAssignedIdentities"].kind, MapOf)


def test_an_unknown_property_names_the_nearest() -> None:
    assert (
        "Did you mean 'siteConfig'?"
        in problems(stack.SITE, {"resourceGroupName": "rg", "siteConfg": {}})["siteConfg"]
    )


def test_a_nested_unknown_property_is_named_by_its_path() -> None:
    found = problems(stack.SITE, {"resourceGroupName": "rg", "siteConfig": {"cors": {"origins": []}}})
    assert list(found) == ["siteConfig.cors.origins"]


def test_all_problems_come_at_once() -> None:
    found = problems(stack.ACCOUNT, {"kind": "StorageV9", "sku": {}, "tags": {"a": 1}, "isHnsEnabled": "yes"})
    assert set(found) == {"resourceGroupName", "kind", "sku.name", "tags.a", "isHnsEnabled"}
    assert "'StorageV2'" in found["kind"]


@pytest.mark.parametrize(
    ("value", "fine"),
    [(40, True), (UNKNOWN, True), (40.5, False), ("40", False), (True, False), ([40], False)],
)
def test_integers(value: object, fine: bool) -> None:
    config = {"functionAppConfig": {"scaleAndConcurrency": {"maximumInstanceCount": value}}}
    assert (problems(stack.SITE, {"resourceGroupName": "rg", **config}) == {}) == fine


def test_unknown_values_pass_at_any_depth() -> None:
    assert problems(stack.SITE, {"resourceGroupName": UNKNOWN, "siteConfig": {"appSettings": UNKNOWN}}) == {}


def test_a_type_that_the_sdk_lacks_is_a_lookup_error() -> None:
    with pytest.raises(LookupError, match="no type azure-native:storage:Stable"):
        resource_schema("azure-native:storage:Stable")


def test_only_the_module_that_is_asked_for_is_imported() -> None:
    script = (
        "import sys; from local_azure.core import schema; from local_azure.frontends.pulumi import server;"
        "schema.resource_schema('azure-native:storage:Table');"
        "print([name for name in sys.modules if name.startswith('pulumi_azure_native.')])"
    )
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    # Every service stands in sys.modules as a lazy module; its own modules only once it is used.
    assert "pulumi_azure_native.storage.table'" in loaded
    assert "pulumi_azure_native.web.web_app'" not in loaded
