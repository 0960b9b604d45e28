"""A to-do list shared by all assistants of the deployment."""

import azure.functions as func
from assistants.rules import text_problems
from assistants.tables import todos
from assistants.tables.clients import Tables, current_tables

MAX_TASK_UNITS = 1000
MAX_TASKS = 50
# The result is stored in a row of the conversation: at most 32,768 UTF-16 units, JSON escapes included.
MAX_ANSWER_CHARACTERS = 12_000

skills = func.Blueprint()


@skills.function_name("AddTodo")
@skills.assistant_skill_trigger(  # pyright: ignore[reportUnknownMemberType] # its **kwargs have no type
    arg_name="taskDescription", function_description="Add a task to the to-do list"
)
def add_todo(taskDescription: str) -> str:  # noqa: N803 # the parameter name that the model sees
    return add(current_tables(), taskDescription or "")


@skills.function_name("GetTodos")
@skills.assistant_skill_trigger(  # pyright: ignore[reportUnknownMemberType] # as above
    arg_name="about",
    function_description="Get the tasks on the to-do list, newest first; with a word only those with it",
)
def get_todos(about: str) -> str:
    return matching(current_tables(), about or "")


def add(tables: Tables, task: str) -> str:
    """Store a task. Returns the outcome, also a rejection, for the model."""
    task = task.strip()
    problems = text_problems(task, MAX_TASK_UNITS) if task else ["is empty"]
    if problems:
        return f"Not added: the task {' and '.join(problems)}."
    todos.add(tables, task)
    return f"Added: {task}"


def matching(tables: Tables, about: str) -> str:
    """One task a line, newest first: at most MAX_TASKS lines and MAX_ANSWER_CHARACTERS characters."""
    word = about.strip().casefold()
    lines: list[str] = []
    characters_left = MAX_ANSWER_CHARACTERS
    for task in todos.newest(tables, None if word else MAX_TASKS + 1):
        line = "- " + " ".join(task.split())
        if word not in line.casefold():
            continue
        if len(lines) == MAX_TASKS or len(line) > characters_left:
            return "\n".join([*lines, "There are more tasks, which are older."])
        lines.append(line)
        characters_left -= len(line) + 1
    return "\n".join(lines) or "There are no tasks."
