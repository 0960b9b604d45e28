"""`GET /api/health`: which package answers. The deployment waits for it, so it needs no key."""

import logging
from collections.abc import Sequence
from pathlib import Path

import azure.functions as func

from assistants.routes.responses import json_response, problem

APP_ROOT = Path(__file__).parents[2]


def package_hash(app_root: Path) -> str:
    """The hash that the package carries, or `unpackaged` where the app runs from its source folder."""
    try:
        return (app_root / "package_hash.txt").read_text("ascii").strip()
    except FileNotFoundError:
        return "unpackaged"


def blueprint(app_root: Path = APP_ROOT, *, problems: Sequence[str] = ()) -> func.Blueprint:
    """Health answers 200, or with `problems`, a sentence each, a 500 problem that has them all.

    The package is named either way: a deployment tells its own problems from those of the code before.
    """
    routes = func.Blueprint()
    package = package_hash(app_root)
    words = " ".join(problems)
    if problems:
        logging.error("The app serves health alone: %s", words)

    @routes.function_name("Health")
    @routes.route(route="health", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
    def health(req: func.HttpRequest) -> func.HttpResponse:  # pyright: ignore[reportUnusedFunction] # noqa: ARG001 # the host passes it
        if not problems:
            return json_response({"status": "ok", "package": package}, 200)
        # Again, since the host drops what is logged outside of an invocation (azure-functions-python-worker
        # #1158).
        logging.error("The app serves health alone: %s", words)
        detail = f"The app cannot serve requests. {words}"
        return problem(500, detail, members={"package": package, "problems": list(problems)})

    return routes
