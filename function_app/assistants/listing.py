"""A page of assistants by id, read in whichever of two ways answers first.

The extension keeps each state behind the messages of its conversation, and a table has no index but its
keys. So there are two ways to the states, and neither is good for every table:

- A scan asks for all rows `state`: one request, in which the service reads every message between them. A
  hundred conversations of 10 messages are 1,100 rows; of 2,000 messages they are 200,000, while Azure ends a
  request after five seconds, with what it has found (Microsoft, "Query timeout and pagination").
- A walk asks for the first row behind a partition, and for its state: two requests for each assistant,
  however long its conversation. Each step needs the one before; the states are read beside them.

The scan goes first, and the walk joins where the scan has not answered in time (a hedged request): nothing
tells beforehand how long the conversations are. On Azurite, whose every query but a point read scans the
whole table, the scan wins at any length: 1 request instead of 201 for a page of 100, in 0.07 s instead of
2.2 s with 10 messages each, in 0.5 s instead of 15 s with 2,000. Where the walk wins, the request of the
scan comes on top of its own.
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
"""Of the scan: enough for a few thousand rows, and little beside a walk of a hundred assistants."""

MAX_STRAYS = 50
"""A page ends after so many partitions that are no assistants, so that none takes for ever."""

READ_THREADS = 4

# For all requests of the process. A scan that nobody waits for any more keeps its thread until the service
# answers; while both are taken, every page is walked. A few threads for the states are enough, since the
# steps follow one another.
_scans = ThreadPoolExecutor(2, "scan")
_reads = ThreadPoolExecutor(READ_THREADS, "state")


@dataclass(frozen=True)
class Page:
    """`place` is the partition behind which the next page begins, None where there is none."""

    states: Sequence[State]
    place: str | None


def page_after(tables: Tables, after: str, limit: int) -> Page:
    """At most `limit` assistants behind the partition `after` ("" for the first). No table has none."""
    ended = threading.Event()
    scan = _scans.submit(_scan, tables, after, limit, ended)
    try:
        concurrent.futures.wait([scan], HEAD_START_SECONDS)
        return _walk(tables, after, limit, scan)
    finally:
        ended.set()
        scan.cancel()


def _scan(tables: Tables, after: str, limit: int, ended: threading.Event) -> Page:
    states: list[State] = []
    for answer in conversations.states_after(tables, after, limit + 1):
        states += (state for state in answer if ID.fullmatch(state.assistant_id))
        if len(states) > limit:
            return Page(states[:limit], states[limit - 1].assistant_id)
        if ended.is_set():
            break  # the walk has answered: nobody reads what this returns
    return Page(states, None)


def _walk(tables: Tables, after: str, limit: int, scan: Future[Page]) -> Page:
    """What `scan` answers, if it does before the walk has come to its end."""
    partitions = conversations.partitions_after(tables, after)
    states: list[State] = []
    strays = 0
    place = after
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
                place = partition
                if state is None:
                    strays += 1
                else:
                    states.append(state)
        finally:
            for _, read in reads:
                read.cancel()
    return Page(states, None if next(partitions, None) is None else place)


def _state(tables: Tables, partition: str) -> State | None:
    # Others may write to the table: what no request can name is not listed either.
    return conversations.get_state(tables, partition) if ID.fullmatch(partition) else None
