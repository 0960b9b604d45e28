"""The preview attributes what each setting changes in the real program to that setting."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from infra.settings import SETTINGS
from ops.preview import plan
from ops.preview.report import Report
from tests.unit.infra.recording import Run, run_program

CHANGED: Mapping[str, Mapping[str, object]] = {
    "location": {"location": "westus3", "openaiLocation": "eastus2"},
    "openaiLocation": {"openaiLocation": "westus3"},
    "modelName": {"modelName": "gpt-4.1-mini", "modelVersion": "2025-04-14", "modelIsReasoning": False},
    "modelSku": {"modelSku": "DataZoneStandard"},
    "modelCapacity": {"modelCapacity": 10},
    "pythonVersion": {"pythonVersion": "3.11"},
    "instanceMemoryMB": {"instanceMemoryMB": 512},
    "maximumInstanceCount": {"maximumInstanceCount": 40},
    "alwaysReady": {"alwaysReady": {"http": 1}},
    "httpConcurrency": {"httpConcurrency": 2},
    "corsOrigins": {"corsOrigins": ["https://app.example.com"]},
    "logRetentionDays": {"logRetentionDays": 60},
    "logDailyCapGB": {"logDailyCapGB": 0},
    "tags": {"tags": {"owner": "ada"}},
    "nameSuffix": {"nameSuffix": "b2"},
    "deletionProtection": {"deletionProtection": True},
}


def texts(config: Mapping[str, object]) -> dict[str, str]:
    return {
        f"assistant:{key}": value if isinstance(value, str) else json.dumps(value)
        for key, value in config.items()
    }


def compared(old: Run, new: Run, config: Mapping[str, object]) -> Report:
    def urn(run: Run, name: str) -> str:
        return f"urn:pulumi:dev::assistant::{run[name].type}::{name}"

    steps: list[dict[str, Any]] = [
        {
            "op": "update",
            "urn": urn(new, name),
            "oldState": {"inputs": old[name].inputs},
            "newState": {
                "inputs": resource.inputs,
                "dependencies": [urn(new, other) for other in resource.dependencies],
            },
        }
        for name, resource in new.resources.items()
        if name in old.resources and old[name].inputs != resource.inputs
    ]
    defaults = texts({key: SETTINGS[key].default for key in config})
    unfilled = Report("dev", "", "2026-11-25T10:00:00Z", "deployed")
    return plan.report(unfilled, {"steps": steps, "config": texts(config)}, None, lambda _: None, defaults)


@pytest.mark.parametrize("key", CHANGED)
def test_every_change_follows_a_changed_setting(key: str) -> None:
    report = compared(run_program(), run_program(CHANGED[key]), CHANGED[key])

    followed = {change.follows for resource in report.changed for change in resource.changes}
    assert key in followed
    assert followed <= CHANGED[key].keys()


def test_every_setting_is_attributed_or_has_no_effect() -> None:
    by_name = {key for key, declared in SETTINGS.items() if declared.app_setting}
    without_effect = {key for key, declared in SETTINGS.items() if declared.change == "none"}
    with_its_model = {"modelVersion"}
    assert SETTINGS.keys() == CHANGED.keys() | by_name | without_effect | with_its_model
