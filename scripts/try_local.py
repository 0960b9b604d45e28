"""Bring the stack up on local Azure, create an assistant and show what came of it: `make local`.

Every step is a command that a person could type; each is shown before it runs.
"""

import argparse
import json
import shlex
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent
LOCAL_AZURE = (".venv/bin/python", "-m", "local_azure")
ASSISTANT = "hello"
TABLE = "ChatState"


class StepError(Exception):
    """A step that failed; what it printed stands above."""

    def __init__(self, command: str, code: int) -> None:
        super().__init__(f"`{command}` ended with exit code {code}")
        self.code = code


def say(text: str = "") -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def title(text: str) -> None:
    bold = ("\033[1m", "\033[0m") if sys.stdout.isatty() else ("", "")
    say(f"\n{bold[0]}{text}{bold[1]}")


def run(*arguments: str, quiet: bool = False) -> str:
    """`python -m local_azure ARGUMENTS`; what it prints when `quiet`, else nothing. Raises StepError."""
    command = [*LOCAL_AZURE, *arguments]
    if not quiet:
        say(f"$ {shlex.join(command)}")
    done = subprocess.run(
        command, cwd=PROJECT, stdout=subprocess.PIPE if quiet else None, text=True, check=False
    )
    if done.returncode:
        raise StepError(shlex.join(command), done.returncode)
    return done.stdout or ""


def put(url: str, key: str) -> tuple[int, str]:
    trusted = ssl.create_default_context(cafile=str(PROJECT / ".local" / "ca.pem"))
    request = urllib.request.Request(url, method="PUT", headers={"x-functions-key": key})  # noqa: S310 # an https URL of local Azure
    try:
        with urllib.request.urlopen(request, context=trusted, timeout=60) as answer:  # noqa: S310 # as above
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()


def main() -> int:
    parser = argparse.ArgumentParser(prog="make local", description=__doc__)
    parser.parse_args()
    began = time.monotonic()
    try:
        title("1. The stack, on local Azure")
        run("pulumi", "up", "--yes", "--skip-preview", "--stack", "local")
        outputs: dict[str, Any] = json.loads(
            run("pulumi", "stack", "output", "--json", "--stack", "local", quiet=True)
        )
        url = f"{outputs['assistantsUrl']}/{ASSISTANT}"
        key_command = (*LOCAL_AZURE, "keys", "--name", "default")
        curl = f'curl --cacert .local/ca.pem -X PUT -H "x-functions-key: $({shlex.join(key_command)})" {url}'

        title("2. An assistant, over HTTP")
        say(f"$ {curl}")
        status, body = put(url, run("keys", "--name", "default", quiet=True).strip())
        say(f"{status} {body}")
        if status != 202:
            say("That is not the 202 it should be; the function app's own words:")
            run("logs")
            return 1

        title("3. Its rows in the table")
        run("rows", TABLE, "--partition", ASSISTANT)
    except StepError as failed:
        sys.stderr.write(f"make local: {failed}\n")
        return failed.code

    title(f"It runs. ({time.monotonic() - began:.0f} s)")
    say(f"  {outputs['functionAppUrl']}")
    say("\nTry it (from this folder):")
    say(f"  {curl}")
    say("\nTalk to it in a browser (its certificate is local Azure's own, so the browser asks first):")
    say(f"  {outputs['assistantsUrl'].removesuffix('assistants')}chat     the key: {shlex.join(key_command)}")
    say("\nThen:")
    say("  change function_app/ or a setting in Pulumi.local.yaml, `make preview`, `make local`")
    say(f"  {shlex.join(LOCAL_AZURE)} status     what runs, and where (also: logs, rows, keys)")
    say("  make down     take the stack down;  make clean     leave nothing behind")
    return 0


if __name__ == "__main__":
    sys.exit(main())
