"""Calls to the running daemon, with the standard library only: they must not make a command slow."""

import http.client
import json
import ssl
from typing import Any

from local_azure.cli.output import CommandError
from local_azure.home import Home
from local_azure.run_state import Run

_API_VERSION = "2024-11-01"


def status(home: Home, run: Run) -> dict[str, Any]:
    """What runs, as services/status.py lists it. Raises CommandError."""
    from local_azure.services.tokens import DEVELOPER, Tokens, load_key  # noqa: PLC0415 # PyJWT costs 50 ms

    header = Tokens(load_key(home.token_key_file)).header_for(DEVELOPER)
    return _call(home, run, "GET", "/local-azure/status", {"X-IDENTITY-HEADER": header})


def arm(home: Home, run: Run, method: str, resource_id: str) -> dict[str, Any]:
    """An ARM operation, signed in as the developer. Raises CommandError with ARM's message."""
    from local_azure.arm.store import DEVELOPER_PRINCIPAL_ID  # noqa: PLC0415
    from local_azure.services.tokens import ARM_AUDIENCES, Tokens, load_key  # noqa: PLC0415

    token = Tokens(load_key(home.token_key_file)).issue(DEVELOPER_PRINCIPAL_ID, ARM_AUDIENCES[0]).token
    path = f"{resource_id}?api-version={_API_VERSION}"
    return _call(home, run, method, path, {"Authorization": f"Bearer {token}"})


def _call(home: Home, run: Run, method: str, path: str, headers: dict[str, str]) -> dict[str, Any]:
    context = ssl.create_default_context(cafile=str(home.ca_file))
    connection = http.client.HTTPSConnection("127.0.0.1", run.gateway_port, timeout=10, context=context)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        content = answer.read()
    except OSError as error:
        raise CommandError(
            f"local Azure (process {run.pid}) does not answer on port {run.gateway_port}: {error}. "
            f"`python -m local_azure logs daemon` shows what it does."
        ) from error
    finally:
        connection.close()
    body: dict[str, Any] = json.loads(content) if content else {}
    if answer.status >= 400:
        raise CommandError(body.get("error", {}).get("message") or f"local Azure answered {answer.status}")
    return body
