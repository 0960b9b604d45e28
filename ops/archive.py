"""Packages by content hash, and what was deployed to each stack: in a folder, or in a blob container.

    <hash>.zip                           the package that `infra.package` made; never overwritten
    releases/<project>/<stack>.json      what was deployed, newest first

The pipeline builds once; every later stage, and a rollback, takes the same bytes from here. What comes
out is checked against its name. The folder is for one machine (`file:///…`), the container for a
pipeline (`https://<account>.blob.core.windows.net/<container>`, signed in with Entra).
"""

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Protocol, cast, get_args
from urllib.parse import unquote, urlsplit

from azure.core import MatchConditions
from azure.core.credentials import TokenCredential
from azure.core.exceptions import (
    AzureError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)
from filelock import FileLock

from infra.package import PROJECT_ROOT, PackageError, content_hash
from ops.output import OpsError

URL_VARIABLE = "ASSISTANT_ARCHIVE"
DEFAULT_FOLDER = PROJECT_ROOT / ".build" / "archive"
KEPT_RELEASES = 100
"""Entries of one stack's list; a stack that is deployed twenty times a week keeps more than a month."""

Result = Literal["unfinished", "good", "failed", "rolled back"]

_HASH = re.compile(r"[0-9a-f]{64}")
_FORMAT = 1
_TRIES = 20


class ArchiveError(OpsError):
    """The archive cannot be read or written, or holds something else than it says."""


@dataclass(frozen=True)
class Release:
    """One deployment. `time` is ISO 8601 in UTC; `commit` may be empty; `note` says why it failed.

    `unfinished` was begun: what the site runs is not known. `rolled back` was good, and then somebody went
    back to an earlier one.
    """

    package_hash: str
    commit: str
    time: str
    result: Result
    note: str = ""


class _Changed(Exception):  # noqa: N818 # not an error: somebody else was first
    """The file is no longer the one that was read."""


class _Files(Protocol):
    """Files by name. An empty etag stands for a file that is not there."""

    def exists(self, name: str) -> bool: ...

    def read(self, name: str) -> tuple[bytes, str]:
        """Content and etag."""
        ...

    def write(self, name: str, data: bytes, etag: str) -> None:
        """Raises _Changed where the file is not the one of the etag."""
        ...


class Archive:
    """Every method raises ArchiveError."""

    def __init__(self, files: _Files, url: str) -> None:
        self._files, self.url = files, url

    def add(self, package: Path) -> str:
        """Keep a package; returns its hash. One that is there already is not sent again."""
        package_hash = _content_hash(package)
        name = f"{package_hash}.zip"
        if not self._files.exists(name):
            with suppress(_Changed):  # the same bytes, by somebody else
                self._files.write(name, package.read_bytes(), "")
        return package_hash

    def holds(self, package_hash: str) -> bool:
        return self._files.exists(f"{checked_hash(package_hash)}.zip")

    def fetch(self, package_hash: str, folder: Path) -> Path:
        """`<folder>/<hash>.zip`, checked; from the archive unless it lies there already."""
        path = folder / f"{checked_hash(package_hash)}.zip"
        if path.is_file() and _matches(path, package_hash):
            return path
        data, etag = self._files.read(path.name)
        if not etag:
            raise ArchiveError(
                f"package {package_hash} is not in {self.url}. "
                "Build its commit: git checkout COMMIT, make package, python -m ops deploy --package FILE"
            )
        folder.mkdir(parents=True, exist_ok=True)
        _replace(path, data)
        if not _matches(path, package_hash):
            path.unlink()
            raise ArchiveError(
                f"{self.url}/{path.name} does not hold package {package_hash}: it is damaged. "
                "Delete it there, build its commit again and add it: python -m ops deploy --package FILE"
            )
        return path

    def releases(self, project: str, stack: str) -> list[Release]:
        """Newest first."""
        return self._read_releases(_list_name(project, stack))[0]

    def change_releases(
        self, project: str, stack: str, change: Callable[[list[Release]], list[Release]]
    ) -> list[Release]:
        """Replace the list by what `change` makes of it; it is called again where somebody else was first."""
        name = _list_name(project, stack)
        for _ in range(_TRIES):
            before, etag = self._read_releases(name)
            after = change(list(before))[:KEPT_RELEASES]
            if after == before:
                return after
            document = {"version": _FORMAT, "releases": [asdict(release) for release in after]}
            try:
                self._files.write(name, json.dumps(document, indent=1).encode(), etag)
            except _Changed:
                continue
            return after
        raise ArchiveError(f"{self.url}/{name} was changed by others {_TRIES} times in turn; run this again")

    def _read_releases(self, name: str) -> tuple[list[Release], str]:
        data, etag = self._files.read(name)
        if not etag:
            return [], ""
        try:
            document: dict[str, Any] = json.loads(data)
            if document["version"] != _FORMAT:
                raise ArchiveError(
                    f"{self.url}/{name} has version {document['version']!r}, expected {_FORMAT}: "
                    "it was written by a newer `ops`; take the newest commit"
                )
            return [_release(entry) for entry in document["releases"]], etag
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ArchiveError(f"{self.url}/{name} is no list of releases: {error}") from error


