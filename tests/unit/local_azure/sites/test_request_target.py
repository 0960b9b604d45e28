import pytest

from local_azure.services.sites import request_target
from local_azure.services.sites.request_target import BadTargetError


@pytest.mark.parametrize(
    ("raw", "decoded"),
    [
        ("/a%20b", "/a b"),
        ("/a+b", "/a+b"),
        ("/a%2Fb", "/a/b"),
        ("/a%252Fb", "/a%2Fb"),
        ("/%C3%A4", "/ä"),
        ("/%FF%41", "/%FFA"),
        ("/%zz", "/%zz"),
        ("/a%0A", "/a\n"),
        ("/a/../b", "/b"),
        ("/a/./b", "/a/b"),
        ("/../a", "/a"),
        ("/a/..", "/"),
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
    assert request_target.split("/a?b#c") == ("/a", "b")


def test_the_last_duplicate_wins_and_empty_values_are_missing() -> None:
    pairs = request_target.query_pairs("a=1&A=2&b=&c=%C3%A4+x&d")
    assert request_target.query_values(pairs) == {"a": "2", "c": "ä x"}
    assert request_target.first_value(pairs, "a") == "1"
