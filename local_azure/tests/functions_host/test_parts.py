"""The small parts of the host, of which there is no recording."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from local_azure.functions_host import (
    binding_data,
    host_json,
    input_binding,
    invoker,
    keys,
    request_target,
    responses,
    worker,
)
from local_azure.functions_host.bindings.errors import BindingError
from local_azure.functions_host.configuration import Configuration, MissingSettingError
from local_azure.functions_host.host_json import LEVELS, HostJson, HostJsonError
from local_azure.functions_host.host_process import Cors
from local_azure.functions_host.responses import BadResponseError
from local_azure.functions_host.worker import Datum

PREVIEW = "Microsoft.Azure.Functions.ExtensionBundle.Preview"


def test_keys_are_made_once_and_only_their_owner_reads_them(tmp_path: Path) -> None:
    file = tmp_path / "site" / "keys.json"
    made = keys.load_or_create(file)
    assert keys.load_or_create(file) == made
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert made.master != made.default
    levels = [made.level(made.of_function("GetState"), name) for name in ("getstate", "Other", None)]
    assert levels == ["function", "anonymous", "anonymous"]
    assert made.level("\udc80", None) == "anonymous"


ORIGIN = {"Origin": "https://a.example"}
PREFLIGHT = {**ORIGIN, "Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "x-a"}


@pytest.mark.parametrize(
    ("cors", "method", "headers", "expected"),
    [
        (
            Cors(("https://A.example/",), support_credentials=True),
            "OPTIONS",
            PREFLIGHT,
            {
                "Access-Control-Allow-Origin": "https://a.example",
                "Vary": "Origin",
                "Access-Control-Allow-Credentials": "true",
                "Access-Control-Allow-Methods": "PUT",
                "Access-Control-Allow-Headers": "x-a",
            },
        ),
        (Cors(("https://A.example",)), "OPTIONS", {**PREFLIGHT, "Origin": "https://b.example"}, {}),
        (Cors(("https://A.example",)), "PUT", PREFLIGHT, None),
        (Cors(), "OPTIONS", PREFLIGHT, None),
    ],
)
def test_a_preflight_request_is_answered(
    cors: Cors, method: str, headers: dict[str, str], expected: dict[str, str] | None
) -> None:
    assert cors.preflight(method, headers) == expected


def test_cors_for_everyone_never_allows_credentials() -> None:
    everyone = Cors(("*",), support_credentials=True)
    assert everyone.response_headers(ORIGIN) == {"Access-Control-Allow-Origin": "*"}
    assert everyone.response_headers({}) == {}


@pytest.mark.parametrize(
    ("bundle_id", "version_range", "version", "openai"),
    [
        (PREVIEW, "[4.45.0, 4.48.0)", "4.45.0", "0.19.0-alpha"),
        (PREVIEW, "[4.*, 5.0.0)", "4.48.0", "0.21.0-alpha"),
        (PREVIEW.lower(), "(4.44.0, 4.45.0]", "4.45.0", "0.19.0-alpha"),
        (PREVIEW, "[4.44.0]", "4.44.0", "0.19.0-alpha"),
        (PREVIEW.removesuffix(".Preview"), "[4.*, 5.0.0)", "4.38.0", None),
        ("Other", "[4.*, 5.0.0)", "'Other' is unknown", None),
        (PREVIEW, "[3.*, 4.0.0)", "no version of", None),
        (PREVIEW, "(4.48.0, 5.0.0)", "no version of", None),
        (PREVIEW, "latest", "not a range", None),
    ],
)
def test_a_bundle_range_resolves_to_the_newest_known(
    bundle_id: str, version_range: str, version: str, openai: str | None
) -> None:
    if version[0].isdigit():
        resolved = host_json.resolve(bundle_id, version_range)
        assert (resolved.version, resolved.openai) == (version, openai)
    else:
        with pytest.raises(ValueError, match=version):
            host_json.resolve(bundle_id, version_range)


def test_settings_are_found_in_any_case_and_with_either_separator() -> None:
    settings = Configuration({"Storage__clientId": "c", "MODEL": "gpt", "AzureWebJobs_Hello_Disabled": "1"})
    assert settings.get("storage:CLIENTID") == "c"
    assert settings.resolve("%model%-x") == "gpt-x"
    assert settings.is_disabled("hello")
    assert not settings.is_disabled("Other")
    with pytest.raises(MissingSettingError, match="NOT_SET"):
        settings.resolve("%NOT_SET%")


def test_host_json_changes_the_defaults_of_the_host() -> None:
    assert host_json.parse('{"version": "2.0"}') == HostJson("api", None, {})
    changes = '"extensions": {"http": {"routePrefix": ""}}, "logging": {"logLevel": {"default": "Error"}}'
    changed = HostJson("", None, {"default": LEVELS["error"]})
    assert host_json.parse(f'{{"version": "2.0", {changes}}}') == changed


def test_every_problem_of_host_json_is_reported_at_once() -> None:
    text = '{"extensions": 5, "extensionBundle": {"id": "x"}, "logging": {"logLevel": {"default": "loud"}}}'
    with pytest.raises(HostJsonError) as caught:
        host_json.parse(text)
    for word in ("version", "extensions", "extensionBundle", "logLevel.default"):
        assert word in str(caught.value)
    for broken, message in (("{", "not valid JSON"), ("[]", "JSON object")):
        with pytest.raises(HostJsonError, match=message):
            host_json.parse(broken)


def test_the_longest_category_decides_what_is_logged() -> None:
    levels = {"default": "information", "Microsoft": "error", "Microsoft.Azure": "warning"}
    settings = HostJson(log_levels={name: LEVELS[level] for name, level in levels.items()})
    assert settings.logs("Function.A", LEVELS["information"])
    assert not settings.logs("Microsoft.Azure.WebJobs", LEVELS["information"])
    assert settings.logs("Microsoft.Azure.WebJobs", LEVELS["warning"])
    assert not settings.logs("Microsoft.Other", LEVELS["warning"])
    assert not HostJson().logs("Function.A", LEVELS["debug"])


def bind(text: str, body: object = None) -> str:
    query = [("message", "from query"), ("code", "key")]
    content = b"" if body is None else json.dumps(body).encode()
    data = binding_data.of_request(content, query, {"x-name": "header"}, {"assistantId": "route"})
    return input_binding.bind(input_binding.parse_template(text), data)


@pytest.mark.parametrize(
    ("body", "text", "expected"),
    [
        (None, "{ASSISTANTID}-{query.message}-{{literal}} 100 %", "route-from query-{literal} 100 %"),
        (None, "{Query.code}{Headers.X-Name}", "keyheader"),
        ({"f": 1.5, "w": 1.0, "a": {"B": {"c": "deep"}}}, "{f} {w} {A.b.C}", "1.5 1 deep"),
        ({"a": {"since": "2026-11-25T10:00:00+02:00"}}, "{a.since}", "11/25/2026 08:00:00"),
        ({"a": {"b": None}}, "<{a.b}>", "<>"),
        ({"a": {"b": [1]}}, "{a.b}", "[\n  1\n]"),
        ({"headers": {"x-name": "shadow"}}, "{Headers.x-name}", "shadow"),
    ],
)
def test_expressions_are_resolved_from_the_request(body: object, text: str, expected: str) -> None:
    assert bind(text, body) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{code}", "No value for named parameter 'code'"),
        ("{Query.unknown}", "Error while accessing 'unknown': property doesn't exist"),
        ("{message.length}", "Error while accessing 'length'"),
        *(
            (text, "Invalid template")
            for text in ("}", "{a", "a}", "{}", "{rand-guid}", "{a..b}", "{1a}", "{{{")
        ),
    ],
)
def test_a_bad_expression_is_an_error(text: str, message: str) -> None:
    with pytest.raises((BindingError, ValueError), match=message):
        bind(text)


@pytest.mark.parametrize(
    ("raw", "decoded"), [("/a%2Fb", "/a/b"), ("/../a", "/a"), ("/a/..", "/"), ("/a/%2e%2e/b", "/b")]
)
def test_the_path_is_decoded_once(raw: str, decoded: str) -> None:
    assert request_target.decode_path(raw) == decoded


def test_an_absolute_target_loses_scheme_and_host() -> None:
    assert request_target.split("https://h/a/b?c=d") == ("/a/b", "c=d")


def http(status: str = "200", **headers: str) -> Datum:
    return Datum(
        {"status": status, "headers": headers, "cookies": ["c=d"], "body": Datum(b"x", "bytes")}, "http"
    )


@pytest.mark.parametrize(
    ("output", "status", "headers", "body"),
    [
        (http("202", a="b"), 202, {"a": "b", "Set-Cookie": "c=d"}, b"x"),
        (Datum('{"a": [1]}', "string"), 200, {}, b'{\n  "a": [\n    1\n  ]\n}'),
        (
            Datum('{"status": 418, "headers": {"x": 1}, "body": {"a": 1}}', "json"),
            418,
            {"x": "1"},
            b'{"a":1}',
        ),
        (Datum('{"body": null, "status": "42x"}', "string"), 200, {}, b""),
    ],
)
def test_an_output_is_a_response(output: Datum, status: int, headers: dict[str, str], body: bytes) -> None:
    response = responses.convert(output)
    text = {} if output.type == "http" else {"Content-Type": "text/plain; charset=utf-8"}
    assert (response.status, dict(response.headers), response.body) == (status, {**headers, **text}, body)


@pytest.mark.parametrize("output", [http("42"), http("1000"), http(a="ü"), http(**{"a b": "c"})])
def test_a_response_that_cannot_be_sent_fails(output: Datum) -> None:
    with pytest.raises(BadResponseError):
        responses.convert(output)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ('say "hi"', '"say \\"hi\\""'),
        (b"\x00\xff", '"AP8="'),
        ({"a": 1, "ä": [True, None, 0.5]}, '{"a":1,"ä":[true,null,0.5]}'),
        (1.5, "1.5"),
        (True, "1"),
    ],
)
def test_the_return_value_of_a_skill_is_json(value: Any, expected: str) -> None:
    assert invoker.returned_json(worker.generic_datum(value, "assistantSkillTrigger")) == expected
