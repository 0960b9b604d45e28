"""`python -m local_azure model` against a running local Azure."""

import json
import os
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local_azure.core import ids
from local_azure.core.store import DEVELOPER_PRINCIPAL_ID, SUBSCRIPTION_ID, Resource, Store
from local_azure.core.tokens import MODEL_AUDIENCES, Tokens, load_key
from local_azure.home import ENVIRONMENT_VARIABLE, PROJECT, Home

GROUP = ids.resource_group(SUBSCRIPTION_ID, "rg")
TYPE = "Microsoft.CognitiveServices/accounts"

Done = subprocess.CompletedProcess[str]


def cli(home: Home, *words: str, stdin: str = "") -> Done:
    return subprocess.run(
        [sys.executable, "-m", "local_azure", *words],
        cwd=PROJECT,
        env={**os.environ, ENVIRONMENT_VARIABLE: str(home.root)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        input=stdin,
    )


def good(done: Done) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout


def bad(done: Done) -> str:
    assert done.returncode == 1, done.stdout
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    home = Home(tmp_path_factory.mktemp("home"))
    home.prepare()
    store = Store(home.store_file)
    account = ids.build(GROUP, TYPE, "oai")
    store.put(Resource(id=account, name="oai", type=TYPE, properties={"customSubDomainName": "oai"}))
    store.put(
        Resource(
            id=ids.build(GROUP, f"{TYPE}/deployments", "oai", "chat"),
            name="chat",
            type=f"{TYPE}/deployments",
            sku={"name": "GlobalStandard", "capacity": 50},
            properties={"model": {"format": "OpenAI", "name": "gpt-5.4-mini", "version": "2026-03-17"}},
        )
    )
    try:
        good(cli(home, "start"))
        yield home
    finally:
        cli(home, "stop")


@pytest.fixture
def home(started: Home) -> Iterator[Home]:
    yield started
    good(cli(started, "model", "use", "local"))
    good(cli(started, "model", "clear"))


def ask(home: Home, text: str) -> tuple[int, Any]:
    (account,) = Store(home.store_file).list(TYPE)
    token = Tokens(load_key(home.token_key_file)).issue(DEVELOPER_PRINCIPAL_ID, MODEL_AUDIENCES[0]).token
    request = urllib.request.Request(  # noqa: S310 # local Azure's own endpoint
        account.get("properties", {})["endpoint"]
        + "openai/deployments/chat/chat/completions?api-version=2024-10-21",
        json.dumps({"messages": [{"role": "user", "content": text}]}).encode(),
        {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    context = ssl.create_default_context(cafile=str(home.ca_file))
    try:
        with urllib.request.urlopen(request, context=context) as answer:  # noqa: S310
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def said(answer: tuple[int, Any]) -> str:
    assert answer[0] == 200, answer[1]
    return answer[1]["choices"][0]["message"]["content"]


def test_a_script_from_a_file_or_standard_input_answers_in_order(home: Home, tmp_path: Path) -> None:
    file = tmp_path / "answers.json"
    file.write_text('\ufeff[{"text": "One."}]', encoding="utf-8")  # with a byte order mark, as editors write
    assert "1 answer queued" in cli(home, "model", "script", str(file)).stderr
    assert "2 answers queued" in cli(home, "model", "script", "-", stdin='[{"text": "Two."}]').stderr
    assert [said(ask(home, "hello")) for _ in range(2)] == ["One.", "Two."]


def test_requests_are_shown_for_people_and_programs(home: Home) -> None:
    ask(home, "line one\nline two")
    shown = good(cli(home, "model", "requests"))
    assert "user: line one line two" in shown
    assert "assistant: This is local Azure's stand-in" in shown
    (asked,) = json.loads(good(cli(home, "model", "requests", "--json")))
    assert asked["request"]["messages"][0]["content"] == "line one\nline two"
    assert "line one" not in (home.logs / "daemon.log").read_text()
    good(cli(home, "model", "clear"))
    assert json.loads(good(cli(home, "model", "requests", "--json"))) == []


@pytest.mark.parametrize(
    ("words", "stdin", "problem"),
    [
        (("script", "no-such-file"), "", "no-such-file cannot be read"),
        (("script", "-"), "{", "no JSON"),
        (("script", "-"), '[{"text": 5}]', "step 1: text is no string"),
        (("requests", "--account", "other"), "", "there is no OpenAI account 'other'; there are: oai"),
        (("use", "localhost:1234"), "", "no http:// or https:// URL"),
        (("use", "local", "--model", "x"), "", "takes neither"),
    ],
)
def test_a_mistake_is_named(home: Home, words: tuple[str, ...], stdin: str, problem: str) -> None:
    assert problem in bad(cli(home, "model", *words, stdin=stdin))


def test_a_model_at_home_is_used_until_the_stand_in_is_again(home: Home) -> None:
    done = cli(home, "model", "use", "http://127.0.0.1:9/v1", "--key-variable", "NO_SUCH_KEY")
    assert "NO_SUCH_KEY" in done.stderr
    status, body = ask(home, "hello")
    assert (status, "NO_SUCH_KEY" in body["error"]["message"]) == (502, True)
    good(cli(home, "model", "use", "local"))
    assert "stand-in" in said(ask(home, "hello"))


def test_a_local_azure_that_does_not_run_is_said(tmp_path: Path) -> None:
    assert "does not run" in bad(cli(Home(tmp_path / "none"), "model", "requests"))
