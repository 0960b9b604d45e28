"""`GET /api/health`: which package answers. The deployment waits for it, so it needs no key."""

from pathlib import Path

import azure.functions as func

from assistants.responses import json_response

APP_ROOT = Path(__file__).parent.parent


def package_hash(app_root: Path) -> str:
    """The hash that the package carries, or `unpackaged` where the app runs from its source folder."""
    try:
        return (app_root / "package_hash.txt").read_text("ascii").strip()
    except FileNotFoundError:
        return "unpackaged"


def blueprint(app_root: Path = APP_ROOT) -> func.Blueprint:
    routes = func.Blueprint()
    answer: dict[str, object] = {"status": "ok", "package": package_hash(app_root)}

    @routes.function_name("Health")
    @routes.route(route="health", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
    def health(req: func.HttpRequest) -> func.HttpResponse:  # pyright: ignore[reportUnusedFunction] # noqa: ARG001 # the host passes it
        return json_response(answer, 200)

    return routes
