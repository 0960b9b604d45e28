"""Updates one part of the comment of a pull request and keeps the other parts."""

import re

from ops.github.github import GitHub
from ops.github.markdown import size
from ops.output import OpsError

MARKER = "<!-- assistants-on-azure -->"

PART_LIMITS = {"preview": 58_000, "test-stack": 7_000}
"""The parts in their order in the comment, and their maximum sizes in UTF-8 bytes.

The sum, with the lines around the parts, is below GitHub's limit (ops.github.github.BODY_LIMIT).
"""

_TRIES = 3
_PART = re.compile(
    r"^<!-- part: (?P<name>[a-z-]+) -->\n(?P<text>.*?)\n<!-- end of (?P=name) -->$", re.DOTALL | re.MULTILINE
)


def update_part(github: GitHub, number: int, part: str, markdown: str) -> None:
    """Write a part of the pull request's comment, which is created if missing. Empty text removes the part.

    Two jobs may write at the same time, and GitHub has no conditional update. So the comment is read after
    the write, and written again if another job has replaced it.
    """
    text = markdown.strip("\n")
    _check(part, text)
    for _ in range(_TRIES):
        github.upsert_comment(number, MARKER, lambda texts: _with(texts, part, text))
        if _merged(github.comments(number, MARKER)).get(part, "") == text:
            return
    raise OpsError(
        f"the part {part} of the comment on #{number} was overwritten {_TRIES} times: run this again"
    )


def _check(part: str, text: str) -> None:
    if part not in PART_LIMITS:
        raise OpsError(f"a comment has no part {part!r}: it must be one of {', '.join(PART_LIMITS)}")
    if size(text) > PART_LIMITS[part]:
        raise OpsError(
            f"the part {part} of a comment has {size(text)} bytes: at most {PART_LIMITS[part]} fit"
        )
    if re.search(r"^<!-- (part: |end of )", text, re.MULTILINE):
        raise OpsError(f"the part {part} of a comment contains a line that separates parts")


def _with(texts: tuple[str, ...], part: str, text: str) -> str:
    parts = {**_merged(texts), part: text}
    written = [
        f"<!-- part: {name} -->\n{parts[name]}\n<!-- end of {name} -->"
        for name in PART_LIMITS
        if parts.get(name)
    ]
    return "\n\n".join([MARKER, *written]) if written else ""


def _merged(texts: tuple[str, ...]) -> dict[str, str]:
    """The newest version of each part: two jobs may have created two comments at the same time."""
    return {match["name"]: match["text"] for text in texts for match in _PART.finditer(text)}
