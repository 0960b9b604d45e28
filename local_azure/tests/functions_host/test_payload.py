import pytest

from local_azure.functions_host.bindings import payload
from local_azure.functions_host.bindings.payload import AssistantCreateRequest, Kind, PayloadError

DEFAULT = "You are a helpful assistant."


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("string", '{"id": "a"}', [AssistantCreateRequest("a", DEFAULT, None, "ChatState")]),
        ("json", '{"id": "a", "instructions": "x"}', [AssistantCreateRequest("a", "x")]),
        ("bytes", b'{"id": "a"}', [AssistantCreateRequest("a")]),
        ("string", "{}", [AssistantCreateRequest("")]),
        (
            "string",
            ' [{"id": "a"}, {"id": "b"}] ',
            [AssistantCreateRequest("a"), AssistantCreateRequest("b")],
        ),
        ("json", '[{"id": "a"}, {"id": "b"}]', [AssistantCreateRequest("a"), AssistantCreateRequest("b")]),
        ("string", "[]", []),
        ("json", '{"ID": "a", "Instructions": "x", "other": {}}', [AssistantCreateRequest("a", "x")]),
        ("json", '{"id": "a", "iD": "b"}', [AssistantCreateRequest("b")]),
        ("json", '{"id": 5, "instructions": 1.50}', [AssistantCreateRequest("5", "1.50")]),
        ("json", '{"id": true, "instructions": null}', [AssistantCreateRequest("true", None)]),
        (
            "json",
            '{"id": "a", "chatStorageConnectionSetting": "S", "collectionName": "T"}',
            [AssistantCreateRequest("a", DEFAULT, "S", "T")],
        ),
        ("string", '{"id": "2026-11-23T10:00:00.000Z"}', [AssistantCreateRequest("2026-11-23T10:00:00Z")]),
        (
            "string",
            '{"id": "2026-11-23T12:00:00.50+02:00"}',
            [AssistantCreateRequest("2026-11-23T10:00:00.5+00:00")],
        ),
        ("json", '{"id": "2026-11-23T10:00:00.000Z"}', [AssistantCreateRequest("2026-11-23T10:00:00.000Z")]),
        (
            "string",
            '{"id": "at 2026-11-23T10:00:00.000Z"}',
            [AssistantCreateRequest("at 2026-11-23T10:00:00.000Z")],
        ),
    ],
)
def test_a_value_becomes_create_requests(
    kind: Kind, value: str | bytes, expected: list[AssistantCreateRequest]
) -> None:
    assert payload.requests_from(kind, value) == expected


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("string", "hello"),
        ("string", "null"),
        ("string", "{broken}"),
        ("json", "[null]"),
        ("json", '["a"]'),
        ("json", '{"id": {}}'),
        ("json", '{"id": []}'),
        ("bytes", b'[{"id": "a"}]'),
        ("bytes", b"\xff"),
        ("string", ""),
    ],
)
def test_a_value_that_is_no_create_request_fails(kind: Kind, value: str | bytes) -> None:
    with pytest.raises(PayloadError):
        payload.requests_from(kind, value)
