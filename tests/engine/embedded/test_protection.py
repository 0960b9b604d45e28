"""Protected resources are never deleted or replaced, and that is said before anything is changed."""

import pytest

from tests.engine.embedded.fake_provider import FakeAzure
from tests.engine.embedded.playground import Playground

PROGRAM = """
below = Thing("below")
Thing("kept", fixed=1, above=below.made, opts=Opts(protect=True))
Thing("free", above=below.made)
"""


@pytest.fixture
def protected(play: Playground) -> Playground:
    play.program(PROGRAM)
    play.up()
    return play


def _writes(azure: FakeAzure) -> list[str]:
    return azure.names("create")[3:] + azure.names("update") + azure.names("delete")


@pytest.mark.parametrize("flags", [("--yes",), ("--yes", "--skip-preview"), ("--skip-preview",)])
def test_destroy_names_what_is_protected_and_deletes_nothing(
    protected: Playground, azure: FakeAzure, flags: tuple[str, ...]
) -> None:
    out = protected.fails("destroy", "-s", "local", *flags)

    assert "::kept" in out
    assert "::free" not in out
    assert "`pulumi up --stack local`" in out
    assert "`pulumi state unprotect --all --stack local`" in out
    assert _writes(azure) == []
    assert sorted(protected.names()) == ["below", "free", "kept"]


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ('Thing("below", size=1)\nThing("new")', "cannot be deleted"),
        (PROGRAM.replace("fixed=1", "fixed=2") + 'Thing("new")', "unable to replace resource"),
        (PROGRAM.replace('Thing("below")', 'Thing("below", fixedFirst=1)') + 'Thing("new")', ""),
    ],
)
def test_up_refuses_before_it_changes_anything(
    protected: Playground, azure: FakeAzure, program: str, why: str
) -> None:
    protected.program(program)

    result = protected.try_engine("up", "--yes", "--skip-preview", "-s", "local")

    if not why:  # the protected one need not be replaced with what it depends on
        assert result.code == 0, result
        return
    assert result.code == 1
    assert why in result.out
    assert "before anything was changed" in result.err
    assert _writes(azure) == []


def test_a_change_that_spares_the_protected_goes_through(protected: Playground, azure: FakeAzure) -> None:
    protected.program(PROGRAM.replace('Thing("free"', 'Thing("other"'))

    out = protected.up()

    assert azure.names("delete") == ["free"]
    assert "Previewing" not in out


def test_destroy_can_leave_out_what_is_protected_and_what_it_needs(
    protected: Playground, azure: FakeAzure
) -> None:
    out = protected.engine("destroy", "--yes", "--exclude-protected", "--remove", "-s", "local")

    assert azure.names("delete") == ["free"]
    assert "There are still" in out
    assert protected.names() == ["below", "kept"]


@pytest.mark.parametrize("how", ["--all", "URN"])
def test_unprotected_in_the_state_it_can_be_destroyed(
    protected: Playground, azure: FakeAzure, how: str
) -> None:
    urn = protected.resource("kept")["urn"]

    protected.engine("state", "unprotect", how.replace("URN", urn), "--yes", "-s", "local")
    protected.engine("destroy", "--yes", "-s", "local")

    assert sorted(azure.names("delete")) == ["below", "free", "kept"]


def test_unprotecting_what_is_not_there_changes_nothing(protected: Playground) -> None:
    before = protected.stack_file.read_bytes()
    urn = protected.resource("kept")["urn"]

    out = protected.fails("state", "unprotect", urn, urn + "-not", "--yes", "-s", "local")

    assert f'No such resource "{urn}-not"' in out
    assert protected.stack_file.read_bytes() == before


def test_unprotected_in_the_program_it_can_be_destroyed(protected: Playground) -> None:
    protected.program(PROGRAM.replace("protect=True", "protect=False"))
    protected.up()

    protected.engine("destroy", "--yes", "-s", "local")

    assert protected.names() == []


def test_what_depends_on_a_refused_resource_is_left_out_without_a_traceback(play: Playground) -> None:
    program = """
below = Thing("below", fixed=1, opts=Opts(delete_before_replace=True))
Thing("kept", fixed=below.made, opts=Opts(protect=True))
Thing("after", above=below.made)
"""
    play.program(program)
    play.up()
    play.program(program.replace("fixed=1", "fixed=2"))

    out = play.fails("preview", "-s", "local")

    assert "as part of replacing" in out
    assert "Traceback" not in out
    assert "no value defined" not in out
