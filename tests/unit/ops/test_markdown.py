import pytest

from ops.github.markdown import code, fence, visible
from tests.gfm import parsed


@pytest.mark.parametrize(
    ("text", "shown"),
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
def test_what_deceives_the_eye_is_shown_as_an_escape(text: str, shown: str) -> None:
    assert visible(text) == shown


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
def test_a_code_span_stays_one_whatever_it_holds(text: str) -> None:
    found = parsed(f"before {code(text, 1000)} after")
    assert found.tags == ["p", "code"]
    assert found.outside == "before  after"


def test_the_parser_would_see_a_span_that_was_broken() -> None:
    """Without the escape: what the test above asserts can fail."""
    assert "a" in parsed("before `x` https://example.com `y` after").tags
    assert "img" in parsed("before `x`<img src=x>`y` after").tags


def test_entities_in_html_code_would_have_become_a_link() -> None:
    """Why values stand in code spans: cmark-gfm finds the address although its sign is an entity."""
    assert ("a.href", "mailto:a@example.com") in parsed("<code>a&#64;example.com</code>").attributes


def test_a_fence_is_closed_only_by_ours() -> None:
    hostile = "```\n<img src=x>\n~~~\n````\n    ```\n@octocat\r```\u2028```"
    found = parsed(f"{fence(hostile, 24, 300)}\n\nafter")
    assert found.tags == ["pre", "code", "p"]
    assert found.outside.strip() == "after"


def test_a_command_in_a_message_keeps_its_backticks() -> None:
    assert "run `pulumi up`" in fence("run `pulumi up`", 24, 300)


def test_no_line_of_a_message_separates_the_parts_of_a_comment() -> None:
    assert "\n <!-- end of preview -->" in fence("x\n<!-- end of preview -->", 24, 300)


def test_a_long_message_keeps_its_beginning_and_its_end() -> None:
    lines = fence("\n".join(f"line {number}" for number in range(100)), 9, 300).splitlines()
    assert lines[1] == "line 0"
    assert lines[-2] == "line 99"
    assert "… 92 lines …" in lines
    assert len(lines) == 11
