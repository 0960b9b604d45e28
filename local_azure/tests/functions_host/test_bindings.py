"""Values of the bindings of which there is no recording."""

import json
from typing import Any

import pytest

from local_azure.functions_host.bindings import (
    assistant_post,
    chat_client,
    connections,
    date_texts,
    dotnet,
    newtonsoft,
    retries,
    rows,
)
from local_azure.functions_host.bindings.assistant_post import PostRequest
from local_azure.functions_host.bindings.errors import BindingError
from local_azure.functions_host.bindings.rows import Message, ToolCall
from local_azure.functions_host.configuration import Configuration


@pytest.mark.parametrize(("text", "limit"), [(" 7 ", 7), ("2147483648", None), ("1.5", None)])
def test_a_limit_of_tokens_is_a_32_bit_integer_or_left_out(text: str, limit: int | None) -> None:
    assert assistant_post.model_options(PostRequest(max_tokens=text)).get("max_tokens") == limit


@pytest.mark.parametrize("missing", ["id", "user_message"])
@pytest.mark.parametrize("value", [None, ""])
def test_a_post_needs_an_id_and_a_message(missing: str, value: str | None) -> None:
    given: dict[str, Any] = {"id": "a", "user_message": " ", missing: value}
    with pytest.raises(BindingError, match="must"):
        assistant_post.validate(PostRequest(**given))


@pytest.mark.parametrize(
    "members",
    [
        '"usage":null',
        '"usage":{"total_tokens":"5"}',
        '"created":"today"',
        '"id":5',
        '"choices":[null]',
        '"choices":[{"message":{"role":"developer"}}]',
        '"choices":[{"message":{"content":5}}]',
        '"choices":[{"message":{"content":"half a pair: \\ud800"}}]',
        '"choices":[{"message":{"tool_calls":{}}}]',
        '"choices":[{"message":{"tool_calls":[{"type":null}]}}]',
        '"choices":[{"message":{"tool_calls":[{"function":{"arguments":{}}}]}}]',
    ],
)
def test_an_answer_of_another_shape_fails(members: str) -> None:
    answer = f'{{"choices":[{{"message":{{"content":"a"}}}}],"usage":{{}},{members}}}'
    with pytest.raises(BindingError, match="not a chat completion"):
        chat_client.parse_completion(answer.encode())


def test_a_call_without_its_function_is_taken_and_cannot_be_stored() -> None:
    calls = [{"id": "c", "function": None}]
    answer = json.dumps({"choices": [{"message": {"tool_calls": calls}}], "usage": {}})
    completion = chat_client.parse_completion(answer.encode())
    assert completion.tool_calls == (ToolCall("c", None, None, {}, None),)
    with pytest.raises(BindingError, match="cannot be stored"):
        rows.tool_calls_text(completion.tool_calls)


def test_a_call_without_arguments_cannot_be_sent_again() -> None:
    call = ToolCall("c", "AddTodo", None)
    with pytest.raises(BindingError, match="no arguments"):
        assistant_post.chat_message(Message("", "Assistant", "", tool_calls=(call,)))


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "2", "x-ms-retry-after-ms": "500"}, 0.5),
        ({"Retry-After": "Wed, 25 Nov 2020 10:00:00 GMT"}, 0.0),
        ({"Retry-After": "inf"}, None),
    ],
)
def test_a_response_says_when_to_ask_again(headers: dict[str, str], seconds: float | None) -> None:
    assert retries.retry_after(headers) == seconds


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.0001, "0.0001"), (-0.00001, "-1E-05"), (1e17, "1E+17"), (float("nan"), '"NaN"')],
)
def test_a_double_is_written_as_dotnet_writes_it(value: float, expected: str) -> None:
    assert dotnet.newtonsoft(value) == expected


