import re
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ops.preview.comment import PART_LIMITS
from ops.preview.mermaid import flowchart
from ops.preview.paragraphs import roots
from ops.preview.render import comment, text
from ops.preview.report import Change, Failure, Op, Package, Report, Resource, Value
from ops.state import DEPLOYED_CODE, GROUP, MODEL_ACCOUNT, SITE, STORAGE_ACCOUNT, TABLE
from tests.gfm import parsed

ROOM = PART_LIMITS["preview"]
RUN_URL = "https://github.com/octo-org/assistants/actions/runs/5000"
PACKAGE = Package("a" * 64, "b" * 64, 3_140_000)


def resource(op: Op, kind: str = SITE, name: str = "one", **more: Any) -> Resource:
    return Resource(op, kind, name, **more)


def changes(count: int, length: int = 20) -> tuple[Change, ...]:
    old, new = Value("text", "o" * length), Value("text", "n" * length)
    return tuple(Change(f"property{number}", old, new) for number in range(count))


def report(*resources: Resource, stack: str = "dev", **more: Any) -> Report:
    defaults: dict[str, Any] = {"commit": "a" * 40, "made": "2026-11-25T10:00:00Z", "basis": "deployed"}
    return Report(stack=stack, resources=resources, **(defaults | more))


def rendered(*reports: Report, room: int = ROOM) -> str:
    return comment(reports, room=room, run_url=RUN_URL)


def test_errors_that_do_not_fit_are_counted() -> None:
    failures = tuple(Failure("", f"{number}\n" + "x" * 5_000) for number in range(300))
    markdown = rendered(report(failures=failures))
    written = markdown.count("```text")
    assert 0 < written < 300
    assert f"There are {300 - written} more errors." in markdown


def test_a_diagram_has_the_changed_resources_their_neighbours_and_counts_the_rest() -> None:
    component = resource("same", "assistant:storage:ChatStorage", "storage")
    account = resource("replace", STORAGE_ACCOUNT, "account", parent=component.key)
    diagram = flowchart(
        report(
            component,
            account,
            resource("replace", TABLE, "table", parent=component.key, cause=account.key),
            resource("same", TABLE, "child", parent=account.key),
            resource("same", TABLE, "sibling", parent=component.key),
            resource("same", name="app"),
        )
    )
    nodes = dict(re.findall(r'  (n\d)\["(.*)"\]', diagram))
    assert list(nodes.values()) == [
        "storage account<br/>account",
        "chat storage<br/>storage",
        "table<br/>child",
    ]
    assert re.findall(r"  (\w+) --> (\w+)", diagram) == [("n1", "n0"), ("stack", "n1"), ("n0", "n2")]
    assert '  n0m["1 more with it"]:::replaced\n  n0 -.-> n0m\n' in diagram
    assert '  rest["2 more, unchanged"]:::unchanged\n' in diagram


def test_a_diagram_counts_changed_resources_above_its_limit() -> None:
    diagram = flowchart(report(*(resource("create", name=f"c{number}") for number in range(61))))
    assert diagram.count("<br/>") == 60
    assert 'rest["1 more, some of which change"]:::unchanged' in diagram


def test_a_report_of_a_fork_cannot_hide_a_change_behind_another_one() -> None:
    first, second, lone = (resource("delete", TABLE, name) for name in ("a", "b", "c"))
    in_a_circle = (
        replace(first, cause=second.key),
        replace(second, cause=first.key),
        replace(lone, cause="x"),
    )
    code = resource("delete", DEPLOYED_CODE, "code")
    markdown = rendered(report(*in_a_circle, code, package=PACKAGE))
    for name in ("table `a`", "table `b`", "table `c`", "deployed code `code`"):
        assert f"- **delete** {name}" in markdown


# --- limits ----------------------------------------------------------------------------------------------


def test_properties_are_left_out_first_and_lost_data_last() -> None:
    many = [resource("update", name=f"u{number}", changes=changes(100, 300)) for number in range(25)]
    lost = [resource("replace", TABLE, f"table{number}", changes=changes(50, 300)) for number in range(20)]
    markdown = rendered(report(*many, *lost))
    assert len(markdown.encode()) <= ROOM
    assert "`dev`: DATA WILL BE LOST: all rows of a table." in markdown
    assert markdown.index("- **replace** table `table19`") < markdown.index("- **update** function app")
    assert markdown.count("- **update** function app") == 25
    assert "```mermaid" in markdown
    omitted = re.search(
        r"\*\*(\d+) more lines are omitted here\*\*: the \[job's summary\]\((.*?)\)", markdown
    )
    assert omitted is not None
    assert omitted[2] == RUN_URL
    assert int(omitted[1]) + markdown.count("  - `property") == 25 * 100 + 20 * 50
    assert "the job's summary and the report file has the whole" in comment([report(*many)], room=ROOM)


