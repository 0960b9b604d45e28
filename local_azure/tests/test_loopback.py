"""Which hosts Python's HTTP clients call without a proxy, in an environment that names one."""

import urllib.request

import pytest
from requests.utils import should_bypass_proxies

from local_azure.loopback import without_proxy


@pytest.fixture(autouse=True)
def proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("no_proxy", "NO_PROXY", "no_grpc_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name in ("https_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")


def bypassed(host: str) -> bool:
    by_urllib = bool(urllib.request.proxy_bypass(host))
    assert by_urllib == should_bypass_proxies(f"https://{host}:1/", None)
    return by_urllib


@pytest.mark.parametrize(
    ("variables", "direct", "by_proxy"),
    [
        ({}, [], ["management.azure.com"]),
        ({"no_proxy": "", "NO_PROXY": ""}, [], ["management.azure.com"]),
        ({"NO_PROXY": "internal.example"}, ["internal.example"], ["management.azure.com"]),
        ({"no_proxy": "internal.example", "NO_PROXY": "x"}, ["internal.example"], ["management.azure.com"]),
        ({"no_proxy": "internal.example, 127.0.0.1,"}, ["internal.example"], ["management.azure.com"]),
        ({"NO_PROXY": "*"}, ["management.azure.com"], []),
        ({"NO_PROXY": "internal.example,*"}, ["management.azure.com"], []),
    ],
)
def test_loopback_is_called_directly_and_other_hosts_as_configured(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], direct: list[str], by_proxy: list[str]
) -> None:
    for name, value in {**variables, **without_proxy(variables)}.items():
        monkeypatch.setenv(name, value)
    assert all(map(bypassed, ["127.0.0.1", "localhost", *direct]))
    assert not any(map(bypassed, by_proxy))


def test_no_grpc_proxy_is_extended_only_where_it_is_set() -> None:
    assert "no_grpc_proxy" not in without_proxy({})
    assert without_proxy({"no_grpc_proxy": "x"})["no_grpc_proxy"] == "x,127.0.0.1,localhost,::1"
