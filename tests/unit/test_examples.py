"""Every example of every `--help`, of README and of docs/ is a command that exists, with its options."""

import argparse
import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest

from bootstrap.__main__ import main as bootstrap
from infra.package import main as package
from local_azure.__main__ import arguments_of
from local_azure.__main__ import main as local_azure
from ops.__main__ import COMMANDS
from ops.__main__ import main as ops
from policy.cli import main as policy

ROOT = Path(__file__).resolve().parents[2]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
PLACEHOLDERS = {"COMMAND": "sh", "HASH": "ab" * 32, "N": "7"}

PULUMI = {"cancel", "config", "destroy", "new", "preview", "refresh", "stack", "up", "version"}
"""Commands of the CLI. A unit test cannot start it."""
OTHERS = {".", "alias", "az", "cd", "curl", "export", "gh", "git", "p", "sh", "uv", "xdg-open"}
"""Programs that are not ours: their options are not checked."""

MAINS: dict[str, Callable[[list[str]], Any]] = {
    "bootstrap": bootstrap,
    "infra.package": package,
    "local_azure": local_azure,
    "ops": ops,
    "policy": policy,
}


class Parsed(Exception):  # noqa: N818 # ends a command after its arguments were read
    """The arguments were accepted."""


@pytest.fixture(autouse=True)
def parse_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command ends when its own parser has accepted the arguments."""
    parse_args = argparse.ArgumentParser.parse_args

    def parse(parser: argparse.ArgumentParser, words: Sequence[str] | None = None) -> argparse.Namespace:
        namespace = parse_args(parser, words)
        if parser.prog == "python -m ops":  # it reads the name of the command only
            return namespace
        raise Parsed

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse)


def check(words: list[str]) -> None:
    """Raises Exception for a command line that a program of ours refuses."""
    while words and re.match(r"[A-Za-z_]+=", words[0]):
        words = words[1:]
    words = [PLACEHOLDERS.get(word, word) for word in words]
    match words:
        case []:
            pass
        case ["make", *targets]:
            names = [target for target in targets if "=" not in target]
            assert [name for name in names if not re.search(rf"^{name}:", MAKEFILE, re.MULTILINE)] == []
        case ["pulumi", verb, *_]:
            assert verb in PULUMI or verb.startswith("-")
        case [("python" | ".venv/bin/python"), "-m", "local_azure" | "bootstrap", "pulumi", *rest]:
            check(["pulumi", *rest])
        case [("python" | ".venv/bin/python"), "-m", "local_azure", "exec", *rest]:
            check(arguments_of(["exec", *rest]).arguments)
        case [("python" | ".venv/bin/python"), "-m", name, *rest]:
            with pytest.raises((Parsed, SystemExit)) as ended:
                MAINS[name](rest)
            assert ended.type is Parsed or {"-h", "--help"} & {*rest}
        case _:
            assert words[0] in OTHERS


def commands_of(line: str) -> Iterator[list[str]]:
    """The commands of a shell line, without its comment and what a shell does with them."""
    text = re.sub(r"\$\(([^()]|\([^()]*\))*\)", "VALUE", line.strip().removeprefix("$ "))
    lexer = shlex.shlex(re.split(r"\s#|\s{3,}", text)[0], posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split = True
    words = list(lexer)
    while words:
        command = list(takewhile(lambda word: word not in {"|", "&&", ";"}, words))
        words = words[len(command) + 1 :]
        yield list(takewhile(lambda word: word != ">", command))


def shell_lines(document: Path) -> list[str]:
    """The lines of its blocks and the commands with arguments in its text."""
    blocks = re.findall(r"```sh\n(.*?)```", document.read_text("utf-8"), re.DOTALL)
    text = "\n".join(blocks).replace("\\\n", " ")
    inline = re.findall(
        r"`((?:\.venv/bin/)?python -m \w+ \S+ [^`…]*\w|make [^`…]+)`", document.read_text("utf-8")
    )
    lines = [*text.splitlines(), *inline]
    return [line for line in dict.fromkeys(lines) if line.strip() and not line.startswith("#")]


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(line, id=f"{document.name}: {line[:60]}")
        for document in (*ROOT.glob("*.md"), *ROOT.glob("local_azure/**/README.md"), *ROOT.glob("docs/*.md"))
        if "node_modules" not in document.parts
        for line in shell_lines(document)
    ],
)
def test_a_command_of_the_documentation_is_understood(line: str) -> None:
    for words in commands_of(line):
        check(words)


LOCAL_AZURE = ("start", "stop", "status", "reset", "logs", "keys", "rows", "model", "portal", "runner")
HELPS = [
    *(["ops", *command] for command in ([], *([name] for name in COMMANDS))),
    *(["local_azure", *command] for command in ([], *([name] for name in LOCAL_AZURE))),
    *(["local_azure", "model", action] for action in ("script", "requests", "clear", "use")),
    *(["local_azure", "runner", action] for action in ("up", "down", "outputs")),
    ["bootstrap"],
    ["policy"],
]
EXAMPLE = re.compile(r"^(?:example: |  )((?:[A-Z_]+=\S+ )?(?:python -m|make|pulumi) .*)$", re.MULTILINE)


@pytest.mark.parametrize("words", HELPS, ids=" ".join)
def test_an_example_of_a_help_is_understood(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    name, *command = words
    with pytest.raises(SystemExit, match="0"):
        MAINS[name]([*command, "--help"])
    examples = EXAMPLE.findall(capsys.readouterr().out)

    for example in examples:
        for words_of_example in commands_of(example):
            check(words_of_example)
    assert examples or name == "ops", "a command of local_azure has an example"


@pytest.mark.parametrize(
    "line",
    [
        "python -m ops deploy --stak dev",
        "python -m ops deplo --stack dev",
        "python -m local_azure exec -- python -m ops preview --agianst BASE",
        "python -m local_azure portal tag set group",
        "python -m policy chek -",
        "pulumi upp",
        "make lokal",
        "pulumi preview | jqq .",
    ],
)
def test_a_wrong_example_would_be_noticed(line: str) -> None:
    commands = list(commands_of(line))
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        list(map(check, commands))
