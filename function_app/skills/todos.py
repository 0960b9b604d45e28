"""A to-do list that all assistants of the deployment share, in a table of its own."""

import azure.functions as func
from assistants.rules import text_problems
from assistants.tables import todos
from assistants.tables.clients import Tables, current_tables

MAX_TASK_UNITS = 1000
MAX_SHOWN = 50
# The result becomes a row of the conversation, which has at most 32,768 units; JSON's escapes count too.
MAX_ANSWER_CHARACTERS = 12_000

skills = func.Blueprint()


@skills.function_name("AddTodo")
@skills.assistant_skill_trigger(  # pyright: ignore[reportUnknownMemberType] # its **kwargs have no type
    arg_name="taskDescription", function_description="Add a task to the to-do list"
)
def add_todo(taskDescription: str) -> str:  # noqa: N803 # the name of the parameter that the model sees
    return add(current_tables(), taskDescription or "")


@skills.function_name("GetTodos")
@skills.assistant_skill_trigger(  # pyright: ignore[reportUnknownMemberType] # as above
    arg_name="about",
    function_description="Get the tasks on the to-do list, newest first; with a word only those that hold it",
)
def get_todos(about: str) -> str:
    return matching(current_tables(), about or "")


def add(tables: Tables, task: str) -> str:
    """Store one task. What cannot be stored is answered to the model, which can tell the user."""
    task = task.strip()
    problems = text_problems(task, MAX_TASK_UNITS) if task else ["is empty"]
    if problems:
        return f"Not added: the task {' and '.join(problems)}."
    todos.add(tables, task)
    return f"Added: {task}"


def matching(tables: Tables, about: str) -> str:
    """One task a line, the newest first: at most MAX_SHOWN, and MAX_ANSWER_CHARACTERS of all."""
    word = about.strip().casefold()
    lines: list[str] = []
    characters_left = MAX_ANSWER_CHARACTERS
    for task in todos.newest(tables, None if word else MAX_SHOWN + 1):
        line = "- " + " ".join(task.split())
        if word not in line.casefold():
            continue
        if len(lines) == MAX_SHOWN or len(line) > characters_left:
            return "\n".join([*lines, "There are more tasks, which are older."])
        lines.append(line)
        characters_left -= len(line) + 1
    return "\n".join(lines) or "There are no tasks."
