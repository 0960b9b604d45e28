"""The app's call of its own bound function: one request each, over connections that stay open."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from assistants import binding_call, paths
from assistants.binding_call import CallResult, Outcome, run_assistant

from local_azure.runtime.ports import ADDRESS, free_port

DONE = CallResult(Outcome.DONE, 200)


class App(ThreadingHTTPServer):
    """Answers every POST with `status`, 0 for no response, or with 401 without its `key`; counts requests."""

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

    @property
    def host(self) -> str:
        return f"localhost:{self.server_address[1]}"


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
        refused = self.server.key is not None and key != self.server.key
        self.send_response(401 if refused else self.server.status)
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
    server = App()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def test_the_bound_function_gets_the_message_and_the_callers_key(app: App) -> None:
    assert run_assistant(app.host, "a-1", "Hi", "k3y") == DONE
    assert app.requests == [("/api/assistants/a-1/run", "k3y", '{"message": "Hi", "rest": ""}')]


@pytest.mark.parametrize("key", ["k\r\nX-Other: 1", "k\0", " k", "k "])
def test_a_key_that_no_header_can_carry_is_left_out(app: App, key: str) -> None:
    assert run_assistant(app.host, "a", "Hi", key) == DONE
    assert [key for _, key, _ in app.requests] == [""]


@pytest.mark.parametrize(
    ("given", "taken"),
    [("k1", "k1"), ("k1,k2", "k1"), ("k1, k2", "k1"), ("k1,k2", "k1,k2"), ("my kéy", "my kéy")],
)
def test_the_key_that_the_host_used_opens_the_bound_function(app: App, given: str, taken: str) -> None:
    """A duplicate header arrives joined with a comma; a custom key may contain a comma."""
    app.key = taken
    assert run_assistant(app.host, "a", "Hi", given) == DONE
    assert app.requests[-1][1] == taken


@pytest.mark.parametrize("given", ["", "k1", "k1,k2"])
def test_a_key_that_does_not_open_the_bound_function_is_refused(app: App, given: str) -> None:
    app.key = "k3"
    assert run_assistant(app.host, "a", "Hi", given) == CallResult(Outcome.KEY_REFUSED, 401)


@pytest.mark.parametrize(
    ("http", "path"),
    [({"routePrefix": "v1/x"}, "/v1/x/assistants/a/run"), ({"routePrefix": ""}, "/assistants/a/run")],
)
def test_the_call_uses_the_route_prefix_of_host_json(
    app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, http: dict[str, str], path: str
) -> None:
    host_json = tmp_path / "host.json"
    host_json.write_text(json.dumps({"version": "2.0", "extensions": {"http": http}}))
    monkeypatch.setattr(paths, "PREFIX", paths.route_prefix(host_json))
    assert run_assistant(app.host, "a", "Hi", "") == DONE
    assert [path for path, _, _ in app.requests] == [path]


@pytest.mark.parametrize(
    ("host", "prefix"),
    [
        ({}, "api"),
        ({"extensions": {}}, "api"),
        ({"extensions": {"http": {}}}, "api"),
        ({"extensions": {"http": {"routePrefix": "/v1/"}}}, "v1"),
    ],
)
def test_the_route_prefix_is_the_hosts_default_where_host_json_names_none(
    tmp_path: Path, host: object, prefix: str
) -> None:
    (tmp_path / "host.json").write_text(json.dumps(host))
    assert paths.route_prefix(tmp_path / "host.json") == prefix


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (500, Outcome.FAILED),
        *((status, Outcome.KEY_REFUSED) for status in (401, 403)),
        (404, Outcome.MISSING),
        *((status, Outcome.BUSY) for status in (429, 503)),
        *((status, Outcome.REFUSED) for status in (201, 400, 405)),
        # A front end's own: the function behind it may still run.
        *((status, Outcome.INDETERMINATE) for status in (408, 502, 504)),
    ],
)
def test_the_status_determines_the_outcome(app: App, status: int, outcome: Outcome) -> None:
    app.status = status
    assert run_assistant(app.host, "a", "Hi", "") == CallResult(outcome, status)


def test_sequential_calls_share_one_connection(app: App) -> None:
    app.status = 500
    assert run_assistant(app.host, "a", "Hi", "") == CallResult(Outcome.FAILED, 500)
    app.status = 200
    assert [run_assistant(app.host, "a", "Hi", "") for _ in range(3)] == [DONE] * 3
    assert (app.connections, len(app.requests)) == (1, 4)


def test_a_connection_closed_by_the_host_is_not_reused(app: App) -> None:
    app.hang_up = True
    assert run_assistant(app.host, "a", "Hi", "") == DONE
    assert app.hung_up.wait(10)
    assert run_assistant(app.host, "a", "Hi", "") == DONE
    assert (app.connections, len(app.requests)) == (2, 2)


def test_a_connection_that_was_idle_too_long_is_not_reused(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run_assistant(app.host, "a", "Hi", "") == DONE
    monkeypatch.setattr(binding_call, "_IDLE_SECONDS", 0)
    assert run_assistant(app.host, "a", "Hi", "") == DONE
    assert app.connections == 2


def test_a_call_without_a_response_is_indeterminate_and_not_repeated(app: App) -> None:
    assert run_assistant(app.host, "a", "Hi", "") == DONE
    app.status = 0
    assert run_assistant(app.host, "a", "Hi", "") == CallResult(Outcome.INDETERMINATE)
    assert len(app.requests) == 2
    app.status = 200
    assert run_assistant(app.host, "a", "Hi", "") == DONE
    assert app.connections == 2


def test_concurrent_calls_have_a_connection_each(app: App) -> None:
    app.before_answer = threading.Barrier(3, timeout=20).wait  # each is answered when all have asked
    outcomes: list[CallResult] = []
    threads = [
        threading.Thread(target=lambda: outcomes.append(run_assistant(app.host, "a", "Hi", "")))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert (outcomes, app.connections) == ([DONE] * 3, 3)


def test_an_app_that_does_not_answer_itself_is_unreachable() -> None:
    assert run_assistant(f"{ADDRESS}:{free_port()}", "a", "Hi", "") == CallResult(Outcome.UNREACHABLE)


def test_a_server_without_tls_is_unreachable(app: App) -> None:
    """Nothing was sent, so nothing is stored."""
    assert run_assistant(f"{ADDRESS}:{app.server_address[1]}", "a", "Hi", "") == CallResult(
        Outcome.UNREACHABLE
    )
    assert app.requests == []


@pytest.mark.parametrize(
    ("message", "parts"),
    [
        ("Hi", ("Hi", "")),
        ("2026-11-25T10:00:00.000Z", ("2026", "-11-25T10:00:00.000Z")),
        ("/Date(1700000000000)/", ("/Dat", "e(1700000000000)/")),
        ("2026-11-25", ("2026-11-25", "")),
    ],
)
def test_a_message_that_is_a_date_reaches_the_host_in_two_parts(message: str, parts: tuple[str, str]) -> None:
    assert json.loads(binding_call.encode_body(message)) == {"message": parts[0], "rest": parts[1]}
