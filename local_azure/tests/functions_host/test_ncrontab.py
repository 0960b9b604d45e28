from datetime import UTC, datetime

import pytest

from local_azure.functions_host import ncrontab
from local_azure.functions_host.ncrontab import ScheduleError

NOW = datetime(2026, 11, 25, 10, 20, 30, 500_000, UTC)  # a Wednesday


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("* * * * * *", "2026-11-25T10:20:31"),
        ("0 * * * * *", "2026-11-25T10:21:00"),
        ("*/5 * * * *", "2026-11-25T10:25:00"),
        ("0 */5 * * * *", "2026-11-25T10:25:00"),
        ("30 20 10 * * *", "2026-11-26T10:20:30"),
        ("31 20 10 * * *", "2026-11-25T10:20:31"),
        ("0 0 3 * * *", "2026-11-26T03:00:00"),
        ("0 30 9 * * Mon-Fri", "2026-11-26T09:30:00"),
        ("0 30 9 * * 0", "2026-11-29T09:30:00"),
        ("0 0 0 * Jan Sunday", "2027-01-03T00:00:00"),
        # Both days have to fit: a Friday that is a 13th.
        ("0 0 0 13 * 5", "2027-08-13T00:00:00"),
        ("0 0 0 29 2 *", "2028-02-29T00:00:00"),
        ("0 0 0 29 2 0", "2032-02-29T00:00:00"),
        ("0 5/15 * * * *", "2026-11-25T10:35:00"),
        ("0 10-20/5 11 * * *", "2026-11-25T11:10:00"),
        ("0 0 17-9 * * *", "2026-11-25T11:00:00"),
        ("0,30 59 23 31 12 *", "2026-12-31T23:59:00"),
    ],
)
def test_the_next_occurrence(text: str, expected: str) -> None:
    assert ncrontab.parse(text).after(NOW).isoformat() == f"{expected}+00:00"


def test_a_day_that_never_comes_is_the_end_of_time() -> None:
    assert ncrontab.parse("0 0 0 31 2 *").after(NOW).year == 9999


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "0 fields"),
        ("* * * *", "4 fields"),
        ("60 * * * * *", "outside 0 to 59, the values of second"),
        ("* * 24 * * *", "values of hour"),
        ("* * * 0 * *", "values of day"),
        ("* * * * * 7", "values of weekday"),
        ("*/0 * * * * *", "step"),
        ("@daily", "1 fields"),
        ("0 0 0 L * *", "'L' is not a valid day"),
        ("0 0 0 * * 5#2", "'5#2' is not a valid weekday"),
        ("0 0 0 ? * *", "'\\?' is not a valid day"),
        ("0 0 0 * Foo *", "'Foo' is not a valid month"),
        ("-1 * * * * *", "'-1' is not a valid second"),
        ("٣ * * * * *", "is not a valid second"),
        ("00:05:00", "which only an App Service plan supports"),
    ],
)
def test_a_schedule_that_azure_does_not_run_is_refused(text: str, message: str) -> None:
    with pytest.raises(ScheduleError, match=message):
        ncrontab.parse(text)
