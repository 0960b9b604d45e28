import pytest

from local_azure.functions_host import request_target
from local_azure.functions_host.request_target import BadTargetError


@pytest.mark.parametrize(
    ("raw", "decoded"),
    [
        ("/a%20b", "/a b"),
        ("/a+b", "/a+b"),
        ("/a%2Fb", "/a/b"),
        ("/a%252Fb", "/a%2Fb"),
        ("/%C3%A4", "/ä"),
        ("/%FF%41", "/%FFA"),
        ("/caf%e9%C3%A9", "/caf%e9é"),
        ("/%zz", "/%zz"),
        ("/a%0A", "/a\n"),
        ("/a/../b", "/b"),
        ("/a/./b", "/a/b"),
        ("/../a", "/a"),
        ("/a/..", "/"),
        ("/a/.", "/a/"),
        ("/a/%2e%2e/b", "/b"),
    ],
)
def test_the_path_is_decoded_once(raw: str, decoded: str) -> None:
    assert request_target.decode_path(raw) == decoded


def test_a_null_character_is_refused() -> None:
    with pytest.raises(BadTargetError):
        request_target.decode_path("/a%00")


def test_an_absolute_target_loses_scheme_and_host() -> None:
    assert request_target.split("https://h/a/b?c=d") == ("/a/b", "c=d")


def test_a_fragment_is_refused() -> None:
    """Recording route/fragment."""
    with pytest.raises(BadTargetError):
        request_target.split("/a?b#c")


@pytest.mark.parametrize(
    ("raw", "encoded"),
    [
        pytest.param("/a%27b", "/a'b", id="id/echo-quote-escaped"),
        pytest.param("/a%zzb", "/a%25zzb", id="id/echo-bad-escape"),
        pytest.param("/a%FFb", "/a%FFb", id="id/echo-bad-utf8"),
        pytest.param("/a%25b", "/a%25b", id="id/echo-percent"),
        pytest.param("/%7Ba%7D", "/%7Ba%7D", id="id/echo-braces"),
        pytest.param("/%C3%BC%F0%9F%98%80", "/%C3%BC%F0%9F%98%80", id="id/echo-unicode"),
        pytest.param("/a;b:c@d+e%20f%0A", "/a;b:c@d+e%20f%0A", id="id/echo-semicolon"),
    ],
)
def test_the_path_is_encoded_again_for_the_function(raw: str, encoded: str) -> None:
    assert request_target.encode_path(request_target.decode_path(raw)) == encoded


@pytest.mark.parametrize(
    ("raw", "values"),
    [
        pytest.param("a=1&a=2&B=x%20y&empty=&flag", {"a": "1,2", "B": "x y"}, id="http/echo-all-headers"),
        pytest.param("a=1&A=2", {"a": "1,2"}, id="names without regard to case"),
        pytest.param("a=&a=2&a=", {"a": "2"}, id="empty values are left out"),
        pytest.param("m=a+b%2Bc%20d%25", {"m": "a b+c d%"}, id="post/message-plus-percent"),
        pytest.param("m=%F0%9F%98%80%C3%BC", {"m": "\U0001f600ü"}, id="post/message-unicode-escaped"),
        pytest.param("m=a%00b", {"m": "a\0b"}, id="post/message-nul"),
        pytest.param("m=caf%E9", {"m": "caf%E9"}, id="bytes that are not UTF-8 stay as they were written"),
        pytest.param("m=caf%e9", {"m": "caf%e9"}, id="in their own case"),
        pytest.param("m=caf%25E9", {"m": "caf%E9"}, id="and so do not differ from an escaped percent sign"),
    ],
)
def test_the_function_sees_the_query_as_the_host_hands_it_on(raw: str, values: dict[str, str]) -> None:
    assert request_target.query_values(request_target.query_pairs(raw)) == values


def test_the_first_of_several_values_is_found_by_its_name_in_any_case() -> None:
    """Recordings auth/code-twice and auth/code-upper-name."""
    assert request_target.first_value(request_target.query_pairs("CODE=1&code=2"), "code") == "1"
