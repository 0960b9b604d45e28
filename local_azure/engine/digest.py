"""What `--json` prints of a preview: the CLI's document (P:pkg/backend/display/json.go)."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from local_azure.engine.events import COUNTED, Message, Phase, Step
from local_azure.engine.state import STACK_TYPE, Json, Resource, redacted, to_json, urn_type
from local_azure.engine.values import is_secret


class Digest:
    """Follows one preview. Steps stand in the order in which they began."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._steps: list[Json] = []
        self._diagnostics: list[Json] = []
        self._replacements: dict[str, Json] = {}
        self._refreshed: dict[str, int] = {}

    def step(self, step: Step, phase: Phase) -> None:
        if step.internal:
            return
        if phase == "begin":
            self._begin(step)
        elif phase == "done":
            if step.logical and step.op in COUNTED:
                self.counts[step.op] += 1
            if step.op == "replace":
                self._steps.append(self._described(step))
            elif step.urn in self._refreshed and _found_by_refresh(step):
                self._steps[self._refreshed[step.urn]] = _described(step)

    def _begin(self, step: Step) -> None:
        # The CLI tells a step before it is carried out, when nothing is known of its outcome yet.
        if step.op == "create-replacement" and step.new:
            self._replacements[step.urn] = _blinded(step.new)
        elif step.listed:
            if step.op == "refresh" and step.logical:
                self._refreshed[step.urn] = len(self._steps)
            self._steps.append(_described(step))

    def _described(self, step: Step) -> Json:
        found = _described(step)
        if begun := self._replacements.get(step.urn):
            found["newState"] = begun
        return found

    def message(self, message: Message) -> None:
        if message.ephemeral or message.severity == "debug":
            return
        prefix = "" if message.severity.startswith("info") else f"{message.severity}: "
        about = {"urn": message.urn} if message.urn and urn_type(message.urn) != STACK_TYPE else {}
        self._diagnostics.append(
            {**about, "message": f"{prefix}{message.text}\n", "severity": message.severity}
        )

    def document(self, config: Mapping[str, str], duration: float) -> dict[str, Any]:
        """`config` with its secrets blinded; `duration` in seconds, nanoseconds in the document."""
        found: dict[str, Any] = {"config": dict(config)} if config else {}
        if self._steps:
            found["steps"] = self._steps
        if self._diagnostics:
            found["diagnostics"] = self._diagnostics
        found["duration"] = int(duration * 1e9)
        if self.counts:
            found["changeSummary"] = dict(sorted(self.counts.items()))
        return found


def _found_by_refresh(step: Step) -> bool:
    return step.op == "delete" or (step.op == "update" and step.diff.detailed is not None)


def _blinded(resource: Resource) -> Json:
    return to_json(resource, lambda value: "[secret]" if is_secret(value) else redacted(value))


def _described(step: Step) -> Json:
    found: Json = {"op": step.op, "urn": step.urn}
    if step.resource.provider:
        found["provider"] = step.resource.provider
    if step.old:
        found["oldState"] = _blinded(step.old)
    if step.new:
        found["newState"] = _blinded(step.new)
    if step.diff.changed:
        found["diffReasons"] = list(step.diff.changed)
    if step.diff.replaces:
        found["replaceReasons"] = list(step.diff.replaces)
    detailed = step.diff.detailed
    found["detailedDiff"] = (
        None
        if detailed is None
        else {path: {"kind": item.kind, "inputDiff": item.input_diff} for path, item in detailed.items()}
    )
    return found
