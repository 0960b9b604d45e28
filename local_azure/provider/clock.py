"""Times as ARM writes them."""

from datetime import UTC, datetime


def now() -> str:
    """`2026-11-23T09:30:00.1234567Z`, to the microsecond."""
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def today() -> str:
    """`2026-11-23`, in UTC."""
    return datetime.now(UTC).date().isoformat()
