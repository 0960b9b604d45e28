"""The same behaviour of a folder and of a blob container on Azurite; the container is made by hand here."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from azure.core.credentials import TokenCredential
from azure.storage.blob import BlobServiceClient

from ops.files import Files, FilesError, FolderFiles, open_files
from tests.integration.ops.conftest import BlobAccount


def nobody() -> TokenCredential:
    raise AssertionError("no credential is needed here")


def azblob_url(account: BlobAccount, container: str) -> str:
    protocol, _, rest = account.url.partition("://")
    domain, _, name = rest.partition("/")
    return f"azblob://{container}?storage_account={name}&domain={domain}&protocol={protocol}"


def make_container(account: BlobAccount) -> str:
    # The client leaves its keyword arguments untyped.
    client: Any = BlobServiceClient(account.url, credential=account.owner)
    name = f"state-{uuid4().hex[:8]}"
    client.create_container(name)
    return name


@pytest.fixture(params=["folder", "container", "container with a prefix"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Files]:
    if request.param == "folder":
        yield open_files(f"file://{tmp_path}/state", nobody, {})
        return
    account: BlobAccount = request.getfixturevalue("blob_account")
    url = azblob_url(account, make_container(account))
    if request.param == "container with a prefix":
        url = url.replace("?", "/team/a?")
    yield open_files(url, lambda: account.owner, {})


def test_what_was_written_is_read_and_listed(files: Files) -> None:
    files.write(".ops/claims/p/s/one.json", b"first")
    files.write(".ops/claims/p/s/one.json", b"second")
    files.write(".ops/claims/p/other/two.json", b"")

    found = files.read(".ops/claims/p/s/one.json")

    assert found is not None
    assert found.content == b"second"
    assert files.names(".ops/claims/p/s/") == [".ops/claims/p/s/one.json"]
    assert files.names(".ops/") == [".ops/claims/p/other/two.json", ".ops/claims/p/s/one.json"]


def test_what_is_not_there_is_none(files: Files) -> None:
    assert files.read("a/b.json") is None
    assert files.names("a/") == []
    assert not files.delete("a/b.json")


def test_only_the_content_that_was_seen_is_deleted(files: Files) -> None:
    files.write("a/b.json", b"seen")
    seen = files.read("a/b.json")
    assert seen is not None
    files.write("a/b.json", b"another")

    assert not files.delete("a/b.json", seen.etag)

    left = files.read("a/b.json")
    assert left is not None
    assert files.delete("a/b.json", left.etag)
    assert files.names("a/") == []


def test_a_folder_keeps_nothing_of_a_deleted_file(tmp_path: Path) -> None:
    files = FolderFiles(tmp_path)
    files.write(".pulumi/locks/organization/p/s/x.json", b"{}")
    (tmp_path / ".pulumi/locks/organization/p/s/x.json.attrs").write_text("{}")

    files.delete(".pulumi/locks/organization/p/s/x.json")

    assert not (tmp_path / ".pulumi/locks/organization/p/s").exists()


def test_somebody_without_a_role_is_told_which_one(blob_account: BlobAccount) -> None:
    url = azblob_url(blob_account, make_container(blob_account))

    with pytest.raises(FilesError, match="Storage Blob Data Contributor"):
        open_files(url, lambda: blob_account.stranger, {}).names("a/")


def test_a_container_that_is_not_there_is_an_error_and_not_empty(blob_account: BlobAccount) -> None:
    files = open_files(azblob_url(blob_account, "nowhere"), lambda: blob_account.owner, {})

    with pytest.raises(FilesError, match="cannot be read"):
        files.read("a/b.json")


@pytest.mark.parametrize("url", ["s3://bucket", "https://api.pulumi.com", "state", "azblob://"])
def test_another_backend_is_refused_by_its_scheme(url: str) -> None:
    with pytest.raises(FilesError, match="file:// and azblob://"):
        open_files(url, nobody, {})


def test_an_azblob_url_without_an_account_says_how_to_name_it() -> None:
    with pytest.raises(FilesError, match="AZURE_STORAGE_ACCOUNT"):
        open_files("azblob://state", nobody, {})
