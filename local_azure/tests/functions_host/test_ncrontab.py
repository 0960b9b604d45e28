from datetime import UTC, datetime

import pytest

from local_azure.functions_host import ncrontab
from local_azure.functions_host.ncrontab import ScheduleError

NOW = datetime(2026, 11, 25, 10, 20, 30, 500_000, UTC)  # a Wednesday


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("* * * * * *", "2026-11-25T10:20:31"),
        ("*/5 * * * *", "2026-11-25T10:25:00"),
        ("30 20 10 * * *", "2026-11-26T10:20:30"),
        ("0 0 3 * * *", "2026-11-26T03:00:00"),
        ("0 30 9 * * Mon-Fri", "2026-11-26T09:30:00"),
        ("0 0 0 * Jan Sunday", "2027-01-03T00:00:00"),
        # Both days have to fit: a Friday that is a 13th.
        ("0 0 0 13 * 5", "2027-08-13T00:00:00"),
        ("0 0 0 29 2 0", "2032-02-29T00:00:00"),
        ("0 5/15 * * * *", "2026-11-25T10:35:00"),
        ("0 10-20/5 11 * * *", "2026-11-25T11:10:00"),
        ("0 0 17-9 * * *", "2026-11-25T11:00:00"),
        ("0,30 59 23 31 12 *", "2026-12-31T23:59:00"),
        ("0 0 0 31 2 *", "9999-12-31T23:59:59"),
    ],
)
def test_the_next_occurrence(text: str, expected: str) -> None:
    assert ncrontab.parse(text).after(NOW).isoformat() == f"{expected}+00:00"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("* * * *", "4 fields"),
        ("60 * * * * *", r"'60' is not a second \(0 to 59\)"),
        ("* * * 0 * *", "'0' is not a day"),
        ("* * * * * 7", "'7' is not a weekday"),
        ("*/0 * * * * *", "'\\*/0' is not a valid second"),
        ("0 0 0 L * *", "'L' is not a day"),
        ("0 0 0 * * 5#2", "'5#2' is not a valid weekday"),
        ("0 0 0 * Foo *", "'Foo' is not a month"),
        ("٣ * * * * *", "is not a valid second"),
        ("00:05:00", "1 fields"),
    ],
)
def test_a_schedule_that_azure_does_not_run_is_refused(text: str, message: str) -> None:
    with pytest.raises(ScheduleError, match=message):
        ncrontab.parse(text)
