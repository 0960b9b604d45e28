"""`GET /api/chat`: one page to talk to assistants. It holds no secret, so it needs no key.

The key that the API wants is typed into the page by the person. Style and script stand in the
page, and its policy names them by their hashes: there is nothing else to load, and nothing that
a client sends chooses a file.
"""

import base64
import functools
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import azure.functions as func

FOLDER = Path(__file__).parent / "chat_page"


@dataclass(frozen=True)
class Page:
    """The body and the headers of the answer, which are the same for everybody."""

    body: bytes
    headers: Mapping[str, str]


def blueprint(shown: bool) -> func.Blueprint:
    """Where it is not to be shown the answer is the host's own for a route that is none: 404, empty.

    The function is there all the same: a deployment waits for every function that the code declares.
    """
    routes = func.Blueprint()

    @routes.function_name("ChatPage")
    @routes.route(route="chat", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
    def chat_page(req: func.HttpRequest) -> func.HttpResponse:  # pyright: ignore[reportUnusedFunction] # noqa: ARG001 # the host passes it
        if not shown:
            return func.HttpResponse(status_code=404)
        answer = page()
        return func.HttpResponse(
            answer.body, status_code=200, headers=answer.headers, mimetype="text/html", charset="utf-8"
        )

    return routes


@functools.cache
def page() -> Page:
    """Read at the first request: a start of the app that shows no page pays nothing for it."""
    html, style, script = (
        (FOLDER / name).read_text("utf-8") for name in ("page.html", "page.css", "page.js")
    )
    body = html.replace("{style}", style, 1).replace("{script}", script, 1)
    policy = {
        "default-src": "'none'",
        "script-src": _hash(script),
        "style-src": _hash(style),
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        # No text ever becomes HTML, not even by a mistake in the script.
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }
    return Page(
        body.encode(),
        {
            "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cache-Control": "no-cache",
        },
    )


def _hash(text: str) -> str:
    """The source expression of an inline element with this content (CSP level 3, "hash-source")."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