def open_archive(url: str, credential: Callable[[], TokenCredential]) -> Archive:
    """`url` may be empty: packages are then kept in this checkout. Raises ArchiveError.

    `credential` is asked only where the archive is in Azure.
    """
    if not url:
        return Archive(_Folder(DEFAULT_FOLDER), DEFAULT_FOLDER.as_uri())
    parts = urlsplit(url)
    if parts.scheme == "file" and not parts.netloc and parts.path:
        return Archive(_Folder(Path(unquote(parts.path))), url)
    if parts.scheme == "https" and parts.path.strip("/") and not parts.query:
        return Archive(_Container(url.rstrip("/"), credential), url.rstrip("/"))
    raise ArchiveError(
        f"the archive is {parts._replace(query='').geturl()!r}: it must be file:///FOLDER or "
        "https://ACCOUNT.blob.core.windows.net/CONTAINER, without a signature"
    )


def checked_hash(text: str) -> str:
    """Raises ArchiveError for what is no content hash: it becomes part of a file's name."""
    if not _HASH.fullmatch(text):
        raise ArchiveError(
            f"{text!r} is no package hash: 64 of 0-9a-f, as `python -m infra.package` shows it"
        )
    return text


# What a list of releases says. Pure.


def begun(releases: list[Release], release: Release) -> list[Release]:
    """With the release on top; one that was begun with the same package before is this one, run again."""
    rest = [
        each for each in releases if (each.package_hash, each.result) != (release.package_hash, "unfinished")
    ]
    return [release, *rest]


def finished(releases: list[Release], release: Release, result: Result, note: str = "") -> list[Release]:
    """With the release's result known; a good one right after the same good one is no news."""
    rest = [each for each in releases if each != release]
    done = replace(release, result=result, note=note)
    if result == "good" and rest and (rest[0].package_hash, rest[0].result) == (done.package_hash, "good"):
        return rest
    return [done, *rest]


def good_releases(releases: list[Release]) -> list[Release]:
    """The newest entry of each package whose newest entry is good, newest first."""
    seen: set[str] = set()
    good: list[Release] = []
    for release in releases:
        if release.result == "unfinished" or release.package_hash in seen:
            continue
        seen.add(release.package_hash)
        if release.result == "good":
            good.append(release)
    return good


def before(releases: list[Release], package_hash: str) -> Release | None:
    """The good release to go back to from a package: the newest good one that is another."""
    return next((each for each in good_releases(releases) if each.package_hash != package_hash), None)


