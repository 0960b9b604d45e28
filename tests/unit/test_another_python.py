"""The commands by a Python that is not the project's own, as when `.venv` was not activated."""

import sys
from collections.abc import Callable

import pytest

import local_azure.__main__
import ops.__main__


@pytest.mark.parametrize(
    ("main", "words", "needs"),
    [(ops.__main__.main, ["unlock", "--stack", "dev"], "ops.commands.unlock"),
     (local_azure.__main__.main, ["status"], "local_azure.cli.control")],
    ids=["ops", "local_azure"],
)  # fmt: skip
def test_it_says_what_is_missing_and_what_to_run(
    main: Callable[[list[str]], int],
    words: list[str],
    needs: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, needs, None)
    assert main(words) == 1
    message = f"error: {sys.executable} has no {needs}: run `make setup`, then `. .venv/bin/activate`\n"
    assert capsys.readouterr().err == message
