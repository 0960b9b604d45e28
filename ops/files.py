"""Files by name in a folder or a blob container: the files next to the state, and the package archive.

Names are paths relative to the root, as those of Pulumi (`.pulumi/locks/…`). Every function raises
FilesError if the files cannot be read or written.
"""

import hashlib
import os
import re
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qsl, unquote, urlsplit

from azure.core import MatchConditions
from azure.core.credentials import TokenCredential
from azure.core.exceptions import (
    AzureError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)
from filelock import FileLock

from delivery import whole_file
from ops.azure import first_line
from ops.output import OpsError

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")
_ATTRIBUTES = ".attrs"
"""The suffix of the attribute files that gocloud.dev's fileblob, which the CLI uses, keeps for each file."""


class FilesError(OpsError):
    """The files cannot be read or written."""


class ChangedError(Exception):
    """The file was changed by another writer after it was read."""


@dataclass(frozen=True)
class File:
    """`etag` identifies this version of the content."""

    content: bytes
    etag: str


def checked_name(name: str) -> str:
    """The name of a Pulumi project or stack, as a part of the name of a file. Raises FilesError."""
    if not _NAME.fullmatch(name):
        raise FilesError(
            f"{name!r} is not a valid name of a Pulumi project or stack: only A-Z a-z 0-9 . _ - are allowed"
        )
    return name


def open_files(
    url: str, credential: Callable[[], TokenCredential], environment: Mapping[str, str] = os.environ
) -> "Files":
    """Open the files of a backend by its URL, in the format of PULUMI_BACKEND_URL.

    `credential` is only called for `azblob://`.
    """
    parts = urlsplit(url)
    if parts.scheme == "file":
        path = unquote(url.removeprefix("file://").partition("?")[0])
        return FolderFiles(Path(path).expanduser().absolute(), url)
    if parts.scheme == "azblob" and parts.netloc:
        container = f"{_service_url(url, environment)}/{parts.netloc}"
        return ContainerFiles(container, parts.path.strip("/"), credential, url)
    raise FilesError(
        f"the backend is {parts.scheme or 'not named'}: locks can be judged in file:// and azblob://, "
        "as PULUMI_BACKEND_URL names them"
    )


def _service_url(url: str, environment: Mapping[str, str]) -> str:
    """The service URL, computed from the URL's query and AZURE_STORAGE_* as gocloud.dev's azureblob does."""
    query = dict(parse_qsl(urlsplit(url).query))
    account = query.get("storage_account") or environment.get("AZURE_STORAGE_ACCOUNT", "")
    domain = query.get("domain") or environment.get("AZURE_STORAGE_DOMAIN") or "blob.core.windows.net"
    protocol = query.get("protocol") or environment.get("AZURE_STORAGE_PROTOCOL") or "https"
    if not account:
        raise FilesError(
            f"{url} names no storage account: add ?storage_account=NAME, or export AZURE_STORAGE_ACCOUNT"
        )
    if domain.startswith(("127.0.0.1", "localhost")):
        return f"{protocol}://{domain}/{account}"
    return f"{protocol}://{account}.{domain}"


