"""Answers in JSON, and refusals as RFC 9457 problem details."""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from urllib.parse import quote

import azure.functions as func

from assistants.checks import Problem
from assistants.leases import LeaseConflict

# A refusal repeats names that the client made up, so it shows neither endless ones nor endlessly many.
_MAX_NAME_CHARACTERS = 64
_MAX_PROBLEMS = 20
_RETRY_ROLE_SECONDS = 30


def json_response(
    body: Mapping[str, object], status: int, headers: Mapping[str, str] | None = None
) -> func.HttpResponse:
    return func.HttpResponse(_dump(body), status_code=status, mimetype="application/json", headers=headers)


def problem(
    status: int, detail: str, *, retry_after: int | None = None, members: Mapping[str, object] | None = None
) -> func.HttpResponse:
    """`application/problem+json` (RFC 9457); `members` are added. `retry_after` is in seconds."""
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        **(members or {}),
    }
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return func.HttpResponse(
        _dump(body), status_code=status, mimetype="application/problem+json", headers=headers
    )


def bad_request(problems: Sequence[Problem]) -> func.HttpResponse:
    """400 `application/problem+json`. `errors` has one entry per problem.

    Each entry has `in` (`path`, `query`, `header` or `body`), `name` (the parameter, header or member;
    absent where the body as a whole is meant) and `detail`; a body member also has its `pointer`
    (RFC 6901, as a URI fragment).
    """
    shown = problems[:_MAX_PROBLEMS]
    return problem(
        400,
        " ".join(_sentence(one) for one in shown),
        members={"errors": [_error(one) for one in shown]},
    )


def not_found(assistant_id: str) -> func.HttpResponse:
    """For a checked id only, since it is repeated."""
    return problem(404, f"There is no assistant {assistant_id}.")


def busy(
    assistant_id: str, conflict: LeaseConflict, members: Mapping[str, object] | None = None
) -> func.HttpResponse:
    """409 with `Retry-After`; after `lockedUntil`, at the latest, the assistant can be written again."""
    until = utc_text(conflict.locked_until)
    detail = f"Another request is writing the assistant {assistant_id}."
    if conflict.call_pending:
        detail = (
            f"A message to the assistant {assistant_id} got no answer and may still be stored. Until it is,"
            f" or until {until}, the assistant can be neither replaced nor deleted; messages can be posted,"
            " and another id can be used at once."
        )
    return problem(
        409, detail, retry_after=conflict.retry_after, members={**(members or {}), "lockedUntil": until}
    )


def answered(handle: Callable[[], func.HttpResponse]) -> func.HttpResponse:
    """What `handle` answers; a failure becomes a problem that tells nothing of the inside."""
    try:
        return handle()
    except Exception as error:  # noqa: BLE001 # a bare 500 of the host would be no problem document
        return failure(error)


def failure(error: Exception, members: Mapping[str, object] | None = None) -> func.HttpResponse:
    """503 where it passes, or a role may be on its way; else 500. The log has the rest."""
    if detail := _identity_problem(error):
        logging.error("%s %s", detail, error)
        # A role and an identity that are late or were taken away count as soon as they are there again.
        return problem(503, detail, retry_after=_RETRY_ROLE_SECONDS, members=members)
    if _passes(error):
        logging.warning("Storage does not answer: %s", type(error).__name__)
        detail = "Storage does not answer just now. Send the request again."
        return problem(503, detail, retry_after=5, members=members)
    logging.error("The request failed", exc_info=error)
    detail = "The request failed. The app's log in Application Insights has the reason."
    return problem(500, detail, members=members)


def utc_text(moment: datetime) -> str:
    """`2026-11-30T17:00:00Z`. `moment` is in UTC."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _identity_problem(error: Exception) -> str | None:
    # Whatever the SDK raises has loaded these modules.
    from azure.core import exceptions  # noqa: PLC0415 # tables/clients.py says why

    if isinstance(error, exceptions.ClientAuthenticationError):
        if getattr(error, "passes", False):
            return "The app gets no token: the platform's token endpoint does not answer just now."
        return (
            "The app's identity is refused: the function app must have the identity that its app setting"
            " AzureWebJobsStorage__clientId names."
        )
    if isinstance(error, exceptions.HttpResponseError) and error.status_code == 403:
        return (
            "The app's identity may not use the tables: it lacks the role Storage Table Data Contributor, or"
            " the account's network rules refuse it. A new role takes up to 10 minutes to arrive."
        )
    return None


def _passes(error: Exception) -> bool:
    # Whatever the SDK raises has loaded these modules.
    from azure.core import exceptions  # noqa: PLC0415 # tables/clients.py says why

    if isinstance(error, exceptions.HttpResponseError):
        status = error.status_code or 0
        return status in (408, 429) or status >= 500
    return isinstance(error, (exceptions.ServiceRequestError, exceptions.ServiceResponseError))


def _sentence(problem: Problem) -> str:
    subject = "The request body" if problem.name is None else _shown(problem.name)
    return f"{subject} {problem.detail}."


def _error(problem: Problem) -> dict[str, str]:
    error = {"in": problem.location, "detail": problem.detail}
    if problem.name is not None:
        error["name"] = _shown(problem.name)
    if problem.location == "body":
        error["pointer"] = "#" if problem.name is None else f"#/{_fragment(_shown(problem.name))}"
    return error


def _shown(name: str) -> str:
    return name if len(name) <= _MAX_NAME_CHARACTERS else f"{name[:_MAX_NAME_CHARACTERS]}…"


def _fragment(name: str) -> str:
    """One token of a JSON pointer (RFC 6901 sections 3 and 6)."""
    return quote(name.replace("~", "~0").replace("/", "~1"), safe="~", errors="surrogatepass")


def _dump(body: Mapping[str, object]) -> str:
    # ASCII only: a member name may hold a lone surrogate, which has no UTF-8 form.
    return json.dumps(body, separators=(",", ":"))
