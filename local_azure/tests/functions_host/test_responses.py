from typing import Any

import pytest

from local_azure.functions_host import responses
from local_azure.functions_host.responses import BadResponseError, Response


def http(**changes: Any) -> dict[str, Any]:
    return {"type": "http", "status": "200", "headers": {}, "cookies": [], **changes}


def test_status_headers_and_cookies_are_passed_on() -> None:
    response = responses.convert(
        http(status="202", headers={"a": "b", "Content-Length": "1"}, cookies=["c=d", "e=f"]), b"x"
    )
    assert response == Response(202, (("a", "b"), ("Set-Cookie", "c=d"), ("Set-Cookie", "e=f")), b"x")


def test_a_function_without_http_output_answers_204() -> None:
    assert responses.convert(None, b"") == Response(204)


def test_a_returned_text_is_text() -> None:
    text = ("Content-Type", "text/plain; charset=utf-8")
    assert responses.convert({"type": "string"}, b"hi") == Response(200, (text,), b"hi")
    assert responses.convert({"type": "string"}, b'{"a": 1}') == Response(200, (text,), b'{"a": 1}')


def test_a_returned_text_that_describes_a_response_is_one() -> None:
    response = responses.convert(
        {"type": "string"}, b'{"status": 418, "headers": {"x": 1}, "body": {"a": 1}}'
    )
    assert response.status == 418
    assert dict(response.headers) == {"x": "1", "Content-Type": "application/json; charset=utf-8"}
    assert response.body == b'{"a": 1}'


@pytest.mark.parametrize(
    "response",
    [
        http(status="42"),
        http(status="1000"),
        http(headers={"a": "b\r\nc: d"}),
        http(headers={"a": "ü"}),
        http(headers={"a b": "c"}),
        http(headers={"Content-Length": "1"}),
        http(headers={"Content-Length": "x"}),
    ],
)
def test_a_response_that_cannot_be_sent_fails(response: dict[str, Any]) -> None:
    with pytest.raises(BadResponseError):
        responses.convert(response, b"")
