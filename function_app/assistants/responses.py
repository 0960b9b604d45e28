"""Answers in JSON, and refusals as RFC 9457 problem details."""

import json
from collections.abc import Sequence
from urllib.parse import quote

import azure.functions as func

from assistants.checks import Problem

# A refusal repeats names that the client made up, so it shows neither endless ones nor endlessly many.
_MAX_NAME_CHARACTERS = 64
_MAX_PROBLEMS = 20


def json_response(body: dict[str, object], status: int) -> func.HttpResponse:
    return func.HttpResponse(_dump(body), status_code=status, mimetype="application/json")


def bad_request(problems: Sequence[Problem]) -> func.HttpResponse:
    """400 `application/problem+json`. `errors` has one entry per problem.

    Each entry has `in` (`path` or `body`), `name` (the parameter or member; absent where
    the body as a whole is meant) and `detail`; a body member also has its `pointer`
    (RFC 6901, as a URI fragment).
    """
    return func.HttpResponse(
        _dump(
            {
                "type": "about:blank",
                "title": "Bad Request",
                "status": 400,
                "detail": " ".join(_sentence(problem) for problem in problems[:_MAX_PROBLEMS]),
                "errors": [_error(problem) for problem in problems[:_MAX_PROBLEMS]],
            }
        ),
        status_code=400,
        mimetype="application/problem+json",
    )


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


def _dump(body: dict[str, object]) -> str:
    # ASCII only: a member name may hold a lone surrogate, which has no UTF-8 form.
    return json.dumps(body, separators=(",", ":"))
