"""The archive in a folder. test_files has its other places, and test_release what its lists mean."""

import zipfile
from pathlib import Path
from typing import Any

import pytest
from azure.core.credentials import TokenCredential

from delivery.package import content_hash, zip_bytes
from ops.files import ChangedError, FolderFiles
from ops.release import archive as module
from ops.release.archive import (
    KEPT_RELEASES,
    Archive,
    ArchiveError,
    Release,
    mark_rolled_back,
    open_archive,
)

A, B, C = ("a" * 64, "b" * 64, "c" * 64)
PACKAGE = zip_bytes({"function_app.py": b"code"})


def unused() -> TokenCredential:
    raise AssertionError("no credential is needed")


def release(package_hash: str, result: Any = "good", time: str = "2026-11-25T01:00:00+00:00") -> Release:
    return Release(package_hash, "0123abc", time, result)


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return open_archive((tmp_path / "an archive").as_uri(), unused)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    path = tmp_path / "package.zip"
    path.write_bytes(PACKAGE)
    return path


def stored(tmp_path: Path, package_hash: str) -> Path:
    return tmp_path / "an archive" / f"{package_hash}.zip"


def test_a_package_is_stored_once_and_fetched_unchanged(
    archive: Archive, package: Path, tmp_path: Path
) -> None:
    package_hash = archive.add(package)
    with zipfile.ZipFile(package, "a") as zip_file:
        zip_file.comment = b"other bytes, same content"
    assert archive.add(package) == package_hash == content_hash(package)

    fetched = archive.fetch(package_hash, tmp_path / "fetched")

    assert archive.holds(package_hash)
    assert fetched.name == f"{package_hash}.zip"
    assert fetched.read_bytes() == PACKAGE


def test_a_package_that_another_job_stores_at_the_same_time_is_no_error(
    archive: Archive, package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def conflict(*_args: object, over: str | None = None) -> None:
        assert over == "", "only if there is none"
        raise ChangedError

    monkeypatch.setattr(FolderFiles, "write", conflict)

    assert archive.add(package) == content_hash(package)


def test_a_package_is_fetched_again_only_if_its_copy_is_damaged(
    archive: Archive, package: Path, tmp_path: Path
) -> None:
    package_hash, folder = archive.add(package), tmp_path / "fetched"
    fetched = archive.fetch(package_hash, folder)
    fetched.write_bytes(PACKAGE[:20])
    assert archive.fetch(package_hash, folder).read_bytes() == PACKAGE

    stored(tmp_path, package_hash).write_bytes(zip_bytes({"function_app.py": b"not the code"}))
    assert archive.fetch(package_hash, folder) == fetched
    with pytest.raises(ArchiveError, match="does not hold package"):
        archive.fetch(package_hash, tmp_path / "elsewhere")
    assert not list((tmp_path / "elsewhere").iterdir())

    stored(tmp_path, package_hash).unlink()
    assert archive.fetch(package_hash, folder) == fetched
    assert not archive.holds(package_hash)
    with pytest.raises(ArchiveError, match=f"{package_hash} is not in .*make package"):
        archive.fetch(package_hash, tmp_path / "elsewhere")


@pytest.mark.parametrize("name", ["", "..", "../" + "a" * 61, "A" * 64, "a" * 63, "a" * 64 + "\n"])
def test_only_a_hash_becomes_the_name_of_a_file(archive: Archive, tmp_path: Path, name: str) -> None:
    with pytest.raises(ArchiveError, match="not a package hash"):
        archive.holds(name)
    with pytest.raises(ArchiveError, match="not a package hash"):
        archive.fetch(name, tmp_path)


def test_a_file_that_is_no_package_is_refused(archive: Archive, package: Path) -> None:
    package.write_bytes(b"not a zip")

    with pytest.raises(ArchiveError, match="cannot be read as a zip"):
        archive.add(package)


def test_each_stack_has_its_own_list_of_limited_length(archive: Archive) -> None:
    many = [release(A, time=str(number)) for number in range(KEPT_RELEASES + 5)]
    assert archive.releases("assistant", "dev") == []

    archive.change_releases("assistant", "dev", lambda _releases: many)
    archive.change_releases("assistant", "prod", lambda releases: [release(B), *releases])
    archive.change_releases("assistant", "prod", lambda releases: [release(C), *releases])

    assert archive.releases("assistant", "dev") == many[:KEPT_RELEASES]
    assert archive.releases("assistant", "prod") == [release(C), release(B)]


def test_a_change_is_made_again_after_a_conflict_and_fails_after_twenty(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, conflicts = FolderFiles.write, [A, B]

    def write_after_another(files: FolderFiles, name: str, content: bytes, over: str | None = None) -> None:
        if conflicts:
            package_hash = conflicts.pop()
            archive.change_releases("assistant", "dev", lambda releases: [release(package_hash), *releases])
        write(files, name, content, over)

    monkeypatch.setattr(FolderFiles, "write", write_after_another)
    archive.change_releases("assistant", "dev", lambda releases: [release(C), *releases])
    assert {entry.package_hash for entry in archive.releases("assistant", "dev")} == {A, B, C}

    tries: list[int] = []

    def conflict(*_args: object, **_options: object) -> None:
        tries.append(1)
        raise ChangedError

    monkeypatch.setattr(FolderFiles, "write", conflict)
    with pytest.raises(ArchiveError, match="was changed by others 20 times in a row: run this again"):
        archive.change_releases("assistant", "dev", lambda _releases: [])
    assert len(tries) == 20


GOOD = '{"package_hash": "x", "commit": "", "time": "t", "note": "", "result": "good"}'


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "not a list of releases"),
        ("[]", "not a list of releases"),
        (f'{{"version": 2, "releases": [{GOOD}]}}', "version 2, expected 1.*update this checkout"),
        ('{"version": 1, "releases": [{"package_hash": "x"}]}', "not a list of releases"),
        (f'{{"version": 1, "releases": [{GOOD.replace("good", "fine")}]}}', "the result 'fine'"),
    ],
)
def test_a_damaged_list_is_named_and_not_overwritten(tmp_path: Path, content: str, reason: str) -> None:
    path = tmp_path / "releases" / "assistant" / "dev.json"
    path.parent.mkdir(parents=True)
    path.write_text(content)
    archive = open_archive(tmp_path.as_uri(), unused)

    with pytest.raises(ArchiveError, match=f"releases/assistant/dev.json.*{reason}"):
        archive.change_releases("assistant", "dev", lambda releases: [release(A), *releases])

    assert path.read_text() == content


@pytest.mark.parametrize(
    "url",
    [
        "http://a.example/packages",
        "https://a.example",
        "file://host/folder",
        "s3://x",
        "folder",
        "file://",
        "https://a.blob.core.windows.net/packages?sig=s3cret",
    ],
)
def test_another_archive_is_refused_and_a_signature_not_repeated(url: str) -> None:
    with pytest.raises(ArchiveError, match="must be file:///FOLDER or https://") as refused:
        open_archive(url, unused)

    assert "s3cret" not in str(refused.value)


def test_the_default_is_a_folder_of_this_checkout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "DEFAULT_FOLDER", tmp_path / "default")

    assert open_archive("", unused).url == (tmp_path / "default").as_uri()
    assert open_archive("https://a.example/packages/", unused).url == "https://a.example/packages"


def test_a_rollback_marks_every_good_release_after_its_target() -> None:
    releases = [release(A, "failed", "4"), release(C), release(B), release(A)]

    marked = mark_rolled_back(releases, release(A))

    assert [entry.result for entry in marked] == ["failed", "rolled back", "rolled back", "good"]
