"""Answers in JSON, and refusals as RFC 9457 problem details."""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from urllib.parse import quote

import azure.functions as func

from assistants.errors import (
    AssistantExistsError,
    AssistantNotFoundError,
    DomainError,
    LeaseConflictError,
)
from assistants.routes.parsing import Problem
from assistants.tables.failures import StorageFailure, classify

# A refusal repeats names that the client made up, so it shows neither endless ones nor endlessly many.
_MAX_NAME_CHARACTERS = 64
_MAX_PROBLEMS = 20


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


def domain_problem(error: DomainError, members: Mapping[str, object] | None = None) -> func.HttpResponse:
    """The problem of each domain error but PostError. It repeats the assistant's id, which was checked."""
    match error:
        case AssistantNotFoundError():
            return problem(404, f"There is no assistant {error.assistant_id}.", members=members)
        case AssistantExistsError():
            detail = (
                f"There is an assistant {error.assistant_id}, and If-None-Match: * asks not to replace it."
            )
            return problem(412, detail, members=members)
        case LeaseConflictError():
            return _lease_conflict(error, members or {})
        case _:
            raise error


def _lease_conflict(error: LeaseConflictError, members: Mapping[str, object]) -> func.HttpResponse:
    """409 with `Retry-After`; after `lockedUntil`, at the latest, the assistant can be written again."""
    until = utc_text(error.locked_until)
    detail = f"Another request is writing the assistant {error.assistant_id}."
    if error.call_pending:
        detail = (
            f"A message to the assistant {error.assistant_id} got no answer and may still be stored. Until it"
            f" is, or until {until}, the assistant can be neither replaced nor deleted; messages can be"
            " posted, and another id can be used at once."
        )
    return problem(409, detail, retry_after=error.retry_after, members={**members, "lockedUntil": until})


def handle_errors(handle: Callable[[], func.HttpResponse]) -> func.HttpResponse:
    """What `handle` answers; an error becomes a problem that tells nothing of the inside."""
    try:
        return handle()
    except DomainError as error:
        return domain_problem(error)
    except Exception as error:  # noqa: BLE001 # a bare 500 of the host would be no problem document
        return failure(error)


_RETRY_ROLE_SECONDS = 30
_STORAGE_PROBLEMS = {
    StorageFailure.IDENTITY_UNAVAILABLE: (
        "The app gets no token: the platform's token endpoint does not answer just now.",
        _RETRY_ROLE_SECONDS,
    ),
    StorageFailure.IDENTITY_REFUSED: (
        "The app's identity is refused: the function app must have the identity that its app setting"
        " AzureWebJobsStorage__clientId names.",
        _RETRY_ROLE_SECONDS,
    ),
    # A role and an identity that are late or were taken away count as soon as they are there again.
    StorageFailure.FORBIDDEN: (
        "The app's identity may not use the tables: it lacks the role Storage Table Data Contributor, or"
        " the account's network rules refuse it. A new role takes up to 10 minutes to arrive.",
        _RETRY_ROLE_SECONDS,
    ),
    StorageFailure.UNAVAILABLE: ("Storage does not answer just now. Send the request again.", 5),
}


def failure(error: Exception, members: Mapping[str, object] | None = None) -> func.HttpResponse:
    """503 where it passes, or a role may be on its way; else 500. The log has the rest."""
    storage_failure = classify(error)
    if storage_failure is None:
        logging.error("The request failed", exc_info=error)
        detail = "The request failed. The app's log in Application Insights has the reason."
        return problem(500, detail, members=members)
    detail, retry_after = _STORAGE_PROBLEMS[storage_failure]
    if storage_failure is StorageFailure.UNAVAILABLE:
        logging.warning("Storage does not answer: %s", type(error).__name__)
    else:
        logging.error("%s %s", detail, error)
    return problem(503, detail, retry_after=retry_after, members=members)


def utc_text(moment: datetime) -> str:
    """`2026-11-30T17:00:00Z`. `moment` is in UTC."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


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
