"""Every example of every `--help`, of README and of docs/ is a command that exists, with its options."""

import argparse
import re
from collections.abc import Sequence

import pytest

from local_azure.__main__ import arguments_of
from tests.examples import DOCUMENTS, HELPS, MAINS, ROOT, commands_of, of_document, of_help

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
PLACEHOLDERS = {"COMMAND": "sh", "HASH": "ab" * 32, "N": "7"}

PULUMI = {"cancel", "config", "destroy", "new", "preview", "refresh", "stack", "up", "version"}
"""Commands of the CLI. A unit test cannot start it."""
OTHERS = {".", "alias", "az", "cd", "curl", "export", "gh", "git", "p", "sh", "uv", "xdg-open"}
"""Programs that are not ours: their options are not checked."""


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


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(line, id=f"{document.name}: {line[:60]}")
        for document in DOCUMENTS
        for line in of_document(document)
    ],
)
def test_a_command_of_the_documentation_is_understood(line: str) -> None:
    for words in commands_of(line):
        check(words)


@pytest.mark.parametrize("words", HELPS, ids=" ".join)
def test_an_example_of_a_help_is_understood(words: list[str]) -> None:
    examples = of_help(words)
    for example in examples:
        for words_of_example in commands_of(example):
            check(words_of_example)
    assert examples or words[0] == "ops", "a command of local_azure has an example"


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
