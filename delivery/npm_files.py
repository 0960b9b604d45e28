"""Files of npm packages that the app serves: those that the `files` of a package.json of the app names.

`make setup` installs the packages beside it, and npm compares each with its integrity in package-lock.json.
"""

import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from delivery.package_error import PackageError, read_file

_MODULES = "node_modules"


def npm_files(folder: Path, app: Mapping[str, bytes]) -> dict[str, bytes]:
    """By their path in the package, which is that in `folder`. `app` has the files of the app.

    Raises PackageError if what is installed is not what the lock file pins.
    """
    files: dict[str, bytes] = {}
    for name in app:
        if PurePosixPath(name).name == "package.json":
            place = PurePosixPath(name).parent
            _check_installed(folder / place)
            for path in json.loads(app[name]).get("files", ()):
                files[str(place / path)] = read_file(folder / place / path)
    return files


def _check_installed(folder: Path) -> None:
    locked = _integrities(folder / "package-lock.json")
    # npm writes there what it has installed.
    hidden = folder / _MODULES / ".package-lock.json"
    installed = _integrities(hidden) if hidden.exists() else {}
    if other := sorted(name for name in locked if installed.get(name) != locked[name]):
        names = ", ".join(name.removeprefix(f"{_MODULES}/") for name in other)
        raise PackageError(
            f"{folder / _MODULES} does not have {names} as package-lock.json pins it. Run `make setup`, which"
            " installs it from the npm registry that is configured on this machine."
        )


def _integrities(lock_file: Path) -> dict[str, str | None]:
    try:
        packages: dict[str, dict[str, Any]] = json.loads(read_file(lock_file))["packages"]
    except (ValueError, KeyError, TypeError) as error:
        raise PackageError(f"{lock_file} is not npm's: restore it, and run `make setup`.") from error
    return {name: package.get("integrity") for name, package in packages.items() if name}
