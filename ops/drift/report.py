"""Formats drift findings as text, as Markdown for issues and summaries, and as JSON. Pure functions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ops.drift.drift import APP_SETTINGS, Change, Finding
from ops.drift.owners import Owner
from ops.github.markdown import code
from ops.words import lost_with
from tools.pulumi.typed import as_typed

_ROOM = 60_000
"""Bytes for findings: with the text around them they fit in an issue (ops.github.github.BODY_LIMIT)."""

_CHANGES_SHOWN = 20


@dataclass(frozen=True)
class Report:
    """The findings of one stack. `released`: the package of the stack came from `ops deploy`."""

    stack: str
    findings: Sequence[Finding]
    released: bool = False


def marker(stack: str) -> str:
    """The hidden line that identifies the issue of the environment."""
    return f"<!-- assistants-on-azure drift: {stack} -->"


def title(stack: str) -> str:
    return f"Drift: {stack} differs from its program's state"


def fix(report: Report, finding: Finding) -> str:
    """The command that fixes the finding.

    It names no package, because another one may have been deployed since the report was written. A plain
    `up` builds the package of the checkout, which is correct only for a stack that was deployed that way.
    """
    if finding.command:
        return finding.command
    if finding.kind == "added":
        return f"az role assignment delete --ids {finding.id}"
    if any(change.path.startswith(APP_SETTINGS) for change in finding.changes):
        return as_typed(f"python -m ops drift --stack {report.stack} --restore-app-settings")
    purge = f"{finding.purge} && " if finding.purge else ""
    if report.released:
        return purge + as_typed(f"python -m ops deploy --stack {report.stack} --again")
    return purge + as_typed(f"pulumi up --refresh --stack {report.stack}")


def text(report: Report) -> str:
    if not report.findings:
        return f"{report.stack}: no drift"
    lines = [f"{report.stack}: {_finding_count(report)}"]
    for finding in report.findings:
        lines += [
            f"  {_headline(finding)}",
            *(f"    {_change(change, _line)}" for change in finding.changes),
            f"    {finding.rule.owner}: {fix(report, finding)}",
        ]
    return "\n".join(lines)


def markdown(report: Report, names: Mapping[Owner, str]) -> str:
    if not report.findings:
        return f"✅ {code(report.stack)}: no drift\n"
    lines = [
        f"Azure differs from what the program of {code(report.stack)} made: {_finding_count(report)}. "
        "Somebody changed it outside the program.",
        "",
    ]
    room, left_out = _ROOM, 0
    for owner in Owner:
        owner_findings = [finding for finding in report.findings if finding.rule.owner == owner]
        if owner_findings:
            who = f" ({names[owner]})" if owner in names else ""
            lines += [f"### For the {owner}{who}", ""]
        for finding in owner_findings:
            finding_lines = _finding_lines(report, finding)
            room -= sum(len(line.encode()) + 1 for line in finding_lines)
            if room < 0:
                left_out += 1
            else:
                lines += finding_lines
        lines.append("")
    if left_out:
        lines.append(f"- … and {left_out} more: {code(f'python -m ops drift --stack {report.stack}')}")
    lines += [
        "",
        "If the change was intended, make it in the program: the next deployment reverts every change that "
        "is not in the program.",
        "",
    ]
    return "\n".join(lines)


def as_json(reports: Sequence[Report]) -> list[dict[str, Any]]:
    return [
        {
            "stack": report.stack,
            "findings": [
                {
                    "kind": finding.kind,
                    "name": finding.name,
                    "type": finding.type,
                    "id": finding.id,
                    "owner": finding.rule.owner.value,
                    "place": finding.rule.place,
                    "fix": fix(report, finding),
                    "goneWith": list(finding.gone_with),
                    "changes": list(map(asdict, finding.changes)),
                }
                for finding in report.findings
            ],
        }
        for report in reports
    ]


def _finding_lines(report: Report, finding: Finding) -> list[str]:
    lines = [f"- **{finding.kind}** {code(finding.name)}, {code(finding.type)}"]
    if finding.gone_with:
        lines.append(f"  - with it: {', '.join(map(code, finding.gone_with))}")
    if lost := _lost(finding):
        lines.append(f"  - **DATA IS LOST**: {lost}; the new resource is empty")
    lines += [f"  - {_change(change, code)}" for change in finding.changes[:_CHANGES_SHOWN]]
    if len(finding.changes) > _CHANGES_SHOWN:
        lines.append(f"  - … and {len(finding.changes) - _CHANGES_SHOWN} more")
    lines += [
        f"  - to revert it: {code(fix(report, finding), 400)}",
        "  - it cannot be kept" if finding.command else f"  - to keep it: change {code(finding.rule.place)}",
    ]
    return lines


def _headline(finding: Finding) -> str:
    gone = f", and with it {', '.join(finding.gone_with)}" if finding.gone_with else ""
    lost = f" (DATA IS LOST: {_lost(finding)})" if _lost(finding) else ""
    return f"{finding.kind:<8} {finding.name} ({finding.type}){gone}{lost}"


def _lost(finding: Finding) -> str:
    return ", ".join(lost_with(finding.type, finding.name)) if finding.kind == "gone" else ""


def _change(change: Change, quote: Callable[[str], str]) -> str:
    named = f"{change.kind} {quote(change.path)}"
    was, now = (None if value is None else quote(value[:80]) for value in (change.was, change.now))
    if was is not None and now is not None:
        return f"{named}: {was} → {now}"
    if was is not None:
        return f"{named}: was {was}"
    return named if now is None else f"{named}: {now}"


def _line(value: str) -> str:
    """A value on one line, without terminal control characters."""
    return "".join(character if character.isprintable() else "�" for character in value)


def _finding_count(report: Report) -> str:
    count = len(report.findings)
    return "1 finding" if count == 1 else f"{count} findings"
