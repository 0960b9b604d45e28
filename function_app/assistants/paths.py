"""The routes, with the rule for ids in each that has one."""

import json
from pathlib import Path

from assistants import rules

ASSISTANTS = "assistants"
# A failing constraint is a 404 from the host, before the key is looked at and before any binding runs.
# rules.py says why the rule exists. For RUN it is the only check, since a binding runs before the code. Hence
# not `$`, which lets a final newline pass, and not the constraint's own IgnoreCase: U+212A is a k to it.
ASSISTANT = (
    f"{ASSISTANTS}/{{assistantId:maxlength({rules.MAX_ID_CHARACTERS}):regex(^(?-i:[A-Za-z0-9_-]+)\\z)}}"
)
MESSAGES = f"{ASSISTANT}/messages"
RUN = f"{ASSISTANT}/run"


def route_prefix(host_json: Path) -> str:
    """`extensions.http.routePrefix` of a host.json, without slashes around it; empty where there is none."""
    http = json.loads(host_json.read_text("utf-8-sig")).get("extensions", {}).get("http", {})
    return str(http.get("routePrefix", "api")).strip("/")


PREFIX = route_prefix(Path(__file__).parent.parent / "host.json")


def url_path(route: str = "") -> str:
    """The absolute path of a route without parameters, as `/api/health`; of all routes without one."""
    return "/" + "/".join(part for part in (PREFIX, route) if part)
