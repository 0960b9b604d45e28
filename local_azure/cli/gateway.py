"""Calls to the running daemon, with the standard library only: they must not make a command slow."""

import http.client
import json
import ssl
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from local_azure.cli.output import CommandError, Progress
from local_azure.home import Home
from local_azure.run_state import Run

_PATIENCE = 180.0
"""Seconds for one answer: an app that starts again with other settings answers when it has started."""

_API_VERSION = "2024-11-01"


def status(home: Home, run: Run) -> dict[str, Any]:
    """What runs, as services/status.py lists it. Raises CommandError."""
    from local_azure.core.tokens import DEVELOPER, Tokens, load_key  # noqa: PLC0415 # PyJWT costs 50 ms

    header = Tokens(load_key(home.token_key_file)).header_for(DEVELOPER)
    return _call(home, run, "GET", "/local-azure/status", {"X-IDENTITY-HEADER": header}).body


def arm(
    home: Home, run: Run, method: str, resource_id: str, *, body: object = None, doing: str = "working"
) -> dict[str, Any]:
    """An ARM operation, signed in as the developer; one that goes on is waited for.

    Raises CommandError with ARM's message.
    """
    from local_azure.core.store import DEVELOPER_PRINCIPAL_ID  # noqa: PLC0415
    from local_azure.core.tokens import ARM_AUDIENCES, Tokens, load_key  # noqa: PLC0415

    token = Tokens(load_key(home.token_key_file)).issue(DEVELOPER_PRINCIPAL_ID, ARM_AUDIENCES[0]).token
    path = f"{quote(resource_id)}?api-version={_API_VERSION}"
    headers = {"Authorization": f"Bearer {token}"}
    answer = _call(home, run, method, path, headers, body=body)
    with Progress(doing) as progress:
        while answer.status == http.HTTPStatus.ACCEPTED:
            progress.show("")
            address = urlsplit(answer.location)
            answer = _call(home, run, "GET", f"{address.path}?{address.query}", headers)
    return answer.body


def model(home: Home, run: Run, method: str, endpoint: str, body: object) -> dict[str, Any]:
    """What steers the chat model of the OpenAI account with that endpoint. Raises CommandError."""
    from local_azure.core.store import DEVELOPER_PRINCIPAL_ID  # noqa: PLC0415
    from local_azure.core.tokens import MODEL_AUDIENCES, Tokens, load_key  # noqa: PLC0415

    token = Tokens(load_key(home.token_key_file)).issue(DEVELOPER_PRINCIPAL_ID, MODEL_AUDIENCES[0]).token
    headers = {"Authorization": f"Bearer {token}"}
    return _call(
        home, run, method, "/local-azure/model", headers, body=body, port=urlsplit(endpoint).port
    ).body


@dataclass(frozen=True)
class _Answer:
    status: int
    location: str
    body: dict[str, Any]


def _call(
    home: Home,
    run: Run,
    method: str,
    path: str,
    headers: dict[str, str],
    *,
    body: object = None,
    port: int | None = None,
) -> _Answer:
    """`port`: the gateway's by default."""
    port = port or run.gateway_port
    context = ssl.create_default_context(cafile=str(home.ca_file))
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=_PATIENCE, context=context)
    try:
        content = None if body is None else json.dumps(body)
        connection.request(method, path, content, {**headers, "Content-Type": "application/json"})
        answer = connection.getresponse()
        received = answer.read()
    except OSError as error:
        raise CommandError(
            f"local Azure (process {run.pid}) does not answer on port {port}: {error}. "
            f"`python -m local_azure logs daemon` shows what it does."
        ) from error
    finally:
        connection.close()
    parsed: dict[str, Any] = json.loads(received) if received else {}
    if answer.status >= 400:
        raise CommandError(parsed.get("error", {}).get("message") or f"local Azure answered {answer.status}")
    return _Answer(answer.status, answer.headers.get("Location", ""), parsed)