def test_environments_share_the_room_fairly() -> None:
    small = report(resource("update", name="small", changes=changes(3)), stack="prod")
    large = [
        report(*(resource("update", name=f"u{n}", changes=changes(100, 300)) for n in range(20)), stack=stack)
        for stack in ("dev", "test")
    ]
    dev, test, prod = rendered(*large, small).split("<details>")[1:]
    assert prod.count("  - `property") == 3
    assert "are omitted" not in prod
    assert 0.8 < len(dev) / len(test) < 1.25


def test_deletions_that_do_not_fit_are_counted() -> None:
    markdown = rendered(report(*(resource("delete", TABLE, f"{number:0100}") for number in range(1_000))))
    assert len(markdown.encode()) <= ROOM
    written = markdown.count("- **delete**") + markdown.count("```mermaid")
    assert 300 < written < 1_000
    assert f"**{1_001 - written} more lines are omitted here**" in markdown


def test_the_summary_of_a_job_has_room_for_everything() -> None:
    many = [resource("update", name=f"u{number}", changes=changes(20, 300)) for number in range(50)]
    assert "are omitted" in rendered(report(*many))
    assert "are omitted" not in rendered(report(*many), room=1_000_000)


# --- hostile text ----------------------------------------------------------------------------------------

SENTINEL = "ZQ9"
"""In every hostile text; it may appear in code only."""

_MARKS = r"""
    @octocat @octo-org/team #12 GH-12 octo-org/assistants#1 4f6d1d0b3c0a5c5b7f4a1c9d2e8b7a6c5d4e3f21
    www.example.com https://example.com/a?b=c mailto:a@example.com a@example.com xmpp:a@b.com/c
    ![x](https://example.com/x.png) [y](javascript:alert(1)) [z]: <https://example.com> [^1] [^1]:
    <img/src=x/onerror=alert(1)> </code> </details> </summary> <script> <!-- --> ]]> <a/href='x'> <br/>
    &lt; &#64; &#x60; ` `` ``` ~~~ | \| \ \` * ** _ __ ~~ $ $$ $`x`$ :tada: - > 1. --- ===
    "] "]:::deleted --> end %%{init:{}}%% %% #quot; #35; ; subgraph fa:fa-car `md` é 東 😀
"""
FRAGMENTS = [
    *_MARKS.split(),
    "<!-- end of preview -->", "click n0 href", "style n0 fill:#f00", "classDef x fill:#f00", "    ", "\t",
    "\n", "\r\n", "\n\n", "\n```\n", "\n</details>\n", "\n# h\n", "\n- [x] t\n", "\n---\n", "\nend\n",
    "\n| a | b |\n|--|--|\n", "\n::error::x\n", "\u202e", "\u2066", "\u200b", "\u200d", "\ufeff", "\u2028",
    "\x00", "\x1b[31m", "\ud800", "\u05d0", "\u0301", "\x85",
]  # fmt: skip
_parts = st.sampled_from(FRAGMENTS)
hostile = st.lists(_parts | st.text(max_size=8) | _parts.map(lambda part: part * 30), max_size=5).map(
    lambda parts: f"{SENTINEL}{''.join(parts)}{SENTINEL}"
)
values = st.builds(Value, st.just("text"), hostile) | st.sampled_from(
    [Value("absent"), Value("unknown"), Value("hidden")]
)
names = hostile
kinds = (
    st.sampled_from([STORAGE_ACCOUNT, TABLE, MODEL_ACCOUNT, GROUP, SITE, "assistant:storage:ChatStorage"])
    | names
)
PROPERTIES = ["siteConfig.cors.allowedOrigins[0]", "retentionInDays"]
"""A warning has their value."""

changes_ = st.builds(
    Change, names | st.sampled_from(PROPERTIES), values, values, st.booleans(), st.just("") | names
)
resources = st.builds(
    Resource,
    st.sampled_from(["create", "update", "replace", "delete", "import", "same"]),
    kinds,
    names,
    st.just("") | names,
    st.lists(names, max_size=2).map(tuple),
    st.lists(changes_, max_size=3).map(tuple),
    st.just("") | names,
)


