import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ops.preview.comment import PART_LIMITS
from ops.preview.mermaid import flowchart
from ops.preview.render import comment, text
from ops.preview.report import Change, Failure, Op, Package, Report, Resource, Value
from tests.gfm import Parsed, parsed

ROOM = PART_LIMITS["preview"]
RUN_URL = "https://github.com/octo-org/assistants/actions/runs/5000"
STORAGE, TABLE, MODEL, GROUP, SITE = (
    "azure-native:storage:StorageAccount",
    "azure-native:storage:Table",
    "azure-native:cognitiveservices:Account",
    "azure-native:resources:ResourceGroup",
    "azure-native:web:WebApp",
)


def resource(op: Op, kind: str = SITE, name: str = "one", **more: Any) -> Resource:
    return Resource(op, kind, name, **more)


def changes(count: int, length: int = 20) -> tuple[Change, ...]:
    old, new = Value("text", "o" * length), Value("text", "n" * length)
    return tuple(Change(f"property{number}", old, new) for number in range(count))


def report(*resources: Resource, stack: str = "dev", **more: Any) -> Report:
    counts: dict[str, int] = {}
    for one in resources:
        counts[one.op] = counts.get(one.op, 0) + 1
    made: dict[str, Any] = {"commit": "a" * 40, "made": "2026-11-25T10:00:00Z", "basis": "deployed", **more}
    return Report(stack=stack, counts=counts, resources=resources, **made)


def shown(*reports: Report, room: int = ROOM) -> str:
    return comment(reports, room=room, run_url=RUN_URL)


def test_each_environment_has_its_totals_in_one_row() -> None:
    found = shown(report(resource("create"), resource("same", name="x")), report(stack="prod"))
    assert "| `dev` | 1 | 0 | 0 | 0 | 1 | changes |" in found
    assert "| `prod` | 0 | 0 | 0 | 0 | 0 | nothing changes |" in found


def test_a_change_is_told_old_to_new_under_its_resource() -> None:
    change = (
        Change("HTTP_AUTH_LEVEL", Value("text", '"function"'), Value("text", '"anonymous"'), setting=True),
        Change("a.b", Value("hidden"), Value("unknown")),
        Change("c", Value("absent"), Value("text", "1")),
        Change("d", Value("text", "1"), Value("absent")),
    )
    page = shown(report(resource("update", name="function-app", changes=change))).partition("</summary>")[2]
    assert page.startswith(
        "\n\n- **update** function app `function-app`\n"
        '  - app setting `HTTP_AUTH_LEVEL`: `"function"` → `"anonymous"`\n'
        "  - `a.b`: kept secret → known after `up`\n  - `c`: not set → `1`\n  - `d`: `1` → not set\n"
    )


@pytest.mark.parametrize("kind", [STORAGE, TABLE, MODEL, GROUP, "azure-native:storage/v20240101:Table"])
@pytest.mark.parametrize("op", ["replace", "delete"])
def test_lost_data_is_told_before_everything_else(kind: str, op: Op) -> None:
    found = shown(report(resource(op, kind, reasons=("location",))))
    line = next(line for line in found.splitlines() if line.startswith("- **DATA WILL BE LOST** in `dev`"))
    assert f"is {op}d, for its `location`" in line
    assert "| **DATA WILL BE LOST** |" in found
    assert found.index("- **DATA WILL BE LOST**") < found.index("<details>")


@pytest.mark.parametrize(("kind", "op"), [(STORAGE, "update"), (STORAGE, "create"), (SITE, "delete")])
def test_data_that_stays_is_not_called_lost(kind: str, op: Op) -> None:
    assert "LOST" not in shown(report(resource(op, kind)))


def test_replaced_and_deleted_resources_stand_on_top() -> None:
    found = shown(
        report(resource("update"), resource("delete", name="gone"), resource("replace", name="new"))
    )
    top = found[: found.index("<details>")]
    assert "- `dev`: function app `gone` is deleted." in top
    assert "- `dev`: function app `new` is replaced." in top


