"""The keys of a function app, created once per site in a file that only its owner can read.

A host on Azure stores them in blobs of `AzureWebJobsStorage`; local Azure checks only that the identity can
read these. As recorded, a host without access returns 500 without a body for every request with a key
until seconds after the role is assigned, and a host that has read its keys does not notice that the role is
removed.
"""

import asyncio
import base64
import hmac
import importlib
import json
import logging
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from local_azure import whole_file
from local_azure.functions_host.bindings import connections
from local_azure.functions_host.bindings.errors import BindingError
from local_azure.functions_host.configuration import Configuration

log = logging.getLogger("Host.Secrets")

Level = Literal["anonymous", "function", "admin"]

_SECTION = "AzureWebJobsStorage"
_CONTAINER, _BLOB = "azure-webjobs-secrets", "host.json"


@dataclass(frozen=True)
class HostKeys:
    """`master` gives access to everything; `default` is the host-level function key."""

    master: str
    default: str

    def of_function(self, function: str) -> str:
        """The key of one function, whose name ignores case."""
        digest = hmac.digest(self.master.encode(), function.lower().encode(), "sha256")
        return base64.urlsafe_b64encode(digest).decode()

    def level(self, key: str, function: str | None) -> Level:
        """The level that the key gives access to, for a function or for the admin API (None)."""
        given = key.encode("utf-8", "replace")
        if hmac.compare_digest(given, self.master.encode()):
            return "admin"
        function_keys = [self.default, *([self.of_function(function)] if function else [])]
        is_function_key = any(hmac.compare_digest(given, other.encode()) for other in function_keys)
        return "function" if is_function_key else "anonymous"


def load_or_create(file: Path) -> HostKeys:
    if file.exists():
        return HostKeys(**json.loads(file.read_text()))
    keys = HostKeys(secrets.token_urlsafe(40), secrets.token_urlsafe(40))
    whole_file.write(file, json.dumps(asdict(keys)).encode(), 0o600)
    return keys


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
