"""An archive of packages by content hash and of each stack's releases, in a folder or a blob container.

    <hash>.zip                           a package built by `delivery.package`; never overwritten
    releases/<project>/<stack>.json      the releases of the stack, newest first

The pipeline builds a package once; every later stage and a rollback deploy the same bytes from the archive.
A package that is read is checked against its hash. A folder is used on one machine (`file:///…`), a container
by a pipeline (`https://<account>.blob.core.windows.net/<container>`, authenticated with Entra).
"""

import json
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from itertools import takewhile
from pathlib import Path
from typing import Any, Literal, cast, get_args
from urllib.parse import unquote, urlsplit

from azure.core.credentials import TokenCredential

from delivery import whole_file
from delivery.package import PROJECT_ROOT, PackageError, content_hash
from ops.files import ChangedError, ContainerFiles, Files, FolderFiles, checked_name
from ops.output import OpsError

URL_VARIABLE = "ASSISTANT_ARCHIVE"
DEFAULT_FOLDER = PROJECT_ROOT / ".build" / "archive"
KEPT_RELEASES = 100
"""Entries in the list of one stack: more than a month at twenty deployments a week."""

Result = Literal["unfinished", "good", "failed", "rolled back"]

_HASH = re.compile(r"[0-9a-f]{64}")
_FORMAT = 1
_TRIES = 20


class ArchiveError(OpsError):
    """The URL names no archive, or the archive's content is invalid."""


@dataclass(frozen=True)
class Release:
    """One deployment. `time` is ISO 8601 in UTC, `commit` may be empty, `note` is the reason of a failure.

    `unfinished` was started, and the package that the site runs is unknown. `rolled back` was good before a
    rollback to an earlier release.
    """

    package_hash: str
    commit: str
    time: str
    result: Result
    note: str = ""


class Archive:
    """Every method raises ArchiveError, or FilesError if a file cannot be read or written."""

    def __init__(self, files: Files) -> None:
        self._files, self.url = files, files.url

    def add(self, package: Path) -> str:
        """Store a package unless it is already stored. Returns its hash."""
        try:
            package_hash = content_hash(package)
        except PackageError as error:
            raise ArchiveError(str(error)) from error
        name = f"{package_hash}.zip"
        if not self._files.exists(name):
            with suppress(ChangedError):  # another job has stored the same bytes
                self._files.write(name, package.read_bytes(), over="")
        return package_hash

    def holds(self, package_hash: str) -> bool:
        return self._files.exists(f"{checked_hash(package_hash)}.zip")

    def fetch(self, package_hash: str, folder: Path) -> Path:
        """Read a package into `<folder>/<hash>.zip` unless it is already there, and check its hash."""
        path = folder / f"{checked_hash(package_hash)}.zip"
        if path.is_file() and _matches(path, package_hash):
            return path
        file = self._files.read(path.name)
        if file is None:
            raise ArchiveError(
                f"package {package_hash} is not in {self.url}. "
                "Build its commit: git checkout COMMIT, make package, python -m ops deploy --package FILE"
            )
        whole_file.write(path, file.content)
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
        """Replace the list with the return value of `change`, which is called again after a conflict."""
        name = _list_name(project, stack)
        for _ in range(_TRIES):
            before, etag = self._read_releases(name)
            after = change(list(before))[:KEPT_RELEASES]
            if after == before:
                return after
            document = {"version": _FORMAT, "releases": [asdict(release) for release in after]}
            try:
                self._files.write(name, json.dumps(document, indent=1).encode(), over=etag)
            except ChangedError:
                continue
            return after
        raise ArchiveError(f"{self.url}/{name} was changed by others {_TRIES} times in a row: run this again")

    def _read_releases(self, name: str) -> tuple[list[Release], str]:
        file = self._files.read(name)
        if file is None:
            return [], ""
        try:
            document: dict[str, Any] = json.loads(file.content)
            if document["version"] != _FORMAT:
                raise ArchiveError(
                    f"{self.url}/{name} has version {document['version']!r}, expected {_FORMAT}: "
                    "it was written by a newer `ops`: update this checkout to the newest commit"
                )
            return [_release(entry) for entry in document["releases"]], file.etag
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ArchiveError(f"{self.url}/{name} is not a list of releases: {error}") from error


