"""The route templates, with the rule for ids as a route constraint."""

import json
from pathlib import Path

from assistants import rules

ASSISTANTS = "assistants"
# The host answers 404 where a constraint fails, before it checks the key and before any binding runs.
# rules.py explains the rule. For RUN this is the only check, since a binding runs before the code. Therefore
# `\z` instead of `$`, which allows a final newline, and no IgnoreCase, for which U+212A is a k.
ASSISTANT = (
    f"{ASSISTANTS}/{{assistantId:maxlength({rules.MAX_ID_CHARACTERS}):regex(^(?-i:[A-Za-z0-9_-]+)\\z)}}"
)
MESSAGES = f"{ASSISTANT}/messages"
RUN = f"{ASSISTANT}/run"


def route_prefix(host_json: Path) -> str:
    """`extensions.http.routePrefix` of a host.json without slashes around it; the default is `api`."""
    http = json.loads(host_json.read_text("utf-8-sig")).get("extensions", {}).get("http", {})
    return str(http.get("routePrefix", "api")).strip("/")


PREFIX = route_prefix(Path(__file__).parent.parent / "host.json")


def url_path(route: str = "") -> str:
    """The absolute path of a route without parameters, such as `/api/health`, or the common prefix."""
    return "/" + "/".join(part for part in (PREFIX, route) if part)
