"""Imports between the top-level folders point down the list in docs/architecture.md."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def imported(module: Path) -> Iterator[str]:
    """The first word of every module that a file imports."""
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name.partition(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def test_every_import_points_down_the_list() -> None:
    section = (
        (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").partition("## What imports what")[2]
    )
    order = re.findall(r"^    (\w+) ", section, re.MULTILINE)
    upward = {
        f"{module.relative_to(ROOT)} imports {name}"
        for position, folder in enumerate(order)
        for module in (ROOT / folder).rglob("*.py")
        if not {"tests", ".venv", "node_modules"} & {*module.relative_to(ROOT).parts}
        for name in imported(module)
        if name in ["tests", *order[:position]]
    }
    assert upward == set()
    assert {*order} == {path.parent.name for path in ROOT.glob("*/*.py")} - {"tests"}