def open_archive(url: str, credential: Callable[[], TokenCredential]) -> Archive:
    """Open the archive; an empty `url` selects a folder in this checkout. Raises ArchiveError.

    `credential` is only called if the archive is in Azure.
    """
    url = url or DEFAULT_FOLDER.as_uri()
    parts = urlsplit(url)
    if parts.scheme == "file" and not parts.netloc and parts.path:
        return Archive(FolderFiles(Path(unquote(parts.path)), url))
    if parts.scheme == "https" and parts.path.strip("/") and not parts.query:
        container = url.rstrip("/")
        return Archive(ContainerFiles(container, "", credential, container))
    raise ArchiveError(
        f"the archive is {parts._replace(query='').geturl()!r}: it must be file:///FOLDER or "
        "https://ACCOUNT.blob.core.windows.net/CONTAINER, without a signature"
    )


def checked_hash(text: str) -> str:
    """The hash, which becomes part of a file name. Raises ArchiveError if it is not a content hash."""
    if not _HASH.fullmatch(text):
        raise ArchiveError(
            f"{text!r} is not a package hash: 64 characters of 0-9a-f, as `python -m infra.package` prints it"
        )
    return text


# Operations on a list of releases. Pure functions.


def add_unfinished(releases: list[Release], release: Release) -> list[Release]:
    """The list with the release at the top; it replaces an unfinished one of the same package."""
    replaced = (release.package_hash, "unfinished")
    return [release, *(entry for entry in releases if (entry.package_hash, entry.result) != replaced)]


def set_result(releases: list[Release], release: Release, status: Result, note: str = "") -> list[Release]:
    """The list with the release's result; a repeated good release of the same package is omitted."""
    rest = [entry for entry in releases if entry != release]
    done = replace(release, result=status, note=note)
    if status == "good" and rest and (rest[0].package_hash, rest[0].result) == (done.package_hash, "good"):
        return rest
    return [done, *rest]


def good_releases(releases: list[Release]) -> list[Release]:
    """The newest entry of each package whose newest entry is good, newest first."""
    newest: dict[str, Release] = {}
    for release in releases:
        if release.result != "unfinished":
            newest.setdefault(release.package_hash, release)
    return [release for release in newest.values() if release.result == "good"]


def previous_good_release(releases: list[Release], package_hash: str) -> Release | None:
    """The newest good release of another package; of any package if the hash is empty."""
    others = (release for release in good_releases(releases) if release.package_hash != package_hash)
    return next(others, None)


def rollback_target(releases: list[Release], runs: str) -> Release | None:
    """The target of a rollback. `runs` is the package hash that the site reports, empty if it reports none.

    If the newest release is good, the target is the newest good release of another package than the site
    runs, which may have been deployed by hand. Otherwise the package that new instances start from is unknown
    or bad, so the target is the newest good release, even if the site still reports it.
    """
    if not releases or releases[0].result != "good":
        return previous_good_release(releases, "")
    return previous_good_release(releases, runs or releases[0].package_hash)


def mark_rolled_back(releases: list[Release], target: Release) -> list[Release]:
    """The list with every good release newer than the target marked, so that no later rollback deploys those.

    The list is written before the target is pushed, so that a repeated rollback has the same target.
    """
    newer = list(takewhile(lambda release: release != target, releases))
    marked = [
        replace(release, result="rolled back") if release.result == "good" else release for release in newer
    ]
    return [*marked, *releases[len(newer) :]]


def _list_name(project: str, stack: str) -> str:
    return f"releases/{checked_name(project)}/{checked_name(stack)}.json"


def _release(entry: dict[str, Any]) -> Release:
    known = {field.name: str(entry[field.name]) for field in fields(Release)}
    if known["result"] not in get_args(Result):
        raise ValueError(f"the result {known['result']!r}")
    return Release(**cast(dict[str, Any], known))


def _matches(path: Path, package_hash: str) -> bool:
    try:
        return content_hash(path) == package_hash
    except PackageError:
        return False
