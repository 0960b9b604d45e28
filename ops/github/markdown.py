"""Text of others in GitHub's Markdown, so that it stays text. Pure.

There is one form for everything that comes from a pull request: a code span, or a fence of code. In code
GitHub looks for no mentions, references, links or emoji. HTML's `<code>` with entities is no such form: its
content is Markdown still, and cmark-gfm makes a mail link of `a&#64;example.com` in it. Whatever could end
the code or deceive the eye stands there as a JSON escape.
"""

import re
import unicodedata

_INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Letters and symbols that show nothing, beside those of the categories below."""

_RIGHT_TO_LEFT = frozenset({"R", "AL", "AN"})
"""Such a letter would turn `old → new` round."""


def visible(text: str) -> str:
    """With a JSON escape for what is not seen, is not one line, orders text, or ends a code span."""
    return "".join(char if _is_plain(char) else _escaped(char) for char in text)


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
    """A code span on one line, of at most `most` characters and the two marks."""
    return f"`{cut(visible(text), most) or ' '}`"


def fence(text: str, lines: int, most: int) -> str:
    """A fenced block of at most that many lines, each of at most `most` characters.

    Of a long text the first lines and the last: a traceback says at its end what went wrong.
    """
    # Backticks may stand here, as messages name commands in them: the fence is longer than any run of them.
    plain = ["`".join(map(visible, line.split("`"))) for line in re.split(r"\r\n|\r|\n", text)]
    # A comment at the beginning of a line separates the parts of ours (ops/preview/comment.py).
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
    """UTF-8 bytes: never fewer than what GitHub counts, whichever unit that is."""
    return len(text.encode())
