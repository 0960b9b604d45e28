"""What a preview means, in words: the same for the comment of a pull request and for a terminal.

A paragraph is about one environment, or about several with the same changes: what is lost, then each changed
setting with what follows from it, then what changes for itself, each with its warnings.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ops import words
from ops.output import LOST
from ops.preview.report import Change, Op, Package, Report, Resource, Value
from ops.preview.warnings import consequences
from ops.state import DEPLOYED_CODE, GROUP

_CHANGING: tuple[Op, ...] = ("create", "import", "update", "replace", "delete")
DANGEROUS = frozenset[Op]({"replace", "delete"})
_WITHOUT_TEXT = {"absent": "not set", "unknown": "known after `up`", "hidden": "kept secret"}
_SENTENCES, _EFFECTS, _NAMES, _VALUES = 8, 4, 4, 2
"""A longer paragraph is not read: the list of changes has the rest."""


@dataclass(frozen=True)
class Style:
    """`code` quotes an untrusted text of at most some characters; `danger` is for what is lost."""

    code: Callable[[str, int], str]
    strong: Callable[[str], str]
    danger: Callable[[str], str]


@dataclass(frozen=True)
class Paragraph:
    """`sentences` follow the title, which names the environments. `more` counts those above the limit."""

    title: str
    sentences: tuple[str, ...]
    more: int


def paragraphs(reports: Sequence[Report], style: Style) -> list[Paragraph]:
    """One for all environments with the same changes, the most severe first."""
    stacks_by_content: dict[tuple[int, str, tuple[str, ...]], list[str]] = {}
    for report in reports:
        content = (*_title(report), tuple(_sentences(report, style)))
        stacks_by_content.setdefault(content, []).append(style.code(report.stack, 100))
    return [
        Paragraph(
            (style.strong if rank else style.danger)(f"{', '.join(stacks)}: {title}".rstrip()),
            sentences[:_SENTENCES],
            len(sentences[_SENTENCES:]),
        )
        for (rank, title, sentences), stacks in sorted(stacks_by_content.items(), key=lambda pair: pair[0][0])
    ]


def loses_data(resource: Resource) -> bool:
    return resource.op in DANGEROUS and bool(words.lost_with(resource.type, resource.name))


def is_refused(report: Report) -> bool:
    """Whether the preview failed only because the stack is protected."""
    return bool(report.failures) and all("protect" in failure.message for failure in report.failures)


def summary(report: Report) -> str:
    if report.failures:
        return "the change is refused" if is_refused(report) else "the preview failed"
    counts = Counter(resource.op for resource in report.changed)
    counted = [f"{counts[op]} to {op}" for op in _CHANGING if counts[op]]
    return ", ".join(counted) or "nothing changes"


def resource_name(resource: Resource, style: Style) -> str:
    return f"{words.kind(resource.type)} {style.code(resource.name, 60)}"


def change_text(change: Change, style: Style, *, is_new: bool = False, most: int = 400) -> str:
    values = [value_text(value, style, most) for value in (change.old, change.new)[is_new:]]
    return f"{_property(change, style)}: {' → '.join(values)}"


def value_text(value: Value, style: Style, most: int) -> str:
    return style.code(value.text, most) if value.kind == "text" else _WITHOUT_TEXT[value.kind]


def package_text(package: Package, style: Style) -> str:
    old = style.code(package.old_hash[:12], 12) if package.old_hash else "none"
    sized = "" if package.size is None else f", {package.size / 1_000_000:.2f} MB"
    return f"package {old} → {style.code(package.new_hash[:12] or 'none', 12)}{sized}"


def followers(report: Report) -> dict[str, list[Resource]]:
    """The resources that change with another one, by the key of that one, which changes for itself."""
    causes = {resource.key: resource.cause for resource in report.changed}
    by_cause: dict[str, list[Resource]] = {}
    for resource in report.changed:
        # Of a fork, the chain may be endless: what has no root is one.
        if resource.cause in causes and causes[resource.cause] not in causes:
            by_cause.setdefault(resource.cause, []).append(resource)
    return by_cause


def roots(report: Report) -> list[Resource]:
    """The resources that change for themselves, the most severe first.

    Without the code, which the package stands for. None if the preview failed: its plan is incomplete.
    """
    if report.failures:
        return []
    by_cause = followers(report)
    following = {resource.key for listed in by_cause.values() for resource in listed}
    own = [
        resource
        for resource in report.changed
        if resource.key not in following and (resource.key in by_cause or not _is_code(report, resource))
    ]
    return sorted(own, key=lambda resource: (not loses_data(resource), resource.op not in DANGEROUS))


def _is_code(report: Report, resource: Resource) -> bool:
    return report.package is not None and resource.type == DEPLOYED_CODE and resource.op == "update"


def _title(report: Report) -> tuple[int, str]:
    """The rank of the paragraph, 0 for lost data, and what it says first."""
    if is_refused(report):
        return 2, "the stack is protected and refuses this change, so nothing is lost."
    if report.failures:
        return 1, "the preview failed."
    # The group first: it contains the others, and each kind of data is named once.
    losing = sorted(filter(loses_data, report.changed), key=lambda resource: resource.type != GROUP)
    lost = [data for resource in losing for data in words.lost_with(resource.type, resource.name)]
    if lost:
        return 0, f"{LOST}: {_listed(list(dict.fromkeys(lost)))}."
    if any(resource.op in DANGEROUS and not may_be_replaced(resource) for resource in roots(report)):
        return 3, "resources are replaced or deleted, without loss of data."
    return (4, "") if report.changed or report.settings else (5, "nothing changes.")


def _sentences(report: Report, style: Style) -> Iterator[str]:
    by_cause, own = followers(report), roots(report)
    effects_by_setting: dict[str, list[str]] = {}
    for resource in own:
        for name in dict.fromkeys(change.follows for change in resource.changes):
            effects_by_setting.setdefault(name, []).append(_effect(resource, by_cause, style))
    warnings_by_setting = _warnings(report.changed, style)
    for setting in report.settings:
        old, new = (value_text(value, style, 80) for value in (setting.old, setting.new))
        effects = effects_by_setting.get(setting.path, [])
        changed = f"Setting {style.code(setting.path, 60)} changes from {old} to {new}"
        changed += f": {_listed(effects[:_EFFECTS])}" if effects else ""
        changed += f", and {len(effects) - _EFFECTS} more" if len(effects) > _EFFECTS else ""
        yield " ".join([f"{changed}.", *warnings_by_setting.get(setting.path, ())])
    for resource in own:
        unexplained = [change for change in resource.changes if not change.follows]
        warned = _warnings([resource, *by_cause.get(resource.key, ())], style).get("", [])
        is_explained = any(change.follows for change in resource.changes)
        if not is_explained or (unexplained and resource.op not in {"create", "import"}):
            effect = _effect(resource, by_cause, style)
            sentence = f"{effect[0].upper()}{effect[1:]}{_why(resource, unexplained, style)}."
            yield " ".join([sentence, *warned])
        elif warned:
            yield " ".join(warned)
    if report.package:
        yield f"New code: {package_text(report.package, style)}."


def _effect(resource: Resource, by_cause: Mapping[str, Sequence[Resource]], style: Style) -> str:
    name, more = resource_name(resource, style), len(by_cause.get(resource.key, ()))
    if may_be_replaced(resource):
        effect = f"{name} may be replaced (known only after `up`)"
    else:
        effect = f"{name} is {resource.op.removesuffix('e')}ed"
    if more and resource.type == GROUP and resource.op in DANGEROUS:
        return f"{effect} with everything in it ({more} resources)"
    return f"{effect}, and with it {more} more" if more else effect


def _why(resource: Resource, changes: Sequence[Change], style: Style) -> str:
    if resource.op == "replace" and resource.reasons:
        named = [style.code(reason, 60) for reason in resource.reasons]
    elif resource.op == "update" and len(changes) <= _VALUES:
        return f" ({', '.join(change_text(change, style, most=60) for change in changes)})" if changes else ""
    else:
        named = [_property(change, style) for change in changes] if resource.op == "update" else []
    more = [f"{len(named) - _NAMES} more"] if len(named) > _NAMES else []
    return f", for {_listed([*named[:_NAMES], *more])}" if named else ""


def _warnings(resources: Iterable[Resource], style: Style) -> dict[str, list[str]]:
    """The warnings by the setting that their change follows; those of no setting have an empty key."""
    by_setting: dict[str, list[str]] = {}
    for resource in resources:
        for change, consequence, value in consequences(resource):
            warning = f"{style.danger('Warning:')} {consequence.format(style.code(value, 60))}."
            by_setting.setdefault(change.follows, []).append(warning)
    return by_setting


def _property(change: Change, style: Style) -> str:
    return f"{'app setting ' if change.app_setting else ''}{style.code(change.path, 200)}"


def may_be_replaced(resource: Resource) -> bool:
    """Whether all reasons for the replacement are values that are only known after `up`."""
    new = {change.path: change.new.kind for change in resource.changes}
    return (
        resource.op == "replace"
        and bool(resource.reasons)
        and all(new.get(path) == "unknown" for path in resource.reasons)
    )


def _listed(texts: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(texts[:-1]), *texts[-1:]]))