@pytest.mark.parametrize(("value", "expected"), [(2.0, "2"), (1 / 3, "0.33333334"), (1e10, "1E+10")])
def test_a_single_has_the_digits_that_tell_it_apart(value: float, expected: str) -> None:
    assert dotnet.single(value) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 August 2023", "2023-08-01T00:00:00.0000000Z"),
        ("Aug 1, 2023 2 PM", "2023-08-01T14:00:00.0000000Z"),
        ("Mon, 01 Aug 2023 10:00:00 GMT", None),
        ("2023-08-01T00:00:00.99999999Z", "2023-08-01T00:00:01.0000000Z"),
        ("8/1/2023 13:00 AM", None),
        ("' or 1 eq 1", None),
        ("٢٠٢٣-08-01", None),
    ],
)
def test_dates_are_taken_and_refused(text: str, expected: str | None) -> None:
    assert date_texts.parse(text) == expected


def nested(levels: int) -> str:
    return "[" * levels + "]" * levels


@pytest.mark.parametrize(
    ("text", "is_read"),
    [
        *((text, True) for text in ("9" * 5000, '"\\ud800 [[{\\"[["', nested(64))),
        *((text, False) for text in (nested(65), nested(100_000), '{"a":-Infinity}', "\ufeff1")),
    ],
)
def test_strict_json_ends_where_that_of_dotnet_does(text: str, is_read: bool) -> None:
    if is_read:
        dotnet.strict_json(text)
    else:
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
        ("'2024-02-29T24:00:00Z'", "2024-03-01T00:00:00Z"),
        ("'2024-02-30T00:00:00Z'", "2024-02-30T00:00:00Z"),
        ("'/Date(0+0200)/'", "1970-01-01T00:00:00+00:00"),
    ],
)
def test_json_beyond_the_standard_is_read(text: str, value: object) -> None:
    assert newtonsoft.parse(text) == value


REFUSED = ["", "[1}", "{a}", "{a:}", "'a", "+1", "1e", "08", "0x", "[1 2]", '"\\x41"', "/*", '{"a"/**/:1}']


@pytest.mark.parametrize("text", [*REFUSED, "9" * 381, nested(65), "\ufeff1", "\x1c1"])
def test_what_newtonsoft_does_not_read_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        newtonsoft.parse(text)


IDENTITY = {"Storage__tableServiceUri": "https://127.0.0.1:1/account", "Storage__clientId": "client"}


@pytest.mark.parametrize(
    ("settings", "setting", "message"),
    [
        ({"Storage": "AccountKey=x"}, "Storage", "refuses shared keys"),
        (IDENTITY, None, "only if chatStorageConnectionSetting is set"),
        (IDENTITY, "Other", "Other__tableServiceUri"),
        ({"S__accountName": "x"}, "S", "S__tableServiceUri"),
    ],
)
def test_storage_without_an_identity_says_what_is_missing(
    settings: dict[str, str], setting: str | None, message: str
) -> None:
    with pytest.raises(BindingError, match=message):
        connections.table_service_uri(Configuration(settings), setting)


@pytest.mark.parametrize(
    ("section", "arguments"),
    [
        ({}, {"client_id": "default"}),
        ({"credential": "managedidentity", "clientId": "c"}, {"client_id": "c"}),
        ({"managedIdentityResourceId": "r"}, {"identity_config": {"resource_id": "r"}}),
        ({"clientId": "c", "managedIdentityResourceId": "r"}, "not both"),
        ({"credential": "secret"}, "'secret'"),
    ],
)
def test_a_connection_section_names_a_managed_identity(
    monkeypatch: pytest.MonkeyPatch, section: dict[str, str], arguments: dict[str, Any] | str
) -> None:
    monkeypatch.setattr("azure.identity.aio.ManagedIdentityCredential", dict)
    settings = {"AZURE_CLIENT_ID": "default", **{f"S__{name}": value for name, value in section.items()}}
    if isinstance(arguments, str):
        with pytest.raises(BindingError, match=arguments):
            connections.credential(Configuration(settings), "S")
    else:
        assert connections.credential(Configuration(settings), "S") == arguments


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"OPENAI_API_KEY": "sk-x"}, "sends no request to the internet"),
        ({"OpenAI__endpoint": "http://127.0.0.1:1/"}, "not permitted for non TLS protected"),
    ],
)
def test_a_model_connection_that_leads_nowhere_says_why(settings: dict[str, str], message: str) -> None:
    with pytest.raises(BindingError, match=message):
        connections.model_endpoint(Configuration(settings), "OpenAI")
