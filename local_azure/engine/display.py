"""What the user sees of a run: lines or a live tree, differences, diagnostics, outputs, counts."""

import json
import shutil
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TextIO

from local_azure.engine.events import COUNTED, Message, Phase, Step
from local_azure.engine.state import STACK_TYPE, redacted, urn_name, urn_type
from local_azure.engine.values import UNKNOWN, Change, Properties, Value, changes

_SYMBOLS = {
    "create": "+",
    "update": "~",
    "delete": "-",
    "replace": "+-",
    "create-replacement": "++",
    "delete-replaced": "--",
    "read": ">",
    "read-replacement": ">+",
    "refresh": "~",
    "read-discard": "<",
    "discard-replaced": "<<",
    "remove-pending-replace": "~",
}
_VERBS = {  # op: while it runs, when it is done, what a preview calls it
    "same": ("", "", ""),
    "create": ("creating", "created", "create"),
    "update": ("updating", "updated", "update"),
    "delete": ("deleting", "deleted", "delete"),
    "replace": ("replacing", "replaced", "replace"),
    "create-replacement": ("creating replacement", "created replacement", "create replacement"),
    "delete-replaced": ("deleting original", "deleted original", "delete original"),
    "read": ("reading", "read", "read"),
    "read-replacement": ("reading for replacement", "read for replacement", "read for replacement"),
    "refresh": ("refreshing", "refreshed", "refresh"),
    "read-discard": ("discarding", "discarded", "discard"),
    "discard-replaced": ("discarding original", "discarded original", "discard original"),
    "remove-pending-replace": ("completing deletion", "completed deletion", "complete deletion"),
}
_PLANNED = {"create": "create", "update": "update", "delete": "delete", "replace": "replace", "read": "read"}
_DONE = {"create": "created", "update": "updated", "delete": "deleted", "replace": "replaced", "read": "read"}
_COLOURS = {
    "+": 32,
    "++": 32,
    "~": 33,
    "-": 31,
    "--": 31,
    "+-": 35,
    ">": 36,
    "error": 31,
    "warning": 33,
    "bold": 1,
}


class Paint:
    """Colour, only where the reader is a terminal that wants it."""

    def __init__(self, enabled: bool) -> None:
        self._enabled = enabled

    def __call__(self, kind: str, text: str) -> str:
        code = _COLOURS.get(kind)
        return f"\033[{code}m{text}\033[0m" if self._enabled and code else text


# --- values -----------------------------------------------------------------


def shown(value: Value) -> str:
    """A value as the CLI writes it in a difference: JSON, `[secret]`, and `output<string>` for an unknown."""
    text = json.dumps(redacted(value), ensure_ascii=False)
    return text.replace(json.dumps(UNKNOWN), "output<string>").replace('"[secret]"', "[secret]")


def _visible(properties: Properties | None) -> Properties:
    return {key: value for key, value in (properties or {}).items() if not key.startswith("__")}


def _changed(step: Step) -> list[Change]:
    """What a step changes, read from its resource's inputs (outputs, where a refresh found them changed)."""
    old, new = step.old, step.new
    found = changes(_visible(old.inputs if old else None), _visible(new.inputs if new else None))
    if not found and old and new and step.op in ("update", "refresh"):
        found = changes(_visible(old.outputs), _visible(new.outputs)) if new.outputs is not None else []
    return found


def changed_names(step: Step) -> list[str]:
    """Top-level properties of a step with the CLI's marks, as in `[diff: ~name,+tags]`."""
    marks = {"add": "+", "delete": "-", "update": "~"}
    found: dict[str, str] = {}
    for path, item in (step.diff.detailed or {}).items():
        name = path.partition(".")[0].partition("[")[0]
        nested = name != path
        found.setdefault(name, "~" if nested else marks[item.kind.partition("-")[0]])
    if not found:
        old = step.old.inputs if step.old else {}
        new = step.new.inputs if step.new else {}
        for name in (*step.diff.replaces, *step.diff.changed):
            found.setdefault(name, "+" if name not in old else "-" if name not in new else "~")
    if not found and step.old and step.new:
        found = {change.path.partition(".")[0].partition("[")[0]: "~" for change in _changed(step)}
    return [f"{mark}{name}" for name, mark in sorted(found.items())]