class FolderFiles:
    def __init__(self, root: Path, url: str = "") -> None:
        self._root, self.url = root, url or root.as_uri()

    def names(self, prefix: str) -> list[str]:
        """Names of all files below a folder, sorted; `prefix` ends with a slash."""
        folder = self._root / prefix
        with _translate_errors(self.url, f"{prefix} cannot be listed"):
            paths = [path for path in folder.rglob("*") if path.is_file()] if folder.is_dir() else []
        return sorted(
            path.relative_to(self._root).as_posix() for path in paths if not path.name.endswith(_ATTRIBUTES)
        )

    def exists(self, name: str) -> bool:
        return (self._root / name).is_file()

    def read(self, name: str) -> File | None:
        with _translate_errors(self.url, f"{name} cannot be read"):
            try:
                content = (self._root / name).read_bytes()
            except FileNotFoundError:
                return None
        return File(content, hashlib.sha256(content).hexdigest())

    def write(self, name: str, content: bytes, over: str | None = None) -> None:
        """Write the file; with `over`, only if the present file has that etag (empty: only if there is none).

        Raises ChangedError.
        """
        path = self._root / name
        with _translate_errors(self.url, f"{name} cannot be written"):
            if over is None:
                whole_file.write(path, content)
                return
            path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(path.with_name(f".{path.name}.lock")):
                present = self.read(name)
                if (present.etag if present else "") != over:
                    raise ChangedError
                whole_file.write(path, content)

    def delete(self, name: str, etag: str = "") -> bool:
        """Return False if the file does not exist or does not have the etag."""
        present = self.read(name)
        if present is None or (etag and present.etag != etag):
            return False
        path = self._root / name
        with _translate_errors(self.url, f"{name} cannot be deleted"):
            # First, since a process may be killed between the two: `names` does not list attributes alone.
            path.with_name(path.name + _ATTRIBUTES).unlink(missing_ok=True)
            path.unlink(missing_ok=True)
            with suppress(OSError):  # not empty, or already removed by another process
                path.parent.rmdir()  # a container has no folders; here one would remain for each stack
        return True


class ContainerFiles:
    """The same methods as those of FolderFiles.

    `prefix` is the folder in the container, from the URL of the backend; it may be empty.
    """

    def __init__(
        self, container_url: str, prefix: str, credential: Callable[[], TokenCredential], url: str
    ) -> None:
        self._container_url, self._credential, self.url = container_url, credential, url
        self._prefix = f"{prefix}/" if prefix else ""

    @cached_property
    def _client(self) -> Any:  # a ContainerClient, whose methods leave their options untyped
        from azure.storage.blob import ContainerClient  # noqa: PLC0415 # slow to import, and not always needed

        return ContainerClient.from_container_url(self._container_url, self._credential())

    def names(self, prefix: str) -> list[str]:
        with _translate_errors(self.url, f"{prefix} cannot be listed"):
            blob_names = [
                str(name) for name in self._client.list_blob_names(name_starts_with=self._prefix + prefix)
            ]
        return sorted(name.removeprefix(self._prefix) for name in blob_names)

    def exists(self, name: str) -> bool:
        with _translate_errors(self.url, f"{name} cannot be read"):
            return bool(self._client.get_blob_client(self._prefix + name).exists())

    def read(self, name: str) -> File | None:
        with _translate_errors(self.url, f"{name} cannot be read"):
            try:
                blob = self._client.download_blob(self._prefix + name)
                return File(cast(bytes, blob.readall()), str(blob.properties.etag))
            except ResourceNotFoundError as error:
                if _code(error) == "ContainerNotFound":
                    raise
                return None

    def write(self, name: str, content: bytes, over: str | None = None) -> None:
        with _translate_errors(self.url, f"{name} cannot be written"):
            try:
                self._client.upload_blob(
                    self._prefix + name, content, overwrite=over != "", **_only_if(over or "")
                )
            except (ResourceExistsError, ResourceModifiedError) as error:
                raise ChangedError from error

    def delete(self, name: str, etag: str = "") -> bool:
        with _translate_errors(self.url, f"{name} cannot be deleted"):
            try:
                self._client.delete_blob(self._prefix + name, **_only_if(etag))
            except (ResourceNotFoundError, ResourceModifiedError):
                return False
        return True


Files = FolderFiles | ContainerFiles


def _only_if(etag: str) -> dict[str, Any]:
    return {"etag": etag, "match_condition": MatchConditions.IfNotModified} if etag else {}


@contextmanager
def _translate_errors(url: str, failure: str) -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise FilesError(f"{url}: {failure}: {error.strerror or error}") from error
    except AzureError as error:
        hint = (
            " This requires the role Storage Blob Data Contributor on the container, "
            "or Storage Blob Data Reader to only read."
            if _code(error).startswith("Authorization")
            else ""
        )
        raise FilesError(f"{url}: {failure}: {first_line(error)}{hint}") from error


def _code(error: AzureError) -> str:
    """The error code of the storage service."""
    return str(getattr(error, "error_code", "") or "")