REFERENCE = "GH-1"
"""GitHub makes a link of it, and a stack may have that name."""


@st.composite
def drawn_reports(draw: st.DrawFn) -> Report:
    return report(
        *draw(st.lists(resources, max_size=6)),
        settings=tuple(draw(st.lists(changes_, max_size=2))),
        stack=REFERENCE + draw(st.from_regex(r"[a-z0-9_.-]{0,30}", fullmatch=True)),
        basis=draw(st.sampled_from(["deployed", "base"])),
        failures=tuple(draw(st.lists(st.builds(Failure, names, hostile), max_size=1))),
        package=draw(st.sampled_from([None, PACKAGE, Package("", "b" * 64, 10**12)])),
    )


reports = drawn_reports()

OURS = frozenset({
    *("h2", "p", "blockquote", "ul", "li", "strong", "code", "pre", "sub", "a"),
    *("details", "summary"),
})  # fmt: skip


LINE = re.compile(
    r'flowchart LR|  stack\(\["stack (LABEL)"\]\)|  n\d+\["[a-zA-Z0-9\' ]+<br/>(LABEL)"\]:::(CLASS)'
    r"|  (stack|n\d+) --> n\d+|  subgraph legend|    direction LR|    l\d\[\"(CLASS)\"\]:::(CLASS)|  end"
    r'|  classDef (CLASS) [a-z0-9:#, -]+|  n\d+m\["\d+ more with it"\]:::(CLASS)|  n\d+ -\.-> n\d+m'
    r'|  rest\["\d+ more, (unchanged|some of which change)"\]:::unchanged'.replace(
        "LABEL", r"(?:[A-Za-z0-9 _./-]|#\d+;)*"
    ).replace("CLASS", "created|imported|updated|replaced|deleted|unchanged")
)


@settings(max_examples=60)
@given(
    st.lists(reports, min_size=1, max_size=3),
    st.sampled_from([20_000, ROOM]),
    st.just((1, 1)) | st.tuples(st.integers(5, 60), st.integers(1, 40)),
)
def test_hostile_text_in_a_comment_is_code_also_in_one_that_is_cut(
    drawn: list[Report], room: int, repeated: tuple[int, int]
) -> None:
    listed = [
        replace(
            short,
            resources=tuple(
                replace(
                    original, name=f"{original.name[:290]}{number}", changes=original.changes * repeated[1]
                )
                for number in range(repeated[0])
                for original in short.resources
            ),
            failures=short.failures * repeated[0],
        )
        for short in drawn
    ]
    markdown = comment(listed, room=room, run_url=RUN_URL)
    assert len(markdown.encode()) <= room
    assert not re.search(r"^<!-- ", markdown, re.MULTILINE)
    html = parsed(markdown)
    assert set(html.tags) <= OURS
    assert not html.comments
    assert SENTINEL not in html.outside
    assert REFERENCE not in html.outside
    allowed = {("a.href", RUN_URL), ("pre.lang", "text"), ("pre.lang", "mermaid"), ("details.open", "")}
    assert {*html.attributes} <= allowed
    unfenced, fences = re.subn(r"(?ms)^(`{3,})(?:text|mermaid)\n.*?^\1$", "", markdown)
    expected = {
        "details": sum(bool(report.failures or roots(report)) for report in listed),
        "pre": fences,
        "li": len(re.findall(r"(?m)^ *- ", unfenced)),
    }
    assert {tag: html.tags.count(tag) for tag in expected} == expected


@settings(max_examples=60)
@given(st.lists(reports, min_size=1, max_size=3))
def test_hostile_text_is_no_mermaid_syntax_and_begins_no_line_of_a_log(listed: list[Report]) -> None:
    for diagram in filter(None, map(flowchart, listed)):
        first, *lines, last = diagram.splitlines()
        assert (first, last) == ("```mermaid", "```")
        assert [line for line in lines if not LINE.fullmatch(line)] == []
        assert len(diagram) < 50_000  # Mermaid's maxTextSize
    for line in text(listed).splitlines():
        assert re.match(r"GH-1[A-Za-z0-9_., -]*:|  (error: |[- A-Z0-9])|$", line), line
        assert not line.lstrip().startswith("::")  # GitHub runs such a line as a command
