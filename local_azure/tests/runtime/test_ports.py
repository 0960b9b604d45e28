import json
import os
import socket
from pathlib import Path

import pytest

from local_azure.runtime import ports as module
from local_azure.runtime.ports import RANGE_VARIABLE, PortError, Ports, free_port


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "ports.json"


def port_of(listener: socket.socket) -> int:
    return listener.getsockname()[1]


def test_a_port_is_the_same_after_a_restart_until_it_is_forgotten(file: Path) -> None:
    with Ports(file).hold("gateway") as first:
        port = port_of(first)
    ports = Ports(file)
    with ports.hold("gateway") as again:
        assert port_of(again) == port
    ports.forget("gateway")
    assert json.loads(file.read_text()) == {}


def test_an_endpoint_whose_port_is_in_use_names_process_and_command(file: Path) -> None:
    with Ports(file).hold("site app1") as held:
        with pytest.raises(PortError) as rejected:
            Ports(file).hold_all(["site app2", "site app1"])
        for part in (f"Port {port_of(held)}", "site app1", f"process {os.getpid()}", "--new-ports"):
            assert part in str(rejected.value)


@pytest.mark.parametrize(
    ("renew_taken", "renew", "renewed"), [(True, False, ["site app1"]), (False, True, [])]
)
def test_a_port_in_use_is_replaced_on_demand(
    file: Path, renew_taken: bool, renew: bool, renewed: list[str]
) -> None:
    with Ports(file).hold("site app1") as taken:
        ports = Ports(file, renew_taken=renew_taken)
        with ports.hold("site app1", renew=renew) as replacement:
            assert port_of(replacement) != port_of(taken)
            assert json.loads(file.read_text()) == {"site app1": port_of(replacement)}
    assert ports.renewed == renewed


def test_a_port_for_a_child_is_given_only_once(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten Azurites that start together open their ports seconds later."""
    monkeypatch.setenv(RANGE_VARIABLE, "20000-20299")
    monkeypatch.setattr(module, "_promised", set[int]())

    promised = [free_port() for _ in range(100)]

    assert len(set(promised)) == 100
    with Ports(file).hold("site app1") as held:
        assert port_of(held) not in promised
        assert 20000 <= port_of(held) <= 20299


@pytest.mark.parametrize("text", ["20000", "20999-20000", "80-99", "60000-70000", "a-b", "20000 - 20999"])
def test_a_value_that_is_not_a_range_is_rejected(
    file: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv(RANGE_VARIABLE, text)
    with pytest.raises(PortError, match=f"{RANGE_VARIABLE} is '{text}': it must be FIRST-LAST"):
        Ports(file).hold("site app1")