def test_a_replacement_that_hangs_on_unknown_values_may_not_come() -> None:
    unknown = (Change("principalId", Value("text", '"x"'), Value("unknown")),)
    found = shown(report(resource("replace", reasons=("principalId",), changes=unknown)))
    assert "`one` may be replaced, for its `principalId` (known only after `up`)." in found


def test_a_failed_preview_is_told_with_its_error_and_the_command() -> None:
    found = shown(
        report(failures=(Failure("function-app", "no such region: @octocat"),)), report(stack="test")
    )
    assert (
        "### The preview of `dev` failed\n\n`function-app`:\n\n```text\nno such region: @octocat\n```"
        in found
    )
    assert "`pulumi preview --stack dev`" in found
    assert "Fix the errors in `dev`" in found
    assert "Nothing changes" not in found


def test_the_code_is_told_once_for_environments_that_get_the_same() -> None:
    package = Package("a" * 64, "b" * 64, 3_140_000)
    found = shown(
        report(resource("update"), package=package),
        report(resource("update"), stack="test", package=package),
        report(resource("update"), stack="prod", package=Package("", "c" * 64, None)),
    )
    assert "**Code** in `dev`, `test`: package `aaaaaaaaaaaa` → `bbbbbbbbbbbb`, 3.14 MB" in found
    assert "**Code** in `prod`: package none → `cccccccccccc`" in found


def test_nothing_to_do_is_said_where_nothing_changes() -> None:
    found = shown(report(), report(stack="prod"))
    assert "Nothing changes in any environment" in found
    assert "<details>" not in found


def test_a_comparison_with_the_base_says_so() -> None:
    assert "Computed on local Azure" in shown(report(basis="base"))
    assert "Computed on local Azure" not in shown(report())


def test_the_newest_commit_and_the_run_are_named() -> None:
    found = shown(report())
    assert f"commit `{'a' * 40}` · 2026-11-25 10:00:00 UTC · [all details]({RUN_URL})" in found


def test_the_picture_colours_what_changes_and_hangs_each_under_its_parent() -> None:
    component = resource("same", "assistant:storage:ChatStorage", "storage")
    drawn = flowchart(
        report(
            component,
            resource("replace", STORAGE, "account", parent=component.key),
            resource("same", name="app"),
        )
    )
    assert 'n1["storage account<br/>account"]:::replaced' not in drawn  # changes come first
    assert drawn.splitlines()[:9] == [
        "```mermaid",
        "flowchart LR",
        '  stack(["stack dev"])',
        '  n0["storage account<br/>account"]:::replaced',
        '  n1["chat storage<br/>storage"]:::unchanged',
        '  n2["function app<br/>app"]:::unchanged',
        "  n1 --> n0",
        "  stack --> n1",
        "  stack --> n2",
    ]
    assert "  classDef replaced fill:" in drawn
    assert "  classDef deleted" not in drawn


def test_a_picture_of_very_many_resources_leaves_out_those_that_stay() -> None:
    stays = [resource("same", name=f"s{number}") for number in range(200)]
    drawn = flowchart(report(*stays, resource("create", name="fresh")))
    assert "fresh" in drawn
    assert 'more["and 141 more"]:::unchanged' in drawn


# --- cutting ---------------------------------------------------------------------------------------------


def test_details_go_first_and_lost_data_stays() -> None:
    many = [resource("update", name=f"u{number}", changes=changes(100, 300)) for number in range(50)]
    lost = [resource("replace", TABLE, f"table{number}", changes=changes(50, 300)) for number in range(20)]
    found = shown(report(*many, *lost))
    assert len(found.encode()) <= ROOM
    assert found.count("- **DATA WILL BE LOST** in `dev`") == 20
    assert found.count("- **update** function app") == 50
    assert "```mermaid" in found
    left_out = re.search(r"\*\*(\d+) more lines are omitted here\*\*: the \[job's summary\]\((.*?)\)", found)
    assert left_out is not None
    assert left_out[2] == RUN_URL
    assert int(left_out[1]) + found.count("  - `property") == 50 * 100 + 20 * 50


