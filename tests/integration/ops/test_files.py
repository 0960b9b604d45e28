"""The same behaviour of a folder and of a blob container on Azurite."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from azure.core.credentials import TokenCredential
from azure.storage.blob import BlobServiceClient

from ops.files import ChangedError, Files, FilesError, open_files
from tests.integration.ops.conftest import BlobAccount


def unused() -> TokenCredential:
    raise AssertionError("no credential is needed")


def azblob_url(account: BlobAccount, container: str = "") -> str:
    """The URL of a new container, or of one that does not exist."""
    if not container:
        container = f"state-{uuid4().hex[:8]}"
        # The client leaves its keyword arguments untyped.
        client: Any = BlobServiceClient(account.url, credential=account.owner)
        client.create_container(container)
    protocol, _, rest = account.url.partition("://")
    domain, _, name = rest.partition("/")
    return f"azblob://{container}?storage_account={name}&domain={domain}&protocol={protocol}"


@pytest.fixture(params=["folder", "container", "container with a prefix"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> Files:
    if request.param == "folder":
        return open_files(f"file://{tmp_path}/state", unused, {})
    account: BlobAccount = request.getfixturevalue("blob_account")
    url = azblob_url(account)
    if request.param == "container with a prefix":
        url = url.replace("?", "/team/a?")
    return open_files(url, lambda: account.owner, {})


def test_what_was_written_is_read_and_listed(files: Files) -> None:
    files.write(".ops/claims/p/s/one.json", b"first")
    files.write(".ops/claims/p/s/one.json", b"second")
    files.write(".ops/claims/p/other/two.json", b"")

    file = files.read(".ops/claims/p/s/one.json")

    assert file is not None
    assert file.content == b"second"
    assert files.exists(".ops/claims/p/s/one.json")
    assert files.names(".ops/claims/p/s/") == [".ops/claims/p/s/one.json"]
    assert files.names(".ops/") == [".ops/claims/p/other/two.json", ".ops/claims/p/s/one.json"]


def test_a_missing_file_is_none(files: Files) -> None:
    assert files.read("a/b.json") is None
    assert not files.exists("a/b.json")
    assert files.names("a/") == []
    assert not files.delete("a/b.json")


def test_a_file_that_was_changed_is_neither_replaced_nor_deleted(files: Files) -> None:
    files.write("a/b.json", b"old", over="")
    old = files.read("a/b.json")
    assert old is not None
    files.write("a/b.json", b"new", over=old.etag)

    assert not files.delete("a/b.json", old.etag)
    for etag in ("", old.etag):
        with pytest.raises(ChangedError):
            files.write("a/b.json", b"lost", over=etag)

    new = files.read("a/b.json")
    assert new is not None
    assert new.content == b"new"
    assert files.delete("a/b.json", new.etag)
    assert not files.exists("a/b.json")


def test_concurrent_writers_lose_no_update(files: Files) -> None:
    def append(number: int) -> None:
        while True:
            file = files.read("list")
            content, etag = (file.content, file.etag) if file else (b"", "")
            try:
                return files.write("list", content + bytes([number]), over=etag)
            except ChangedError:
                continue

    with ThreadPoolExecutor(4) as writers:
        list(writers.map(append, range(8)))

    file = files.read("list")
    assert file is not None
    assert sorted(file.content) == list(range(8))


def test_a_user_without_a_role_gets_its_name(blob_account: BlobAccount) -> None:
    files = open_files(azblob_url(blob_account), lambda: blob_account.stranger, {})

    for refused in (lambda: files.names("a/"), lambda: files.read("a"), lambda: files.write("a", b"")):
        with pytest.raises(FilesError, match="Storage Blob Data Contributor"):
            refused()
    with pytest.raises(FilesError, match="a cannot be read: "):
        files.exists("a")


def test_a_missing_container_is_an_error_and_not_empty(blob_account: BlobAccount) -> None:
    files = open_files(azblob_url(blob_account, "nowhere"), lambda: blob_account.owner, {})

    with pytest.raises(FilesError, match="cannot be read"):
        files.read("a/b.json")
