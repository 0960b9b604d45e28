"""JSON responses, and problem documents (RFC 9457) for errors."""

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

# Problem documents repeat names and values of the client: their length and number are limited.
_MAX_TEXT_CHARACTERS = 64
_MAX_PROBLEMS = 20


def json_response(
    body: Mapping[str, object], status: int, headers: Mapping[str, str] | None = None
) -> func.HttpResponse:
    return func.HttpResponse(_dump(body), status_code=status, mimetype="application/json", headers=headers)


def problem(
    status: int, detail: str, *, retry_after: int | None = None, members: Mapping[str, object] | None = None
) -> func.HttpResponse:
    """`application/problem+json` (RFC 9457); with additional `members`. `retry_after` is in seconds."""
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
    absent for the whole body) and `detail`; a body member also has its `pointer` (RFC 6901, as a URI
    fragment).
    """
    reported = problems[:_MAX_PROBLEMS]
    return problem(
        400,
        " ".join(map(_sentence, reported)),
        members={"errors": list(map(_error, reported))},
    )


def domain_problem(error: DomainError, members: Mapping[str, object] | None = None) -> func.HttpResponse:
    """The problem document of a domain error. It contains the assistant's id, which has been validated."""
    match error:
        case AssistantNotFoundError():
            return problem(404, f"The assistant {error.assistant_id} does not exist.", members=members)
        case AssistantExistsError():
            detail = f"The assistant {error.assistant_id} exists, and If-None-Match: * forbids replacing it."
            return problem(412, detail, members=members)
        case LeaseConflictError():
            return _lease_conflict(error, members or {})
        case _:
            raise error


def _lease_conflict(error: LeaseConflictError, members: Mapping[str, object]) -> func.HttpResponse:
    """409 with `Retry-After`. The assistant can be written again after `lockedUntil` at the latest."""
    until = utc_text(error.locked_until)
    detail = f"Another request is writing the assistant {error.assistant_id}."
    if error.call_pending:
        detail = (
            f"An earlier message to the assistant {error.assistant_id} has no result yet and may still be"
            f" stored. Until it is stored, or until {until} at the latest, the assistant can be neither"
            " replaced nor deleted. Messages can be posted, and other assistants are not affected."
        )
    return problem(409, detail, retry_after=error.retry_after, members={**members, "lockedUntil": until})


def handle_errors(handle: Callable[[], func.HttpResponse]) -> func.HttpResponse:
    """The response of `handle`, or a problem document, without internal details, for the error it raises."""
    try:
        return handle()
    except DomainError as error:
        return domain_problem(error)
    except Exception as error:  # noqa: BLE001 # the host's own 500 has no problem document
        return failure(error)


def failure(error: Exception, members: Mapping[str, object] | None = None) -> func.HttpResponse:
    """503 if a retry may succeed, else 500. The details are logged."""
    if explanation := failures.explain(error):
        detail, retry_after, level = explanation
        logging.log(level, "%s %s", detail, error)
        return problem(503, detail, retry_after=retry_after, members=members)
    logging.error("The request failed", exc_info=error)
    detail = "The request failed. The log in Application Insights contains the error."
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
    # ASCII only: a member name may contain a lone surrogate, which UTF-8 cannot encode.
    return json.dumps(body, separators=(",", ":"))
