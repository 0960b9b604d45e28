"""Bodies that the Functions host drops, truncates or does not decode: rejected before parsing."""

import json
from collections.abc import Callable, Mapping

import azure.functions as func
import pytest
from assistants.routes import request_body

from tests.host_requests import Api, body_of, request

CONTENT = b'{"message": "Hi"}'
ROUTES: list[Callable[[Api, Mapping[str, str]], func.HttpResponse]] = [
    lambda api, headers: api.put(headers=headers),
    lambda api, headers: api.post(headers=headers),
    lambda api, headers: api.post_query({"message": "Hi"}, headers=headers),
]


@pytest.mark.parametrize("route", ROUTES, ids=["PUT", "POST messages", "POST"])
@pytest.mark.parametrize(
    ("header", "value", "status"),
    [("Transfer-Encoding", "chunked", 411), ("Content-Encoding", "gzip", 415), ("Content-Length", "7", 400)],
)
def test_every_route_with_a_body_rejects_one_that_did_not_arrive_as_sent(
    route: Callable[[Api, Mapping[str, str]], func.HttpResponse], header: str, value: str, status: int
) -> None:
    api = Api()
    response = route(api, {header: value})
    assert (response.status_code, response.mimetype) == (status, "application/problem+json")
    assert header in body_of(response)["detail"]
    assert api.run.calls == []


@pytest.mark.parametrize(
    ("name", "value", "status"),
    [
        *((name, "chunked", 411) for name in ("transfer-encoding", "TRANSFER-ENCODING")),
        *(("Content-Encoding", encoding, 415) for encoding in ("GZIP", "br", "unknown", "identity, gzip")),
        ("Content-Encoding", "x" * 9000, 415),
        *(("Content-Length", length, 400) for length in ("16", "18", "0", "-1", "x", "9" * 5000, "17,17")),
        ("Content-Length", "17", None),
        *(("Content-Encoding", encoding, None) for encoding in ("identity", "Identity, identity", "")),
        ("X-Other", "1", None),
    ],
)
def test_a_body_is_rejected_unless_it_arrived_as_it_was_sent(
    name: str, value: str, status: int | None
) -> None:
    rejection = request_body.check_body(request("PUT", body=CONTENT, headers={name: value}))
    assert (rejection and rejection.status_code) == status
    if rejection:
        assert len(rejection.get_body()) < 500
    if status == 400:
        assert rejection
        (error,) = json.loads(rejection.get_body())["errors"]
        assert (error["in"], error["name"]) == ("header", "Content-Length")
        assert error["detail"].endswith("but 17 bytes of the body arrived")


@pytest.mark.parametrize("headers", [{}, {"Content-Length": "0"}])
def test_a_request_without_a_body_is_not_rejected(headers: dict[str, str]) -> None:
    assert request_body.check_body(request("PUT", headers=headers)) is None
