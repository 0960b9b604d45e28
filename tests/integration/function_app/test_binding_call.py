"""The app's call of its own bound function: one request each, over connections that stay open."""

import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from assistants import binding_call, paths
from assistants.binding_call import CallResult, Outcome, run_assistant

from local_azure.runtime.ports import ADDRESS, free_port
from tests.host_requests import DONE, NO_RESULT

KEY_REFUSED = CallResult(Outcome.KEY_REFUSED, 401)


class App(ThreadingHTTPServer):
    """Answers every POST with `status`, 0 for no response, or with 401 without its `key`."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__((ADDRESS, 0), Handler)
        self.status = 200
        self.key: str | None = None
        self.connections = 0
        self.requests: list[tuple[str, str, str]] = []
        self.before_answer: Callable[[], object] = lambda: None
        self.hang_up = False
        self.hung_up = threading.Event()

    def run(self, key: str = "") -> CallResult:
        return run_assistant(f"localhost:{self.server_address[1]}", "a", "Hi", key)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: App  # pyright: ignore[reportIncompatibleVariableOverride] # the one that makes it

    def setup(self) -> None:
        super().setup()
        self.server.connections += 1

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        # The library reads headers as Latin-1, Kestrel as UTF-8.
        key = self.headers.get("x-functions-key", "").encode("latin-1").decode()
        self.server.requests.append((self.path, key, body))
        if self.server.status == 0:
            self.close_connection = True  # no answer at all
            return
        self.server.before_answer()
        is_refused = self.server.key is not None and key != self.server.key
        self.send_response(401 if is_refused else self.server.status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")
        self.close_connection = self.server.hang_up

    def finish(self) -> None:
        super().finish()
        self.connection.close()
        self.server.hung_up.set()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 # the library's name
        pass


@pytest.fixture
def app() -> Iterator[App]:
    with App() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield server
        server.shutdown()


def test_the_bound_function_gets_the_message_below_the_route_prefix(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert app.run("k3y") == DONE
    monkeypatch.setattr(paths, "PREFIX", "v1/x")
    assert app.run() == DONE
    body = '{"message": "Hi", "rest": ""}'
    assert app.requests == [("/api/assistants/a/run", "k3y", body), ("/v1/x/assistants/a/run", "", body)]


@pytest.mark.parametrize(
    ("sent", "own_key", "received", "outcome"),
    [
        ("k1", "k1", "k1", DONE),
        ("k1,k2", "k1", "k1", DONE),
        ("k1, k2", "k1", "k1", DONE),
        ("k1,k2", "k1,k2", "k1,k2", DONE),
        ("my kéy", "my kéy", "my kéy", DONE),
        ("k1,k2", "k3", "k1", KEY_REFUSED),
        ("k1", "k3", "k1", KEY_REFUSED),
        ("", "k3", "", KEY_REFUSED),
        *((key, None, "", DONE) for key in ("k\r\nX-Other: 1", "k\0", " k", "k ", "k\x7f")),
    ],
)
def test_the_key_that_the_host_used_is_sent_unless_no_header_can_carry_it(
    app: App, sent: str, own_key: str | None, received: str, outcome: CallResult
) -> None:
    """A duplicate header arrives joined with a comma; a custom key may contain a comma."""
    app.key = own_key
    assert app.run(sent) == outcome
    assert app.requests[-1][1] == received


def test_the_status_determines_the_outcome_and_sequential_calls_share_one_connection(app: App) -> None:
    outcomes = {
        200: Outcome.DONE,
        500: Outcome.FAILED,
        **dict.fromkeys((401, 403), Outcome.KEY_REFUSED),
        404: Outcome.MISSING,
        **dict.fromkeys((429, 503), Outcome.BUSY),
        **dict.fromkeys((201, 400, 405), Outcome.REFUSED),
        # A front end's own: the function behind it may still run.
        **dict.fromkeys((408, 502, 504), Outcome.INDETERMINATE),
    }
    for app.status, outcome in outcomes.items():
        assert app.run() == CallResult(outcome, app.status)
    assert (app.connections, len(app.requests)) == (1, len(outcomes))


def test_a_connection_closed_by_the_host_is_not_reused(app: App) -> None:
    app.hang_up = True
    assert app.run() == DONE
    assert app.hung_up.wait(10)
    assert app.run() == DONE
    assert (app.connections, len(app.requests)) == (2, 2)


def test_a_connection_that_was_idle_too_long_is_not_reused(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    assert app.run() == DONE
    monkeypatch.setattr(binding_call, "_IDLE_SECONDS", 0)
    assert app.run() == DONE
    assert app.connections == 2


def test_a_call_without_a_response_is_indeterminate_and_not_repeated(app: App) -> None:
    assert app.run() == DONE
    app.status = 0
    assert app.run() == NO_RESULT
    assert len(app.requests) == 2
    app.status = 200
    assert app.run() == DONE
    assert app.connections == 2


def test_a_connection_may_take_10_seconds_and_a_call_220(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """Azure's front end waits for 230."""
    timeouts: list[float | None] = []
    settimeout = socket.socket.settimeout

    def record(connection: socket.socket, seconds: float | None) -> None:
        timeouts.append(seconds)
        settimeout(connection, seconds)

    monkeypatch.setattr(socket.socket, "settimeout", record)
    assert app.run() == DONE
    assert timeouts == [10, 220]


def test_concurrent_calls_have_a_connection_each(app: App) -> None:
    app.before_answer = threading.Barrier(3, timeout=20).wait  # none is answered before all have arrived
    with ThreadPoolExecutor(3) as executor:
        outcomes = list(executor.map(app.run, ["", "", ""]))
    assert (outcomes, app.connections) == ([DONE] * 3, 3)


def test_an_app_without_a_server_or_tls_is_unreachable(app: App) -> None:
    """Nothing was sent, so nothing is stored."""
    for port in (free_port(), app.server_address[1]):
        assert run_assistant(f"{ADDRESS}:{port}", "a", "Hi", "") == CallResult(Outcome.UNREACHABLE)
    assert app.requests == []
