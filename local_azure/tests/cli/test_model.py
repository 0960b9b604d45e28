"""`python -m local_azure model` against a running local Azure."""

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from local_azure.core import ids
from local_azure.core.store import DEVELOPER_PRINCIPAL_ID, SUBSCRIPTION_ID, Resource, Store
from local_azure.core.tokens import MODEL_AUDIENCES, Tokens, load_key
from local_azure.home import Home
from local_azure.tests.cli.conftest import bad, cli, good

GROUP = ids.resource_group(SUBSCRIPTION_ID, "rg")
TYPE = "Microsoft.CognitiveServices/accounts"


@pytest.fixture
def home(shared_home: Home) -> Iterator[Home]:
    """It runs, with the deployment `chat`, the stand-in, and no requests."""
    if not shared_home.is_made:
        shared_home.prepare()
        store = Store(shared_home.store_file)
        account, deployment = (
            ids.build(GROUP, TYPE, "oai"),
            ids.build(GROUP, f"{TYPE}/deployments", "oai", "chat"),
        )
        store.put(Resource(id=account, name="oai", type=TYPE, properties={"customSubDomainName": "oai"}))
        model = {"format": "OpenAI", "name": "gpt-5.4-mini", "version": "2026-03-17"}
        resource = Resource(
            id=deployment, name="chat", type=f"{TYPE}/deployments", properties={"model": model}
        )
        store.put({**resource, "sku": {"name": "GlobalStandard", "capacity": 50}})
        good(cli(shared_home, "start"))
    yield shared_home
    good(cli(shared_home, "model", "use", "local"))
    good(cli(shared_home, "model", "clear"))


def ask(home: Home, text: str) -> tuple[int, Any]:
    """The status, and the content of the reply or the message of the error."""
    (account,) = Store(home.store_file).list(TYPE)
    token = Tokens(load_key(home.token_key_file)).issue(DEVELOPER_PRINCIPAL_ID, MODEL_AUDIENCES[0]).token
    endpoint = account.get("properties", {})["endpoint"]
    request = urllib.request.Request(  # noqa: S310 # local Azure's own endpoint
        f"{endpoint}openai/deployments/chat/chat/completions?api-version=2024-10-21",
        json.dumps({"messages": [{"role": "user", "content": text}]}).encode(),
        {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    context = ssl.create_default_context(cafile=str(home.ca_file))
    try:
        with urllib.request.urlopen(request, context=context) as response:  # noqa: S310
            return response.status, json.load(response)["choices"][0]["message"]["content"]
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)["error"]["message"]


def test_a_script_from_a_file_or_standard_input_answers_in_order(home: Home, tmp_path: Path) -> None:
    file = tmp_path / "answers.json"
    file.write_text('\ufeff[{"text": "One."}]', encoding="utf-8")  # with a byte order mark, as editors write
    assert "1 answer queued" in cli(home, "model", "script", str(file)).stderr
    assert "2 answers queued" in cli(home, "model", "script", "-", stdin='[{"text": "Two."}]').stderr
    assert [ask(home, "hello") for _ in range(2)] == [(200, "One."), (200, "Two.")]


def test_requests_are_printed_as_text_and_as_json(home: Home) -> None:
    ask(home, "line one\nline two")
    text = good(cli(home, "model", "requests"))
    assert "user: line one line two" in text
    assert "assistant: This is local Azure's stand-in" in text
    (exchange,) = json.loads(good(cli(home, "model", "requests", "--json")))
    assert exchange["request"]["messages"][0]["content"] == "line one\nline two"
    assert "line one" not in (home.logs / "daemon.log").read_text()
    good(cli(home, "model", "clear"))
    assert json.loads(good(cli(home, "model", "requests", "--json"))) == []


@pytest.mark.parametrize(
    ("words", "stdin", "problem"),
    [
        (("script", "no-such-file"), "", "no-such-file cannot be read"),
        (("script", "-"), "{", "is not JSON"),
        (("script", "-"), '[{"text": 5}]', "step 1: text: 5 is not of type 'string'"),
        (("requests", "--account", "other"), "", "there is no OpenAI account 'other'; there are: oai"),
        (("use", "localhost:1234"), "", "is not an http:// or https:// URL"),
        (("use", "local", "--model", "x"), "", "takes neither"),
    ],
)
def test_a_mistake_is_named(home: Home, words: tuple[str, ...], stdin: str, problem: str) -> None:
    assert problem in bad(cli(home, "model", *words, stdin=stdin))


@pytest.fixture
def server() -> Iterator[str]:
    """The URL of a server that lists its models as Ollama does."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/v1/models" else 404)
            self.end_headers()
            self.wfile.write(b'{"data": [{"id": "llama3.2:latest"}, {"id": "qwen3"}]}')

        def log_message(self, *_: object) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
            """Prints nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def test_a_model_that_the_server_does_not_list_is_refused(home: Home, server: str) -> None:
    message = bad(cli(home, "model", "use", f"{server}/v1", "--model", "llama3"))
    assert f"{server}/v1 has no model 'llama3'; it has: llama3.2:latest, qwen3." in message
    for name in ("llama3.2", "qwen3"):
        assert "warning" not in cli(home, "model", "use", f"{server}/v1", "--model", name).stderr
    done = cli(home, "model", "use", server, "--model", "llama3")
    assert (done.returncode, "does not list the models" in done.stderr) == (0, True)


def test_another_server_is_used_until_the_stand_in_is_again(home: Home) -> None:
    done = cli(home, "model", "use", "http://127.0.0.1:9/v1", "--key-variable", "NO_SUCH_KEY")
    assert "NO_SUCH_KEY" in done.stderr
    status, message = ask(home, "hello")
    assert (status, "NO_SUCH_KEY" in message) == (502, True)
    good(cli(home, "model", "use", "local"))
    assert "stand-in" in ask(home, "hello")[1]