def test_environments_share_the_room_fairly() -> None:
    small = report(resource("update", name="small", changes=changes(3)), stack="prod")
    large = [
        report(*(resource("update", name=f"u{n}", changes=changes(100, 300)) for n in range(50)), stack=stack)
        for stack in ("dev", "test")
    ]
    found = shown(*large, small)
    dev, test, prod = found.split("<details>")[1:]
    assert prod.count("  - `property") == 3
    assert "are omitted" not in prod
    assert 0.8 < len(dev) / len(test) < 1.25


def test_thousands_of_deletions_are_cut_with_a_word_of_how_many() -> None:
    found = shown(report(*(resource("delete", TABLE, f"t{number}") for number in range(1_000))))
    assert len(found.encode()) <= ROOM
    assert found.count("- **DATA WILL BE LOST** in `dev`") > 300
    assert "more lines are omitted here" in found


def test_the_summary_of_a_job_has_room_for_what_the_comment_leaves_out() -> None:
    many = [resource("update", name=f"u{number}", changes=changes(20, 300)) for number in range(50)]
    assert "are omitted" in shown(report(*many))
    assert "are omitted" not in shown(report(*many), room=1_000_000)


# --- hostile text ----------------------------------------------------------------------------------------

SENTINEL = "ZQ9"
"""In every hostile text; it must show up in code only."""

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


def _joined(parts: list[str]) -> str:
    return f"{SENTINEL}{''.join(parts)}{SENTINEL}"


hostile = st.lists(_parts | st.text(max_size=8) | _parts.map(lambda part: part * 30), max_size=5).map(_joined)
values = st.builds(Value, st.just("text"), hostile.map(lambda part: part[:400])) | st.sampled_from(
    [Value("absent"), Value("unknown"), Value("hidden")]
)
names = hostile.map(lambda part: part[:300])
kinds = st.sampled_from([STORAGE, TABLE, MODEL, GROUP, SITE, "assistant:storage:ChatStorage"]) | names
resources = st.builds(
    Resource,
    st.sampled_from(["create", "update", "replace", "delete", "import", "same"]),
    kinds,
    names,
    st.just("") | names,
    st.lists(names, max_size=2).map(tuple),
    st.lists(st.builds(Change, names, values, values, st.booleans()), max_size=3).map(tuple),
    st.integers(0, 9),
)


REFERENCE = "GH-1"
"""GitHub makes a link of it, and a stack may have that name."""


@st.composite
def drawn_reports(draw: st.DrawFn) -> Report:
    return report(
        *draw(st.lists(resources, max_size=6)),
        stack=REFERENCE + draw(st.from_regex(r"[a-z0-9_.-]{0,30}", fullmatch=True)),
        basis=draw(st.sampled_from(["deployed", "base"])),
        failures=tuple(draw(st.lists(st.builds(Failure, names, hostile), max_size=1))),
        package=draw(
            st.sampled_from([None, Package("a" * 64, "b" * 64, None), Package("", "b" * 64, 10**12)])
        ),
    )


reports = drawn_reports()

OURS = frozenset({
    *("h2", "h3", "p", "blockquote", "ul", "li", "strong", "code", "pre", "sub", "a"),
    *("details", "summary", "table", "thead", "tbody", "tr", "th", "td"),
})  # fmt: skip


