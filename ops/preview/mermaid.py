"""Renders a stack as a Mermaid flowchart for GitHub. Pure functions.

Ids are generated. Labels contain letters, digits and a few punctuation characters unchanged; every other
character is a Mermaid entity (`#35;`), so that no name is interpreted as syntax or HTML.
"""

import re
from collections.abc import Collection, Sequence

from ops import words
from ops.github.markdown import cut, visible
from ops.preview.paragraphs import followers, roots
from ops.preview.report import Op, Report, Resource

# The colours of GitHub's diffs. The text colour is set for the dark theme.
_LOOKS: dict[Op, tuple[str, str]] = {
    "create": ("created", "fill:#dafbe1,stroke:#1a7f37,color:#1f2328"),
    "import": ("imported", "fill:#ddf4ff,stroke:#0969da,color:#1f2328"),
    "update": ("updated", "fill:#fff8c5,stroke:#9a6700,color:#1f2328"),
    "replace": ("replaced", "fill:#ffd8b5,stroke:#bc4c00,color:#1f2328,stroke-width:3px"),
    "delete": ("deleted", "fill:#ffebe9,stroke:#cf222e,color:#1f2328,stroke-dasharray:5 3"),
    "same": ("unchanged", "fill:#f6f8fa,stroke:#d1d9e0,color:#59636e"),
}

_NODES = 60
"""A larger diagram is not readable, and Mermaid rejects a text of 50,000 characters."""


def flowchart(report: Report) -> str:
    """The fenced block; empty if nothing changes.

    Drawn are the resources that change for themselves, with their parents and children. What changes with one
    of them is one box, and so is the rest.
    """
    changed, with_them = roots(report), followers(report)
    if not changed:
        return ""
    neighbours = _neighbours(changed, report)
    drawn = [*changed, *neighbours][:_NODES]
    by_key = {resource.key: resource for resource in drawn}
    ids = {resource.key: f"n{number}" for number, resource in enumerate(drawn)}
    lines = ["flowchart LR", f'  stack(["stack {_label(report.stack)}"])']
    lines += [f"  {ids[resource.key]}{_node(resource)}" for resource in drawn]
    lines += [f"  {ids.get(resource.parent, 'stack')} --> {ids[resource.key]}" for resource in drawn]
    for key, node in ids.items():
        if more := len(with_them.get(key, ())):
            look = _LOOKS[by_key[key].op][0]
            lines += [f'  {node}m["{more} more with it"]:::{look}', f"  {node} -.-> {node}m"]
    listed = {resource.key for resource in drawn} | {more.key for more in report.changed if more.cause in ids}
    rest = sum(resource.key not in listed for resource in report.resources)
    if rest:
        lines.append(f'  rest["{rest} more, {_rest(report, listed)}"]:::{_LOOKS["same"][0]}')
    used = {resource.op for resource in drawn}
    looks = [look for op, look in _LOOKS.items() if op in used or (op == "same" and rest)]
    lines += ["  subgraph legend", "    direction LR"]
    lines += [f'    l{number}["{name}"]:::{name}' for number, (name, _) in enumerate(looks)]
    lines += ["  end", *(f"  classDef {name} {style}" for name, style in looks)]
    return "\n".join(["```mermaid", *lines, "```"])


def _neighbours(changed: Sequence[Resource], report: Report) -> list[Resource]:
    """The parents and the children of the changed resources, without what changes with them."""
    keys, parents = {resource.key for resource in changed}, {resource.parent for resource in changed}
    near = {
        resource.key: resource
        for resource in report.resources
        if resource.key not in keys
        and (resource.key in parents or (resource.parent in keys and resource.op == "same"))
    }
    return list(near.values())


def _rest(report: Report, listed: Collection[str]) -> str:
    is_changed = any(resource.key not in listed for resource in report.changed)
    return "some of which change" if is_changed else "unchanged"


def _node(resource: Resource) -> str:
    return f'["{words.kind(resource.type)}<br/>{_label(resource.name)}"]:::{_LOOKS[resource.op][0]}'


def _label(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9 _./-]", lambda match: f"#{ord(match[0])};", cut(visible(text), 48))
