"""The latest chat requests of an account with their answers, in memory only: no log has them."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

MAX_REQUESTS = 200
MAX_BYTES = 8 * 1024 * 1024

Exchange = Mapping[str, Any]
"""Time, caller, deployment, request, status and answer: an entry of `model requests --json`."""


@dataclass
class Record:
    """The newest exchanges, oldest first: at most 200, with bodies of at most 8 MiB."""

    _kept: deque[tuple[Exchange, int]] = field(default_factory=deque[tuple[Exchange, int]])
    _size: int = 0

    def add(self, exchange: Exchange, size: int) -> None:
        """`size` of the request's body, in bytes."""
        self._kept.append((exchange, size))
        self._size += size
        while len(self._kept) > MAX_REQUESTS or (self._size > MAX_BYTES and len(self._kept) > 1):
            self._size -= self._kept.popleft()[1]

    def clear(self) -> None:
        self._kept.clear()
        self._size = 0

    def exchanges(self) -> list[Exchange]:
        return [exchange for exchange, _ in self._kept]
