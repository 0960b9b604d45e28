"""A unit test starts no process and opens no socket; one that does belongs to tests/integration."""

import sys
from collections.abc import Generator
from pathlib import Path

import pytest

FORBIDDEN = frozenset(
    {
        "socket.bind",
        "socket.connect",
        "subprocess.Popen",
        "os.exec",
        "os.fork",
        "os.forkpty",
        "os.posix_spawn",
    }
)
"""Audit events of Python: https://docs.python.org/3/library/audit_events.html"""

_unit_test_runs = False


class NotAUnitTestError(Exception):
    """A unit test started a process or opened a socket."""


def _refuse(event: str, arguments: tuple[object, ...]) -> None:
    if _unit_test_runs and event in FORBIDDEN:
        raise NotAUnitTestError(f"{event}{arguments!r} in a unit test: move the test to tests/integration")


sys.addaudithook(_refuse)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, None, None]:
    """Of the tests of other folders, too: pytest calls the hook for all."""
    yield from _refusing_in(item)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    yield from _refusing_in(item)


def _refusing_in(item: pytest.Item) -> Generator[None, None, None]:
    """Not in the teardown: that of a session's last test also ends the fixtures of other folders."""
    global _unit_test_runs  # noqa: PLW0603 # an audit hook cannot be removed
    _unit_test_runs = item.path.is_relative_to(Path(__file__).parent)
    try:
        yield
    finally:
        _unit_test_runs = False
