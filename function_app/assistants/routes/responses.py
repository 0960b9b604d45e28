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
from assistants.tables import failures

# A problem repeats names and values that the client made up: neither endless ones nor endlessly many.
_MAX_TEXT_CHARACTERS = 64
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


def failure(error: Exception, members: Mapping[str, object] | None = None) -> func.HttpResponse:
    """503 where a retry may succeed, else 500; the log has the rest."""
    if explanation := failures.explain(error):
        detail, retry_after, level = explanation
        logging.log(level, "%s %s", detail, error)
        return problem(503, detail, retry_after=retry_after, members=members)
    logging.error("The request failed", exc_info=error)
    detail = "The request failed. The app's log in Application Insights has the reason."
    return problem(500, detail, members=members)


def utc_text(moment: datetime) -> str:
    """`2026-11-30T17:00:00Z`. `moment` is in UTC."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _sentence(problem: Problem) -> str:
    subject = "The request body" if problem.name is None else truncated(problem.name)
    return f"{subject} {problem.detail}."


def _error(problem: Problem) -> dict[str, str]:
    error = {"in": problem.location, "detail": problem.detail}
    if problem.name is not None:
        error["name"] = truncated(problem.name)
    if problem.location == "body":
        error["pointer"] = "#" if problem.name is None else f"#/{_fragment(truncated(problem.name))}"
    return error


def truncated(text: str) -> str:
    return text if len(text) <= _MAX_TEXT_CHARACTERS else f"{text[:_MAX_TEXT_CHARACTERS]}…"


def _fragment(name: str) -> str:
    """One token of a JSON pointer (RFC 6901 sections 3 and 6)."""
    return quote(name.replace("~", "~0").replace("/", "~1"), safe="~", errors="surrogatepass")


def _dump(body: Mapping[str, object]) -> str:
    # ASCII only: a member name may hold a lone surrogate, which has no UTF-8 form.
    return json.dumps(body, separators=(",", ":"))
