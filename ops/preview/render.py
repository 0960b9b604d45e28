"""Renders reports as the Markdown of one comment. Pure functions.

The size of a comment is limited. Its content is added in this order: data loss, failed previews, replaced and
deleted resources, the list of resources, the diagrams, and the changed properties. Within each kind, the
environment with the fewest bytes so far is next.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from ops import words
from ops.github.markdown import code, cut, fence, size, visible
from ops.preview.mermaid import flowchart
from ops.preview.report import Change, Op, Package, Report, Resource, Value

TEST_STACK_LABEL = "test-stack"

_LEAST_ROOM = 20_000
_FRAME_OF_REPORT = 700
"""The maximum size in bytes of the lines around the pieces of an environment."""

_FRAME = 1_500
_DOING: dict[Op, str] = {
    "create": "create",
    "import": "import",
    "update": "update",
    "replace": "replace",
    "delete": "delete",
}
_LOST = "**DATA WILL BE LOST**"

T = TypeVar("T")


def comment(reports: Sequence[Report], *, room: int, run_url: str = "") -> str:
    """The Markdown, at most `room` bytes of UTF-8. `run_url` is the run whose summary has the whole preview.

    `run_url` becomes a link, so it must be trusted. The content of the reports is untrusted.
    """
    if room < _LEAST_ROOM:
        raise ValueError(f"a preview needs room for {_LEAST_ROOM} bytes, has {room}")
    top, end = _top(reports), _end(reports, run_url)
    budget = _Budget(room - size(top) - size(end) - _FRAME - _FRAME_OF_REPORT * len(reports))
    pages = [_Page(report) for report in reports]
    lost = budget.fill([page.lost for page in pages], _danger_line)
    failures = budget.fill([page.failures for page in pages], str)
    danger = budget.fill([page.danger for page in pages], _danger_line)
    package = budget.fill([_packages(reports)], str)
    headings = budget.fill([page.report.changed for page in pages], _heading)
    pictures = budget.fill([page.pictures for page in pages], str)
    changes = budget.fill([_changes(kept) for kept in headings], _change_line)
    parts = [top]
    if any(lost):
        parts.append(_section("### Data will be lost", map(_danger_line, _flatten(lost))))
    if any(danger):
        parts.append(_section("### Replaced and deleted", map(_danger_line, _flatten(danger))))
    for page, kept in zip(pages, failures, strict=True):
        if page.failures:
            parts.append(_failed(page.report, kept))
    parts += _flatten(package)
    for number, page in enumerate(pages):
        written = _Written(headings[number], changes[number], pictures[number])
        listed = len(lost[number]) + len(danger[number]) + len(failures[number])
        parts += _details(page, written, page.pieces - listed - written.pieces, run_url)
    return "\n\n".join([*parts, end])


def text(reports: Sequence[Report]) -> str:
    """The reports for a terminal or a log. No line begins with an untrusted value."""
    lines: list[str] = []
    for report in reports:
        lines.append(f"{report.stack}: {_summary(report)}")
        for failure in report.failures:
            lines += [f"  error: {cut(visible(line), 400)}" for line in failure.message.splitlines()]
        for resource in report.changed:
            lost = f" DATA WILL BE LOST: {words.lost_with(resource.type)}" if _loses_data(resource) else ""
            name = cut(visible(resource.name), 120)
            lines.append(f"  {_DOING[resource.op]} {words.kind(resource.type)} {name}{lost}")
            lines += [f"    {_plain(resource, change)}" for change in resource.changes]
            if resource.left_out:
                lines.append(f"    and {resource.left_out} more properties")
        if report.package:
            lines.append(f"  code: {_package_words(report.package, lambda value: value)}")
    return "\n".join(lines)


class _Budget:
    def __init__(self, room: int) -> None:
        self._left = room

    def fill(self, queues: Iterable[Iterable[T]], written: Callable[[T], str]) -> list[list[T]]:
        """Take pieces from the start of each queue while they fit, from the shortest result so far first."""
        waiting = [list(reversed(list(queue))) for queue in queues]
        kept: list[list[T]] = [[] for _ in waiting]
        used = [0] * len(waiting)
        while any(waiting):
            at = min((index for index, queue in enumerate(waiting) if queue), key=used.__getitem__)
            bytes_ = size(written(waiting[at][-1])) + 2  # plus its line ends
            if bytes_ > self._left:
                waiting[at].clear()
                continue
            self._left -= bytes_
            used[at] += bytes_
            kept[at].append(waiting[at].pop())
        return kept


@dataclass(frozen=True)
class _Page:
    report: Report

    @property
    def lost(self) -> list[tuple[Report, Resource]]:
        return [(self.report, resource) for resource in self.report.changed if _loses_data(resource)]

    @property
    def danger(self) -> list[tuple[Report, Resource]]:
        return [
            (self.report, resource)
            for resource in self.report.changed
            if resource.op in {"replace", "delete"} and not _loses_data(resource)
        ]

    @property
    def failures(self) -> list[str]:
        return [
            (f"{code(failure.resource)}:\n\n" if failure.resource else "") + fence(failure.message, 24, 300)
            for failure in self.report.failures
        ]

    @property
    def pictures(self) -> list[str]:
        return [drawn] if (drawn := "" if self.report.failures else flowchart(self.report)) else []

    @property
    def pieces(self) -> int:
        changed = self.report.changed
        properties = sum(len(resource.changes) for resource in changed)
        return (
            len(self.lost)
            + len(self.danger)
            + len(self.failures)
            + len(self.pictures)
            + len(changed)
            + properties
        )


@dataclass(frozen=True)
class _Written:
    headings: list[Resource]
    changes: list[tuple[Resource, Change]]
    pictures: list[str]

    @property
    def pieces(self) -> int:
        return len(self.headings) + len(self.changes) + len(self.pictures)


def _loses_data(resource: Resource) -> bool:
    return resource.op in {"replace", "delete"} and bool(words.lost_with(resource.type))


def _may_be_replaced(resource: Resource) -> bool:
    """Whether all reasons for the replacement are values that are only known after `up`."""
    new = {change.path: change.new.kind for change in resource.changes}
    return (
        resource.op == "replace"
        and bool(resource.reasons)
        and all(new.get(path) == "unknown" for path in resource.reasons)
    )


def _changes(kept: Iterable[Resource]) -> list[tuple[Resource, Change]]:
    return [(resource, change) for resource in kept for change in resource.changes]


def _flatten(lists: Iterable[Iterable[T]]) -> list[T]:
    return [element for part in lists for element in part]


def _section(title: str, lines: Iterable[str]) -> str:
    return "\n".join([title, "", *lines])


def _top(reports: Sequence[Report]) -> str:
    lines = ["## Preview: what `pulumi up` would change", ""]
    if any(report.basis == "base" for report in reports):
        lines += [
            "> Computed on local Azure, with no access to Azure: the base of this pull request was "
            "deployed with the committed settings and compared with the pull request. The pull request's own "
            "code computed this, so also review its diff.",
            "",
        ]
    ops: list[Op] = [
        op for op in _DOING if op != "import" or any(report.counts.get(op) for report in reports)
    ]
    lines += [
        f"| environment | {' | '.join(_DOING[op] for op in ops)} | stay | |",
        f"|:--|{'--:|' * len(ops)}--:|:--|",
    ]
    for report in reports:
        numbers = [_number(report, op) for op in (*ops, "same")]
        lines.append(f"| {code(report.stack)} | {' | '.join(numbers)} | {_verdict(report)} |")
    return "\n".join(lines)


def _number(report: Report, op: Op) -> str:
    return "" if report.failures else str(report.counts.get(op, 0))


def _verdict(report: Report) -> str:
    if report.failures:
        return "**the preview failed**"
    if any(map(_loses_data, report.changed)):
        return _LOST
    if any(resource.op in {"replace", "delete"} for resource in report.changed):
        return "replaces or deletes"
    return "changes" if report.changed else "nothing changes"


def _summary(report: Report) -> str:
    if report.failures:
        return "the preview failed"
    counted = [f"{report.counts[op]} to {_DOING[op]}" for op in _DOING if report.counts.get(op)]
    return ", ".join(counted) or "nothing changes"


def _danger_line(report_resource: tuple[Report, Resource]) -> str:
    report, resource = report_resource
    lost = words.lost_with(resource.type)
    start = f"{_LOST} in {code(report.stack)}" if lost else code(report.stack)
    sure = "may be replaced" if _may_be_replaced(resource) else f"is {_DOING[resource.op]}d"
    because = ", ".join(code(reason, 60) for reason in resource.reasons[:4])
    line = f"- {start}: {words.kind(resource.type)} {code(resource.name)} {sure}"
    line += f", for its {because}" if because else ""
    line += " (known only after `up`)" if _may_be_replaced(resource) else ""
    return f"{line}. Lost with it: {lost}." if lost else f"{line}."


def _failed(report: Report, kept: Sequence[str]) -> str:
    parts = [f"### The preview of {code(report.stack)} failed", *kept]
    if left_out := len(report.failures) - len(kept):
        parts.append(f"There are {left_out} more errors.")
    parts.append(f"To reproduce it: `pulumi preview --stack {report.stack}`")
    return "\n\n".join(parts)


def _packages(reports: Sequence[Report]) -> list[str]:
    """One line per package, because usually all environments get the same package."""
    stacks_by_package: dict[Package, list[str]] = {}
    for report in reports:
        if report.package:
            stacks_by_package.setdefault(report.package, []).append(code(report.stack))
    return [
        f"**Code** in {', '.join(stacks)}: {_package_words(package, code)}"
        for package, stacks in stacks_by_package.items()
    ]


def _package_words(package: Package, written: Callable[[str], str]) -> str:
    old = written(package.old_hash[:12]) if package.old_hash else "none"
    sized = "" if package.size is None else f", {package.size / 1_000_000:.2f} MB"
    return f"package {old} → {written(package.new_hash[:12] or 'none')}{sized}"


def _details(page: _Page, written: _Written, left_out: int, run_url: str) -> list[str]:
    """The collapsed section of an environment; the empty lines enable Markdown inside HTML."""
    report = page.report
    if not report.changed:
        return []
    lines: list[str] = []
    for resource in written.headings:
        lines.append(_heading(resource))
        lines += [_change_line(change) for change in written.changes if change[0] is resource]
    beyond = sum(resource.left_out for resource in report.changed)
    parts = [
        f"<details><summary><code>{report.stack}</code>: {_summary(report)}</summary>",
        *(["\n".join(lines)] if lines else []),
        *written.pictures,
    ]
    if left_out + beyond:
        where = f"the [job's summary]({run_url})" if run_url else "the job's summary and the report file"
        parts.append(f"**{left_out + beyond} more lines are omitted here**: {where} has the whole preview.")
    return [*parts, "</details>"]


def _heading(resource: Resource) -> str:
    lost = f" {_LOST}" if _loses_data(resource) else ""
    return f"- **{_DOING[resource.op]}** {words.kind(resource.type)} {code(resource.name)}{lost}"


def _change_line(resource_change: tuple[Resource, Change]) -> str:
    resource, change = resource_change
    what = "app setting " if change.setting else ""
    return f"  - {what}{code(change.path, 200)}: {_arrow(resource, change, _value_markdown)}"


def _plain(resource: Resource, change: Change) -> str:
    def bare(value: Value) -> str:
        return cut(visible(value.text), 400) if value.kind == "text" else f"({_UNSHOWN[value.kind]})"

    what = "app setting " if change.setting else ""
    return f"{what}{cut(visible(change.path), 200)}: {_arrow(resource, change, bare)}"


_UNSHOWN = {"absent": "not set", "unknown": "known after `up`", "hidden": "kept secret"}


def _value_markdown(value: Value) -> str:
    return code(value.text, 400) if value.kind == "text" else _UNSHOWN[value.kind]


def _arrow(resource: Resource, change: Change, written: Callable[[Value], str]) -> str:
    if resource.op in {"create", "import"} and change.old.kind == "absent":
        return written(change.new)
    return f"{written(change.old)} → {written(change.new)}"


def _end(reports: Sequence[Report], run_url: str) -> str:
    lines = ["### What to do next", ""]
    if broken := [report for report in reports if report.failures]:
        stacks = ", ".join(code(report.stack) for report in broken)
        lines.append(f"- Fix the errors in {stacks} and push; this comment is then updated.")
    losing = [report for report in reports if any(map(_loses_data, report.changed))]
    if losing:
        stacks = ", ".join(code(report.stack) for report in losing)
        lines.append(
            f"- If data must not be lost in {stacks}, do not merge this: the reasons are listed with each "
            "resource above. A stack with `deletionProtection` refuses the deployment."
        )
    if any(report.changed for report in reports):
        lines.append(
            f"- To test the change on a separate stack, add the label `{TEST_STACK_LABEL}` to the pull "
            "request. Merging deploys it to dev, then test, then, when it is approved, prod."
        )
        first = next(report for report in reports if report.changed)
        lines.append(
            "- To run the preview on your machine: "
            f"`pulumi preview --stack {first.stack} --diff`. In the diagrams, each box is a resource, to the "
            "right of its parent; the legend explains the colours."
        )
    elif not broken:
        lines.append("- Nothing changes in any environment: merging this deploys nothing new.")
    commits = sorted({report.commit for report in reports if report.commit})
    footer = [f"commit {', '.join(code(commit) for commit in commits)}"] if commits else []
    footer.append(max(report.made for report in reports).replace("T", " ").replace("Z", " UTC"))
    if run_url:
        footer.append(f"[all details]({run_url})")
    return "\n".join([*lines, "", f"<sub>{' · '.join(footer)}</sub>"])
