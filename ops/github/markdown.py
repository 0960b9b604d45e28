"""Escapes untrusted text for GitHub's Markdown. Pure functions.

Every text from a pull request is written as a code span or a fenced code block. In code GitHub does not
process mentions, references, links or emoji. HTML's `<code>` with entities is not sufficient: its content is
still Markdown, and cmark-gfm creates a mail link from `a&#64;example.com` in it. Characters that could end
the code or mislead a reader are replaced by JSON escapes.
"""

import re
import unicodedata

_INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Letters and symbols that are invisible, in addition to the categories below."""

_RIGHT_TO_LEFT = frozenset({"R", "AL", "AN"})
"""Such a letter would reverse the order of `old → new`."""


def visible(text: str) -> str:
    """The text with JSON escapes for invisible characters, line ends, text direction and backticks."""
    return "".join(char if _is_plain(char) else _escaped(char) for char in text)


def printable(text: str) -> str:
    """As `visible`, with backticks: messages contain commands."""
    return "`".join(map(visible, text.split("`")))


def _is_plain(char: str) -> bool:
    if char.isascii():
        return " " <= char <= "~" and char != "`"
    return (
        unicodedata.category(char)[0] in "LNPS"
        and unicodedata.bidirectional(char) not in _RIGHT_TO_LEFT
        and char not in _INVISIBLE
    )


def _escaped(char: str) -> str:
    units = char.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


def cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def code(text: str, most: int = 120) -> str:
    """A code span on one line, of at most `most` characters between the two backticks."""
    return f"`{cut(visible(text), most) or ' '}`"


def fence(text: str, lines: int, most: int) -> str:
    """A fenced block of at most that many lines, each of at most `most` characters.

    A long text keeps its first and last lines: a traceback has the error at its end.
    """
    # The fence is longer than any run of backticks.
    plain = [printable(line) for line in re.split(r"\r\n|\r|\n", text)]
    # An HTML comment at the beginning of a line separates the parts of our comment (ops/preview/comment.py).
    visible_lines = [cut(f" {line}" if line.startswith("<!--") else line, most) for line in plain]
    if len(visible_lines) > lines:
        head = (lines - 1) // 2
        tail = lines - 1 - head
        visible_lines = [
            *visible_lines[:head],
            f"… {len(visible_lines) - head - tail} lines …",
            *visible_lines[-tail:],
        ]
    runs: list[str] = re.findall(r"`+", "\n".join(visible_lines))
    mark = "`" * max([3, *(len(run) + 1 for run in runs)])
    return "\n".join([f"{mark}text", *visible_lines, mark])


def size(text: str) -> int:
    """The size in UTF-8 bytes, which is never less than GitHub's count, whatever its unit."""
    return len(text.encode())
