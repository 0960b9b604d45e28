import pytest

from ops.github.markdown import code, cut, fence, visible
from tests.gfm import parsed


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("eastus2", "eastus2"),
        ("two\nlines\ttab", "two\\u000alines\\u0009tab"),
        ("`tick``s", "\\u0060tick\\u0060\\u0060s"),
        ("grün 東京 ¥5 😀", "grün 東京 ¥5 😀"),
        ("a\u200bb\ufeffc", "a\\u200bb\\ufeffc"),  # seen by nobody
        ("\u202egnp.exe\u2066", "\\u202egnp.exe\\u2066"),  # turns the rest of the line round
        ("\u05d0 \u0627", "\\u05d0 \\u0627"),  # letters that would swap old and new
        ("Z\u0351\ufe0f", "Z\\u0351\\ufe0f"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\udb40\\udc41"),  # invisible tag characters
        ("\u3164\u2800", "\\u3164\\u2800"),  # blanks that count as a letter and a sign
        ("\x1b[31m\x00", "\\u001b[31m\\u0000"),
    ],
)
def test_characters_that_mislead_a_reader_are_escaped(text: str, escaped: str) -> None:
    assert visible(text) == escaped


@pytest.mark.parametrize(
    "text",
    [
        "@octocat",
        "@octo-org/team",
        "#12 owner/repo#1 GH-12",
        "www.example.com https://example.com mailto:a@example.com a@example.com",
        "![x](https://example.com/x.png) [y](javascript:alert(1))",
        "</code></details><img src=x onerror=alert(1)>",
        "<!-- end of preview -->",
        "* a\n# b\n\n> c\n- [ ] d\n1. e\n---",
        "a | b\n|--|--|\n| c | d |",
        "**b** _i_ ~~s~~ $x$ :tada: [^1]",
        "&lt;b&gt; &#64; \\`",
        " ",
        "",
        "`" * 200,
    ],
)
def test_a_code_span_contains_the_whole_text(text: str) -> None:
    html = parsed(f"before {code(text, 1000)} after")
    assert html.tags == ["p", "code"]
    assert html.outside == "before  after"


def test_a_long_text_is_cut_with_a_mark() -> None:
    assert [cut("abcd", 4), cut("abcde", 4), code("abcde", 4)] == ["abcd", "abc…", "`abc…`"]


def test_entities_in_html_code_become_a_link() -> None:
    """The reason for code spans: cmark-gfm finds the address although its sign is an entity."""
    assert ("a.href", "mailto:a@example.com") in parsed("<code>a&#64;example.com</code>").attributes


def test_a_text_cannot_close_its_fence() -> None:
    hostile = "```\n<img src=x>\n~~~\n````\n    ```\n@octocat\r```\u2028```"
    html = parsed(f"{fence(hostile, 24, 300)}\n\nafter")
    assert html.tags == ["pre", "code", "p"]
    assert html.outside.strip() == "after"


@pytest.mark.parametrize(
    ("text", "fenced"),
    [
        ("run `pulumi up`\r\nb\rc", "```text\nrun `pulumi up`\nb\nc\n```"),
        ("", "```text\n\n```"),
        ("````", "`````text\n````\n`````"),
        # Such a line would separate the parts of a comment.
        ("x\n<!-- end of preview -->", "```text\nx\n <!-- end of preview -->\n```"),
        ("1\n2\n3\n4\n5\n6", "```text\n1\n2\n3\n4\n5\n6\n```"),
        ("1\n2\n3\n4\n5\n6\n7", "```text\n1\n2\n… 2 lines …\n5\n6\n7\n```"),
        ("x" * 31, f"```text\n{'x' * 29}…\n```"),
    ],
)
def test_a_fence_keeps_the_first_and_the_last_lines(text: str, fenced: str) -> None:
    assert fence(text, lines=6, most=30) == fenced
