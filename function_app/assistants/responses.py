"""Answers in JSON, and refusals as RFC 9457 problem details."""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from urllib.parse import quote

import azure.functions as func

from assistants.checks import Problem

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


def not_found(assistant_id: str) -> func.HttpResponse:
    """For a checked id only, since it is repeated."""
    return problem(404, f"There is no assistant {assistant_id}.")


def busy(
    assistant_id: str, retry_after: int, members: Mapping[str, object] | None = None
) -> func.HttpResponse:
    detail = f"Another request is writing the assistant {assistant_id}."
    return problem(409, detail, retry_after=retry_after, members=members)


def answered(handle: Callable[[], func.HttpResponse]) -> func.HttpResponse:
    """What `handle` answers; a failure becomes a problem that tells nothing of the inside.

    503 where storage does not answer or is throttled, which passes; else 500. The log has the rest.
    """
    try:
        return handle()
    except Exception as error:  # a bare 500 of the host would be no problem document
        if _passes(error):
            logging.warning("Storage does not answer: %s", type(error).__name__)
            return problem(503, "Storage does not answer just now. Send the request again.", retry_after=5)
        logging.exception("The request failed")
        return problem(500, "The request failed for a reason that the app's log tells.")


def _passes(error: Exception) -> bool:
    # Whatever the SDK raises has loaded these modules.
    from azure.core import exceptions  # noqa: PLC0415 # storage.py says why

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
