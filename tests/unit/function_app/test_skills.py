"""The skills: what the model is offered, and what they do without a table."""

import json
import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import skills
from skills import clock, todos

from tests.host_requests import APP, SMILE, bindings_of, functions_of


def test_every_function_of_the_folder_is_a_skill_with_a_description_and_one_parameter() -> None:
    app = functions_of(*skills.blueprints())
    assert app.keys() == {"AddTodo", "GetTodos", "GetCurrentTime"}
    for function in app.values():
        trigger = bindings_of(function)["assistantSkillTrigger"]
        assert trigger["functionDescription"]
        assert trigger["name"] in ("taskDescription", "about", "timezone")


@pytest.mark.parametrize(
    ("task", "reason"),
    [
        ("", "is empty"),
        (" \n", "is empty"),
        ("a" * 1001, "has 1001 UTF-16 code units: the maximum is 1000"),
        ("a\x00b", "U+0000"),
        (SMILE * 501 + "\ud800", "the maximum is 1000 and contains U+D800"),
    ],
)
def test_a_task_that_cannot_be_stored_is_rejected_with_the_reason(task: str, reason: str) -> None:
    no_tables: Any = None
    answer = todos.add(no_tables, task)
    assert answer.startswith("Not added: the task ")
    assert reason in answer


@pytest.mark.parametrize("zone", ["", "UTC", "utc", " Europe/Berlin ", "Asia/Kathmandu", None])
def test_the_time_is_given_in_the_requested_zone(zone: Any) -> None:
    match = re.fullmatch(r"(\S+), a (\w+), in (\S+)", clock.get_current_time(zone))
    assert match
    moment = datetime.fromisoformat(match[1])
    assert abs((datetime.now(UTC) - moment).total_seconds()) < 10
    assert (match[2], match[3]) == (f"{moment:%A}", (zone or "UTC").strip())


@pytest.mark.parametrize(
    "zone", ["Mars/Base", "../../etc/passwd", "/etc/passwd", "a" * 5000, "\x00", "Europe"]
)
def test_an_unknown_zone_is_reported(zone: str) -> None:
    assert clock.get_current_time(zone).startswith("There is no such time zone")


def test_the_skill_of_the_documentation_is_registered_when_its_file_exists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (APP.parent / "docs" / "api.md").read_text()
    example = re.search(r"here `function_app/skills/(dice)\.py`.*?```python\n(.*?)```", page, re.DOTALL)
    assert example
    (tmp_path / "dice.py").write_text(example[2])
    monkeypatch.setattr(skills, "__path__", [*skills.__path__, str(tmp_path)])
    try:
        roll = functions_of(*skills.blueprints())["RollDice"]
    finally:
        sys.modules.pop("skills.dice", None)

    assert json.loads(roll.get_raw_bindings()[0])["type"] == "assistantSkillTrigger"
    assert roll.get_user_function()("1") == "1"
    assert roll.get_user_function()(" 6\n") in {*"123456"}
    for arguments in ("six", "", None, "6.0", "-1", "0", "1000000000000", "9" * 5000, '{"sides": 6}', "[6]"):
        assert "must be a whole number from 1 to 1000" in roll.get_user_function()(arguments)


def test_a_module_without_skills_is_refused_with_the_line_to_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "unfinished.py").write_text("skills = 5\n")
    monkeypatch.setattr(skills, "__path__", [str(tmp_path)])
    try:
        with pytest.raises(TypeError, match=r"skills/unfinished\.py has no blueprint: .*`skills = func\.Bl"):
            list(skills.blueprints())
    finally:
        sys.modules.pop("skills.unfinished", None)