def diff_lines(step: Step, paint: Paint, indent: str = "") -> list[str]:
    """One step for `--diff`: what it is, and every property with its old and new value."""
    symbol = _SYMBOLS.get(step.op, " ")
    head = f"{indent}{symbol:>2} {urn_type(step.urn)}: ({step.op})"
    lines = [paint(symbol, head)]
    if step.old and step.old.id:
        lines.append(f"{indent}       [id={step.old.id}]")
    lines.append(f"{indent}       [urn={step.urn}]")
    if step.op in ("same", "read", "delete", "delete-replaced"):
        return lines
    replaced = set(step.diff.replaces)
    for change in _changed(step):
        mark = {"add": "+", "delete": "-", "update": "~"}[change.kind]
        root = change.path.partition(".")[0].partition("[")[0]
        if change.path in replaced or root in replaced:
            mark = "+-"
        if change.kind == "add":
            text = shown(change.new)
        elif change.kind == "delete":
            text = shown(change.old)
        else:
            text = f"{shown(change.old)} => {shown(change.new)}"
        lines.append(paint(mark, f"{indent}    {mark:>2} {change.path}: {text}"))
    return lines


def output_lines(old: Properties | None, new: Properties | None, paint: Paint) -> list[str]:
    """The stack's outputs, marked where they differ from the old ones. `old` None: there was no stack."""
    after = new or {}
    before = after if old is None else old
    names = sorted({*before, *after})
    width = max(map(len, names), default=0)
    lines: list[str] = []
    for name in names:
        label = f"{name:<{width}}"
        if name not in before:
            lines.append(paint("+", f"  + {label}: {shown(after[name])}"))
        elif name not in after:
            lines.append(paint("-", f"  - {label}: {shown(before[name])}"))
        elif changes(before[name], after[name]):
            lines.append(paint("~", f"  ~ {label}: {shown(before[name])} => {shown(after[name])}"))
        else:
            lines.append(f"    {label}: {shown(after[name])}")
    return lines


def summary_lines(counts: Mapping[str, int], errored: int, preview: bool, paint: Paint) -> list[str]:
    lines: list[str] = []
    changed = 0
    for op in ("create", "update", "delete", "replace", "read"):
        if number := counts.get(op, 0):
            changed += number
            text = f"{number} to {_PLANNED[op]}" if preview else f"{number} {_DONE[op]}"
            lines.append(
                paint(
                    _SYMBOLS[op],
                    f"    {_SYMBOLS[op]:<2}{text}" if op == "replace" else f"    {_SYMBOLS[op]} {text}",
                )
            )
    unchanged = counts.get("same", 0)
    if len(lines) > 1:
        tail = f". {unchanged} unchanged" if unchanged else ""
        lines.append(f"    {changed} changes{tail}")
    elif unchanged:
        lines.append(f"    {unchanged} unchanged")
    if errored:
        lines.append(paint("error", f"    {errored} errored"))
    return lines


# --- the listener -----------------------------------------------------------


