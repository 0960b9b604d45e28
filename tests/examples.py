"""The commands that every `--help`, every README and docs/ give as examples."""

import contextlib
import io
import re
import shlex
from collections.abc import Callable, Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any

from bootstrap.__main__ import main as bootstrap
from infra.package import main as package
from local_azure.__main__ import main as local_azure
from ops.__main__ import COMMANDS
from ops.__main__ import main as ops
from policy.cli import main as policy

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [
    document
    for pattern in ("*.md", "local_azure/**/README.md", "docs/*.md")
    for document in sorted(ROOT.glob(pattern))
    if "node_modules" not in document.parts
]
MAINS: dict[str, Callable[[list[str]], Any]] = {
    "bootstrap": bootstrap,
    "infra.package": package,
    "local_azure": local_azure,
    "ops": ops,
    "policy": policy,
}
_LOCAL_AZURE = (
    "start",
    "stop",
    "status",
    "reset",
    "logs",
    "keys",
    "rows",
    "model",
    "portal",
    "quota",
    "runner",
)
HELPS = [
    *(["ops", *command] for command in ([], *([name] for name in COMMANDS))),
    *(["local_azure", *command] for command in ([], *([name] for name in _LOCAL_AZURE))),
    *(["local_azure", "model", action] for action in ("script", "requests", "clear", "use")),
    *(["local_azure", "runner", action] for action in ("up", "down", "outputs")),
    ["bootstrap"],
    ["policy"],
]
_EXAMPLE = re.compile(r"^(?:example: |  )((?:[A-Z_]+=\S+ )?(?:python -m|make|pulumi) .*)$", re.MULTILINE)


def of_document(document: Path) -> list[str]:
    """The lines of its blocks and the commands with arguments in its text."""
    text = document.read_text("utf-8")
    lines = "\n".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL))
    lines = re.sub(r"\\\n\s*", " ", lines).splitlines()
    inline = re.findall(r"`((?:\.venv/bin/)?python -m \w+ \S+ [^`…]*\w|make [^`…]+)`", text)
    commands = (re.split(r"\s#", line.strip().removeprefix("$ "))[0].rstrip() for line in [*lines, *inline])
    return [command for command in dict.fromkeys(commands) if command and not command.startswith("#")]


def of_help(words: list[str]) -> list[str]:
    name, *command = words
    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):
        MAINS[name]([*command, "--help"])
    return [re.split(r"\s#|\s{3,}", example)[0] for example in _EXAMPLE.findall(text.getvalue())]


def commands_of(line: str) -> Iterator[list[str]]:
    """The commands of a shell line, without what a shell does with them."""
    text = re.sub(r"\$\(([^()]|\([^()]*\))*\)", "VALUE", line)
    lexer = shlex.shlex(text, posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split = True
    words = list(lexer)
    while words:
        command = list(takewhile(lambda word: word not in {"|", "&&", ";"}, words))
        words = words[len(command) + 1 :]
        yield list(takewhile(lambda word: word != ">", command))
