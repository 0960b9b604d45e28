"""`GET /api/health`: the running package. It needs no key, since deployments wait for it."""

import logging
from collections.abc import Sequence
from pathlib import Path

import azure.functions as func

from assistants.routes.responses import json_response, problem

APP_ROOT = Path(__file__).parents[2]


def package_hash(app_root: Path) -> str:
    """The hash in the package, or `unpackaged` if the app runs from its source folder."""
    try:
        return (app_root / "package_hash.txt").read_text("ascii").strip()
    except FileNotFoundError:
        return "unpackaged"


def blueprint(app_root: Path = APP_ROOT, *, problems: Sequence[str] = ()) -> func.Blueprint:
    """200, or a 500 problem document with all `problems`, a sentence each.

    Both contain the package, so that a deployment can tell its own problems from those of the previous code.
    """
    routes = func.Blueprint()
    package = package_hash(app_root)
    text = " ".join(problems)
    if problems:
        logging.error("The app serves only the health endpoint: %s", text)

    @routes.function_name("Health")
    @routes.route(route="health", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
    def health(req: func.HttpRequest) -> func.HttpResponse:  # pyright: ignore[reportUnusedFunction] # noqa: ARG001 # the host passes it
        if not problems:
            return json_response({"status": "ok", "package": package}, 200)
        # Logged again: the host drops records of no invocation (azure-functions-python-worker #1158).
        logging.error("The app serves only the health endpoint: %s", text)
        detail = f"The app cannot serve requests. {text}"
        return problem(500, detail, members={"package": package, "problems": list(problems)})

    return routes
