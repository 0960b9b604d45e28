"""`GET /api/chat`: a page to chat with assistants. It contains no secret and needs no key.

The user enters the API's key into the page. Style and scripts are inline, and the Content-Security-Policy
allows them by their hashes: the page loads nothing else, and no input of a client selects a file.
"""

import base64
import functools
import hashlib
import re
from pathlib import Path

import azure.functions as func

FOLDER = Path(__file__).parent / "chat_page"
# In the order of their imports: the page has them as one script.
MODULES = ("elements.js", "markdown.js", "api.js", "model.js", "view.js", "page.js")
# `make setup` installs it; the package of the app has these two files of it.
LIBRARY = "node_modules/marked/lib/marked.umd.js"
LICENSE = "node_modules/marked/LICENSE"
_IMPORT_OR_EXPORT = re.compile(r"^import [^;]*;\n|^export ", re.MULTILINE)
_SOURCE_MAP = re.compile(r"^//# sourceMappingURL=.*\n?", re.MULTILINE)


def blueprint(enabled: bool) -> func.Blueprint:
    """If it is not enabled the response is that of the host for an unknown route: 404 without a body.

    The function always exists: a deployment waits for every function that the code declares.
    """
    routes = func.Blueprint()

    @routes.function_name("ChatPage")
    @routes.route(route="chat", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
    def chat_page(req: func.HttpRequest) -> func.HttpResponse:  # pyright: ignore[reportUnusedFunction] # noqa: ARG001 # the host passes it
        return page() if enabled else func.HttpResponse(status_code=404)

    return routes


@functools.cache
def page() -> func.HttpResponse:
    """The same for all clients. Read at the first request, so that it does not slow down a cold start."""
    style = _read("page.css")
    script = "\n".join(_IMPORT_OR_EXPORT.sub("", _read(name)) for name in MODULES)
    library = f"/*\n{_read(LICENSE)}*/\n{_SOURCE_MAP.sub('', _read(LIBRARY))}"
    parts = {"style": style, "library": library, "script": script}
    body = re.sub(r"\{(style|library|script)\}", lambda place: parts[place[1]], _read("page.html"))
    policy = {
        "default-src": "'none'",
        "script-src": f"{_hash(library)} {_hash(script)}",
        "style-src": _hash(style),
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        # No string can become HTML, even by a mistake in the script.
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }
    return func.HttpResponse(
        body,
        mimetype="text/html",
        headers={
            "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cache-Control": "no-cache",
        },
    )


def _read(name: str) -> str:
    return (FOLDER / name).read_text("utf-8")


def _hash(text: str) -> str:
    """The source expression of an inline element with this content (CSP level 3, "hash-source")."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
