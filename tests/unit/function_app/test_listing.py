"""A page of assistants by scan and by walk, whichever ends first."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from assistants import listing
from assistants.tables.conversations import State
from azure.core.exceptions import HttpResponseError

SECONDS = 10.0
NO_TABLES: Any = None


def state_of(assistant_id: str) -> State:
    return State(assistant_id, "", "", 0, 0)


class Table:
    """Partitions in order; `strays` have no state. A scan is not answered before `may_scan` is set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, assistants: list[str], strays: list[str]) -> None:
        self.assistants = assistants
        self.partitions = sorted([*assistants, *strays])
        self.may_scan, self.scan_started, self.scan_ended = (threading.Event() for _ in range(3))
        self.scanned_pages = 0
        for function in (self.states_after, self.partitions_after, self.get_state):
            monkeypatch.setattr(listing.conversations, function.__name__, function)

    def states_after(self, _tables: Any, after: str, _prefix: str, _page: int) -> Iterator[list[State]]:
        """One assistant a page, as where the service cuts its answers short."""
        self.scan_started.set()
        try:
            for assistant_id in self.assistants:
                if assistant_id > after:
                    assert self.may_scan.wait(SECONDS)
                    self.scanned_pages += 1
                    yield [state_of(assistant_id)]
        finally:
            self.scan_ended.set()

    def partitions_after(self, _tables: Any, after: str, _prefix: str) -> Iterator[str]:
        return (partition for partition in self.partitions if partition > after)

    def get_state(self, _tables: Any, assistant_id: str) -> State | None:
        return state_of(assistant_id) if assistant_id in self.assistants else None


@pytest.fixture(autouse=True)
def _no_head_start(monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction] # pytest calls it
    monkeypatch.setattr(listing, "HEAD_START_SECONDS", 0)


def page_of(table: Table, after: str = "", limit: int = 100) -> tuple[list[str], str | None]:
    try:
        page = listing.page_after(NO_TABLES, after, limit)
    finally:
        table.may_scan.set()
    return [state.assistant_id for state in page.states], page.last_partition


@pytest.mark.parametrize(
    ("after", "limit", "page"),
    [
        ("", 2, (["a", "c"], "c")),
        ("c", 2, (["e", "g"], None)),
        ("", 4, (["a", "c", "e", "g"], None)),
        ("d", 9, (["e", "g"], None)),
        ("g", 1, (list[str](), None)),
    ],
)
def test_scan_and_walk_return_the_same_page(
    monkeypatch: pytest.MonkeyPatch, after: str, limit: int, page: tuple[list[str], str | None]
) -> None:
    table = Table(monkeypatch, ["a", "c", "e", "g"], strays=["b", "b'c"])
    assert page_of(table, after, limit) == page, "a walk"
    monkeypatch.setattr(listing, "HEAD_START_SECONDS", SECONDS)
    monkeypatch.setattr(listing.conversations, "get_state", None)
    assert page_of(table, after, limit) == page, "a scan"


def test_a_walk_reads_several_states_at_once_and_never_more_than_its_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    table = Table(monkeypatch, [f"a{number:02}" for number in range(40)], [])
    changed = threading.Condition()
    reads, most_reads = 0, 0

    def get_state(_tables: Any, assistant_id: str) -> State:
        nonlocal reads, most_reads
        with changed:
            reads += 1
            most_reads = max(most_reads, reads)
            changed.notify_all()
            assert changed.wait_for(lambda: most_reads > 1, SECONDS)
            reads -= 1
        return state_of(assistant_id)

    monkeypatch.setattr(listing.conversations, "get_state", get_state)
    assert page_of(table, limit=40) == (table.assistants, None)
    assert 2 <= most_reads <= listing.READ_THREADS


def test_a_scan_that_fails_leaves_the_page_to_the_walk(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: object) -> Iterator[list[State]]:
        raise HttpResponseError("the service has cancelled the scan")

    monkeypatch.setattr(listing, "HEAD_START_SECONDS", SECONDS)
    table = Table(monkeypatch, ["a", "b"], [])
    monkeypatch.setattr(listing.conversations, "states_after", fail)
    assert page_of(table) == (["a", "b"], None)


def test_an_abandoned_scan_ends_with_its_current_request(monkeypatch: pytest.MonkeyPatch) -> None:
    table = Table(monkeypatch, ["a", "b", "c"], [])

    def get_state(_tables: Any, assistant_id: str) -> State:
        assert table.scan_started.wait(SECONDS)
        return state_of(assistant_id)

    monkeypatch.setattr(listing.conversations, "get_state", get_state)
    assert page_of(table) == (["a", "b", "c"], None)
    assert table.scan_ended.wait(SECONDS)
    assert table.scanned_pages <= 1


def test_a_walk_limits_the_partitions_that_are_not_assistants(monkeypatch: pytest.MonkeyPatch) -> None:
    strays = [f"b{number:03}" for number in range(listing.MAX_STRAYS * 3)]
    table = Table(monkeypatch, ["a", "c"], strays)
    assistants, last_partition = page_of(table)
    assert (assistants, last_partition in strays) == (["a"], True)
    table.may_scan.clear()
    assert page_of(table, str(last_partition)) == (["c"], None)
