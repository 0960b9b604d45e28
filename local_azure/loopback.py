"""Keeps calls to loopback addresses away from the proxy that the environment names."""

from collections.abc import Mapping

ADDRESSES = ("127.0.0.1", "localhost", "::1")


def without_proxy(environment: Mapping[str, str]) -> dict[str, str]:
    """The NO_PROXY variables of the environment, extended by the loopback addresses.

    Clients read either spelling, and gRPC reads `no_grpc_proxy` instead where that is set.
    """
    either = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
    names = ["no_proxy", "NO_PROXY", *(["no_grpc_proxy"] if environment.get("no_grpc_proxy") else [])]
    return {name: _with_loopback(environment.get(name) or either) for name in names}


def _with_loopback(hosts: str) -> str:
    named = [host.strip() for host in hosts.split(",") if host.strip()]
    # urllib takes `*` for every host only where it stands alone.
    return "*" if "*" in named else ",".join(dict.fromkeys([*named, *ADDRESSES]))
