"""A page of assistants by scan and by walk, from a table whose answers each test defines."""

import threading
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from assistants import listing
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.data.tables import TableEntity

DEADLINE = 10.0


class Table:
    """Partitions in order, each with a state or without one. A scan is not answered before `release`."""

    def __init__(self, *assistants: str, strays: Sequence[str] = ()) -> None:
        self._assistants = sorted(assistants)
        self._partitions = sorted([*assistants, *strays])
        self._released = threading.Event()
        self.scan_started = threading.Event()
        self.scan_ended = threading.Event()
        self.scanned_pages = 0

    def release(self) -> None:
        self._released.set()

    def query_entities(self, query: str, *, parameters: dict[str, str], **_options: Any) -> Any:
        after = parameters["after"]
        if "RowKey" not in query:
            return iter([{"PartitionKey": key} for key in self._partitions if key > after])
        self._scanned = [key for key in self._assistants if key > after]
        return self

    def by_page(self) -> Iterator[list[TableEntity]]:
        """One assistant an answer, as where the service cuts its answers short."""
        self.scan_started.set()
        try:
            for key in self._scanned:
                assert self._released.wait(DEADLINE)
                self.scanned_pages += 1
                yield [TableEntity(PartitionKey=key)]
        finally:
            self.scan_ended.set()

    def get_entity(self, partition: str, _row: str) -> TableEntity:
        if partition not in self._assistants:
            raise ResourceNotFoundError
        return TableEntity(PartitionKey=partition)


def of(table: Table) -> Any:
    """The app's tables, of which only this one is read."""
    return SimpleNamespace(chat_state=table)


@pytest.fixture(autouse=True)
def _no_head_start(monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction] # pytest calls it
    monkeypatch.setattr(listing, "HEAD_START_SECONDS", 0)


def ids(page: listing.Page) -> list[str]:
    return [state.assistant_id for state in page.states]


@pytest.fixture(params=["scan", "walk"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "scan":
        monkeypatch.setattr(listing, "HEAD_START_SECONDS", DEADLINE)
    return request.param


@pytest.mark.parametrize(
    ("after", "limit", "expected", "place"),
    [
        ("", 2, ["a", "c"], "c"),
        ("c", 2, ["e", "g"], None),
        ("", 4, ["a", "c", "e", "g"], None),
        ("d", 9, ["e", "g"], None),
        ("g", 1, [], None),
    ],
)
def test_scan_and_walk_return_the_same_page(
    way: str, after: str, limit: int, expected: list[str], place: str | None
) -> None:
    table = Table("a", "c", "e", "g", strays=["b", "b'c"])
    if way == "scan":
        table.release()
    try:
        page = listing.page_after(of(table), after, limit)
    finally:
        table.release()
    assert (ids(page), page.last_partition) == (expected, place)


def test_a_walk_reads_several_states_at_once_and_never_more_than_its_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    table = Table(*(f"a{number:02}" for number in range(40)))
    changed = threading.Condition()
    under_way, most = 0, 0

    def get_state(_table: Any, assistant_id: str) -> listing.State:
        nonlocal under_way, most
        with changed:
            under_way += 1
            most = max(most, under_way)
            changed.notify_all()
            assert changed.wait_for(lambda: most > 1, DEADLINE)
            under_way -= 1
        return listing.State(assistant_id, "", "", 0, 0)

    monkeypatch.setattr(listing.conversations, "get_state", get_state)
    try:
        page = listing.page_after(of(table), "", 40)
    finally:
        table.release()
    assert ids(page) == [f"a{number:02}" for number in range(40)]
    assert 2 <= most <= listing.READ_THREADS


def test_a_scan_that_fails_leaves_the_page_to_the_walk(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: object) -> Iterator[list[listing.State]]:
        raise HttpResponseError("the service has cancelled the scan")

    monkeypatch.setattr(listing, "HEAD_START_SECONDS", DEADLINE)
    monkeypatch.setattr(listing.conversations, "states_after", fail)
    assert ids(listing.page_after(of(Table("a", "b")), "", 5)) == ["a", "b"]


def test_an_abandoned_scan_ends_with_its_current_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    table = Table("a", "b", "c")

    def get_state(_table: Any, assistant_id: str) -> listing.State:
        assert table.scan_started.wait(DEADLINE)
        return listing.State(assistant_id, "", "", 0, 0)

    monkeypatch.setattr(listing.conversations, "get_state", get_state)
    assert ids(listing.page_after(of(table), "", 5)) == ["a", "b", "c"]
    table.release()
    assert table.scan_ended.wait(DEADLINE)
    assert table.scanned_pages <= 1


def test_a_walk_limits_the_partitions_that_are_not_assistants() -> None:
    strays = [f"b{number:03}" for number in range(listing.MAX_STRAYS * 3)]
    table = Table("a", "c", strays=strays)
    try:
        page = listing.page_after(of(table), "", 100)
        assert ids(page) == ["a"]
        assert page.last_partition in strays
        assert ids(listing.page_after(of(table), page.last_partition or "", 100)) == ["c"]
    finally:
        table.release()


def test_a_missing_table_has_no_assistants(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: object, **_options: object) -> Any:
        raise ResourceNotFoundError("TableNotFound")

    table = Table()
    monkeypatch.setattr(table, "query_entities", fail)
    assert listing.page_after(of(table), "", 5) == listing.Page([], None)
