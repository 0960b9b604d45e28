"""Parses a text by GitHub's own Markdown parser."""

from html.parser import HTMLParser
from typing import Any

import cmarkgfm
from cmarkgfm import cmark

_PARSER: Any = cmarkgfm  # both without types
_OPTIONS: Any = cmark.Options
_EXTENSIONS = ["autolink", "table", "strikethrough", "tasklist"]
_VOID = frozenset({"br", "hr", "img", "input"})


class Parsed(HTMLParser):
    """`tags` in the order in which they open; `inside` and `outside` are the texts in code and elsewhere;
    `attributes` are pairs of `tag.name` and value."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.outside = self.inside = ""
        self.comments: list[str] = []
        self.attributes: set[tuple[str, str]] = set()
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {(f"{tag}.{name}", value or "") for name, value in attrs}
        if tag not in _VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open[-1:] == [tag], f"</{tag}> closes {self._open[-1:] or 'nothing'}"
        self._open.pop()

    def handle_comment(self, data: str) -> None:
        self.comments.append(data.strip())

    def handle_data(self, data: str) -> None:
        if {"code", "pre"} & set(self._open):
            self.inside += data
        else:
            self.outside += data

    def close(self) -> None:
        super().close()
        assert not self._open, f"never closed: {self._open}"
        self.outside = self.outside.removesuffix("\n")


def parsed(markdown: str) -> Parsed:
    """Asserts that every element is closed, in order. HTML passes as written: GitHub cleans it only later."""
    options = _OPTIONS.CMARK_OPT_UNSAFE | _OPTIONS.CMARK_OPT_FOOTNOTES | _OPTIONS.CMARK_OPT_GITHUB_PRE_LANG
    html = Parsed()
    html.feed(_PARSER.markdown_to_html_with_extensions(markdown, options, _EXTENSIONS))
    html.close()
    return html
