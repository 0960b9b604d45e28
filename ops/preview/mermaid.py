"""Renders a stack as a Mermaid flowchart for GitHub. Pure functions.

Ids are generated. Labels contain letters, digits and a few punctuation characters unchanged; every other
character is a Mermaid entity (`#35;`), so that no name is interpreted as syntax or HTML.
"""

import re
from collections.abc import Sequence

from ops import words
from ops.github.markdown import cut, visible
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
    """The fenced block; empty if nothing changes."""
    if not report.changed:
        return ""
    drawn = _chosen(report.resources)
    ids = {resource.key: f"n{number}" for number, resource in enumerate(drawn)}
    lines = ["flowchart LR", f'  stack(["stack {_label(report.stack)}"])']
    lines += [f"  {ids[resource.key]}{_node(resource)}" for resource in drawn]
    lines += [f"  {ids.get(resource.parent, 'stack')} --> {ids[resource.key]}" for resource in drawn]
    used = [_LOOKS[op] for op in _LOOKS if any(resource.op == op for resource in drawn)]
    lines += ["  subgraph legend", "    direction LR"]
    lines += [f'    l{number}["{name}"]:::{name}' for number, (name, _) in enumerate(used)]
    lines += ["  end", *(f"  classDef {name} {style}" for name, style in used)]
    if left_out := len(report.resources) - len(drawn):
        lines.append(f'  more["and {left_out} more"]:::{used[-1][0]}')
    return "\n".join(["```mermaid", *lines, "```"])


def _chosen(resources: Sequence[Resource]) -> list[Resource]:
    """Changed resources and their parents first, then unchanged resources. Each key appears once."""
    by_key = {resource.key: resource for resource in reversed(resources)}
    chosen = {resource.key: resource for resource in resources if resource.op != "same"}
    for resource in list(chosen.values()):
        while (parent := by_key.get(resource.parent)) and parent.key not in chosen:
            chosen[parent.key] = resource = parent  # noqa: PLW2901 # continues with the parent
    for resource in resources:
        chosen.setdefault(resource.key, resource)
    return list(chosen.values())[:_NODES]


def _node(resource: Resource) -> str:
    return f'["{words.kind(resource.type)}<br/>{_label(resource.name)}"]:::{_LOOKS[resource.op][0]}'


def _label(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9 _./-]", lambda match: f"#{ord(match[0])};", cut(visible(text), 48))
