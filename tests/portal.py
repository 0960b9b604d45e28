"""Changes in Azure behind Pulumi's back, by Azure's own SDKs: what the portal sends.

Run inside `python -m local_azure exec`; standard input is a list of edits, each `[verb, resource id, body]`:
`patch`, `put` and `delete` on any resource, `settings` writes a site's whole set of app settings, `publish`
pushes the package at a path to the site of a state's deployed code, `purge` a deleted model account
by its id and region.
"""

import json
import sys
from pathlib import Path
from typing import Any

from pulumi.dynamic import Config, ConfigureRequest

from delivery.package import content_hash
from infra.dynamic.deployed_code import DeployedCodeProvider
from ops.azure import Azure
from ops.engine import Pulumi
from ops.state import DEPLOYED_CODE, group_and_name, only_resource, resources

_ANY_VERSION = "2024-03-01"


def main() -> None:
    azure = Azure.sign_in()
    generic: Any = azure.resources.resources
    for verb, resource_id, body in json.load(sys.stdin):
        match verb:
            case "patch":
                generic.begin_update_by_id(resource_id, body, api_version=_ANY_VERSION).result()
            case "put":
                generic.begin_create_or_update_by_id(resource_id, body, api_version=_ANY_VERSION).result()
            case "delete" if resource_id.count("/") == 4:
                azure.resources.resource_groups.begin_delete(resource_id.rpartition("/")[2]).result()
            case "delete":
                generic.begin_delete_by_id(resource_id, api_version=_ANY_VERSION).result()
            case "settings":
                from azure.mgmt.web.models import StringDictionary

                group, name = group_and_name(resource_id)
                azure.web.web_apps.update_application_settings(group, name, StringDictionary(properties=body))
            case "purge":
                group, name = group_and_name(resource_id)
                azure.cognitive.deleted_accounts.begin_purge(body, group, name).result()
            case "publish":
                publish(Path(body))
            case _:
                raise ValueError(verb)


def publish(package: Path) -> None:
    state = resources(Pulumi().export("local"))
    provider = DeployedCodeProvider()
    provider.configure(ConfigureRequest(Config({}, "assistant")))
    inputs = only_resource(state, DEPLOYED_CODE).inputs
    provider._deploy(  # pyright: ignore[reportPrivateUsage] # what `update` does
        {**inputs, "package_path": str(package), "package_hash": content_hash(package)}
    )


if __name__ == "__main__":
    main()
