import pytest

from local_azure.functions_host.bindings import dotnet


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ('a"\\/\b\t\n\f\r', r'"a\"\\/\b\t\n\f\r"'),
        ("\x00\x1f\x7f\x85\u2028ä\U0001f600<&'+`", '"\\u0000\\u001f\x7f\\u0085\\u2028ä\U0001f600<&\'+`"'),
        ({"a": [1, 1.0, None, True, "b"], "ü": {}}, '{"a":[1,1.0,null,true,"b"],"ü":{}}'),
        (1e20, "1E+20"),
        (float("nan"), '"NaN"'),
    ],
)
def test_json_of_newtonsoft(value: object, expected: str) -> None:
    assert dotnet.newtonsoft(value) == expected


def test_half_a_surrogate_pair_is_replaced() -> None:
    assert dotnet.well_formed("a\ud800b\udfff") == "a\ufffdb\ufffd"
    assert dotnet.well_formed("a\U0001f600ä") == "a\U0001f600ä"


def test_strings_of_system_text_json() -> None:
    assert dotnet.system_text("a\"\\/\t\x01\x7f\x85é\U0001f600<>&'+`") == (
        r'"a\u0022\\/\t\u0001\u007F\u0085\u00E9\uD83D\uDE00\u003C\u003E\u0026\u0027\u002B\u0060"'
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2023-08-01T00:00:00Z", "2023-08-01T00:00:00.0000000Z"),
        ("2023-08-01T00:00:00", "2023-08-01T00:00:00.0000000Z"),
        (" 2023-08-01 01:02:03.5 ", "2023-08-01T01:02:03.5000000Z"),
        ("2023-08-01T00:00:00.123456789Z", "2023-08-01T00:00:00.1234567Z"),
        ("2023-08-01T00:00:00+02:00", "2023-07-31T22:00:00.0000000Z"),
        ("2023-08-01T00:00:00-0230", "2023-08-01T02:30:00.0000000Z"),
        ("2023-08-01", "2023-08-01T00:00:00.0000000Z"),
        ("08/01/2023 00:00:00", "2023-08-01T00:00:00.0000000Z"),
        ("Tue, 01 Aug 2023 10:00:00 GMT", "2023-08-01T10:00:00.0000000Z"),
        ("2023-08-01T00:00:00 02:00", None),
        ("2023-13-01T00:00:00Z", None),
        ("0001-01-01T00:00:00+02:00", None),
        ("yesterday", None),
        ("", None),
        ("' or 1 eq 1", None),
        ("٢٠٢٣-08-01", None),
    ],
)
def test_dates_are_taken_and_refused(text: str, expected: str | None) -> None:
    assert dotnet.parse_date(text) == expected


@pytest.mark.parametrize(
    ("stored", "written"),
    [
        ("2026-01-01T00:00:00.1234567Z", "2026-01-01T00:00:00.1234567Z"),
        ("2026-01-01T00:00:00.12Z", "2026-01-01T00:00:00.12Z"),
        ("2026-01-01T00:00:00.1200000Z", "2026-01-01T00:00:00.12Z"),
        ("2026-01-01T00:00:10Z", "2026-01-01T00:00:10Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00"),
    ],
)
def test_stored_dates_are_written_without_trailing_zeros(stored: str, written: str) -> None:
    assert dotnet.newtonsoft_date(dotnet.instant(stored)) == written


def test_a_clock_reading_has_seven_digits() -> None:
    assert dotnet.instant_of(1_700_000_000_123_456_789) == "2023-11-14T22:13:20.1234567Z"
