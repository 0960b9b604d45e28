"""Updates parts of the comment of a pull request and keeps the other parts."""

import re
from collections.abc import Mapping

from ops.github.github import GitHub
from ops.output import OpsError

MARKER = "<!-- assistants-on-azure -->"

PART_LIMITS = {"preview": 57_000, "test-stack": 7_000, "test-stack-end": 1_000}
"""The parts in their order in the comment, and their maximum sizes in UTF-8 bytes, for those who write them.

The sum, with the lines around the parts, is below GitHub's limit (ops.github.github.BODY_LIMIT).
"""

_TRIES = 3
_PART = re.compile(
    r"^<!-- part: (?P<name>[a-z-]+) -->\n(?P<text>.*?)\n<!-- end of (?P=name) -->$", re.DOTALL | re.MULTILINE
)


def update_parts(github: GitHub, number: int, parts: Mapping[str, str]) -> None:
    """Write parts of the pull request's comment, which is created if missing. Empty text removes a part.

    Two jobs may write at the same time, and GitHub has no conditional update. So the comment is read after
    the write, and written again if another job has replaced it.
    """
    texts = {part: markdown.strip("\n") for part, markdown in parts.items()}
    for _ in range(_TRIES):
        github.upsert_comment(number, MARKER, lambda written: _with(written, texts))
        merged = _merged(github.comments(number, MARKER))
        if all(merged.get(part, "") == text for part, text in texts.items()):
            return
    raise OpsError(
        f"{' and '.join(texts)} in the comment on #{number} was overwritten {_TRIES} times: run this again"
    )


def _with(written: tuple[str, ...], parts: Mapping[str, str]) -> str:
    merged = {**_merged(written), **parts}
    written_parts = [
        f"<!-- part: {name} -->\n{merged[name]}\n<!-- end of {name} -->"
        for name in PART_LIMITS
        if merged.get(name)
    ]
    return "\n\n".join([MARKER, *written_parts]) if written_parts else ""


def _merged(texts: tuple[str, ...]) -> dict[str, str]:
    """The newest version of each part: two jobs may have created two comments at the same time."""
    return {match["name"]: match["text"] for text in texts for match in _PART.finditer(text)}
