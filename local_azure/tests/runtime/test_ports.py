import json
import os
import socket
from pathlib import Path

import pytest

from local_azure.runtime import ports as module
from local_azure.runtime.ports import RANGE_VARIABLE, PortRangeError, Ports, PortTakenError, free_port


def _port(listener: socket.socket) -> int:
    return listener.getsockname()[1]


def test_a_port_is_the_same_after_a_restart(tmp_path: Path) -> None:
    with Ports(tmp_path / "ports.json").hold("gateway") as first:
        port = _port(first)
    with Ports(tmp_path / "ports.json").hold("gateway") as again:
        assert _port(again) == port


def test_a_taken_port_is_named_with_its_owner_the_process_and_the_cure(tmp_path: Path) -> None:
    with Ports(tmp_path / "ports.json").hold("site app1") as held:
        with pytest.raises(PortTakenError) as refused:
            Ports(tmp_path / "ports.json").hold("site app1")
        for part in (f"Port {_port(held)}", "site app1", f"process {os.getpid()}", "--new-ports"):
            assert part in str(refused.value)


def test_a_taken_port_is_replaced_and_remembered_when_asked(tmp_path: Path) -> None:
    file = tmp_path / "ports.json"
    with Ports(file).hold("site app1") as taken:
        ports = Ports(file, renew_taken=True)
        with ports.hold("site app1") as renewed:
            assert _port(renewed) != _port(taken)
            assert ports.renewed == ["site app1"]
            assert json.loads(file.read_text()) == {"site app1": _port(renewed)}


def test_a_port_that_stands_in_no_state_is_replaced_without_asking(tmp_path: Path) -> None:
    with Ports(tmp_path / "ports.json").hold("gateway") as taken:
        ports = Ports(tmp_path / "ports.json")
        with ports.hold("gateway", renew=True) as renewed:
            assert _port(renewed) != _port(taken)
    assert ports.renewed == []


def test_a_forgotten_port_is_free_for_others(tmp_path: Path) -> None:
    ports = Ports(tmp_path / "ports.json")
    ports.hold("storage account a blob").close()
    ports.forget("storage account a blob")
    assert json.loads((tmp_path / "ports.json").read_text()) == {}


def test_a_port_that_was_promised_to_a_child_is_given_to_nobody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten Azurites that start together open their ports seconds later."""
    monkeypatch.setenv(RANGE_VARIABLE, "20000-20299")
    monkeypatch.setattr(module, "_promised", set[int]())

    promised = [free_port() for _ in range(100)]

    assert len(set(promised)) == 100
    with Ports(tmp_path / "ports.json").hold("site app1") as held:
        assert _port(held) not in promised


def test_new_ports_come_from_the_range_that_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(RANGE_VARIABLE, "21000-21049")
    with Ports(tmp_path / "ports.json").hold("site app1") as held:
        assert 21000 <= _port(held) <= 21049


@pytest.mark.parametrize("text", ["20000", "20999-20000", "80-99", "60000-70000", "a-b", "20000 - 20999"])
def test_what_is_no_range_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(RANGE_VARIABLE, text)
    with pytest.raises(PortRangeError, match=f"{RANGE_VARIABLE} is '{text}': it must be FIRST-LAST"):
        Ports(tmp_path / "ports.json").hold("site app1")
