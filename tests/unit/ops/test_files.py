"""How the URL of a backend names its files."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from azure.core.credentials import TokenCredential

from ops.files import Files, FilesError, FolderFiles, open_files
from ops.locks.locks import read_claim, read_locks
from ops.release.archive import Archive


def unused() -> TokenCredential:
    raise AssertionError("no credential is needed")


@pytest.mark.parametrize("url", ["s3://bucket", "https://api.pulumi.com", "state", "azblob://"])
def test_another_backend_is_refused(url: str) -> None:
    with pytest.raises(FilesError, match="file:// and azblob://"):
        open_files(url, unused, {})


@pytest.mark.parametrize(
    ("query", "environment", "service"),
    [
        ("?storage_account=a", {}, "https://a.blob.core.windows.net"),
        ("", {"AZURE_STORAGE_ACCOUNT": "a"}, "https://a.blob.core.windows.net"),
        ("?storage_account=a", {"AZURE_STORAGE_ACCOUNT": "b"}, "https://a.blob.core.windows.net"),
        ("?storage_account=a", {"AZURE_STORAGE_DOMAIN": "blob.example"}, "https://a.blob.example"),
        ("?storage_account=a&domain=blob.example", {}, "https://a.blob.example"),
        ("?storage_account=a&domain=127.0.0.1:1&protocol=http", {}, "http://127.0.0.1:1/a"),
    ],
)
def test_a_url_names_the_container_as_for_the_cli(
    query: str, environment: dict[str, str], service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []

    def from_container_url(url: str, _credential: object) -> None:
        opened.append(url)
        raise FilesError("opened")

    monkeypatch.setattr("azure.storage.blob.ContainerClient.from_container_url", from_container_url)

    with pytest.raises(FilesError, match="opened"):
        open_files(f"azblob://state{query}", lambda: None, environment).names("a/")  # type: ignore[arg-type,return-value]  # pyright: ignore[reportArgumentType]

    assert opened == [f"{service}/state"]


def releases(files: Files, project: str, stack: str) -> object:
    return Archive(files).releases(project, stack)


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", ".hidden", "a b"])
@pytest.mark.parametrize("read", [read_locks, partial(read_claim, pid=1), releases])
def test_only_the_name_of_a_project_or_stack_becomes_a_part_of_a_path(
    tmp_path: Path, read: Callable[[Files, str, str], object], name: str
) -> None:
    for project, stack in ((name, "dev"), ("assistant", name)):
        with pytest.raises(FilesError, match="is not a valid name of a Pulumi"):
            read(FolderFiles(tmp_path), project, stack)


def test_a_url_without_an_account_is_refused_with_both_ways_to_name_it() -> None:
    with pytest.raises(FilesError, match=r"\?storage_account=NAME, or export AZURE_STORAGE_ACCOUNT"):
        open_files("azblob://state", unused, {})


def test_a_folder_keeps_nothing_of_a_deleted_file(tmp_path: Path) -> None:
    files = FolderFiles(tmp_path)
    name = ".pulumi/locks/organization/p/s/x.json"
    files.write(name, b"{}")
    (tmp_path / f"{name}.attrs").write_text("{}")
    assert files.names("") == [name]

    files.delete(name)

    assert not (tmp_path / ".pulumi/locks/organization/p/s").exists()


def test_a_file_that_cannot_be_read_is_named_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()

    with pytest.raises(FilesError, match=f"^{tmp_path.as_uri()}: a cannot be read: Is a directory$"):
        FolderFiles(tmp_path).read("a")
