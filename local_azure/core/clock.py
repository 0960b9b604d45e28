"""Times as ARM writes them."""

from datetime import UTC, datetime


def utc() -> datetime:
    return datetime.now(UTC)


def now() -> str:
    """`2026-11-23T09:30:00.1234567Z`, to the microsecond."""
    return text(utc())


def today() -> str:
    """`2026-11-23`, in UTC."""
    return utc().date().isoformat()


def text(moment: datetime) -> str:
    """A time in UTC as ARM writes it. The texts sort in the order of their times."""
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
