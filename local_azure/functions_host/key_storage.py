"""Access to the blobs of `AzureWebJobsStorage` in which a host on Azure stores its keys.

Local Azure stores the keys in a file and checks only that the identity can read the blobs. As recorded, a
host without access returns 500 without a body for every request with a key until seconds after the role is
assigned, and a host that has read its keys does not notice that the role is removed.
"""

import asyncio
import importlib
import logging

from local_azure.functions_host.bindings import connections
from local_azure.functions_host.bindings.errors import BindingError
from local_azure.functions_host.configuration import Configuration

log = logging.getLogger("Host.Secrets")

_SECTION = "AzureWebJobsStorage"
_CONTAINER, _BLOB = "azure-webjobs-secrets", "host.json"


class KeyStorage:
    """One per host process. Without `blobServiceUri` the keys can always be read."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration
        self._service_uri = configuration.get(f"{_SECTION}__blobServiceUri") or ""
        self._has_read = not self._service_uri
        self._lock = asyncio.Lock()

    async def readable(self) -> bool:
        """Requests the blob until that has succeeded once; one request at a time."""
        async with self._lock:
            self._has_read = self._has_read or await self._read()
            return self._has_read

    async def _read(self) -> bool:
        await asyncio.to_thread(importlib.import_module, "azure.storage.blob.aio")  # takes 200 ms
        from azure.core.exceptions import AzureError  # noqa: PLC0415
        from azure.storage.blob.aio import BlobClient  # noqa: PLC0415

        try:
            async with (
                connections.credential(self._configuration, _SECTION) as credential,
                BlobClient(
                    self._service_uri, _CONTAINER, _BLOB, credential=credential, retry_total=0
                ) as blob,
            ):
                # A missing blob or container is no error: the host creates them.
                await blob.exists()
        except (AzureError, BindingError) as error:
            log.error("There was an error performing a read operation on the Blob Storage Secret Repository.")
            log.error("%s", error)
            return False
        return True
