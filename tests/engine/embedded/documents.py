"""Preview documents made comparable: what differs between any two runs is taken out."""

import json
import re
from typing import Any

Document = dict[str, Any]

_VARYING = {
    r"\b(?!04da6b54)[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b": "GUID",
    r"(/things/\w+)-[0-9a-f]{6}\b": r"\1-ID",
    r"(made-\w+)-[0-9a-f]{6}\b": r"\1-ID",
    r"127\.0\.0\.1:\d+": "127.0.0.1:PORT",
}


def normalised(text: str, root: str, *, ids: bool = True) -> Document:
    """The document `text` without times, ports, folders and the order of what has none.

    `ids` False keeps generated ids, for documents about one and the same state.
    """
    text = text.replace(root, "ROOT")
    for pattern, name in _VARYING.items():
        if ids or name.endswith("PORT"):
            text = re.sub(pattern, name, text)
    document: Document = json.loads(text)
    assert document.pop("duration") > 0
    for step in document.get("steps", ()):
        _settle(step)
    document["steps"] = sorted(document.get("steps", ()), key=lambda step: (step["urn"], step["op"]))
    found = [
        {**item, "message": item["message"].strip()}
        for item in document.get("diagnostics", ())
        if item["severity"] != "info#err" and not _said_twice(item["message"])
    ]
    document["diagnostics"] = sorted(found, key=lambda item: (item.get("urn", ""), item["message"]))
    return document


def _said_twice(message: str) -> bool:
    """The CLI says once more that something failed, after it has said what; this engine does not."""
    return message.strip() == "error: preview failed" or "error: an unhandled error occurred" in message


def _settle(step: Document) -> None:
    for reasons in ("diffReasons", "replaceReasons"):
        if reasons in step:
            step[reasons].sort()
    for key in ("oldState", "newState"):
        state = step.get(key, {})
        for name in ("created", "modified", "stackTrace", "sourcePosition"):
            state.pop(name, None)
        if "dependencies" in state:
            state["dependencies"].sort()
        needed = {name: sorted(urns) for name, urns in state.pop("propertyDependencies", {}).items() if urns}
        if needed:
            state["propertyDependencies"] = needed
    if step["op"] == "replace":
        # The CLI may have carried out the first half of the replacement when it writes this, or not.
        step["newState"].pop("outputs", None)


def order(document: str) -> list[tuple[str, str]]:
    """Operation and logical name of each step, as the document orders them."""
    steps: list[Document] = json.loads(document)["steps"]
    return [(step["op"], step["urn"].rpartition("::")[2]) for step in steps]
