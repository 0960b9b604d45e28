"""`--json` of previews: the embedded engine's documents are the CLI's, and stay as they are.

The documents in `golden/` are the embedded engine's, without what differs between two runs.
After a wanted change: `UPDATE_GOLDEN=1 pytest tests/engine/embedded/test_documents.py`, and read the diff.
"""

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.engine.embedded.documents import Document, normalised, order
from tests.engine.embedded.fake_provider import FakeAzure
from tests.engine.embedded.playground import DEADLINE, Playground

GOLDEN = Path(__file__).parent / "golden"
ENGINES = ["embedded", pytest.param("cli", marks=pytest.mark.cli)]
PREVIEW = ("preview", "--json")
REFRESH = ("refresh", "--preview-only", "--json")

BEFORE = """
a = Thing("a", size=1, thingName="a")
b = Thing("b", above=a.made, thingName="b", opts=Opts(protect=True))
Thing("c", thingName="c", fixed=1)
Thing("d", thingName="d", fixedFirst=1)
Thing("s", thingName="s", word=pulumi.Output.secret("sesame"))
pulumi.export("made", b.made)
"""
UNPROTECTED = BEFORE.replace("protect=True", "protect=False")


def _nothing(_: Playground, __: FakeAzure) -> None:
    pass


def _drift(play: Playground, azure: FakeAzure) -> None:
    """An input and an output changed, one thing gone, a property added."""
    azure.things[play.resource("a")["id"]]["size"] = 7
    azure.things[play.resource("b")["id"]]["made"] = "by somebody else"
    azure.things.pop(play.resource("c")["id"])
    azure.things[play.resource("d")["id"]]["extra"] = "new"


def _protect_in_code(play: Playground, _: FakeAzure) -> None:
    play.program(BEFORE.replace('Thing("c",', 'Thing("c", opts=Opts(protect=True),'))


@dataclass(frozen=True)
class Case:
    name: str
    command: tuple[str, ...]
    code: int = 0
    program: str = BEFORE
    before: str = BEFORE
    """With what the stack is up; empty: it never was."""
    change: Callable[[Playground, FakeAzure], None] = _nothing


CASES = [
    Case("first", PREVIEW, before=""),
    Case("unchanged", PREVIEW),
    Case("updated", PREVIEW, program=BEFORE.replace("size=1", "size=2, more=[1, 2]")),
    Case("replaced", PREVIEW, program=BEFORE.replace("fixed=1", "fixed=2")),
    Case("deleted-before-replaced", PREVIEW, program=BEFORE.replace("fixedFirst=1", "fixedFirst=2")),
    Case("removed", PREVIEW, program=BEFORE.replace('Thing("d"', 'dict(d="d"')),
    Case("secret-changed", PREVIEW, program=BEFORE.replace("sesame", "open")),
    Case("protected", PREVIEW, change=_protect_in_code),
    Case("unprotected", PREVIEW, program=UNPROTECTED),
    Case("protected-removed", PREVIEW, code=1, program='Thing("d", thingName="d", fixedFirst=1)'),
    Case("protected-replaced", PREVIEW, code=1, program=BEFORE.replace("above=a.made", "fixed=1")),
    Case("invalid", PREVIEW, code=1, program='Thing("i", invalid=1)'),
    Case("program-failed", PREVIEW, code=1, program=BEFORE + '\nraise ValueError("no")'),
    Case("program-refused", PREVIEW, code=1, program='raise pulumi.RunError("wrong settings")'),
    Case("said", PREVIEW, program=BEFORE + '\nprint("hello")\npulumi.log.warn("careful", a)'),
    Case("unexpected", (*PREVIEW, "--expect-no-changes"), code=7, program=BEFORE.replace("=1", "=2", 1)),
    Case("refresh-unchanged", (*REFRESH, "--expect-no-changes")),
    Case("refresh-drift", REFRESH, change=_drift),
    Case("refresh-drift-unexpected", (*REFRESH, "--expect-no-changes"), code=7, change=_drift),
    Case("preview-refresh-drift", (*PREVIEW, "--refresh"), change=_drift),
    Case("destroy", ("destroy", "--preview-only", "--json"), before=UNPROTECTED),
    Case("destroy-protected", ("destroy", "--preview-only", "--json"), code=1),
]


@pytest.fixture
def engine(request: pytest.FixtureRequest) -> str:
    return request.param


def _prepare(case: Case, play: Playground, azure: FakeAzure) -> None:
    if case.before:
        play.program(case.before)
        play.up()
    play.program(case.program)
    case.change(play, azure)


def _run(play: Playground, engine: str, case: Case) -> str:
    words = [*case.command, "--stack", "local", "--non-interactive"]
    if engine == "embedded":
        result = play.try_engine(*words)
        code, out, err = result.code, result.out, result.err
    else:
        done = subprocess.run(
            ["pulumi", *words],
            cwd=play.root,
            env=dict(play.environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )
        code, out, err = done.returncode, done.stdout, done.stderr
    assert code == case.code, f"{engine}: {code}\n{out}\n{err}"
    assert "sesame" not in out + err
    return out


def _document(text: str, play: Playground) -> Document:
    return normalised(text, str(play.root))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("engine", ENGINES)
def test_the_document_is_the_golden_one(case: Case, engine: str, play: Playground, azure: FakeAzure) -> None:
    _prepare(case, play, azure)

    found = _document(_run(play, engine, case), play)

    golden = GOLDEN / f"{case.name}.json"
    if os.environ.get("UPDATE_GOLDEN") and engine == "embedded":
        golden.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
    assert found == json.loads(golden.read_text())


def test_steps_stand_in_the_order_of_their_dependencies(play: Playground) -> None:
    play.program(UNPROTECTED)

    created = order(play.engine("preview", "--json", "-s", "local"))
    play.up()
    deleted = order(play.engine("destroy", "--preview-only", "--json", "-s", "local"))

    assert created[0] == ("create", "tiny-local")
    assert created.index(("create", "a")) < created.index(("create", "b"))
    assert deleted.index(("delete", "b")) < deleted.index(("delete", "a"))
    assert deleted[-1] == ("delete", "tiny-local")


def test_nothing_but_the_document_is_written_to_standard_output(play: Playground) -> None:
    play.program('print("hello")\nraise ValueError("no")')

    result = play.try_engine("preview", "--json", "-s", "local")

    assert result.code == 1
    assert json.loads(result.out)["diagnostics"]
