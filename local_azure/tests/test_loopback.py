"""Which hosts Python's own clients call without a proxy, in an environment that names one."""

import urllib.request

import pytest
from requests.utils import should_bypass_proxies

from local_azure.loopback import without_proxy

REMOTE = "management.azure.com"


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
    "variables",
    [
        {},
        {"no_proxy": "", "NO_PROXY": ""},
        {"NO_PROXY": "internal.example"},
        {"no_proxy": "internal.example", "NO_PROXY": "other.example"},
        {"no_proxy": "internal.example, 127.0.0.1,"},
    ],
)
def test_loopback_is_called_directly_and_the_rest_through_the_proxy(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    for name, value in {**variables, **without_proxy(variables)}.items():
        monkeypatch.setenv(name, value)
    assert [bypassed(host) for host in ("127.0.0.1", "localhost", REMOTE)] == [True, True, False]
    if any(variables.values()):
        assert bypassed("internal.example")


@pytest.mark.parametrize("hosts", ["*", "internal.example,*"])
def test_who_wanted_no_proxy_for_any_host_still_gets_none(
    monkeypatch: pytest.MonkeyPatch, hosts: str
) -> None:
    for name, value in without_proxy({"NO_PROXY": hosts}).items():
        monkeypatch.setenv(name, value)
    assert bypassed("127.0.0.1")
    assert bypassed(REMOTE)


def test_what_grpc_reads_instead_is_extended_only_where_it_is_set() -> None:
    assert "no_grpc_proxy" not in without_proxy({})
    assert "127.0.0.1" in without_proxy({"no_grpc_proxy": "internal"})["no_grpc_proxy"].split(",")