class Display:
    """Follows one run: a live tree on a terminal, else a line for each event, or the differences."""

    def __init__(self, out: TextIO, *, preview: bool, live: bool, colour: bool, diff: bool) -> None:
        self.preview = preview
        self.counts: Counter[str] = Counter()
        self.failed_urns: set[str] = set()
        self.messages: list[Message] = []
        self._out = out
        self._paint = Paint(colour)
        self._diff = diff
        self._live = live and not diff
        self._rows: dict[str, str] = {}
        self._parents: dict[str, str] = {}
        self._drawn = 0
        self._drawn_at = 0.0
        self._began: dict[tuple[str, str], float] = {}

    # --- events -------------------------------------------------------------

    def step(self, step: Step, phase: Phase) -> None:
        if phase == "begin":
            self._began[step.urn, step.op] = time.monotonic()
        if phase == "failed":
            self.failed_urns.add(step.urn)
        if step.internal:
            return
        if phase == "done" and step.logical and step.op in COUNTED:
            self.counts[step.op] += 1
        if self._diff:
            if phase == "done" and step.listed and (step.logical or step.op != "same"):
                self._print(diff_lines(step, self._paint))
            return
        row = self._row(step, phase)
        if self._live:
            self._rows[step.urn] = row
            self._parents[step.urn] = step.resource.parent
            self._draw()
        elif step.op not in ("same", "refresh") and not (self.preview and phase == "begin"):
            self._print([row])

    def message(self, message: Message) -> None:
        if message.severity == "debug":
            return
        if message.severity == "error" and message.urn:
            self.failed_urns.add(message.urn)
        if not message.ephemeral:
            self.messages.append(message)
        if self._diff:
            return
        if not self._live:
            first = message.text.partition("\n")[0]
            label = "" if message.severity.startswith("info") else f"{message.severity}: "
            about = f"{urn_type(message.urn)} {urn_name(message.urn)} " if message.urn else ""
            self._print([self._paint(message.severity, f"    {about}{label}{first}")])

    def _row(self, step: Step, phase: Phase) -> str:
        symbol = _SYMBOLS.get(step.op, "")
        running, done, planned = _VERBS.get(step.op, (step.op, step.op, step.op))
        taken = time.monotonic() - self._began.get((step.urn, step.op), time.monotonic())
        if phase == "failed":
            status = self._paint("error", f"**{running} failed**")
        elif self.preview:
            status = planned
        elif phase == "begin":
            status = f"{running} (0s)" if running else ""
        else:
            status = f"{done} ({taken:.2f}s)" if done else ""
        names = changed_names(step) if step.op in ("update", "replace", "create-replacement") else []
        about = f" [diff: {','.join(names)}]" if names else ""
        text = f"{urn_type(step.urn)} {urn_name(step.urn)} {status}".rstrip()
        return self._paint(symbol, f" {symbol:<2} ") + text + about

    # --- drawing ------------------------------------------------------------

    def _print(self, lines: Iterable[str]) -> None:
        self._out.write("".join(f"{line}\n" for line in lines))
        self._out.flush()

    def _tree(self) -> list[str]:
        children: dict[str, list[str]] = {}
        for urn, parent in self._parents.items():
            children.setdefault(parent if parent in self._rows else "", []).append(urn)
        lines: list[str] = []

        def add(urn: str, depth: int) -> None:
            row = self._rows[urn]
            head = 4 if not row.startswith("\033") else row.index("\033[0m") + 4
            lines.append(f"{row[:head]}{'   ' * (depth - 1)}{'└─ ' if depth else ''}{row[head:]}")
            for child in children.get(urn, ()):
                add(child, depth + 1)

        for urn in children.get("", ()):
            add(urn, 0)
        return lines

    def _draw(self, *, last: bool = False) -> None:
        at = time.monotonic()
        if not last and at - self._drawn_at < 0.05:
            return
        self._drawn_at = at
        lines = self._tree()
        if not last:
            # What has scrolled off the screen cannot be drawn again.
            lines = lines[-max(1, shutil.get_terminal_size().lines - 2) :]
        up = f"\033[{self._drawn}F\033[J" if self._drawn else ""
        self._out.write(up + "".join(f"{line}\n" for line in lines))
        self._out.flush()
        self._drawn = len(lines)

    # --- beginning and end --------------------------------------------------

    def begin(self, title: str) -> None:
        self._print([self._paint("bold", title), ""])

    def end(
        self,
        outputs: tuple[Properties | None, Properties | None] | None,
        duration: float,
        *,
        show_outputs: bool,
    ) -> None:
        if self._live:
            self._draw(last=True)
        lines: list[str] = []
        if self.messages:
            lines += ["Diagnostics:", *self._diagnostics()]
        if outputs is not None and show_outputs and (found := output_lines(*outputs, self._paint)):
            lines += ["Outputs:", *found, ""]
        if found := summary_lines(self.counts, len(self.failed_urns), self.preview, self._paint):
            lines += ["Resources:", *found, ""]
        if not self.preview:
            lines += [f"Duration: {max(1, round(duration))}s", ""]
        self._print(["", *lines] if self._live else lines)

    def _diagnostics(self) -> list[str]:
        by_resource: dict[str, list[Message]] = {}
        for message in self.messages:
            by_resource.setdefault(message.urn, []).append(message)
        lines: list[str] = []
        for urn, messages in by_resource.items():
            lines.append(f"  {urn_type(urn)} ({urn_name(urn)}):" if urn else f"  {STACK_TYPE}:")
            for message in messages:
                label = "" if message.severity.startswith("info") else f"{message.severity}: "
                text = f"{label}{message.text}".replace("\n", "\n    ")
                lines.append("    " + self._paint(message.severity, text))
            lines.append("")
        return lines
