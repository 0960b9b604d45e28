import subprocess
import sys
from typing import Any

import pytest

from local_azure.core.schema import (
    UNKNOWN,
    Choice,
    MapOf,
    ObjectRef,
    Scalar,
    check,
    object_type,
    resource_schema,
)
from local_azure.services import catalogue
from local_azure.tests.frontends.pulumi import stack


def problems(token: str, **inputs: Any) -> dict[str, str]:
    return {problem.path: problem.reason for problem in check(inputs, resource_schema(token).inputs)}


def test_every_type_of_the_catalogue_is_a_type_of_the_sdk() -> None:
    for kind in catalogue.TYPES.values():
        inputs = kind.schema.inputs
        assert set(kind.path_inputs) <= set(inputs), kind.pulumi_type
        assert set(kind.renames) <= set(inputs) | set(kind.schema.outputs), kind.pulumi_type
        assert {path.partition(".")[0] for path in kind.replace_on} <= set(inputs), kind.pulumi_type


def test_names_types_and_enums_are_those_of_the_sdk() -> None:
    inputs, outputs = resource_schema(stack.SITE).inputs, resource_schema(stack.SITE).outputs
    assert {"serverFarmId", "siteConfig", "httpsOnly"} <= set(inputs)  # the names on the wire
    assert isinstance(inputs["siteConfig"].kind, ObjectRef)
    assert inputs["tags"].kind == MapOf(Scalar("string"))
    kind = resource_schema(stack.ACCOUNT).inputs["kind"].kind
    assert isinstance(kind, Choice)
    assert "StorageV2" in kind.values
    assert "defaultHostName" in outputs
    identity = outputs["identity"].kind
    assert isinstance(identity, ObjectRef)
    assert isinstance(object_type(identity)["userAssignedIdentities"].kind, MapOf)


def test_all_problems_are_named_by_their_paths() -> None:
    account = problems(stack.ACCOUNT, kind="StorageV9", sku={}, tags={"a": 1}, isHnsEnabled="yes")
    assert set(account) == {"resourceGroupName", "kind", "sku.name", "tags.a", "isHnsEnabled"}
    assert "'StorageV2'" in account["kind"]
    assert "type 'boolean' but got the string 'yes'" in account["isHnsEnabled"]
    config = {"cors": {"origins": "x"}, "appSettings": [{"value": True}]}
    site = problems(stack.SITE, resourceGroupName="rg", siteConfig=config, siteConfg={})
    assert set(site) == {"siteConfig.cors.origins", "siteConfig.appSettings[0].value", "siteConfg"}
    assert "Did you mean 'siteConfig'?" in site["siteConfg"]


@pytest.mark.parametrize(
    ("value", "valid"),
    [(40, True), (UNKNOWN, True), (40.5, False), ("40", False), (True, False), ([40], False)],
)
def test_an_integer_is_no_other_value(value: object, valid: bool) -> None:
    config = {"scaleAndConcurrency": {"maximumInstanceCount": value}}
    assert (problems(stack.SITE, resourceGroupName=UNKNOWN, functionAppConfig=config) == {}) == valid


def test_only_the_required_module_of_the_sdk_is_imported() -> None:
    script = (
        "import sys; from local_azure.core import schema; from local_azure.frontends.pulumi import server;"
        "schema.resource_schema('azure-native:storage:Table');"
        "print([name for name in sys.modules if name.startswith('pulumi_azure_native.')])"
    )
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    # Every service is in sys.modules as a lazy module, its own modules only once it is used.
    assert "pulumi_azure_native.storage.table'" in loaded
    assert "pulumi_azure_native.web.web_app'" not in loaded
