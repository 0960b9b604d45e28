"""Renders reports as the Markdown of one comment. Pure functions.

The size of a comment is limited. Its content is added in this order: data loss, failed previews, replaced and
deleted resources, the list of resources, the diagrams, and the changed properties. Within each kind, the
environment with the fewest bytes so far is next.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice

from ops import words
from ops.github.markdown import code, cut, fence, size, visible
from ops.preview.mermaid import flowchart
from ops.preview.report import Change, Op, Package, Report, Resource, Value

TEST_STACK_LABEL = "test-stack"

_FRAME_OF_REPORT = 700
"""The maximum size in bytes of the lines around the pieces of an environment."""

_FRAME = 1_500
_CHANGING: tuple[Op, ...] = ("create", "import", "update", "replace", "delete")
_DANGEROUS = frozenset[Op]({"replace", "delete"})
_LOST = "**DATA WILL BE LOST**"
_WITHOUT_TEXT = {"absent": "not set", "unknown": "known after `up`", "hidden": "kept secret"}


def comment(reports: Sequence[Report], *, room: int, run_url: str = "") -> str:
    """The Markdown, at most `room` bytes of UTF-8, which must be at least 20,000.

    `run_url` is the run whose summary has the whole preview. It becomes a link, so it must be trusted. The
    content of the reports is untrusted.
    """
    top, end = _top(reports), _end(reports, run_url)
    budget = _Budget(room - size(top) - size(end) - _FRAME - _FRAME_OF_REPORT * len(reports))
    lost = budget.fill(_danger_lines(report, losing=True) for report in reports)
    failures = budget.fill(_failure_blocks(report) for report in reports)
    danger = budget.fill(_danger_lines(report, losing=False) for report in reports)
    packages = budget.fill([_package_lines(reports)])
    headings = budget.fill(map(_heading, report.changed) for report in reports)
    diagrams = budget.fill(_diagrams(report) for report in reports)
    changes = budget.fill(
        _change_lines(report.changed[: len(kept)]) for report, kept in zip(reports, headings, strict=True)
    )
    parts = [top]
    for title, lines in (("### Data will be lost", lost), ("### Replaced and deleted", danger)):
        if any(lines):
            parts.append("\n".join([title, "", *chain(*lines)]))
    parts += [
        _failed(report, kept) for report, kept in zip(reports, failures, strict=True) if report.failures
    ]
    parts += packages[0]
    for at, report in enumerate(reports):
        written = [kept[at] for kept in (lost, failures, danger, headings, diagrams, changes)]
        left_out = _pieces(report) - sum(map(len, written))
        listing = _listing(report.changed, headings[at], iter(changes[at]))
        parts += _details(report, [*listing, *diagrams[at]], left_out, run_url)
    return "\n\n".join([*parts, end])


def text(reports: Sequence[Report]) -> str:
    """The reports for a terminal or a log. No line begins with an untrusted value."""
    lines: list[str] = []
    for report in reports:
        lines.append(f"{report.stack}: {_summary(report)}")
        for failure in report.failures:
            lines += [f"  error: {_bare(line, 400)}" for line in failure.message.splitlines()]
        for resource in report.changed:
            lost = f" DATA WILL BE LOST: {words.lost_with(resource.type)}" if _loses_data(resource) else ""
            lines.append(f"  {resource.op} {words.kind(resource.type)} {_bare(resource.name, 120)}{lost}")
            lines += [f"    {_change(resource, change, _bare, '({})')}" for change in resource.changes]
            if resource.left_out:
                lines.append(f"    and {resource.left_out} more properties")
        if report.package:
            lines.append(f"  code: {_package(report.package, str)}")
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


def _pieces(report: Report) -> int:
    """The number of pieces of an environment, without its package."""
    changed = report.changed
    dangerous = sum(resource.op in _DANGEROUS for resource in changed)
    properties = sum(len(resource.changes) for resource in changed)
    return dangerous + len(report.failures) + len(list(_diagrams(report))) + len(changed) + properties


def _danger_lines(report: Report, *, losing: bool) -> Iterator[str]:
    for resource in report.changed:
        if resource.op in _DANGEROUS and _loses_data(resource) == losing:
            yield _danger_line(report.stack, resource)


def _danger_line(stack: str, resource: Resource) -> str:
    lost = words.lost_with(resource.type)
    start = f"{_LOST} in {code(stack)}" if lost else code(stack)
    uncertain = _may_be_replaced(resource)
    line = f"- {start}: {words.kind(resource.type)} {code(resource.name)} "
    line += "may be replaced" if uncertain else f"is {resource.op}d"
    if resource.reasons:
        line += f", for its {', '.join(code(reason, 60) for reason in resource.reasons[:4])}"
    if uncertain:
        line += " (known only after `up`)"
    return f"{line}. Lost with it: {lost}." if lost else f"{line}."


def _failure_blocks(report: Report) -> Iterator[str]:
    for failure in report.failures:
        resource = f"{code(failure.resource)}:\n\n" if failure.resource else ""
        yield resource + fence(failure.message, 24, 300)


def _diagrams(report: Report) -> Iterator[str]:
    if report.changed and not report.failures:
        yield flowchart(report)


def _loses_data(resource: Resource) -> bool:
    return resource.op in _DANGEROUS and bool(words.lost_with(resource.type))


def _may_be_replaced(resource: Resource) -> bool:
    """Whether all reasons for the replacement are values that are only known after `up`."""
    new = {change.path: change.new.kind for change in resource.changes}
    return (
        resource.op == "replace"
        and bool(resource.reasons)
        and all(new.get(path) == "unknown" for path in resource.reasons)
    )


def _top(reports: Sequence[Report]) -> str:
    lines = ["## Preview: what `pulumi up` would change", ""]
    if any(report.basis == "base" for report in reports):
        lines += [
            "> Computed on local Azure, with no access to Azure: the base of this pull request was "
            "deployed with the committed settings and compared with the pull request. The pull request's own "
            "code computed this, so also review its diff.",
            "",
        ]
    ops = [op for op in _CHANGING if op != "import" or any(report.counts.get(op) for report in reports)]
    lines += [
        f"| environment | {' | '.join(ops)} | stay | |",
        f"|:--|{'--:|' * len(ops)}--:|:--|",
    ]
    for report in reports:
        numbers = ["" if report.failures else str(report.counts.get(op, 0)) for op in (*ops, "same")]
        lines.append(f"| {code(report.stack)} | {' | '.join(numbers)} | {_verdict(report)} |")
    return "\n".join(lines)


def _verdict(report: Report) -> str:
    if report.failures:
        return "**the preview failed**"
    if any(map(_loses_data, report.changed)):
        return _LOST
    if any(resource.op in _DANGEROUS for resource in report.changed):
        return "replaces or deletes"
    return "changes" if report.changed else "nothing changes"


def _summary(report: Report) -> str:
    if report.failures:
        return "the preview failed"
    counted = [f"{report.counts[op]} to {op}" for op in _CHANGING if report.counts.get(op)]
    return ", ".join(counted) or "nothing changes"


def _failed(report: Report, blocks: Sequence[str]) -> str:
    parts = [f"### The preview of {code(report.stack)} failed", *blocks]
    if left_out := len(report.failures) - len(blocks):
        parts.append(f"There are {left_out} more errors.")
    parts.append(f"To reproduce it: `pulumi preview --stack {report.stack}`")
    return "\n\n".join(parts)


def _package_lines(reports: Sequence[Report]) -> list[str]:
    """One line per package, because usually all environments get the same package."""
    stacks_by_package: dict[Package, list[str]] = {}
    for report in reports:
        if report.package:
            stacks_by_package.setdefault(report.package, []).append(code(report.stack))
    return [
        f"**Code** in {', '.join(stacks)}: {_package(package, code)}"
        for package, stacks in stacks_by_package.items()
    ]


def _package(package: Package, quote: Callable[[str], str]) -> str:
    old = quote(package.old_hash[:12]) if package.old_hash else "none"
    sized = "" if package.size is None else f", {package.size / 1_000_000:.2f} MB"
    return f"package {old} → {quote(package.new_hash[:12] or 'none')}{sized}"


def _listing(resources: Iterable[Resource], headings: Iterable[str], changes: Iterator[str]) -> list[str]:
    """The headings, each followed by its changes, as one piece of Markdown; no piece without a heading."""
    lines = [
        line
        for resource, heading in zip(resources, headings, strict=False)
        for line in (heading, *islice(changes, len(resource.changes)))
    ]
    return ["\n".join(lines)] if lines else []


def _details(report: Report, content: Iterable[str], left_out: int, run_url: str) -> list[str]:
    """The collapsed section of an environment; the empty lines enable Markdown inside HTML."""
    if not report.changed:
        return []
    parts = [f"<details><summary><code>{report.stack}</code>: {_summary(report)}</summary>", *content]
    if left_out := left_out + sum(resource.left_out for resource in report.changed):
        where = f"the [job's summary]({run_url})" if run_url else "the job's summary and the report file"
        parts.append(f"**{left_out} more lines are omitted here**: {where} has the whole preview.")
    return [*parts, "</details>"]


def _heading(resource: Resource) -> str:
    lost = f" {_LOST}" if _loses_data(resource) else ""
    return f"- **{resource.op}** {words.kind(resource.type)} {code(resource.name)}{lost}"


def _change_lines(resources: Iterable[Resource]) -> Iterator[str]:
    for resource in resources:
        for change in resource.changes:
            yield f"  - {_change(resource, change, code, '{}')}"


def _change(resource: Resource, change: Change, quote: Callable[[str, int], str], without_text: str) -> str:
    def shown(value: Value) -> str:
        if value.kind == "text":
            return quote(value.text, 400)
        return without_text.format(_WITHOUT_TEXT[value.kind])

    is_new = resource.op in {"create", "import"} and change.old.kind == "absent"
    values = [shown(value) for value in ((change.new,) if is_new else (change.old, change.new))]
    setting = "app setting " if change.setting else ""
    return f"{setting}{quote(change.path, 200)}: {' → '.join(values)}"


def _bare(text: str, most: int) -> str:
    return cut(visible(text), most)


def _end(reports: Sequence[Report], run_url: str) -> str:
    lines = ["### What to do next", ""]
    broken = _stacks(report for report in reports if report.failures)
    losing = _stacks(report for report in reports if any(map(_loses_data, report.changed)))
    changed = [report for report in reports if report.changed]
    if broken:
        lines.append(f"- Fix the errors in {broken} and push; this comment is then updated.")
    if losing:
        lines.append(
            f"- If data must not be lost in {losing}, do not merge this: the reasons are listed with each "
            "resource above. A stack with `deletionProtection` refuses the deployment."
        )
    if changed:
        lines += [
            f"- To test the change on a separate stack, add the label `{TEST_STACK_LABEL}` to the pull "
            "request. Merging deploys it to dev, then test, then, when it is approved, prod.",
            f"- To run the preview on your machine: `pulumi preview --stack {changed[0].stack} --diff`. "
            "In the diagrams, each box is a resource, to the right of its parent; the legend explains the "
            "colours.",
        ]
    elif not broken:
        lines.append("- Nothing changes in any environment: merging this deploys nothing new.")
    commits = sorted({report.commit for report in reports if report.commit})
    footer = [f"commit {', '.join(map(code, commits))}"] if commits else []
    footer.append(max(report.made for report in reports).replace("T", " ").replace("Z", " UTC"))
    if run_url:
        footer.append(f"[all details]({run_url})")
    return "\n".join([*lines, "", f"<sub>{' · '.join(footer)}</sub>"])


def _stacks(reports: Iterable[Report]) -> str:
    return ", ".join(code(report.stack) for report in reports)
