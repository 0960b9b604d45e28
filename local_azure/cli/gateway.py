"""Requests to the running daemon, with the standard library only: imports would slow commands down."""

import json
import ssl
from contextlib import closing
from http import HTTPStatus
from http.client import HTTPSConnection
from typing import Any
from urllib.parse import quote, urlsplit

from local_azure.cli.output import CommandError, progress
from local_azure.home import Home
from local_azure.run_state import Run

_TIMEOUT = 180.0
"""Seconds for a response: a change of app settings is answered when the app has restarted."""

_RESTART = (
    "run `python -m local_azure stop`, then `start`. If that does not help: `python -m local_azure reset`."
)

_API_VERSION = "2024-11-01"


def status(home: Home, run: Run) -> dict[str, Any]:
    """The state of the daemon and its services. Raises CommandError."""
    from local_azure.core.tokens import DEVELOPER, Tokens, load_key  # noqa: PLC0415 # PyJWT costs 50 ms

    header = Tokens(load_key(home.token_key_file)).header_for(DEVELOPER)
    return _call(home, run, "GET", "/local-azure/status", {"X-IDENTITY-HEADER": header})[2]


def arm(
    home: Home, run: Run, method: str, resource_id: str, *, body: object = None, doing: str = "working"
) -> dict[str, Any]:
    """The response of an ARM operation, as the developer, after a long-running operation has ended.

    Raises CommandError with ARM's message.
    """
    from local_azure.core.tokens import ARM_AUDIENCES  # noqa: PLC0415

    path = f"{quote(resource_id)}?api-version={_API_VERSION}"
    headers = _authorization(home, ARM_AUDIENCES[0])
    status, location, content = _call(home, run, method, path, headers, body=body)
    with progress(doing) as show:
        while status == HTTPStatus.ACCEPTED:
            show("")
            address = urlsplit(location)
            status, location, content = _call(home, run, "GET", f"{address.path}?{address.query}", headers)
    return content


def model(home: Home, run: Run, method: str, endpoint: str, body: object) -> dict[str, Any]:
    """A request to `/local-azure/model` of the OpenAI account with that endpoint. Raises CommandError."""
    from local_azure.core.tokens import MODEL_AUDIENCES  # noqa: PLC0415

    headers, port = _authorization(home, MODEL_AUDIENCES[0]), urlsplit(endpoint).port
    return _call(home, run, method, "/local-azure/model", headers, body=body, port=port)[2]


def _authorization(home: Home, audience: str) -> dict[str, str]:
    from local_azure.core.store import DEVELOPER_PRINCIPAL_ID  # noqa: PLC0415
    from local_azure.core.tokens import Tokens, load_key  # noqa: PLC0415

    token = Tokens(load_key(home.token_key_file)).issue(DEVELOPER_PRINCIPAL_ID, audience).token
    return {"Authorization": f"Bearer {token}"}


def _call(
    home: Home,
    run: Run,
    method: str,
    path: str,
    headers: dict[str, str],
    *,
    body: object = None,
    port: int | None = None,
) -> tuple[int, str, dict[str, Any]]:
    """Status, Location and JSON body of the response. `port`: the gateway's by default."""
    port = port or run.gateway_port
    try:
        context = ssl.create_default_context(cafile=str(home.ca_file))
    except OSError as error:
        raise CommandError(f"{home.ca_file} cannot be read ({error}): {_RESTART}") from error
    content = None if body is None else json.dumps(body)
    headers = {**headers, "Content-Type": "application/json"}
    try:
        with closing(HTTPSConnection("127.0.0.1", port, timeout=_TIMEOUT, context=context)) as connection:
            connection.request(method, path, content, headers)
            answer = connection.getresponse()
            received = answer.read()
    except OSError as error:
        raise CommandError(
            f"local Azure (process {run.pid}) does not answer on port {port}: {error}. "
            f"`python -m local_azure logs daemon` prints its log."
        ) from error
    parsed: dict[str, Any] = json.loads(received) if received else {}
    if answer.status == HTTPStatus.UNAUTHORIZED:
        raise CommandError(f"local Azure refuses the token of {home.token_key_file}: {_RESTART}")
    if answer.status >= 400:
        raise CommandError(parsed.get("error", {}).get("message") or f"local Azure answered {answer.status}")
    return answer.status, answer.headers.get("Location", ""), parsed
