"""Every example of a help, a README and docs/ is run on local Azure, as a person types it at a terminal."""

import contextlib
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from threading import Thread

import pytest

from local_azure.runtime.ports import free_port
from tests.examples import DOCUMENTS, HELPS, of_document, of_help
from tests.polling import wait_for
from tests.stack.pipeline import Pipeline, pipeline
from tests.workspace import COMMAND_DEADLINE, PROJECT, STACK

pytestmark = pytest.mark.cli

EXAMPLES = dict.fromkeys(
    re.sub("--stack (S|prod|test|dev)", f"--stack {STACK}", example.replace(".venv/bin/python", "python"))
    for source in ([of_document(document) for document in DOCUMENTS], [of_help(words) for words in HELPS])
    for examples in source
    for example in examples
)

ELSEWHERE = {
    r"make (setup|pulumi|test|check|policy-setup|format check)": "CI, whose command is `make test`",
    r"make (format|lock|settings|bench|screenshots|clean local)": "they write to the checkout or .venv",
    r"make (bootstrap|bootstrap-move)": "tests/stack/test_bootstrap.py has what they run",
    r"make rollback .*": "tests/stack/test_release.py has what it runs",
    r"(az|curl|export|key=|alias) ?.*": "they need an Azure subscription",
    r"p .*|python -m bootstrap .*|.* -C bootstrap .*": "tests/stack/test_bootstrap.py",
    r"python -m ops (test-stack .*|sweep .*)": "tests/stack/test_environments.py and test_sweep.py",
    r"python -m ops rollback .*": "tests/stack/test_release.py and tests/unit/ops/commands",
    r".*ops preview --against .*": "tests/stack/test_preview_comment.py",
    r"python -m local_azure runner .*": "tests/stack/test_runner.py",
}
"""Examples that are not run here, and what runs them."""

ORDER = (
    r"python -m local_azure (status|logs|keys|rows|quota|portal list|exec).*",
    r"python -m policy rules|pulumi stack (export|output).*|python -m local_azure pulumi preview.*",
    r"pulumi preview .*",
    r"make (preview|local)",
    r"python -m local_azure model (-h|script .*|requests.*|clear|use .*)",
    r"python -m ops (drift|preview|unlock).*",
    r"python -m ops deploy .* --package .*",
    r"python -m ops deploy .*",
    r"python -m local_azure pulumi (config set .*|up.*)",
    r"python -m local_azure portal (set|setting|tag) .*",
    r"python -m local_azure portal delete .*",
    r"python -m local_azure portal lock .*",
    r"python -m local_azure portal purge .*",
    r"python -m ops destroy .*",
    r"pulumi stack init dev",
    r"pulumi up",
    r"make down",
    r"python -m local_azure stop",
    r"python -m local_azure start .*",
    r"python -m local_azure reset.*",
    r"make clean",
)
"""What the examples that are run begin with: those that only read, those that change, those that remove."""

PREPARED = {
    "python -m local_azure start --port 8443": ("stop",),
    "python -m local_azure portal purge oai-assistant-local-abc": (
        "portal lock remove rg-assistant-local-abc",
        "portal delete accounts/oai-assistant-local-abc/deployments/gpt-5.4-mini",
        "portal delete accounts/oai-assistant-local-abc",
    ),
}
"""What `python -m local_azure` does before an example that needs it."""


def place(example: str) -> int:
    """Where an example comes in ORDER; an example that is in neither table fails the collection."""
    for index, pattern in enumerate(ORDER):
        if re.fullmatch(pattern, example):
            return index
    raise ValueError(f"the example {example!r} matches nothing in ORDER or ELSEWHERE: add it to one of them")


def is_run_here(example: str) -> bool:
    return not any(re.fullmatch(pattern, example) for pattern in ELSEWHERE)


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    with pipeline(tmp_path_factory.mktemp("examples")) as examples:
        shutil.copy(PROJECT / "Makefile", examples.clone.root)
        examples.clone.up()
        yield examples


@pytest.fixture(scope="module")
def names(at: Pipeline) -> dict[str, str]:
    """What stands for something in the examples -> what it is in this stack."""
    outputs = at.clone.outputs()
    script = at.clone.root / "script.json"
    script.write_text('[{"text": "hello"}]')
    return {
        r"func-assistant(-local-abc)?": outputs["functionAppName"],
        r"rg-assistant-local-abc": outputs["resourceGroupName"],
        r"oai-assistant-local-abc": outputs["openaiAccountName"],
        r"stassistantabc": outputs["storageAccountName"],
        r"HASH": outputs["packageHash"],
        r"8443": str(free_port()),
        r"COMMAND": "true",
        r"FILE": str(script),
        r"KEY VALUE": "maxConversationMessages 100",
        r"NAME LIMIT": "OpenAI.GlobalStandard.gpt-5.4-mini 1000",
    }


@pytest.mark.parametrize("example", sorted(filter(is_run_here, EXAMPLES), key=place))
def test_an_example_works(at: Pipeline, names: dict[str, str], example: str) -> None:
    preparation = PREPARED.get(example, ())
    for pattern, value in names.items():
        example = re.sub(rf"\b{pattern}\b", value, example)
        preparation = [re.sub(rf"\b{pattern}\b", value, words) for words in preparation]
    for command in preparation:
        at.clone.run(*command.split())
    example = example.replace("make ", "make -o setup ")  # the clone shares what is installed
    words = ["bash", "-c", f"set -o pipefail; {example}"]
    if not example.startswith(("python -m local_azure", "make")):
        words = [sys.executable, "-m", "local_azure", "exec", "--", *words]

    follows = " -f " in example
    code, output = run_at_a_terminal(words, at, "y" if " reset" in example else STACK, interrupt=follows)

    assert code == (130 if follows else 0), output
    assert "Traceback" not in output


def run_at_a_terminal(words: list[str], at: Pipeline, answer: str, *, interrupt: bool) -> tuple[int, str]:
    """The exit code and what was printed; `interrupt`: Ctrl-C after the first output."""
    own, terminal = pty.openpty()
    environment = {
        **at.clone.environment,
        **at.github.environment(),
        "PATH": os.pathsep.join([str(PROJECT / ".venv" / "bin"), at.clone.environment["PATH"]]),
        "PULUMI_SKIP_CONFIRMATIONS": "true",
    }
    process = subprocess.Popen(
        words,
        cwd=at.clone.root,
        env=environment,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    )
    os.close(terminal)
    output = bytearray()
    reader = Thread(target=read_all, args=(own, output), daemon=True)
    reader.start()
    os.write(own, f"{answer}\n".encode())
    try:
        if interrupt:
            wait_for(lambda: b"ready" in output, "the line of the log that says that it is ready")
            os.killpg(process.pid, signal.SIGINT)
        code = process.wait(COMMAND_DEADLINE)
    finally:
        process.kill()
    reader.join(5)
    os.close(own)
    return code, output.decode(errors="replace")


def read_all(terminal: int, output: bytearray) -> None:
    with contextlib.suppress(OSError):  # EIO: nobody has the other end open
        while chunk := os.read(terminal, 65536):
            output += chunk