def gone_back(releases: list[Release], release: Release, target: Release) -> list[Release]:
    """With `release`, which deployed the target again, as good, and every good one newer than the target
    marked: a later rollback does not come back to those."""
    after: list[Release] = [replace(release, result="good")]
    newer = True
    for each in releases:
        if each == release:
            continue
        newer = newer and each.package_hash != target.package_hash
        after.append(replace(each, result="rolled back") if newer and each.result == "good" else each)
    return after


# Where files lie


class _Folder:
    def __init__(self, root: Path) -> None:
        self._root = root

    def exists(self, name: str) -> bool:
        return (self._root / name).is_file()

    def read(self, name: str) -> tuple[bytes, str]:
        try:
            data = (self._root / name).read_bytes()
        except FileNotFoundError:
            return b"", ""
        except OSError as error:
            raise ArchiveError(f"{self._root / name} cannot be read: {error.strerror}") from error
        return data, hashlib.sha256(data).hexdigest()

    def write(self, name: str, data: bytes, etag: str) -> None:
        path = self._root / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(path.with_name(f".{path.name}.lock")):
                if self.read(name)[1] != etag:
                    raise _Changed
                _replace(path, data)
        except OSError as error:
            raise ArchiveError(f"{path} cannot be written: {error.strerror}") from error


class _Container:
    def __init__(self, url: str, credential: Callable[[], TokenCredential]) -> None:
        self._url, self._credential = url, credential

    @cached_property
    def _client(self) -> Any:  # a ContainerClient, whose methods leave their options untyped
        from azure.storage.blob import ContainerClient  # noqa: PLC0415 # takes long, and is not always needed

        return ContainerClient.from_container_url(self._url, self._credential())

    def exists(self, name: str) -> bool:
        try:
            return bool(self._client.get_blob_client(name).exists())
        except AzureError as error:
            raise self._problem("read", name, error) from error

    def read(self, name: str) -> tuple[bytes, str]:
        try:
            blob = self._client.download_blob(name)
            return cast(bytes, blob.readall()), str(blob.properties.etag)
        except ResourceNotFoundError as error:
            if _code(error) == "ContainerNotFound":
                raise self._problem("read", name, error) from error
            return b"", ""
        except AzureError as error:
            raise self._problem("read", name, error) from error

    def write(self, name: str, data: bytes, etag: str) -> None:
        condition: dict[str, Any] = (
            {"etag": etag, "match_condition": MatchConditions.IfNotModified} if etag else {}
        )
        try:
            self._client.upload_blob(name, data, overwrite=bool(etag), **condition)
        except (ResourceExistsError, ResourceModifiedError) as error:
            raise _Changed from error
        except AzureError as error:
            raise self._problem("written", name, error) from error

    def _problem(self, what: str, name: str, error: AzureError) -> ArchiveError:
        hint = (
            " It takes the role Storage Blob Data Contributor, or Reader to read only."
            if _code(error).startswith("Authorization")
            else ""
        )
        return ArchiveError(f"{self._url}/{name} cannot be {what}: {str(error).splitlines()[0]}{hint}")


def _code(error: AzureError) -> str:
    """Storage's own code of a refusal."""
    return str(getattr(error, "error_code", "") or "")


def _list_name(project: str, stack: str) -> str:
    for part in (project, stack):
        if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]*", part):
            raise ArchiveError(f"{part!r} is no name of a Pulumi project or stack")
    return f"releases/{project}/{stack}.json"


def _release(entry: dict[str, Any]) -> Release:
    known = {field.name: str(entry[field.name]) for field in fields(Release)}
    if known["result"] not in get_args(Result):
        raise ValueError(f"the result {known['result']!r}")
    return Release(**cast(dict[str, Any], known))


def _content_hash(package: Path) -> str:
    try:
        return content_hash(package)
    except PackageError as error:
        raise ArchiveError(str(error)) from error


def _matches(path: Path, package_hash: str) -> bool:
    try:
        return content_hash(path) == package_hash
    except PackageError:
        return False


def _replace(path: Path, data: bytes) -> None:
    """In one step: a killed process leaves the file of before."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
