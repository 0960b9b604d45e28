"""The problem documents of errors of the storage and of the app's identity."""

import json
import logging

import pytest
from assistants.identity import TokenError
from assistants.routes.responses import handle_errors
from azure.core.exceptions import HttpResponseError, ServiceRequestError, ServiceResponseError


def response_of(status: int) -> HttpResponseError:
    error = HttpResponseError("AccountKey=secret")
    error.status_code = status
    return error


UNAVAILABLE = "The storage is temporarily unavailable."


@pytest.mark.parametrize(
    ("error", "expected", "words", "level"),
    [
        *((response_of(status), (503, "5"), UNAVAILABLE, "WARNING") for status in (408, 429, 500, 503)),
        (ServiceRequestError("secret"), (503, "5"), UNAVAILABLE, "WARNING"),
        (ServiceResponseError("secret"), (503, "5"), UNAVAILABLE, "WARNING"),
        (response_of(403), (503, "30"), "Storage Table Data Contributor", "ERROR"),
        (TokenError("secret", passes=False), (503, "30"), "AzureWebJobsStorage__clientId", "ERROR"),
        (
            TokenError("secret", passes=True),
            (503, "30"),
            "token endpoint is temporarily un",
            "ERROR",
        ),
        (response_of(400), (500, None), "The log in Application Insights contains the error.", "ERROR"),
        (response_of(0), (500, None), "The log in Application Insights contains the error.", "ERROR"),
        (ValueError("secret"), (500, None), "The log in Application Insights contains the error.", "ERROR"),
    ],
    ids=str,
)
def test_an_error_is_logged_and_its_problem_says_what_helps_without_its_own_text(
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    expected: tuple[int, str | None],
    words: str,
    level: str,
) -> None:
    def fail() -> None:
        raise error

    with caplog.at_level(logging.INFO):
        response = handle_errors(fail)  # pyright: ignore[reportArgumentType] # it never returns

    assert (response.status_code, response.headers.get("Retry-After")) == expected
    assert words in json.loads(response.get_body())["detail"]
    assert b"secret" not in response.get_body()
    assert [record.levelname for record in caplog.records] == [level]
    assert "secret" in caplog.text
