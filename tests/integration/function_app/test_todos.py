"""The to-do list in its table."""

import json

from assistants.tables.clients import Tables
from skills import todos

from tests.host_requests import SMILE


def test_tasks_are_listed_the_newest_first(tables: Tables) -> None:
    assert todos.matching(tables, "") == "There are no tasks."
    assert todos.add(tables, " buy milk ") == "Added: buy milk"
    assert todos.add(tables, "call\nMum " + SMILE) == f"Added: call\nMum {SMILE}"
    assert todos.matching(tables, "") == f"- call Mum {SMILE}\n- buy milk"
    assert todos.matching(tables, " MILK ") == "- buy milk"


def test_a_long_list_fits_into_the_row_that_it_becomes(tables: Tables) -> None:
    for number in range(60):
        todos.add(tables, f"task {number}")
    lines = todos.matching(tables, "").splitlines()
    assert (lines[0], len(lines), lines[-1]) == ("- task 59", 51, "There are more tasks, which are older.")

    for number in range(60):
        todos.add(tables, f"{number} " + "ä" * 990)
    text = todos.matching(tables, "")
    # The host writes the result as JSON in JSON, and the table counts UTF-16 units.
    assert len(json.dumps(text, ensure_ascii=False)) < 32_768 - 200
    assert len(text.splitlines()) == 13
    assert text.endswith("There are more tasks, which are older.")
