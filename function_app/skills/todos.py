"""A to-do list that all assistants of the deployment share, in a table of its own."""

import os
import time
from datetime import UTC, datetime
from typing import Any

import azure.functions as func
from assistants.checks import text_problems
from assistants.tables.clients import insert, tables

MAX_TASK_UNITS = 1000
MAX_SHOWN = 50
# The result becomes a row of the conversation, which has at most 32,768 units; JSON's escapes count too.
MAX_ANSWER_CHARACTERS = 12_000

_PARTITION = "todos"
_LAST = 10**20

skills = func.Blueprint()


@skills.function_name("AddTodo")
@skills.assistant_skill_trigger(  # pyright: ignore[reportUnknownMemberType] # its **kwargs have no type
    arg_name="taskDescription", function_description="Add a task to the to-do list"
)
def add_todo(taskDescription: str) -> str:  # noqa: N803 # the name of the parameter that the model sees
    return add(tables().todos, taskDescription or "")


@skills.function_name("GetTodos")
@skills.assistant_skill_trigger(  # pyright: ignore[reportUnknownMemberType] # as above
    arg_name="about",
    function_description="Get the tasks on the to-do list, newest first; with a word only those that hold it",
)
def get_todos(about: str) -> str:
    return listed(tables().todos, about or "")


def add(table: Any, task: str) -> str:
    """Store one task. What cannot be stored is answered to the model, which can tell the user."""
    task = task.strip()
    problems = text_problems(task, MAX_TASK_UNITS) if task else ["is empty"]
    if problems:
        return f"Not added: the task {' and '.join(problems)}."
    # Row keys sort in ascending order: the newest comes first.
    row_key = f"{_LAST - time.time_ns():020d}-{os.urandom(4).hex()}"
    insert(
        table,
        {"PartitionKey": _PARTITION, "RowKey": row_key, "Task": task, "CreatedAt": datetime.now(UTC)},
    )
    return f"Added: {task}"


def listed(table: Any, about: str) -> str:
    """One task a line, the newest first: at most MAX_SHOWN, and MAX_ANSWER_CHARACTERS of all."""
    from azure.core.exceptions import ResourceNotFoundError  # noqa: PLC0415 # tables/clients.py says why

    word = about.strip().casefold()
    lines: list[str] = []
    left = MAX_ANSWER_CHARACTERS
    try:
        for row in table.query_entities(
            "PartitionKey eq @partition",
            parameters={"partition": _PARTITION},
            select=["Task"],
            results_per_page=None if word else MAX_SHOWN + 1,
        ):
            line = "- " + " ".join(str(row["Task"]).split())
            if word not in line.casefold():
                continue
            if len(lines) == MAX_SHOWN or len(line) > left:
                return "\n".join([*lines, "There are more tasks, which are older."])
            lines.append(line)
            left -= len(line) + 1
    except ResourceNotFoundError:
        pass  # Core Tools: nothing has made the table yet
    return "\n".join(lines) or "There are no tasks."
