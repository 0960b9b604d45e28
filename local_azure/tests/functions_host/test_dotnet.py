"""Values of which there is no recording."""

import pytest

from local_azure.functions_host.bindings import date_texts, dotnet, newtonsoft


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.0, "0.0"),
        (0.0001, "0.0001"),
        (-0.00001, "-1E-05"),
        (1e17, "1E+17"),
        (1.5e20, "1.5E+20"),
        (float("nan"), '"NaN"'),
    ],
)
def test_a_double_is_written_as_dotnet_writes_it(value: float, expected: str) -> None:
    assert dotnet.newtonsoft(value) == expected


@pytest.mark.parametrize(("value", "expected"), [(2.0, "2"), (1 / 3, "0.33333334"), (1e10, "1E+10")])
def test_a_single_has_the_digits_that_tell_it_apart(value: float, expected: str) -> None:
    assert dotnet.single(value) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Tue, 01 Aug 2023 10:00:00 GMT", "2023-08-01T10:00:00.0000000Z"),
        ("1 August 2023", "2023-08-01T00:00:00.0000000Z"),
        ("Aug 1, 2023 2 PM", "2023-08-01T14:00:00.0000000Z"),
        ("Mon, 01 Aug 2023 10:00:00 GMT", None),
        ("2023-08-01T00:00:00.99999999Z", "2023-08-01T00:00:01.0000000Z"),
        ("8/1/2023 13:00 AM", None),
        ("yesterday", None),
        ("", None),
        ("' or 1 eq 1", None),
        ("٢٠٢٣-08-01", None),
    ],
)
def test_dates_are_taken_and_refused(text: str, expected: str | None) -> None:
    assert date_texts.parse(text) == expected


def nested(levels: int) -> str:
    return "[" * levels + "]" * levels


@pytest.mark.parametrize("text", ["9" * 5000, '"\\ud800 [[{\\"[["', nested(64)])
def test_strict_json_is_read_whatever_its_numbers_and_texts(text: str) -> None:
    dotnet.strict_json(text)


@pytest.mark.parametrize("text", [nested(65), nested(100_000), '{"a":-Infinity}', "\ufeff1"])
def test_strict_json_ends_where_that_of_dotnet_does(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        dotnet.strict_json(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[1,,'a',]", [1, newtonsoft.UNDEFINED, "a"]),
        ("{a$:0x1F,'b':010,}", {"a$": 31, "b": 8}),
        ("/**/-.5\0// end", -0.5),
        ('"\\ud83d\\ude00\\ud83d"', "\U0001f600\ufffd"),
        ('{"a":1,"a":2}', {"a": 2}),
        (nested(64), None),
    ],
)
def test_json_beyond_the_standard_is_read(text: str, value: object) -> None:
    parsed = newtonsoft.parse(text)
    assert value is None or parsed == value


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "[1",
            "[1}",
            "{a}",
            "{a:}",
            "'a",
            "+1",
            "1e",
            "08",
            "0x",
            "[1 2]",
            "1 2",
            '"\\x41"',
            "/*",
            '{"a"/**/:1}',
        ),
        *("9" * 381, nested(65), "\ufeff1", "\x1c1"),
    ],
)
def test_what_newtonsoft_does_not_read_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        newtonsoft.parse(text)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("2024-02-29T24:00:00Z", "2024-03-01T00:00:00Z"),
        ("2024-02-30T00:00:00Z", None),
        ("/Date(-1)/", "1969-12-31T23:59:59.999Z"),
        ("/Date(0+0200)/", "1970-01-01T00:00:00+00:00"),
    ],
)
def test_a_string_may_be_a_date(text: str, written: str | None) -> None:
    assert newtonsoft.date_of(text) == written
