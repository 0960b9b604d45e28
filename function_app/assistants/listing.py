"""Reads a page of assistants by id, by two strategies of which the first to finish wins.

The extension stores the state of a conversation as the last row of its partition, and a table has no index
but its keys. Neither strategy is good for every table:

- A scan queries all rows with the key `state`: one request, for which the service reads every message. A
  hundred conversations of 10 messages are 1,100 rows; of 2,000 messages they are 200,000, while Azure ends a
  request after five seconds with the rows it has (Microsoft, "Query timeout and pagination").
- A walk queries the first row after a partition, and the state of that partition: two requests for each
  assistant, whatever the length of its conversation. The steps are sequential; the states are read in
  parallel.

The scan starts first, the walk if the scan takes longer than HEAD_START_SECONDS (a hedged request), since
the length of the conversations is not known in advance. On Azurite, where every query but a point read
scans the whole table, the scan always wins: 1 request instead of 201 for a page of 100, in 0.07 s instead of
2.2 s with 10 messages each, in 0.5 s instead of 15 s with 2,000. If the walk wins, the scan's request is
wasted.
"""

import concurrent.futures
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from assistants.rules import ID
from assistants.tables import conversations
from assistants.tables.clients import Tables
from assistants.tables.conversations import State

HEAD_START_SECONDS = 0.1
"""Enough to scan a few thousand rows, and short compared with a walk over a hundred assistants."""

MAX_STRAYS = 50
"""The maximum of partitions in one page that are not assistants, which bounds its duration."""

READ_THREADS = 4

# For all requests of the process. An abandoned scan occupies its thread until the service answers; while both
# are occupied, every page is read by a walk.
_scans = ThreadPoolExecutor(2, "scan")
_reads = ThreadPoolExecutor(READ_THREADS, "state")


@dataclass(frozen=True)
class Page:
    """`last_partition`: the next page begins after it. None on the last page."""

    states: Sequence[State]
    last_partition: str | None


def page_after(tables: Tables, after: str, limit: int, prefix: str = "") -> Page:
    """At most `limit` assistants whose ids begin with `prefix`, after the partition `after` ("" for all)."""
    ended = threading.Event()
    scan = _scans.submit(_scan, tables, after, prefix, limit, ended)
    try:
        concurrent.futures.wait([scan], HEAD_START_SECONDS)
        return _walk(tables, after, prefix, limit, scan)
    finally:
        ended.set()
        scan.cancel()


def _scan(tables: Tables, after: str, prefix: str, limit: int, ended: threading.Event) -> Page:
    states: list[State] = []
    for page in conversations.states_after(tables, after, prefix, limit + 1):
        states += (state for state in page if ID.fullmatch(state.assistant_id))
        if len(states) > limit:
            return Page(states[:limit], states[limit - 1].assistant_id)
        if ended.is_set():
            break  # the walk has finished: the result is not used
    return Page(states, None)


def _walk(tables: Tables, after: str, prefix: str, limit: int, scan: Future[Page]) -> Page:
    """The result of `scan` if that finishes before the walk does."""
    partitions = conversations.partitions_after(tables, after, prefix)
    states: list[State] = []
    strays = 0
    last_partition = after
    while len(states) < limit and strays < MAX_STRAYS:
        reads: list[tuple[str, Future[State | None]]] = []
        try:
            while len(states) + len(reads) < limit:
                if scan.done() and not scan.exception():
                    return scan.result()
                if (partition := next(partitions, None)) is None:
                    break
                reads.append((partition, _reads.submit(_state, tables, partition)))
            if not reads:
                return Page(states, None)
            for partition, read in reads:
                state = read.result()
                last_partition = partition
                if state is None:
                    strays += 1
                else:
                    states.append(state)
        finally:
            for _, read in reads:
                read.cancel()
    return Page(states, None if next(partitions, None) is None else last_partition)


def _state(tables: Tables, partition: str) -> State | None:
    # Other applications may write to the table: an id that no request can name is not listed.
    return conversations.get_state(tables, partition) if ID.fullmatch(partition) else None
