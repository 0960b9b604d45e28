"""Renders reports as the Markdown of one comment, or as text for a terminal. Pure functions.

The size of a comment is limited. Its content is added in this order: the paragraphs, failed previews, the
list of changed resources, the diagrams, and the details of each resource. Within each kind, the environment
with the fewest bytes so far is next.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from ops.github.markdown import code, cut, fence, printable, size
from ops.preview.causes import own_changes
from ops.preview.mermaid import flowchart
from ops.preview.paragraphs import (
    Paragraph,
    Style,
    change_text,
    followers,
    is_refused,
    loses_data,
    may_be_replaced,
    paragraphs,
    resource_name,
    roots,
    summary,
)
from ops.preview.report import Report

TEST_STACK_LABEL = "test-stack"

_FRAME_OF_REPORT = 700
"""The maximum size in bytes of the lines around the pieces of an environment."""

_FRAME = 1_500

_MARKDOWN = Style(code, "**{}**".format, "**{}**".format)


def _bare(text: str, most: int) -> str:
    return cut(printable(text), most)


PLAIN = Style(_bare, str, str)
COLOURED = Style(_bare, "\033[1m{}\033[0m".format, "\033[1;31m{}\033[0m".format)


def comment(reports: Sequence[Report], *, room: int, run_url: str = "") -> str:
    """The Markdown, at most `room` bytes of UTF-8, which must be at least 20,000.

    `run_url` is the run whose summary has the whole preview. It becomes a link, so it must be trusted. The
    content of the reports is untrusted.
    """
    top, end = _top(reports), _end(reports, run_url)
    budget = _Budget(room - size(top) - size(end) - _FRAME - _FRAME_OF_REPORT * len(reports))
    written = paragraphs(reports, _MARKDOWN)
    sentences = budget.fill(paragraph.sentences for paragraph in written)
    failures = budget.fill(_failure_blocks(report) for report in reports)
    entries = [_entries(report, _MARKDOWN) for report in reports]
    headings = budget.fill([heading for heading, _ in listed] for listed in entries)
    diagrams = budget.fill([flowchart(report)] if _has_diagram(report) else [] for report in reports)
    details = budget.fill(
        [line for _, lines in listed[: len(kept)] for line in lines]
        for listed, kept in zip(entries, headings, strict=True)
    )
    parts = [top, *map(_paragraph, written, sentences)]
    for report, kept in zip(reports, failures, strict=True):
        if report.failures:
            parts.append(_failed(report, kept))
    for report, listed, *kept in zip(reports, entries, headings, details, diagrams, strict=True):
        total = sum(1 + len(lines) for _, lines in listed) + _has_diagram(report)
        left_out = total - sum(map(len, kept))
        lines = iter(kept[1])
        content = [
            "\n".join([heading, *islice(lines, len(listed[at][1]))]) for at, heading in enumerate(kept[0])
        ]
        parts += _details(report, ["\n".join(content), *kept[2]], left_out, run_url)
    return "\n\n".join([*filter(None, parts), end])


def text(reports: Sequence[Report], style: Style = PLAIN) -> str:
    """The reports for a terminal or a log: the details, then the words of the comment.

    No line begins with an untrusted value.
    """
    lines: list[str] = []
    for report in reports:
        lines.append(f"{report.stack}: {summary(report)}")
        for failure in report.failures:
            lines += [f"  error: {_bare(line, 400)}" for line in failure.message.splitlines()]
        for heading, details in _entries(report, style):
            lines += [f"  {heading}", *(f"  {line}" for line in details)]
    for paragraph in paragraphs(reports, style):
        lines += ["", paragraph.title, *(f"  {sentence}" for sentence in paragraph.sentences)]
        if paragraph.more:
            lines.append(f"  There are {paragraph.more} more changes above.")
    return "\n".join(lines)


class _Budget:
    def __init__(self, room: int) -> None:
        self._left = room

    def fill(self, queues: Iterable[Iterable[str]]) -> list[list[str]]:
        """Take pieces from the start of each queue while they fit, from the shortest result so far first."""
        waiting = dict(enumerate(map(iter, queues)))
        kept: list[list[str]] = [[] for _ in waiting]
        used = [0] * len(waiting)
        while waiting:
            at = min(waiting, key=used.__getitem__)
            piece = next(waiting[at], None)
            bytes_ = size(piece or "") + 2  # plus its line ends
            if piece is None or bytes_ > self._left:
                del waiting[at]
                continue
            self._left -= bytes_
            used[at] += bytes_
            kept[at].append(piece)
        return kept


def _entries(report: Report, style: Style) -> list[tuple[str, list[str]]]:
    """The heading of each resource that changes for itself, and the lines below it.

    What changes with it is below it, and has only those properties that do not follow from it.
    """
    by_cause = followers(report)
    listed: list[tuple[str, list[str]]] = []
    for resource in roots(report):
        is_new = resource.op in {"create", "import"}
        lines = [f"  - {change_text(change, style, is_new=is_new)}" for change in resource.changes]
        settings = {change.follows for change in resource.changes} - {""}
        for follower in by_cause.get(resource.key, ()):
            unsure = " (known only after `up`)" if may_be_replaced(follower) else ""
            lines.append(f"  - with it: {follower.op} {resource_name(follower, style)}{unsure}")
            own = () if follower.op == "create" else own_changes(follower, settings)
            lines += [f"    - {change_text(change, style)}" for change in own]
        listed.append((f"- {style.strong(resource.op)} {resource_name(resource, style)}", lines))
    return listed


def _has_diagram(report: Report) -> bool:
    return bool(roots(report))


def _paragraph(paragraph: Paragraph, sentences: Sequence[str]) -> str:
    left_out = paragraph.more + len(paragraph.sentences) - len(sentences)
    more = [f"There are {left_out} more changes."] if left_out else []
    return " ".join([paragraph.title, *sentences, *more])


def _failure_blocks(report: Report) -> Iterator[str]:
    for failure in report.failures:
        resource = f"{code(failure.resource)}:\n\n" if failure.resource else ""
        yield resource + fence(failure.message, 24, 300)


def _top(reports: Sequence[Report]) -> str:
    lines = ["## Preview: what `pulumi up` would change"]
    if any(report.basis == "base" for report in reports):
        lines += [
            "",
            "> Computed on local Azure, with no access to Azure: the base of this pull request was "
            "deployed with the committed settings and compared with the pull request. The pull request's own "
            "code computed this, so also review its diff.",
        ]
    return "\n".join(lines)


def _failed(report: Report, blocks: Sequence[str]) -> str:
    refused = is_refused(report)
    title = f"<code>{report.stack}</code>: {'why it is refused' if refused else 'the errors'}"
    parts = [f"<details{'' if refused else ' open'}><summary>{title}</summary>", *blocks]
    if left_out := len(report.failures) - len(blocks):
        parts.append(f"There are {left_out} more errors.")
    parts += [f"To reproduce it: `pulumi preview --stack {report.stack}`", "</details>"]
    return "\n\n".join(parts)


def _details(report: Report, content: Iterable[str], left_out: int, run_url: str) -> list[str]:
    """The collapsed section of an environment; the empty lines enable Markdown inside HTML."""
    if not roots(report):
        return []
    title = f"<summary><code>{report.stack}</code>: {summary(report)}</summary>"
    parts = [f"<details>{title}", *filter(None, content)]
    if left_out:
        where = f"the [job's summary]({run_url})" if run_url else "the job's summary and the report file"
        parts.append(f"**{left_out} more lines are omitted here**: {where} has the whole preview.")
    return [*parts, "</details>"]


def _end(reports: Sequence[Report], run_url: str) -> str:
    lines: list[str] = []
    broken = _stacks(report for report in reports if report.failures and not is_refused(report))
    losing = _stacks(
        report for report in reports if not report.failures and any(map(loses_data, report.changed))
    )
    changed = [report for report in reports if report.changed]
    if broken:
        lines.append(f"- Fix the errors in {broken} and push; this comment is then updated.")
    if losing:
        lines.append(f"- If data must not be lost in {losing}, do not merge this.")
    if changed:
        lines.append(
            f"- To test the change on a separate stack, add the label `{TEST_STACK_LABEL}`. Merging deploys "
            "it to dev, then test, then, when it is approved, prod. To run the preview on your machine: "
            f"`pulumi preview --stack {changed[0].stack} --diff`."
        )
    commits = sorted({report.commit for report in reports if report.commit})
    footer = [f"commit {', '.join(map(code, commits))}"] if commits else []
    footer.append(max(report.made for report in reports).replace("T", " ").replace("Z", " UTC"))
    if run_url:
        footer.append(f"[all details]({run_url})")
    return "\n\n".join(filter(None, ["\n".join(lines), f"<sub>{' · '.join(footer)}</sub>"]))


def _stacks(reports: Iterable[Report]) -> str:
    return ", ".join(code(report.stack) for report in reports)
