import pytest

from local_azure.functions_host import request_target


@pytest.mark.parametrize(
    ("raw", "decoded"),
    [
        ("/a%2Fb", "/a/b"),
        ("/caf%e9%C3%A9", "/caf%e9é"),
        ("/a/./b", "/a/b"),
        ("/../a", "/a"),
        ("/a/..", "/"),
        ("/a/%2e%2e/b", "/b"),
    ],
)
def test_the_path_is_decoded_once(raw: str, decoded: str) -> None:
    assert request_target.decode_path(raw) == decoded


def test_an_absolute_target_loses_scheme_and_host() -> None:
    assert request_target.split("https://h/a/b?c=d") == ("/a/b", "c=d")


@pytest.mark.parametrize(
    ("raw", "values"),
    [
        pytest.param("a=1&A=2", {"a": "1,2"}, id="names without regard to case"),
        pytest.param("m=caf%E9", {"m": "caf%E9"}, id="bytes that are not UTF-8 stay as they were written"),
        pytest.param("m=caf%e9", {"m": "caf%e9"}, id="in their own case"),
        pytest.param("m=caf%25E9", {"m": "caf%E9"}, id="and so do not differ from an escaped percent sign"),
    ],
)
def test_the_function_sees_the_query_as_the_host_hands_it_on(raw: str, values: dict[str, str]) -> None:
    assert request_target.query_values(request_target.query_pairs(raw)) == values
