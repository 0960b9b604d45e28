"""`model`: scripts and requests of the chat model behind the OpenAI accounts, and the model backend."""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any, cast
from urllib.request import Request, urlopen

from local_azure import run_state
from local_azure.cli import gateway
from local_azure.cli.output import CommandError, counted, note, say
from local_azure.cli.show import named, running
from local_azure.home import Home
from local_azure.services.cognitiveservices.chat import backend

_ACCOUNTS = "Microsoft.CognitiveServices/accounts"
_MAX_CHARACTERS = 100
"""Of a message in `model requests`."""
_LIST_SECONDS = 3.0


def script(home: Home, arguments: argparse.Namespace) -> None:
    state = _control(home, arguments, "POST", _script(arguments.file))
    note(f"{counted(state['queued'], 'answer')} queued.")


def requests(home: Home, arguments: argparse.Namespace) -> None:
    exchanges: list[dict[str, Any]] = _control(home, arguments, "GET")["requests"]
    if arguments.json:
        say(json.dumps(exchanges, indent=2, ensure_ascii=False))
        return
    note(f"{counted(len(exchanges), 'request')}, oldest first")
    for exchange in exchanges:
        say("\n".join(_lines(exchange)))


def clear(home: Home, arguments: argparse.Namespace) -> None:
    _control(home, arguments, "DELETE")
    note("Removed the queued answers and the kept requests.")


def use(home: Home, arguments: argparse.Namespace) -> None:
    if arguments.url == "local":
        if arguments.model is not None or arguments.key_variable is not None:
            raise CommandError("`model use local` takes neither --model nor --key-variable.")
        home.prepare()
        backend.write(home.model_file, None)
        note("Local Azure's stand-in answers chat requests.")
        return
    try:
        chosen = backend.remote(arguments.url, arguments.model, arguments.key_variable)
    except backend.BackendError as error:
        raise CommandError(str(error)) from error
    _check_model(chosen)
    home.prepare()
    backend.write(home.model_file, chosen)
    note(f"{chosen.url} answers chat requests. Azure's checks still apply, and scripts still come first.")
    if chosen.key_variable is not None and run_state.find(home) is not None:
        note(
            f"The running local Azure reads {chosen.key_variable} from the environment of its start: "
            "`python -m local_azure stop`, then `start` from a shell that has it."
        )


def _check_model(chosen: backend.Remote) -> None:
    """Raises CommandError where the server lists its models and the chosen one is not among them."""
    key = os.environ.get(chosen.key_variable or "", "")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        request = Request(f"{chosen.url}/models", headers=headers)  # noqa: S310 # http or https: see `remote`
        with urlopen(request, timeout=_LIST_SECONDS) as response:  # noqa: S310 # as above
            names = [str(model["id"]) for model in json.load(response)["data"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        note(f"warning: {chosen.url}/models does not list the models of this server: {error}")
        return
    # Ollama lists `llama3.2:latest`, which a request may name without the tag.
    known = {*names, *(name.removesuffix(":latest") for name in names)}
    if chosen.model is not None and chosen.model not in known:
        raise CommandError(
            f"{chosen.url} has no model {chosen.model!r}; it has: {', '.join(names) or 'none'}."
        )


def _script(name: str) -> object:
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
        return json.loads(text.removeprefix("\ufeff"))
    except OSError as error:
        raise CommandError(f"{name} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise CommandError(f"{name} is not JSON: {error}.") from error


def _control(
    home: Home, arguments: argparse.Namespace, method: str, content: object = None
) -> dict[str, Any]:
    run = running(home)
    account = named(home, _ACCOUNTS, arguments.account, "OpenAI account")
    endpoint = str(account.get("properties", {}).get("endpoint", ""))
    return gateway.model(home, run, method, endpoint, content)


def _lines(exchange: dict[str, Any]) -> list[str]:
    answer: dict[str, Any] = exchange["answer"] or {}
    usage: dict[str, Any] = answer.get("usage") or {}
    tokens = f"  {usage['prompt_tokens']} + {usage['completion_tokens']} tokens" if usage else ""
    script = "  (script)" if exchange["scripted"] else ""
    lines = [f"{exchange['time']}  {exchange['status']}  {exchange['deployment']}{tokens}{script}"]
    request: dict[str, Any] = exchange["request"] or {}
    messages: list[Any] = request["messages"] if isinstance(request.get("messages"), list) else []
    lines += [f"    {_message(message)}" for message in messages[-1:]]
    if "error" in answer:
        lines.append(f"    error: {_short(answer['error'].get('message'))}")
    lines += [f"    {_message(choice['message'])}" for choice in answer.get("choices", ())[:1]]
    return lines


def _message(message: object) -> str:
    if not isinstance(message, dict):
        return _short(message)
    members = cast("dict[str, Any]", message)
    functions = [call["function"] for call in members.get("tool_calls") or ()]
    calls = ", ".join(f"{function['name']}({function['arguments']})" for function in functions)
    return f"{members.get('role')}: {_short(calls or members.get('content'))}"


def _short(value: object) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= _MAX_CHARACTERS else text[: _MAX_CHARACTERS - 1] + "…"
