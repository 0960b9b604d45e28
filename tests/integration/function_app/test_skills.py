"""The skills: what the model is offered, and what they do."""

import ast
import json
import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import azure.functions as func
import pytest
import skills
from assistants.tables.clients import Tables
from skills import clock, todos

from tests.host_requests import SMILE

SKILLS = Path(skills.__file__).parent


def functions() -> dict[str, Any]:
    app = func.FunctionApp()
    for blueprint in skills.blueprints():
        app.register_functions(blueprint)
    return {str(function.get_function_name()): function for function in app.get_functions()}


def triggers() -> dict[str, dict[str, Any]]:
    return {name: json.loads(function.get_raw_bindings()[0]) for name, function in functions().items()}


def test_every_module_of_the_folder_is_found_and_each_of_its_functions_is_a_skill() -> None:
    declared = {
        call.args[0].value
        for path in SKILLS.glob("*.py")
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call)
        and ast.unparse(call.func) == "skills.function_name"
        and isinstance(call.args[0], ast.Constant)
    }
    skill_triggers = triggers()
    assert skill_triggers.keys() == declared == {"AddTodo", "GetTodos", "GetCurrentTime"}
    assert {binding["type"] for binding in skill_triggers.values()} == {"assistantSkillTrigger"}
    assert all(trigger["functionDescription"] for trigger in skill_triggers.values())


def test_names_differ_by_more_than_case_as_the_extension_asks() -> None:
    names = [name.lower() for name in triggers()]
    assert len(set(names)) == len(names)


def test_tasks_are_listed_the_newest_first(tables: Tables) -> None:
    assert todos.matching(tables, "") == "There are no tasks."
    assert todos.add(tables, " buy milk ") == "Added: buy milk"
    assert todos.add(tables, "call\nMum " + SMILE) == f"Added: call\nMum {SMILE}"
    assert todos.matching(tables, "") == f"- call Mum {SMILE}\n- buy milk"
    assert todos.matching(tables, "MILK") == "- buy milk"


@pytest.mark.parametrize(
    ("task", "reason"),
    [
        ("", "is empty"),
        (" \n", "is empty"),
        ("a" * 1001, "1001 UTF-16 code units"),
        ("a\x00b", r"U\+0000"),
        ("a\ud800", r"U\+D800"),
    ],
)
def test_a_task_that_cannot_be_stored_is_rejected_with_the_reason(
    tables: Tables, task: str, reason: str
) -> None:
    assert re.search(reason, todos.add(tables, task))
    assert todos.matching(tables, "") == "There are no tasks."


def test_a_long_list_fits_into_the_row_that_it_becomes(tables: Tables) -> None:
    for number in range(60):
        todos.add(tables, f"{number} " + "ä" * 990)
    text = todos.matching(tables, "")
    # The host writes the result as JSON in JSON, and the table counts UTF-16 units.
    assert len(json.dumps(text, ensure_ascii=False)) < 32_768 - 200
    assert text.splitlines()[0].startswith("- 59 ")
    assert text.endswith("There are more tasks, which are older.")


@pytest.mark.parametrize("zone", ["", "UTC", "utc", "Europe/Berlin", "Asia/Kathmandu", None])
def test_the_time_is_given_in_the_requested_zone(zone: Any) -> None:
    text = clock.get_current_time(zone)
    moment, weekday, name = re.fullmatch(r"(\S+), a (\w+), in (\S+)", text).groups()  # type: ignore[union-attr]
    moment_in_zone = datetime.fromisoformat(moment)
    assert abs((datetime.now(UTC) - moment_in_zone).total_seconds()) < 10
    assert (weekday, name) == (f"{moment_in_zone:%A}", zone or "UTC")


@pytest.mark.parametrize(
    "zone", ["Mars/Base", "../../etc/passwd", "/etc/passwd", "a" * 5000, "\x00", "Europe"]
)
def test_an_unknown_zone_is_reported(zone: str) -> None:
    assert clock.get_current_time(zone).startswith("There is no such time zone")


def test_the_skill_of_the_documentation_is_found_when_its_file_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (SKILLS.parent.parent / "docs" / "api.md").read_text()
    example = re.search(r"here `function_app/skills/(dice)\.py`.*?```python\n(.*?)```", page, re.DOTALL)
    assert example is not None
    (tmp_path / f"{example[1]}.py").write_text(example[2])
    monkeypatch.setattr(skills, "__path__", [*skills.__path__, str(tmp_path)])
    try:
        roll = functions()["RollDice"]
    finally:
        sys.modules.pop(f"skills.{example[1]}", None)

    assert json.loads(roll.get_raw_bindings()[0])["type"] == "assistantSkillTrigger"
    assert roll.get_user_function()("1") == "1"
