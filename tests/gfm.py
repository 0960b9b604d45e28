"""What GitHub's own Markdown parser makes of a text."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

import cmarkgfm
from cmarkgfm import cmark

_PARSER: Any = cmarkgfm  # both without types
_OPTIONS: Any = cmark.Options
_EXTENSIONS = ["autolink", "table", "strikethrough", "tasklist"]
_VOID = frozenset({"br", "hr", "img", "input"})


@dataclass
class Parsed:
    """`tags` as they open, `outside` the text that is in no code, `attributes` as `tag.name` and value."""

    tags: list[str] = field(default_factory=list[str])
    outside: str = ""
    inside: str = ""
    comments: list[str] = field(default_factory=list[str])
    attributes: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found = Parsed()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.tags.append(tag)
        self.found.attributes |= {(f"{tag}.{name}", value or "") for name, value in attrs}
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open[-1] == tag, f"</{tag}> closes <{self.open[-1]}>"
        self.open.pop()

    def handle_comment(self, data: str) -> None:
        self.found.comments.append(data.strip())

    def handle_data(self, data: str) -> None:
        if "code" in self.open or "pre" in self.open:
            self.found.inside += data
        else:
            self.found.outside += data


def parsed(markdown: str) -> Parsed:
    """Asserts that every element is closed, in order. HTML passes as written: GitHub cleans it only later."""
    options = _OPTIONS.CMARK_OPT_UNSAFE | _OPTIONS.CMARK_OPT_FOOTNOTES | _OPTIONS.CMARK_OPT_GITHUB_PRE_LANG
    reader = _Reader()
    reader.feed(_PARSER.markdown_to_html_with_extensions(markdown, options, _EXTENSIONS))
    reader.close()
    assert not reader.open, f"never closed: {reader.open}"
    reader.found.outside = reader.found.outside.removesuffix("\n")
    return reader.found
