"""Ports of local Azure's endpoints: chosen at the first start and the same after a restart.

Pulumi's state and app settings contain the endpoints: if a port changed with every start, every stack would
differ from its state.
"""

import json
import os
import random
import re
import socket
from collections.abc import Iterable
from pathlib import Path

import psutil

from local_azure import whole_file

ADDRESS = "127.0.0.1"

# Below the ranges from which Linux (32768-60999) and macOS (49152-65535) take the ports of outgoing
# connections, any of which might take a remembered port while local Azure is stopped.
_RANGE = range(20000, 32000)
RANGE_VARIABLE = "LOCAL_AZURE_PORTS"
"""Another range for new ports, as `20000-20999`; remembered ports stay."""


class PortError(Exception):
    """Another process listens on a remembered port, or the value of the variable is not a range of ports."""


class Ports:
    """Remembered ports by the name of their endpoint, such as `gateway` or `site <id> scm`."""

    def __init__(self, file: Path, *, renew_taken: bool = False) -> None:
        """With `renew_taken`, a port in use is replaced, and its name added to `renewed`."""
        self._file = file
        self._renew_taken = renew_taken
        self._ports = _load(file)
        self.renewed: list[str] = []

    def ask(self, name: str, port: int) -> None:
        """Remembers a port that the user chose."""
        self._ports[name] = port
        self._save()

    def hold(self, name: str, *, renew: bool = False) -> socket.socket:
        """A socket that listens on the port of `name` on 127.0.0.1. Raises PortError.

        `renew` is for an endpoint that no state contains: it gets a new port when its own is in use.
        """
        port = self._ports.get(name)
        if port is not None:
            try:
                return _listen(port)
            except OSError as error:
                if not (renew or self._renew_taken):
                    raise PortError(_taken(name, port, error)) from error
                if not renew:
                    self.renewed.append(name)
        held = _listen_anywhere(set(self._ports.values()))
        self._ports[name] = held.getsockname()[1]
        self._save()
        return held

    def hold_all(self, names: Iterable[str]) -> list[socket.socket]:
        """A socket for each name, or PortError with every port that is taken."""
        held: list[socket.socket] = []
        taken: list[str] = []
        for name in names:
            try:
                held.append(self.hold(name))
            except PortError as error:
                taken.append(str(error))
        if taken:
            for listener in held:
                listener.close()
            raise PortError("\n".join(taken))
        return held

    def forget(self, name: str) -> None:
        if self._ports.pop(name, None) is not None:
            self._save()

    def _save(self) -> None:
        whole_file.write(self._file, json.dumps(self._ports, indent=1).encode() + b"\n", 0o644)


def free_port() -> int:
    """A port without a listener, for a child that opens it itself.

    This process never returns it again: until the child has opened it, it looks free.
    """
    with _listen_anywhere(set()) as held:
        port: int = held.getsockname()[1]
    _promised.add(port)
    return port


_promised: set[int] = set()


def _listen_anywhere(used: set[int]) -> socket.socket:
    ports = _range()
    for port in random.sample(ports, min(200, len(ports))):
        if port not in used and port not in _promised:
            try:
                return _listen(port)
            except OSError:
                continue
    return _listen(0)


def _range() -> range:
    text = os.environ.get(RANGE_VARIABLE)
    if not text:
        return _RANGE
    match = re.fullmatch(r"(\d{4,5})-(\d{4,5})", text)
    first, last = map(int, match.groups()) if match else (0, 0)
    if not 1024 <= first < last <= 65535:
        raise PortError(
            f"{RANGE_VARIABLE} is {text!r}: it must be FIRST-LAST, from 1024 to 65535, as 20000-20999"
        )
    return range(first, last + 1)


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((ADDRESS, port))
        listener.listen(128)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener


def _taken(name: str, port: int, error: OSError) -> str:
    return (
        f"Port {port} on {ADDRESS}, which belongs to {name} of this local Azure, is taken"
        f"{_holder(port)} ({error.strerror}). Stop that process and start again, or run "
        f"`python -m local_azure start --new-ports` and then "
        f"`python -m local_azure pulumi up --refresh`, which carries the new port into the stack "
        f"(a stack of the minimal runner: `make local`)."
    )


def _holder(port: int) -> str:
    try:
        for connection in psutil.net_connections("tcp4"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr[1:] == (port,) and connection.pid:
                process = psutil.Process(connection.pid)
                command = " ".join(" ".join(process.cmdline()).split())
                return f" by process {connection.pid}, {command[:200]}"
    except psutil.Error:
        return ""
    return ""


def _load(file: Path) -> dict[str, int]:
    try:
        return json.loads(file.read_text())
    except (FileNotFoundError, ValueError):
        return {}