def assert_only_ours(found: Parsed, markdown: str, listed: list[Report]) -> None:
    assert set(found.tags) <= OURS
    assert not found.comments
    assert SENTINEL not in found.outside
    assert REFERENCE not in found.outside
    for name, value in found.attributes:
        assert (name, value) in {("a.href", RUN_URL), ("pre.lang", "text"), ("pre.lang", "mermaid")} or (
            name in {"th.align", "td.align"}
        )
    assert found.tags.count("details") == sum(bool(one.changed) for one in listed)
    assert found.tags.count("table") == 1
    assert found.tags.count("tr") == 1 + len(listed)
    assert found.tags.count("pre") == len(_fences(markdown))
    assert found.tags.count("li") == len(re.findall(r"^ *- ", markdown, re.MULTILINE)) - _in_fences(markdown)


def _fences(markdown: str) -> list[str]:
    found = re.finditer(r"^(`{3,})(?:text|mermaid)\n.*?^\1$", markdown, re.MULTILINE | re.DOTALL)
    return [fence[0] for fence in found]


def _in_fences(markdown: str) -> int:
    return sum(len(re.findall(r"^ *- ", fence, re.MULTILINE)) for fence in _fences(markdown))


@settings(max_examples=60)
@given(st.lists(reports, min_size=1, max_size=3), st.sampled_from([20_000, ROOM]))
def test_hostile_names_and_values_stay_text(listed: list[Report], room: int) -> None:
    markdown = comment(listed, room=room, run_url=RUN_URL)
    assert len(markdown.encode()) <= room
    assert_only_ours(parsed(markdown), markdown, listed)
    assert not re.search(r"^<!-- ", markdown, re.MULTILINE)


@settings(max_examples=20)
@given(st.lists(reports, min_size=1, max_size=3), st.integers(5, 60), st.integers(1, 40))
def test_a_cut_comment_is_whole(listed: list[Report], times: int, more: int) -> None:
    """The same, so long that it must be cut somewhere."""
    long = [
        report(
            *(
                replace(one, name=f"{one.name[:290]}{number}", changes=one.changes * more)
                for number in range(times)
                for one in each.resources
            ),
            stack=each.stack,
            failures=each.failures * 20,
        )
        for each in listed
    ]
    for room in (20_000, ROOM):
        markdown = comment(long, room=room, run_url=RUN_URL)
        assert len(markdown.encode()) <= room
        assert_only_ours(parsed(markdown), markdown, long)


LINE = re.compile(
    r'flowchart LR|  stack\(\["stack (LABEL)"\]\)|  n\d+\["[a-zA-Z0-9\' ]+<br/>(LABEL)"\]:::(CLASS)'
    r"|  (stack|n\d+) --> n\d+|  subgraph legend|    direction LR|    l\d\[\"(CLASS)\"\]:::(CLASS)|  end"
    r'|  classDef (CLASS) [a-z0-9:#, -]+|  more\["and \d+ more"\]:::(CLASS)'.replace(
        "LABEL", r"(?:[A-Za-z0-9 _./-]|#\d+;)*"
    ).replace("CLASS", "created|imported|updated|replaced|deleted|unchanged")
)


@settings(max_examples=60)
@given(reports)
def test_hostile_names_are_no_mermaid(one: Report) -> None:
    drawn = flowchart(one)
    if drawn:
        first, *lines, last = drawn.splitlines()
        assert (first, last) == ("```mermaid", "```")
        assert [line for line in lines if not LINE.fullmatch(line)] == []
        assert len(drawn) < 50_000  # Mermaid's maxTextSize


@settings(max_examples=60)
@given(st.lists(reports, min_size=1, max_size=3))
def test_hostile_text_starts_no_line_of_a_log(listed: list[Report]) -> None:
    """GitHub runs a log's line that begins with `::` as a command."""
    words = "error|create|import|update|replace|delete|code"
    allowed = re.compile(rf"[A-Za-z0-9_.-]+: .*|  ({words})[: ].*|    (app setting |and |).*")
    for line in text(listed).splitlines():
        assert allowed.fullmatch(line), line
        assert not line.lstrip().startswith("::")
