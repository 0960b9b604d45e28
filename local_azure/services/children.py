"""Resources below another one, such as a table below its storage account."""

import asyncio

from local_azure.core import ids
from local_azure.core.ids import parent_of
from local_azure.core.resource import Azure


async def provision_alone(azure: Azure, resource_id: str) -> None:
    """Keeps the parent busy for the provisioning time, in which validations reject another write below it."""
    parent = ids.key(parent_of(resource_id))
    azure.busy.add(parent)
    try:
        await asyncio.sleep(azure.provisioning_seconds)
    finally:
        azure.busy.discard(parent)
