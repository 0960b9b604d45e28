"""The archive, in a folder and in a blob container: what holds for both is tested on both."""

import secrets
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from azure.core.credentials import TokenCredential
from azure.storage.blob import BlobServiceClient

from delivery.package import content_hash, zip_bytes
from ops.files import FilesError
from ops.release.archive import (
    KEPT_RELEASES,
    Archive,
    ArchiveError,
    Release,
    add_unfinished,
    good_releases,
    mark_rolled_back,
    open_archive,
    previous_good_release,
    set_result,
)
from tests.integration.ops.conftest import BlobAccount

A, B, C = ("a" * 64, "b" * 64, "c" * 64)


def nobody() -> TokenCredential:
    raise AssertionError("a folder needs no signing in")


def release(package_hash: str, result: Any = "good", time: str = "2026-11-25T01:00:00+00:00") -> Release:
    return Release(package_hash, "0123abc", time, result)


@pytest.fixture(params=["folder", "container"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "folder":
        return (tmp_path / "archive").as_uri()
    account: BlobAccount = request.getfixturevalue("blob_account")
    return container(account, f"packages-{secrets.token_hex(4)}")


@pytest.fixture
def archive(url: str, request: pytest.FixtureRequest) -> Archive:
    return open_archive(url, credential_for(url, request))


def credential_for(url: str, request: pytest.FixtureRequest) -> Callable[[], TokenCredential]:
    if url.startswith("file:"):
        return nobody
    account: BlobAccount = request.getfixturevalue("blob_account")
    return lambda: account.owner


def container(account: BlobAccount, name: str) -> str:
    service: Any = BlobServiceClient(account.url, credential=account.owner)
    service.create_container(name)
    return f"{account.url}/{name}"


def package(folder: Path, content: str = "code") -> Path:
    path = folder / "package.zip"
    path.write_bytes(zip_bytes({"function_app.py": content.encode()}))
    return path


def test_a_package_comes_out_as_it_went_in(archive: Archive, tmp_path: Path) -> None:
    made = package(tmp_path)

    package_hash = archive.add(made)
    fetched = archive.fetch(package_hash, tmp_path / "fetched")

    assert package_hash == content_hash(made)
    assert archive.holds(package_hash)
    assert fetched.name == f"{package_hash}.zip"
    assert fetched.read_bytes() == made.read_bytes()


def test_a_package_that_is_there_is_not_sent_again(archive: Archive, tmp_path: Path) -> None:
    made = package(tmp_path)
    archive.add(made)
    with zipfile.ZipFile(made, "a") as more:
        more.comment = b"other bytes, same content"

    package_hash = archive.add(made)

    assert archive.fetch(package_hash, tmp_path / "fetched").read_bytes() != made.read_bytes()


def test_what_is_not_the_package_of_its_name_is_refused(
    url: str, archive: Archive, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    package_hash = archive.add(package(tmp_path))
    other = zip_bytes({"function_app.py": b"not the code"})
    if url.startswith("file:"):
        (tmp_path / "archive" / f"{package_hash}.zip").write_bytes(other)
    else:
        account: BlobAccount = request.getfixturevalue("blob_account")
        service: Any = BlobServiceClient(account.url, credential=account.owner)
        blob = service.get_blob_client(url.rpartition("/")[2], f"{package_hash}.zip")
        blob.upload_blob(other, overwrite=True)

    with pytest.raises(ArchiveError, match="does not hold package"):
        archive.fetch(package_hash, tmp_path / "fetched")

    assert not list((tmp_path / "fetched").iterdir())


def test_a_fetched_package_that_was_cut_off_is_fetched_again(archive: Archive, tmp_path: Path) -> None:
    package_hash = archive.add(package(tmp_path))
    fetched = archive.fetch(package_hash, tmp_path / "fetched")
    whole = fetched.read_bytes()
    fetched.write_bytes(whole[:20])

    assert archive.fetch(package_hash, tmp_path / "fetched").read_bytes() == whole


def test_a_package_that_is_not_there_is_said_with_what_brings_it_back(
    archive: Archive, tmp_path: Path
) -> None:
    with pytest.raises(ArchiveError, match=f"{A} is not in .*make package"):
        archive.fetch(A, tmp_path)


@pytest.mark.parametrize("name", ["", "..", "../" + "a" * 61, "A" * 64, "a" * 63, "a" * 64 + "\n"])
def test_only_a_hash_becomes_a_name(archive: Archive, tmp_path: Path, name: str) -> None:
    with pytest.raises(ArchiveError, match="not a package hash"):
        archive.fetch(name, tmp_path)


def test_what_is_no_package_is_refused(archive: Archive, tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(b"not a zip")

    with pytest.raises(ArchiveError, match="cannot be read as a zip"):
        archive.add(tmp_path / "x.zip")


def test_a_stack_without_a_deployment_has_no_releases(archive: Archive) -> None:
    assert archive.releases("assistant", "dev") == []


def test_each_stack_has_its_own_releases(archive: Archive) -> None:
    archive.change_releases("assistant", "dev", lambda releases: [release(A), *releases])
    archive.change_releases("assistant", "prod", lambda releases: [release(B), *releases])
    archive.change_releases("assistant", "dev", lambda releases: [release(C), *releases])

    assert [each.package_hash for each in archive.releases("assistant", "dev")] == [C, A]
    assert archive.releases("assistant", "prod") == [release(B)]


def test_the_list_does_not_grow_without_end(archive: Archive) -> None:
    many = [release(A, time=str(number)) for number in range(KEPT_RELEASES + 5)]

    archive.change_releases("assistant", "dev", lambda _releases: many)

    assert archive.releases("assistant", "dev") == many[:KEPT_RELEASES]


def test_writers_at_once_lose_no_entry(url: str, archive: Archive, request: pytest.FixtureRequest) -> None:
    def write(number: int) -> None:
        own = open_archive(url, credential_for(url, request))
        own.change_releases("assistant", "dev", lambda releases: [release(A, time=str(number)), *releases])

    with ThreadPoolExecutor(4) as writers:
        list(writers.map(write, range(8)))

    assert {each.time for each in archive.releases("assistant", "dev")} == {str(n) for n in range(8)}


@pytest.mark.parametrize("stack", ["", "..", "a/b", ".hidden", "a b"])
def test_only_a_stacks_name_becomes_a_path(archive: Archive, stack: str) -> None:
    with pytest.raises(ArchiveError, match="not a valid name of a Pulumi"):
        archive.releases("assistant", stack)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "not a list of releases"),
        ("[]", "not a list of releases"),
        ('{"version": 2, "releases": []}', "version 2"),
        ('{"version": 1, "releases": [{"package_hash": "x"}]}', "not a list of releases"),
    ],
)
def test_a_damaged_list_is_named_and_not_overwritten(tmp_path: Path, content: str, told: str) -> None:
    path = tmp_path / "releases" / "assistant" / "dev.json"
    path.parent.mkdir(parents=True)
    path.write_text(content)
    archive = open_archive(tmp_path.as_uri(), nobody)

    with pytest.raises(ArchiveError, match=told):
        archive.change_releases("assistant", "dev", lambda releases: [release(A), *releases])

    assert path.read_text() == content


@pytest.mark.parametrize(
    "url",
    ["http://a.example/packages", "https://a.example", "file://host/folder", "s3://x", "folder", "file://"],
)
def test_an_archive_elsewhere_is_refused(url: str) -> None:
    with pytest.raises(ArchiveError, match="must be file:///FOLDER or https://"):
        open_archive(url, nobody)


def test_a_signature_in_the_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(ArchiveError) as refused:
        open_archive("https://a.blob.core.windows.net/packages?sig=s3cret", nobody)

    assert "s3cret" not in str(refused.value)


def test_a_refusal_of_the_container_names_the_role(blob_account: BlobAccount, tmp_path: Path) -> None:
    url = container(blob_account, "refused")
    archive = open_archive(url, lambda: blob_account.stranger)

    with pytest.raises(FilesError, match="Storage Blob Data"):
        archive.add(package(tmp_path))


def test_a_container_that_is_not_there_is_no_empty_list(blob_account: BlobAccount) -> None:
    archive = open_archive(f"{blob_account.url}/nowhere", lambda: blob_account.owner)

    with pytest.raises(FilesError, match="cannot be read"):
        archive.releases("assistant", "dev")


# What a list of releases says


def test_one_goes_back_to_the_newest_good_release_of_another_package() -> None:
    releases = [release(C, "failed"), release(C, "failed", "0"), release(B), release(A)]

    assert previous_good_release(releases, C) == release(B)
    assert previous_good_release(releases, B) == release(A)


def test_a_release_that_was_rolled_back_is_not_gone_back_to() -> None:
    assert previous_good_release([release(C), release(B, "rolled back"), release(A)], C) == release(A)


def test_a_package_that_was_good_once_and_failed_since_is_not_good() -> None:
    assert previous_good_release([release(C), release(B, "failed"), release(B), release(A)], C) == release(A)


def test_a_package_that_failed_once_and_was_good_since_is_good() -> None:
    assert previous_good_release([release(C), release(B, "good", "2"), release(B, "failed")], C) == release(
        B, "good", "2"
    )


def test_what_was_begun_says_nothing_about_a_package() -> None:
    assert good_releases([release(B, "unfinished"), release(B), release(A)]) == [release(B), release(A)]


def test_the_first_deployment_has_nothing_to_go_back_to() -> None:
    assert previous_good_release([release(A, "failed")], A) is None


def test_a_second_rollback_goes_further_back_and_not_forth() -> None:
    releases = [release(C), release(B), release(A)]

    once = _rolled_back(releases, release(B), "4")
    assert previous_good_release(once, B) == release(A)
    twice = _rolled_back(once, release(A), "5")
    assert previous_good_release(twice, A) is None
    assert [each.result for each in twice] == ["good", "rolled back", "rolled back", "rolled back", "good"]


def test_a_rollback_over_several_leaves_none_of_them_to_come_back_to() -> None:
    after = _rolled_back([release(C), release(B), release(A)], release(A), "4")

    assert [each.result for each in after] == ["good", "rolled back", "rolled back", "good"]


def test_a_rollback_to_a_package_that_failed_since_marks_what_lies_between() -> None:
    releases = [release(A, "failed", "4"), release(B), release(A)]

    assert [each.result for each in mark_rolled_back(releases, release(A))] == [
        "failed",
        "rolled back",
        "good",
    ]


def _rolled_back(releases: list[Release], target: Release, time: str) -> list[Release]:
    back = replace(target, result="unfinished", time=time)
    return set_result(add_unfinished(mark_rolled_back(releases, target), back), back, "good")


def test_a_deployment_that_was_killed_and_runs_again_has_one_entry() -> None:
    first, again = release(B, "unfinished", "1"), release(B, "unfinished", "2")

    releases = set_result(add_unfinished(add_unfinished([release(A)], first), again), again, "good")

    assert releases == [release(B, "good", "2"), release(A)]


def test_deploying_the_same_good_package_again_is_no_news() -> None:
    again = release(A, "unfinished", "2")

    assert set_result(add_unfinished([release(A)], again), again, "good") == [release(A)]
